"""Frozen value types that the parts of defocus_depth hand to each other.

Units are in the names: metres `_m`, pixels `_px`, dioptres (1/m) `_dpt`, nanoseconds `_ns`. Images are
NumPy arrays (H, W, 3) RGB or (H, W) mono, uint8 or uint16, as delivered by the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import OpticsError

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[Any]
Affine2x3 = tuple[tuple[float, float, float], tuple[float, float, float]]
Transfer = Literal["srgb", "linear", "gamma"]
TRANSFERS: tuple[Transfer, ...] = ("srgb", "linear", "gamma")
AUTO_TRANSFER = "auto"
"""In options: the encoding that the pixel format suggests."""


@dataclass(frozen=True)
class LensParameters:
    """A thin lens in front of a sensor, as far as blur is concerned.

    Either `focal_length_m`, `f_number` and `pixel_pitch_m` are all given, or `blur_gain_px_per_dpt`
    (the lens constant f²/(N·p); with `focal_length_m` beside it the gain follows the focus distance,
    without it the gain is taken as constant).

    Attributes:
        focal_length_m: f, > 0.
        f_number: N, > 0.
        pixel_pitch_m: p, > 0, for an image `image_width_px` wide.
        blur_gain_px_per_dpt: f²/(N·p), > 0, for an image `image_width_px` wide.
        image_width_px: width of the full (uncropped) image for which pitch or gain hold;
            None: the width of whatever image the lens is used with.
        focus_offset_m: from where focus distances are counted forward to the entrance pupil
            (s = reported − offset). 0 for distances measured from the entrance pupil.
        psf_kappa: σ/|CoC| of a Gaussian stand-in for the point spread function, in (0, 1).

    Raises:
        OpticsError: a value is not finite and positive, or neither form is complete.
    """

    focal_length_m: float | None = None
    f_number: float | None = None
    pixel_pitch_m: float | None = None
    blur_gain_px_per_dpt: float | None = None
    image_width_px: int | None = None
    focus_offset_m: float = 0.0
    psf_kappa: float = 0.25

    def __post_init__(self) -> None:
        for name in ("focal_length_m", "f_number", "pixel_pitch_m", "blur_gain_px_per_dpt", "image_width_px"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise OpticsError(f"lens {name}: expected a finite number > 0, got {value!r}")
        if not math.isfinite(self.focus_offset_m):
            raise OpticsError(f"lens focus_offset_m: expected a finite number, got {self.focus_offset_m!r}")
        if not 0 < self.psf_kappa < 1:
            raise OpticsError(f"lens psf_kappa: expected a number in (0, 1), got {self.psf_kappa!r}")
        geometric = (self.focal_length_m, self.f_number, self.pixel_pitch_m)
        if self.blur_gain_px_per_dpt is None and None in geometric:
            raise OpticsError(
                "lens: expected focal_length_m, f_number and pixel_pitch_m, or blur_gain_px_per_dpt, "
                f"got focal_length_m={self.focal_length_m}, f_number={self.f_number}, "
                f"pixel_pitch_m={self.pixel_pitch_m}"
            )


@dataclass(frozen=True)
class CameraIntrinsics:
    """Pinhole intrinsics in pixels of an image of `width` x `height`; `distortion` is OpenCV's plumb_bob order."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    def scaled(self, width: int, height: int) -> CameraIntrinsics:
        """The same camera after resizing its image (pixel centres at integers, so c → (c+½)·r − ½)."""
        rx, ry = width / self.width, height / self.height
        return CameraIntrinsics(
            width,
            height,
            self.fx * rx,
            self.fy * ry,
            (self.cx + 0.5) * rx - 0.5,
            (self.cy + 0.5) * ry - 0.5,
            self.distortion,
        )


@dataclass(frozen=True)
class Frame:
    """One picture of a focal stack, as `stack.json` describes it (the pixels are read by `stacks`).

    Attributes:
        file: name inside the stack folder.
        focus_distance_m: metres from the entrance pupil, inf allowed; NaN where the stack is not metric.
        focus_coordinate: any number growing with dioptres, for stacks with unknown distances.
        to_reference: 2x3 affine that maps this frame's pixels onto the reference frame (focus breathing).
    """

    file: str
    focus_distance_m: float = math.nan
    focus_coordinate: float | None = None
    focus_position: float | None = None
    exposure_s: float | None = None
    gain: float | None = None
    stamp_ns: int | None = None
    temperature_c: float | None = None
    sharpness: float | None = None
    to_reference: Affine2x3 | None = None
    flags: tuple[str, ...] = ()
    repeat_of: int | None = None


@dataclass(frozen=True)
class FocalStack:
    """A focal-stack folder (schema 1): frames of one static scene, nearest focus first.

    Attributes:
        path: the folder.
        lens: None only where `metric` is False and the source knows no lens.
        metric: False: focus distances unknown; nothing computed from the stack is metres.
        ground_truth_depth: file name of float32 (H, W) metres z, NaN invalid, in the reference frame.
    """

    path: Path
    frames: tuple[Frame, ...]
    lens: LensParameters | None
    camera: CameraIntrinsics
    transfer: Transfer = "srgb"
    reference_frame: int = 0
    metric: bool = True
    ground_truth_depth: str | None = None
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def near_focus_m(self) -> float | None:
        """Focus distance of the first frame, as the lens reports it; None where unknown."""
        return self.frames[0].focus_distance_m if self.metric else None


@dataclass(frozen=True)
class DepthEstimate:
    """What one defocused image says of its scene; every map is float32 (H, W) in the input image's pixels.

    Attributes:
        depth_m: metres along z, > 0, dense (never masked).
        coc_px: signed circle-of-confusion diameter G·(F − 1/depth), px of the input image.
        defocus_px: |CoC| as measured by SDNet alone, px of the input image, ≥ 0.
        inv_depth_scale_dpt: Laplace scale b of the inverse depth, 1/m, > 0.
        confidence: P(max(d̂/d, d/d̂) < 1.25), 0..1.
        blur_gain_px_per_dpt: G used, for the input image's width.
        focus_dpt: F used.
        metric: False where focus distances were unknown: depth_m is then relative.
    """

    depth_m: FloatArray
    coc_px: FloatArray
    defocus_px: FloatArray
    inv_depth_scale_dpt: FloatArray
    confidence: FloatArray
    blur_gain_px_per_dpt: float
    focus_dpt: float
    metric: bool = True
