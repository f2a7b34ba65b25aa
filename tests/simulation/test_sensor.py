import numpy as np
import pytest

from defocus_depth.optics import to_linear
from defocus_depth.simulation.sensor import SensorOptions, expose


@pytest.mark.parametrize("signal", [0.01, 0.1, 0.5])
def test_noise_is_shot_and_read_noise(signal):
    options = SensorOptions(full_well_e=2000, read_noise_e=10)
    picture = expose(np.full((200, 200, 3), signal, np.float32), options, 0)
    electrons = 2000 * to_linear(picture.astype(np.float64) / 255, "srgb")
    assert electrons.mean() == pytest.approx(2000 * signal, rel=0.02)
    assert electrons.std() == pytest.approx(np.sqrt(2000 * signal + 100), rel=0.08)


def test_an_almost_noiseless_sensor_encodes_srgb_and_saturates():
    signal = np.array([[[0.0, 0.2140, 1.0], [0.0031308, 2.0, 50.0]]], np.float32)
    picture = expose(signal, SensorOptions(full_well_e=1e12, read_noise_e=0), 0)
    np.testing.assert_array_equal(picture, [[[0, 127, 255], [10, 255, 255]]])  # IEC 61966-2-1


def test_noise_is_fixed_by_the_seed():
    signal = np.full((8, 8, 3), 0.3, np.float32)
    first, again, other = (expose(signal, SensorOptions(), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
