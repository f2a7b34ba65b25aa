"""The prefix-sum blur against brute-force averaging over the aperture, and its aperture shapes."""

import numpy as np
import pytest

from defocus_training.data.gather_blur import (
    SPAN_EXTENT,
    SPAN_ROWS,
    cats_eye_spans,
    disc_spans,
    gather_blur,
    polygon_spans,
)


def averaged_over_disc(layer: np.ndarray, coc_px: float, samples: int = 60_000) -> np.ndarray:
    """Plain twin: the mean of the piecewise constant layer at random points of the disc around the middle pixel."""
    rng = np.random.default_rng(0)
    radius, angle = coc_px / 2 * np.sqrt(rng.random(samples)), 2 * np.pi * rng.random(samples)
    centre = np.array(layer.shape[:2]) // 2
    rows = np.floor(centre[0] + 0.5 + radius * np.sin(angle)).astype(int)
    columns = np.floor(centre[1] + 0.5 + radius * np.cos(angle)).astype(int)
    return layer[rows, columns].mean(0)


@pytest.mark.parametrize("coc_px", [0.0, 0.7, 2.0, 5.0, 12.5, 27.0])
def test_blur_is_the_mean_over_the_disc(coc_px: float) -> None:
    layer = np.random.default_rng(1).random((41, 41, 4)).astype(np.float32)
    blurred = gather_blur(layer, np.full((41, 41), coc_px, np.float32), disc_spans(), 0)
    expected = averaged_over_disc(layer, max(coc_px, 1e-6))
    assert blurred[20, 20] == pytest.approx(expected, abs=0.06 if 0 < coc_px < 1.5 else 0.02)


def test_negative_blur_equals_positive_and_margin_is_cut() -> None:
    layer = np.random.default_rng(2).random((40, 48, 3)).astype(np.float32)
    coc = np.full((40, 48), 6.0, np.float32)
    positive = gather_blur(layer, coc, disc_spans(), 4)
    assert positive.shape == (32, 40, 3)
    np.testing.assert_array_equal(positive, gather_blur(layer, -coc, disc_spans(), 4))


def test_constant_layer_stays_constant_under_any_aperture() -> None:
    layer = np.full((48, 48, 1), 0.37, np.float32)
    coc = np.linspace(0, 20, 48 * 48, dtype=np.float32).reshape(48, 48)
    for spans in (disc_spans(), polygon_spans(5, 0.3), polygon_spans(8, 0.0), cats_eye_spans(0.4)):
        np.testing.assert_allclose(gather_blur(layer, coc, spans, 10), 0.37, atol=1e-4)


@pytest.mark.parametrize("blades", [5, 6, 8])
def test_polygon_has_the_area_of_the_unit_disc(blades: int) -> None:
    row_height = 2 * SPAN_EXTENT / (SPAN_ROWS - 1)
    spans = polygon_spans(blades, 0.4)
    assert ((spans[:, 1] - spans[:, 0]).sum() * row_height) == pytest.approx(np.pi, rel=0.02)


def test_cats_eye_is_a_part_of_the_disc() -> None:
    disc, eye = disc_spans(), cats_eye_spans(0.5)
    assert (eye[:, 1] <= disc[:, 1] + 1e-6).all() and (eye[:, 0] >= disc[:, 0] - 1e-6).all()
    assert (eye[:, 1] - eye[:, 0]).sum() < 0.8 * (disc[:, 1] - disc[:, 0]).sum()
