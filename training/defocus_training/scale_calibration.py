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
from defocus_depth.evaluation.dataset import Sample
from defocus_depth.stacks import find_stacks, load_registered_image, read_stack
from defocus_depth.types import FloatArray, FocalStack

from .networks import DefocusModel
from .networks.model import relative_median, upsample
from .working_input import InputForm, working_input

FACTORS = np.geomspace(0.5, 4.0, 61)
INTERVAL = 0.5
FITS_INSIDE = 0.6
"""Share of the fits' values that the 50 % intervals shall hold. Fits err where networks err, and networks are surer
than they should be of pictures unlike those of calibration: of exact depths, 4 to 14 % fewer lie in the same intervals
(two path-traced, a procedural, a macro and an RGB-D set, of which the first alone was calibrated on)."""


class Factors(NamedTuple):
    """`ModelOptions.median_factor` and `scale_factor`."""

    median: float
    scale: float


@dataclass(frozen=True)
class Reference:
    """One image as the estimator shows it to the networks, and what its stack's fit says of it.

    Attributes:
        image: (1, 3, H, W) 0..1, multiples of 32; the picture lies in the top left corner, the rest is reflected.
        gain_px_per_dpt, focus_dpt, nearest_dpt: the lens, G and F, and what the estimator says of the nearest depth.
        inverse_depth_dpt, weight: (h, w) of the picture, of the fit; weight 0..1.
    """

    image: Float[Tensor, "1 3 h w"]
    gain_px_per_dpt: float
    focus_dpt: float
    nearest_dpt: float
    inverse_depth_dpt: FloatArray
    weight: FloatArray


def references(stacks: Path, fits: Path) -> Iterator[Reference]:
    """The first frame of every stack in `stacks` that has a metric fit in `fits`, under its own name.

    It is brought into the reference frame's pixels, as the fit lies in them.

    Raises:
        ConfigError: none has, or a fit is not of its stack's size.
    """
    found = [stack for path in find_stacks(stacks) if _fit_of(stack := read_stack(path), fits).exists()]
    if not found:
        raise ConfigError(f"{fits}: expected fits of the stacks in {stacks} (<name>/depth.npy), got none")
    return (_reference(stack, fits) for stack in found)


def calibrate(model: DefocusModel, given: Iterable[Reference]) -> Factors:
    """The factors of least weighted error of depth against the fits, and of intervals that hold `FITS_INSIDE` of them.

    The error is |log(d̂/d)| + |d̂/d − 1|: by the first alone, which hardly depends on the factor, the relative error is
    4 % larger; the second alone would lean so far to the near side that blur is described worse.

    Raises:
        ConfigError: a factor beyond `FACTORS`.
    """
    seen = [(reference, *_predicted_dpt(model, reference)) for reference in given]
    median = float(FACTORS[np.argmin(np.sum([_depth_errors(*one) for one in seen], 0))])
    inside = np.sum([_inside(*one, median) for one in seen], 0)
    total = sum(float(reference.weight.sum()) for reference, _, _ in seen)
    return _checked(Factors(median, float(np.interp(FITS_INSIDE, inside / max(total, 1e-9), FACTORS))))


def _checked(factors: Factors) -> Factors:
    """Refuses the ends of the grid: the best factors lie beyond them, and such a model does not describe the fits."""
    least, largest = FACTORS[[0, -1]]
    if not all(least < factor < largest for factor in factors):
        raise ConfigError(
            f"calibration: expected fits that ask for factors between {least:g} and {largest:g}, got median "
            f"{factors.median:.3g} and scale {factors.scale:.3g}: the networks' depth is not that of these fits"
        )
    return factors


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
    height, width = reference.inverse_depth_dpt.shape
    gain = reference.gain_px_per_dpt
    lens_px = gain * torch.tensor([[reference.focus_dpt, reference.nearest_dpt]])
    _, inverse = model.measure_px(reference.image, lens_px)
    location, scale = (upsample(plane)[0, 0, :height, :width] / gain for plane in inverse)
    return location, scale


def _fit_of(stack: FocalStack, fits: Path) -> Path:
    return fits / stack.name / "depth.npy"


def _reference(stack: FocalStack, fits: Path) -> Reference:
    sample = _fitted_sample(stack, _fit_of(stack, fits))
    geometry, image, lens = working_input(sample, InputForm())
    gain, focus, nearest = map(float, lens[0])

    def of_picture(values: FloatArray) -> FloatArray:
        return geometry.to_working(values)[0, 0, : geometry.scaled_height, : geometry.scaled_width]

    weight = of_picture(np.load(fits / stack.name / "confidence.npy"))
    return Reference(
        torch.from_numpy(image), gain, focus, nearest, of_picture(np.float32(1) / sample.truth_depth_m), weight
    )


def _fitted_sample(stack: FocalStack, fit: Path) -> Sample:
    """The first frame in the pixels of the fit, whose depth stands for the truth."""
    assert stack.lens is not None  # a metric fit has one
    image, depth_m = load_registered_image(stack, 0, stack.reference_frame), np.load(fit)
    if depth_m.shape != image.shape[:2]:
        raise ConfigError(f"{fit}: expected depth of its stack's shape {image.shape[:2]}, got {depth_m.shape}")
    return Sample(stack.name, stack.name, image, stack.lens, stack.frames[0].focus_distance_m, depth_m, stack.transfer)
