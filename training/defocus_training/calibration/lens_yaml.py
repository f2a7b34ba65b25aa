"""From a calibration to the lens file that nodes and commands read."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Any

from defocus_depth.optics.lens_file import LensFile
from defocus_depth.types import CameraIntrinsics, LensParameters

from .calibration import Calibration


@dataclass(frozen=True)
class CalibrationFacts:
    """What a lens file says beside the numbers.

    Attributes:
        near_focus_m: the lens's usual focus (m); None: the nearest that was calibrated.
        temperature_c: None: unknown.
        device: driver and camera.
        reprojection_error_px: of the intrinsics; None: not calibrated here.
    """

    camera: CameraIntrinsics
    near_focus_m: float | None = None
    temperature_c: float | None = None
    device: str = ""
    reprojection_error_px: float | None = None


def lens_file_of(calibration: Calibration, facts: CalibrationFacts) -> LensFile:
    """The lens file of a calibration."""
    fit = calibration.fit
    lens = LensParameters(
        focal_length_m=round(fit.focal_length_m, 6) or None,
        blur_gain_px_per_dpt=round(calibration.gain_px_per_dpt, 5),
        image_width_px=facts.camera.width,
        psf_kappa=round(calibration.psf.kappa, 4),
    )
    nearest_m = 1 / max(calibration.curve.dioptres)
    near_focus_m = facts.near_focus_m or math.ceil(nearest_m * 1000) / 1000
    return LensFile(lens, near_focus_m, facts.camera, calibration.curve, _facts(calibration, facts))


def _facts(calibration: Calibration, facts: CalibrationFacts) -> dict[str, Any]:
    fit, scale, psf = calibration.fit, calibration.scale, calibration.psf
    found = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "device": facts.device or None,
        "temperature_c": facts.temperature_c,
        "residual_px": fit.residual_px / scale,
        "residual_dpt": math.hypot(calibration.curve_residual_dpt, fit.residual_px / fit.gain_px_per_dpt),
        "gain_relative_error": calibration.relative_gain_error,
        "focus_error_dpt": float(max(error for error in fit.focus_error_dpt if math.isfinite(error))),
        "field_curvature_dpt": fit.field_curvature_dpt,
        "psf_shape": psf.shape,
        "psf_disc_residual": psf.disc_residual,
        "psf_gaussian_residual": psf.gaussian_residual,
        "reprojection_error_px": facts.reprojection_error_px,
    }
    known = {name: value for name, value in found.items() if value is not None and value == value}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in known.items()}
