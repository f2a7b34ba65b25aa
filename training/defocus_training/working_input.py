"""Pictures as the estimator gives them to the networks: at a working size, in the model's encoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from defocus_depth.evaluation.dataset import Sample
from defocus_depth.inference import EstimatorConfig, WorkingGeometry, choose_geometry
from defocus_depth.inference.pixels import to_unit_floats
from defocus_depth.inference.working_size import blur_span_px
from defocus_depth.optics import lens_constant_px_per_dpt
from defocus_depth.types import FloatArray, Transfer


@dataclass(frozen=True)
class InputForm:
    """What a model's sidecar says of its input, as every export writes it."""

    sizes: tuple[tuple[int, int], ...] = ((256, 320), (128, 160), (192, 256), (320, 416), (384, 512), (480, 640))
    """(height, width); the first is loaded before any image is seen."""
    transfer: Transfer = "srgb"
    max_coc_px: float = 24.0


class WorkingInput(NamedTuple):
    """The graph's inputs, `image` (1, 3, H, W) and `lens` (1, 3), and how the picture lies in the image."""

    geometry: WorkingGeometry
    image: FloatArray
    lens: FloatArray


def working_input(sample: Sample, form: InputForm) -> WorkingInput:
    """What an `Estimator` with the default configuration shows the networks of a sample.

    Raises:
        ImageError, OpticsError: as `Estimator.estimate`.
    """
    config, (height, width) = EstimatorConfig(), sample.image.shape[:2]
    constant = lens_constant_px_per_dpt(sample.lens, width)
    span_px = blur_span_px(constant, config.nearest_m(sample.focus_distance_m), config.depth_max_m)
    geometry = choose_geometry((height, width), span_px, form.sizes, form.max_coc_px)
    values = to_unit_floats(sample.image, sample.transfer, form.transfer)
    lens = config.lens_input(sample.blur_gain_px_per_dpt * geometry.scale, sample.focus_dpt)
    return WorkingInput(geometry, geometry.to_working(values), lens)
