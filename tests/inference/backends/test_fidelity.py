"""The fidelity gate: sees what reduced precision breaks, and lets pass what is the same network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError
from defocus_depth.inference import BackendRequest, load_backend
from defocus_depth.inference.backends import fidelity
from defocus_depth.inference.backends.fidelity import LIMITS, compare, gate_inputs, reference_backend, require_fidelity


def maps_of(image: np.ndarray, lens: np.ndarray) -> dict[str, np.ndarray]:
    depth = 0.5 + image.mean(axis=1, keepdims=True)
    coc = lens[0, 0] * (lens[0, 1] - 1 / depth)
    return {"depth": depth, "coc": coc, "defocus": np.abs(coc), "confidence": depth / 2, "inv_depth_scale": depth}


def spoilt(change: Callable[[dict[str, np.ndarray], int], None]) -> fidelity.Run:
    calls = iter(range(100))

    def run(image: np.ndarray, lens: np.ndarray) -> dict[str, np.ndarray]:
        maps = maps_of(image, lens)
        change(maps, next(calls))
        return maps

    return run


def test_the_same_maps_are_no_different():
    fidelity = compare(maps_of, maps_of, gate_inputs(64, 96))
    assert astuple(fidelity) == (0,) * 7
    for precision in LIMITS:
        require_fidelity(fidelity, precision)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda maps, n: maps.update(depth=maps["depth"] * np.float32(1.1)), "scale 0.1, at most 0.01"),
        (lambda maps, n: maps.update(depth=maps["depth"] * np.float32(1 + 0.009 * (n - 1))), "scale_spread 0.018"),
        (lambda maps, n: np.put(maps["depth"], 5, np.nan), "not_finite"),
        (lambda maps, n: np.put(maps["confidence"], 5, np.inf), "not_finite"),
        (lambda maps, n: maps.update(coc=maps["coc"] + 1), "coc_px 1, at most"),
        (lambda maps, n: maps.update(confidence=maps["confidence"] + np.float32(0.2)), "confidence 0.2, at most"),
    ],
)
def test_what_reduced_precision_breaks_is_seen(change, named: str):
    fidelity = compare(spoilt(change), maps_of, gate_inputs(64, 96))
    with pytest.raises(BackendError, match=f"f16 engine differs from the CPU's float32 maps: .*{named}"):
        require_fidelity(fidelity, "f16")


def test_half_precision_rounding_passes():
    def rounding(maps: dict[str, np.ndarray], call: int) -> None:
        for name in maps:
            maps[name] = maps[name].astype(np.float16).astype(np.float32)

    require_fidelity(compare(spoilt(rounding), maps_of, gate_inputs(64, 96)), "f16")


@pytest.mark.parametrize("size", [(64, 96), (256, 320), (320, 256), (480, 640)])
def test_packaged_frames_at_any_working_size(size: tuple[int, int]):
    inputs = gate_inputs(*size)
    assert len(inputs) >= 3
    for image, lens in inputs:
        assert image.shape == (1, 3, *size) and image.dtype == np.float32 and image.flags.c_contiguous
        assert 0 <= image.min() < 0.3 < 0.6 < image.max() <= 1
        scale = min(1, max(size[0] / 240, size[1] / 320))
        np.testing.assert_allclose(lens, [[7.797 * scale, 2.857, 2.857]], rtol=1e-6)


def test_frames_that_are_missing_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(fidelity, "FRAMES", tmp_path)
    with pytest.raises(BackendError, match=r"expected the frames gate_\*.png of the package, found none"):
        gate_inputs(64, 96)


def test_the_reference_is_float32_on_the_cpu(tiny_model: Path, request_for: Callable[..., BackendRequest]):
    request = request_for(tiny_model, precision="auto")
    image, lens = gate_inputs(64, 96)[0]
    expected = load_backend("onnxruntime", request).run(image, lens)
    for name, values in reference_backend(request).run(image, lens).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-4)


def test_without_a_cpu_backend_there_is_nothing_to_compare_with(
    tiny_model: Path, request_for: Callable[..., BackendRequest], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fidelity, "REFERENCES", ("torch",))
    with pytest.raises(BackendUnavailableError, match="expected a CPU backend to compare with: torch: "):
        reference_backend(request_for(tiny_model))
