"""From an image message to the maps that are published, without ROS: each step is done when its result is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..inference import EstimatorInfo
from ..inference.fusion_window import FusionLimits, FusionWindow
from ..messages.decode import DecodedImage
from ..messages.lens_setting import LensSetting, lens_of_crop
from ..optics import lens_constant_px_per_dpt
from ..types import AUTO_TRANSFER, DepthEstimate, FloatArray, ImageArray, LensParameters, Transfer
from .colors import depth_colors
from .parameters import DepthNodeParameters

MAX_MM = 65535
OTHER_LENS = 0.05  # change of f²/(N·p) from which on what was seen before is not fused


class DepthEstimator(Protocol):
    """What the pipeline needs of `inference.Estimator`."""

    @property
    def info(self) -> EstimatorInfo: ...

    def estimate(
        self,
        image: ImageArray,
        lens: LensParameters,
        focus_distance_m: float,
        *,
        transfer: Transfer,
        near_focus_m: float | None,
    ) -> DepthEstimate: ...

    def close(self) -> None: ...


class FrameMaps:
    """One frame's maps, (H, W) in the pixels of the input image; nothing is computed twice, or before it is read.

    Every property may raise what the estimator raises (ImageError, OpticsError, BackendError).
    """

    def __init__(
        self,
        decoded: DecodedImage,
        setting: LensSetting,
        parameters: DepthNodeParameters,
        estimator: DepthEstimator,
        window: FusionWindow,
    ) -> None:
        self._decoded = decoded
        self._setting = setting
        self._parameters = parameters
        self._estimator = estimator
        self._window = window

    @property
    def image(self) -> ImageArray:
        """RGB (H, W, 3) or mono (H, W)."""
        return self._decoded.array

    @property
    def width(self) -> int:
        """Px."""
        return self.image.shape[1]

    @property
    def height(self) -> int:
        """Px."""
        return self.image.shape[0]

    @property
    def transfer(self) -> Transfer:
        """As the parameter says, or as the encoding suggests."""
        asked = self._parameters.transfer
        return self._decoded.transfer if asked == AUTO_TRANSFER else asked  # type: ignore[return-value]

    @cached_property
    def estimate(self) -> DepthEstimate:
        """The dense estimate, before any masking; fused with the frames before it where the parameters ask for it."""
        setting = self._setting
        assert setting.focus_distance_m is not None  # `setting_at` skips frames of unknown focus
        single = self._estimator.estimate(
            self.image,
            setting.lens,
            setting.focus_distance_m,
            transfer=self.transfer,
            near_focus_m=setting.near_focus_m,
        )
        limits = FusionLimits(self._parameters.fusion_window, self._parameters.fusion_max_age_s)
        return single if limits.frames == 1 else self._window.fuse(self.image, single, limits)

    @cached_property
    def depth_m(self) -> FloatArray:
        """float32 metres along z; NaN where unknown or less confident than `min_confidence`, +inf beyond range."""
        depth_m = self.estimate.depth_m
        known = (depth_m > 0) & (self.estimate.confidence >= self._parameters.min_confidence)
        return np.where(known, depth_m, np.float32(np.nan))

    @property
    def depth_mm(self) -> ImageArray:
        """uint16 millimetres, 0 where unknown or beyond 65.535 m (REP 118)."""
        millimetres = np.rint(self.depth_m * np.float32(1000))
        return np.where(millimetres <= MAX_MM, millimetres, 0).astype(np.uint16)

    @property
    def coc_px(self) -> FloatArray:
        """float32 signed circle-of-confusion diameter, dense."""
        return self.estimate.coc_px

    @property
    def confidence(self) -> FloatArray:
        """float32 0..1, dense."""
        return self.estimate.confidence

    @property
    def color_bgr(self) -> ImageArray:
        """uint8 (H, W, 3)."""
        chosen = self._parameters
        return depth_colors(self.depth_m, chosen.color_min_m, chosen.color_max_m, chosen.colormap)

    @property
    def invalid_ratio(self) -> float | None:
        """Share of NaN in `depth_m`; None where no depth was asked for."""
        computed = self.__dict__.get("depth_m")
        return None if computed is None else float(np.isnan(computed).mean())


class DepthPipeline:
    """Holds what stays from frame to frame."""

    def __init__(self, estimator: DepthEstimator, decode: Callable[[Any], DecodedImage]) -> None:
        self._estimator = estimator
        self._decode = decode
        self._window = FusionWindow()
        self._lens_constant_px_per_dpt = 0.0

    def forget(self) -> None:
        """Fuse nothing of before with what comes."""
        self._window.clear()

    def process(
        self,
        message: Any,
        setting: LensSetting,
        parameters: DepthNodeParameters,
        full_width_px: Callable[[int], float] = float,
    ) -> FrameMaps:
        """Decode an image message; its maps are computed when they are read.

        Args:
            full_width_px: width of the uncropped image by the width of the image (see `lens_of_crop`).

        Raises:
            ImageError: the message does not decode.
        """
        decoded = self._decode(message)
        width_px = decoded.array.shape[1]
        lens = lens_of_crop(setting.lens, width_px, full_width_px(width_px))
        self._notice_lens(lens_constant_px_per_dpt(lens, width_px))
        cropped = dataclasses.replace(setting, lens=lens)
        return FrameMaps(decoded, cropped, parameters, self._estimator, self._window)

    def _notice_lens(self, constant_px_per_dpt: float) -> None:
        """Lenses that report focal length or f-number may do so a little differently for every focus."""
        if abs(constant_px_per_dpt - self._lens_constant_px_per_dpt) > OTHER_LENS * constant_px_per_dpt:
            self.forget()
            self._lens_constant_px_per_dpt = constant_px_per_dpt
