"""The networks see in calibration what an estimator shows them."""

import numpy as np
import pytest

from defocus_depth.evaluation.dataset import Sample
from defocus_depth.inference import OUTPUT_NAMES, Estimator, EstimatorConfig, load_artifact
from defocus_depth.types import FloatArray, LensParameters, Transfer
from defocus_training.working_input import InputForm, working_input

LENS = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)


class Recorder:
    """A backend that keeps what it is given."""

    name, precision = "recorder", "f32"

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        self.seen = image.copy(), lens.copy()
        return {name: np.ones((1, 1, *image.shape[2:]), np.float32) for name in OUTPUT_NAMES}

    def close(self) -> None:
        pass


@pytest.mark.parametrize("focus_m", [0.25, 0.35, 2.0, float("inf")])
@pytest.mark.parametrize(
    ("shape", "dtype", "transfer"),
    [((240, 320, 3), "u1", "srgb"), ((700, 930, 3), "u1", "gamma"), ((960, 540), "u2", "linear")],
)
def test_it_is_the_estimators(
    shape: tuple[int, ...], dtype: str, transfer: Transfer, focus_m: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Recorder()
    monkeypatch.setattr("defocus_depth.inference.estimator.load_backend", lambda *_: backend)
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    Estimator(load_artifact(), "recorder", EstimatorConfig()).estimate(image, LENS, focus_m, transfer=transfer)
    given = working_input(Sample("", "", image, LENS, focus_m, np.ones(shape[:2], np.float32), transfer), InputForm())
    np.testing.assert_array_equal(given.image, backend.seen[0])
    np.testing.assert_allclose(given.lens, backend.seen[1], rtol=1e-6)


def test_the_released_model_takes_what_exports_say() -> None:
    sidecar = load_artifact().sidecar
    assert InputForm(sidecar.sizes, sidecar.transfer, sidecar.max_coc_px) == InputForm()
