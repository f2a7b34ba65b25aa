"""Two factors on the predicted Laplace scale, so that depths and intervals on a new camera hold what they promise.

Networks are surer of pictures than they should be once the pictures are not those they learned from. The per-stack fit,
which sees all frames and no label, tells by how much: one factor for the depth of least relative error, whose distance
from the location grows with the scale, the other for the intervals about it. Source of the idea: temperature scaling,
Guo et al., arXiv 1706.04599; here for a regression's scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from defocus_depth.errors import ConfigError
from defocus_depth.inference import EstimatorConfig
from defocus_depth.optics import blur_gain_px_per_dpt, focus_distance_m, focus_dpt
from defocus_depth.stacks import find_stacks, load_image, read_stack
from defocus_depth.types import FloatArray, FocalStack

from .networks import DefocusModel
from .networks.model import relative_median, upsample

FACTORS = np.geomspace(0.5, 4.0, 61)
INTERVAL = 0.5
FITS_INSIDE = 0.6
"""Share of the fits' values that the 50 % intervals shall hold. Fits err where networks err, and networks are surer
than they should be of pictures unlike those of calibration: of exact depths, 4 to 14 % fewer lie in the same intervals
(two path-traced, a procedural, a macro and an RGB-D set, of which the first alone was calibrated on)."""
_MULTIPLE = 32


class Factors(NamedTuple):
    """`ModelOptions.median_factor` and `scale_factor`."""

    median: float
    scale: float


@dataclass(frozen=True)
class Reference:
    """One image and what its stack's fit says of it.

    Attributes:
        image: (1, 3, H, W) 0..1.
        gain_px_per_dpt, focus_dpt, nearest_dpt: the lens, G and F, and what the estimator says of the nearest depth.
        inverse_depth_dpt, weight: (H, W), of the fit; weight 0..1.
    """

    image: Float[Tensor, "1 3 h w"]
    gain_px_per_dpt: float
    focus_dpt: float
    nearest_dpt: float
    inverse_depth_dpt: FloatArray
    weight: FloatArray


def references(stacks: Path, fits: Path) -> Iterator[Reference]:
    """The first frame of every stack in `stacks` that has a metric fit in `fits`, under its own name.

    Raises:
        ConfigError: none has.
    """
    found = [stack for path in find_stacks(stacks) if _fit_of(stack := read_stack(path), fits).exists()]
    if not found:
        raise ConfigError(f"{fits}: expected fits of the stacks in {stacks} (<name>/depth.npy), got none")
    return (_reference(stack, fits) for stack in found)


def calibrate(model: DefocusModel, given: Iterable[Reference]) -> Factors:
    """The factors of least weighted error of depth against the fits, and of intervals that hold `FITS_INSIDE` of them.

    The error is |log(d̂/d)| + |d̂/d − 1|: by the first alone, which hardly depends on the factor, the relative error is
    4 % larger; the second alone would lean so far to the near side that blur is described worse.
    """
    seen = [(reference, *_predicted_dpt(model, reference)) for reference in given]
    median = float(FACTORS[np.argmin(np.sum([_depth_errors(*one) for one in seen], 0))])
    inside = np.sum([_inside(*one, median) for one in seen], 0)
    total = sum(float(reference.weight.sum()) for reference, _, _ in seen)
    return Factors(median, float(np.interp(FITS_INSIDE, inside / max(total, 1e-9), FACTORS)))


def _depth_errors(reference: Reference, location: Tensor, scale: Tensor) -> list[float]:
    """Weighted sum of |log(d̂/d)| + |d̂/d − 1| of the depth published with each factor."""
    ratios = [reference.inverse_depth_dpt / relative_median(location, factor * scale).numpy() for factor in FACTORS]
    return [float((reference.weight * (np.abs(np.log(ratio)) + np.abs(ratio - 1))).sum()) for ratio in ratios]


def _inside(reference: Reference, location: Tensor, scale: Tensor, median_factor: float) -> list[float]:
    """Weight within the interval of each factor, which grows with it."""
    inverse_depth = relative_median(location, median_factor * scale).numpy()
    errors = np.abs(inverse_depth - reference.inverse_depth_dpt)
    half_width = scale.numpy() * -math.log(1 - INTERVAL)
    return [float(reference.weight[errors < factor * half_width].sum()) for factor in FACTORS]


@torch.no_grad()
def _predicted_dpt(model: DefocusModel, reference: Reference) -> tuple[Tensor, Tensor]:
    """Location and scale of the inverse depth, (H, W), before any factor."""
    height, width = reference.image.shape[-2:]
    padding = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    image = torch.nn.functional.pad(reference.image, padding, mode="reflect")
    gain = reference.gain_px_per_dpt
    lens_px = gain * torch.tensor([[reference.focus_dpt, reference.nearest_dpt]])
    _, inverse = model.measure_px(image, lens_px)
    location, scale = (upsample(plane)[0, 0, :height, :width] / gain for plane in inverse)
    return location, scale


def _fit_of(stack: FocalStack, fits: Path) -> Path:
    return fits / stack.name / "depth.npy"


def _reference(stack: FocalStack, fits: Path) -> Reference:
    assert stack.lens is not None  # a metric fit has one
    image, lens = load_image(stack, 0), stack.lens
    focus = focus_dpt(stack.frames[0].focus_distance_m, lens)
    encoded = image.astype(np.float32) / np.iinfo(image.dtype).max
    planes = np.broadcast_to(encoded.reshape(*image.shape[:2], -1), (*image.shape[:2], 3)).transpose(2, 0, 1)
    return Reference(
        torch.from_numpy(np.ascontiguousarray(planes))[None],
        float(blur_gain_px_per_dpt(lens, focus, image.shape[1])),
        float(focus),
        EstimatorConfig().nearest_possible_dpt(focus_distance_m(float(focus))),
        1 / np.load(_fit_of(stack, fits)),
        np.load(fits / stack.name / "confidence.npy"),
    )
