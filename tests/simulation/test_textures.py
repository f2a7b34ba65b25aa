import cv2
import numpy as np
import pytest

from defocus_depth.errors import ImageError
from defocus_depth.simulation.patterns import power_noise
from defocus_depth.simulation.textures import FAMILIES, TEXTURE_SIZE, find_photos, load_photo, make_texture


@pytest.mark.parametrize("family", FAMILIES)
def test_textures_are_fixed_by_their_seed(family):
    first, again, other = (make_texture(np.random.default_rng(seed), family) for seed in (1, 1, 2))
    assert first.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3) and first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.isfinite(first).all() and first.min() >= 0 and first.std() > 0


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"glyphs", "sparkles"}))
def test_patterns_wrap_around(family):
    """The step across the border is like the steps inside."""
    for seed in range(4):
        field = FAMILIES[family][0](np.random.default_rng(seed), 256)
        inside = max(
            np.abs(np.diff(field, axis=0)).mean(axis=1).max(), np.abs(np.diff(field, axis=1)).mean(axis=0).max()
        )
        border = max(np.abs(field[0] - field[-1]).mean(), np.abs(field[:, 0] - field[:, -1]).mean())
        assert border <= 1.5 * inside + 1e-3


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_noise_has_the_spectrum_it_says(beta):
    power = np.mean(
        [np.abs(np.fft.fft2(power_noise(np.random.default_rng(s), 256, beta))) ** 2 for s in range(8)], axis=0
    )
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    low, high = (power[(radius > f) & (radius < 1.2 * f)].mean() for f in (0.02, 0.16))
    assert np.log2(low / high) / 3 == pytest.approx(beta, abs=0.35)


def test_photos_become_linear_square_textures(tmp_path):
    picture = np.full((100, 160, 3), (10, 60, 200), np.uint8)  # BGR
    assert cv2.imwrite(str(tmp_path / "wide.png"), picture)
    texture = load_photo(tmp_path / "wide.png")
    assert texture.shape == (TEXTURE_SIZE, TEXTURE_SIZE, 3)
    assert texture[7, 9] == pytest.approx([0.5776, 0.0452, 0.0030], abs=1e-3)  # sRGB 200, 60, 10 decoded by hand
    assert find_photos(tmp_path) == [tmp_path / "wide.png"]


def test_a_folder_without_photos_and_a_broken_photo_are_refused(tmp_path):
    with pytest.raises(ImageError, match="expected a folder with pictures"):
        find_photos(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="broken.jpg: expected a picture"):
        load_photo(tmp_path / "broken.jpg")
