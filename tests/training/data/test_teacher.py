"""The teacher finds the depth of textured surfaces from frames alone."""

import numpy as np
import pytest

from defocus_training.data.gather_blur import disc_spans, gather_blur
from defocus_training.data.teacher import teach
from defocus_training.data.textures import spectral_noise

FOCUS_PX = np.array([22.0, 18.0, 13.0, 9.0, 5.0, 1.0], np.float32)


def stack_of_plane(inverse_depth_px: np.ndarray, noise: float = 0.002, texture: float = 1.0) -> np.ndarray:
    """Frames (K, n, n, 3) of one textured grey surface, blurred by exact discs."""
    margin, size = 16, inverse_depth_px.shape[0]
    rng = np.random.default_rng(5)
    surface = 0.4 + texture * (spectral_noise(rng, size, 0.8) - 0.5)
    layer = surface[..., None].astype(np.float32)
    frames = [gather_blur(layer, focus - inverse_depth_px, disc_spans(), margin)[..., 0] for focus in FOCUS_PX]
    noisy = np.stack(frames) + rng.normal(0, noise, (len(FOCUS_PX), size - 2 * margin, size - 2 * margin))
    return noisy[..., None].repeat(3, 3).astype(np.float32)


@pytest.mark.parametrize("u_px", [3.0, 7.3, 11.0, 16.4, 20.0])
def test_finds_the_inverse_depth_of_a_textured_plane(u_px: float) -> None:
    taught = teach(stack_of_plane(np.full((112, 112), u_px, np.float32)), FOCUS_PX)
    error = np.abs(taught.inverse_depth_px - u_px)[8:-8, 8:-8]
    assert np.median(error) < 0.3  # hypotheses are 0.4 px apart; smoothing favours them over what lies between
    assert np.mean(error) < 0.5


def test_follows_a_slanted_plane() -> None:
    u = np.linspace(4, 19, 128, dtype=np.float32)[None].repeat(128, 0)
    taught = teach(stack_of_plane(u), FOCUS_PX)
    error = np.abs(taught.inverse_depth_px - u[16:-16, 16:-16])[8:-8, 8:-8]
    assert np.median(error) < 0.4


def test_says_that_it_does_not_know_where_there_is_no_texture() -> None:
    u = np.full((112, 112), 9.0, np.float32)
    textured = teach(stack_of_plane(u), FOCUS_PX).deviation_px
    plain = teach(stack_of_plane(u, texture=0.0), FOCUS_PX).deviation_px
    assert np.median(plain) > 4 * np.median(textured)
