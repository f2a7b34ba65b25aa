"""From blur of targets at known depths to the focus scale and the lens constant: one least-squares problem.

At actuator position j a target at inverse depth D has blur |c| = A·g(F_j)·|F_j + φ·r² − D|, with the lens constant
A = f²/(N·p), g(F) = 1/(1 − f·F), and field curvature φ over the radius r. Two different D at one position already tell
A and F_j; all of them together do so well. The focal length is fitted too unless it is known: it tells how the gain
grows towards near focus, which for lenses that focus by inner groups need not be the f of the data sheet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from defocus_depth.errors import ConfigError

Vector = npt.NDArray[np.float64]
_LEAST_BLUR_PX, _LEAST_SPREAD_DPT = 1.0, 0.15
_NOISE_PX, _NOISE_SHARE = 0.03, 0.004
_HEAD = 3  # parameters before the focus of each position
_SIGNIFICANT = 3.0  # standard errors
_NORMAL_OVER_MEDIAN = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_OUTLIER = 3.0  # in units of the noise, from where on residuals count less and less


@dataclass(frozen=True)
class BlurSamples:
    """Measured blur, one entry per tile of a picture; arrays (N,).

    Attributes:
        step: index of the actuator's position.
        inverse_depth_dpt: of the target there.
        radius: distance of the tile from the image's centre over half the diagonal.
        size_px: blur diameter.
    """

    step: npt.NDArray[np.intp]
    inverse_depth_dpt: Vector
    radius: Vector
    size_px: Vector

    def where(self, chosen: npt.NDArray[np.bool_]) -> BlurSamples:
        """Some of the samples."""
        return BlurSamples(self.step[chosen], self.inverse_depth_dpt[chosen], self.radius[chosen], self.size_px[chosen])


@dataclass(frozen=True)
class LensFit:
    """What the samples say.

    Attributes:
        gain_px_per_dpt: lens constant A, px per dioptre of the measured pictures.
        focus_dpt: F_j of each position, (J,); NaN where nothing was measured.
        gain_error, focus_error_dpt: standard errors.
        field_curvature_dpt: φ, change of focus from the image's centre to its corner; and its standard error.
        residual_px: root mean square over the samples.
        focal_length_m: as given, or fitted; 0: the gain does not grow measurably.
    """

    gain_px_per_dpt: float
    gain_error: float
    focus_dpt: Vector
    focus_error_dpt: Vector
    field_curvature_dpt: float
    field_curvature_error_dpt: float
    residual_px: float
    focal_length_m: float = 0.0

    def blur_px(self, samples: BlurSamples) -> Vector:
        """Signed blur that the fit expects of each sample; negative nearer than the focus."""
        head = [self.gain_px_per_dpt, self.field_curvature_dpt, self.focal_length_m]
        return _signed_blur(np.concatenate([head, self.focus_dpt]), samples)

    def diameter_px(self, focus_dpt: Vector, inverse_depth_dpt: Vector | float) -> Vector:
        """Blur diameter in the image's centre."""
        return np.abs(self.gain_px_per_dpt / (1 - self.focal_length_m * focus_dpt) * (focus_dpt - inverse_depth_dpt))


def fit_lens(samples: BlurSamples, start_dpt: Vector, focal_length_m: float = 0.0) -> LensFit:
    """Fit gain, focus of each position, field curvature and, unless it is known, the focal length.

    Args:
        start_dpt: rough focus of each position (J,), monotone.
        focal_length_m: 0: unknown.

    Raises:
        ConfigError: targets at one depth only, or too few samples.
    """
    usable = samples.where(np.isfinite(samples.size_px) & (samples.size_px > _LEAST_BLUR_PX))
    _check_spread(usable, len(start_dpt))
    start = np.concatenate([[_rough_gain(usable, start_dpt), 0.0, focal_length_m], start_dpt])
    fitted, errors = _solved(usable, start, fixed=(2,) if focal_length_m else ())
    if not focal_length_m and fitted[2] < _SIGNIFICANT * errors[2]:
        fitted, errors = _solved(usable, start, fixed=(2,))
    seen = np.isin(np.arange(len(start_dpt)), usable.step)
    misses_px = np.abs(_signed_blur(fitted, usable)) - usable.size_px
    return LensFit(
        gain_px_per_dpt=float(fitted[0]),
        gain_error=float(errors[0]),
        focus_dpt=np.where(seen, fitted[_HEAD:], np.nan),
        focus_error_dpt=np.where(seen, errors[_HEAD:], np.nan),
        field_curvature_dpt=float(fitted[1]),
        field_curvature_error_dpt=float(errors[1]),
        residual_px=float(np.sqrt(np.mean(misses_px**2))),
        focal_length_m=float(fitted[2]),
    )


