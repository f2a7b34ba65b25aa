"""The methods that can be evaluated, each as a function from a `Sample` to a `Prediction`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import ConfigError
from ..inference.fusion_window import same_focus
from ..optics import focus_distances_dpt
from ..stacks import load_registered_image
from ..types import FloatArray, FocalStack
from .baselines import ImageBlur, depth_from_focus, median_depth_m, zhuo_sim_depth
from .dataset import Sample
from .metrics import DepthMaps

if TYPE_CHECKING:
    from ..inference import Estimator

MethodName = Literal["network", "constant", "dff_sml", "zhuo_sim"]


@dataclass(frozen=True)
class Prediction:
    """Depth (m) and signed CoC (px) of a sample's image.

    Attributes:
        confidence: (H, W) 0..1, where the method has one.
        inv_depth_scale_dpt: (H, W) Laplace scale of the inverse depth, 1/m, where the method has one.
    """

    maps: DepthMaps
    confidence: FloatArray | None = None
    inv_depth_scale_dpt: FloatArray | None = None


Predict = Callable[[Sample], Prediction]


def network_method(estimator: Estimator) -> Predict:
    """One image through the network."""

    def predict(sample: Sample) -> Prediction:
        estimate = estimator.estimate(
            sample.image,
            sample.lens,
            sample.focus_distance_m,
            transfer=sample.transfer,
            near_focus_m=sample.near_focus_m,
        )
        maps = DepthMaps(estimate.depth_m, estimate.coc_px)
        return Prediction(maps, estimate.confidence, estimate.inv_depth_scale_dpt)

    return predict


def fused_method(estimator: Estimator) -> Predict:
    """The frames of the sample's stack through the network, fused in the sample's pixels (`inference.fusion`).

    One frame per focus: what captures repeat at their end, and frames at the focus of another one, are left out.

    Raises (from the function it returns):
        ConfigError: the sample is no frame of a focal stack.
    """

    def predict(sample: Sample) -> Prediction:
        from ..inference.fusion import fuse_estimates  # its compiler is loaded when it is needed

        if sample.origin is None:
            raise ConfigError(f"frames fused: expected a frame of a focal stack, got {sample.name}")
        stack, target = sample.origin.stack, sample.origin.index
        chosen = distinct_frames(stack, target)
        estimates = [
            estimator.estimate(
                load_registered_image(stack, index, target),
                sample.lens,
                stack.frames[index].focus_distance_m,
                transfer=sample.transfer,
                near_focus_m=sample.near_focus_m,
            )
            for index in chosen
        ]
        fused = fuse_estimates(estimates, chosen.index(target))
        return Prediction(DepthMaps(fused.depth_m, fused.coc_px), fused.confidence, fused.inv_depth_scale_dpt)

    return predict


def distinct_frames(stack: FocalStack, target: int) -> list[int]:
    """The frames of a metric stack that each show a focus of their own, in its order; `target` is always among them."""
    foci_dpt = focus_distances_dpt([frame.focus_distance_m for frame in stack.frames], stack.lens)
    kept = [target]
    for index, frame in enumerate(stack.frames):
        seen = any(same_focus(foci_dpt[index], foci_dpt[other]) for other in kept)
        if frame.repeat_of is None and not seen:
            kept.append(index)
    return sorted(kept)


def constant_method(truths_m: Iterable[FloatArray]) -> Predict:
    """The median of all true depths, for every pixel."""
    depth_m = median_depth_m(truths_m)
    return lambda sample: _from_depth(sample, np.full(sample.image.shape[:2], depth_m, np.float32))


def zhuo_sim_method() -> Predict:
    """Edge blur of one image (`baselines.zhuo_sim`)."""

    def predict(sample: Sample) -> Prediction:
        blur = ImageBlur(sample.blur_gain_px_per_dpt, sample.focus_dpt, sample.lens.psf_kappa)
        return _from_depth(sample, zhuo_sim_depth(sample.image, blur, sample.transfer))

    return predict


def depth_from_focus_method() -> Predict:
    """Depth from focus over all frames of the sample's stack (`baselines.depth_from_focus`).

    Raises (from the function it returns):
        ConfigError: the sample is no frame of a focal stack.
    """

    def predict(sample: Sample) -> Prediction:
        if sample.origin is None:
            raise ConfigError(f"dff_sml: expected a frame of a focal stack, got {sample.name}")
        stack, target = sample.origin.stack, sample.origin.index
        images = [load_registered_image(stack, index, target) for index in range(len(stack.frames))]
        foci_dpt = focus_distances_dpt([frame.focus_distance_m for frame in stack.frames], sample.lens)
        return _from_depth(sample, depth_from_focus(images, foci_dpt, sample.blur_gain_px_per_dpt))

    return predict


def _from_depth(sample: Sample, depth_m: FloatArray) -> Prediction:
    return Prediction(DepthMaps(depth_m, sample.coc_px(depth_m)))