def _solved(samples: BlurSamples, start: Vector, fixed: tuple[int, ...]) -> tuple[Vector, Vector]:
    """Parameters of least squares and their standard errors; `fixed` ones stay as they are, without error."""
    free = np.setdiff1d(np.arange(len(start)), fixed)
    noise = _NOISE_PX + _NOISE_SHARE * samples.size_px

    def complete(values: Vector) -> Vector:
        parameters = start.copy()
        parameters[free] = values
        return parameters

    def residuals(values: Vector) -> Vector:
        return (np.abs(_signed_blur(complete(values), samples)) - samples.size_px) / noise

    values = start[free]
    for loss in ("soft_l1", "cauchy"):  # the second disregards wrong tiles altogether, and needs a good start
        found = least_squares(residuals, values, loss=loss, f_scale=_OUTLIER, x_scale=_typical(start)[free])
        values = found.x
    typical = _NORMAL_OVER_MEDIAN * float(np.median(np.abs(residuals(values))))
    errors = np.zeros_like(start)
    errors[free] = _standard_errors(found.jac, typical**2)
    return complete(values), errors


def _typical(start: Vector) -> Vector:
    """How much parameters change: the gain by itself, curvature and focus by a tenth of a dioptre, f by millimetres."""
    scale = np.full_like(start, 0.1)
    scale[0], scale[2] = start[0], 5e-3
    return scale


def rough_focus(positions: Vector, sharpest: Vector, inverse_depths_dpt: Vector) -> Vector:
    """Focus of each position by a line through the positions at which targets were sharpest.

    Raises:
        ConfigError: targets at one depth, or sharpest at the same position.
    """
    if np.ptp(inverse_depths_dpt) < _LEAST_SPREAD_DPT or np.ptp(sharpest) == 0:
        raise ConfigError(
            f"targets: expected ones at least {_LEAST_SPREAD_DPT} dpt apart that are sharp at different positions, "
            f"got {[round(float(d), 3) for d in inverse_depths_dpt]} dpt, sharp at {sharpest.tolist()}"
        )
    slope, offset = np.polyfit(sharpest, inverse_depths_dpt, 1)
    return slope * positions + offset


def _check_spread(samples: BlurSamples, steps: int) -> None:
    if len(samples.size_px) < 2 * steps:
        raise ConfigError(
            f"blur of the target: expected at least {2 * steps} measurements above {_LEAST_BLUR_PX} px, "
            f"got {len(samples.size_px)}: is the target textured, and does it fill the picture?"
        )
    if np.ptp(samples.inverse_depth_dpt) < _LEAST_SPREAD_DPT:
        raise ConfigError(
            f"target distances: expected a spread of at least {_LEAST_SPREAD_DPT} dpt, "
            f"got {np.ptp(samples.inverse_depth_dpt):.3g}"
        )


def _rough_gain(samples: BlurSamples, focus_dpt: Vector) -> float:
    away = np.abs(focus_dpt[samples.step] - samples.inverse_depth_dpt)
    return float(np.median(samples.size_px / np.maximum(away, 0.05)))


def _signed_blur(parameters: Vector, samples: BlurSamples) -> Vector:
    """Of parameters (gain, field curvature, focal length, focus of each position)."""
    gain, curvature, focal_length_m = parameters[:_HEAD]
    focus = parameters[_HEAD:][samples.step] + curvature * samples.radius**2
    return gain / (1 - focal_length_m * focus) * (focus - samples.inverse_depth_dpt)


def _standard_errors(jacobian: npt.NDArray[np.float64], variance: float) -> Vector:
    return np.sqrt(np.maximum(np.diag(np.linalg.pinv(jacobian.T @ jacobian)) * variance, 0))
