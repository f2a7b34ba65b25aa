"""The whole calibration: stacks of a flat target in, focus curve, lens constant and point spread function out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from defocus_depth.errors import ConfigError, OpticsError
from defocus_depth.optics.focus_curve import FocusCurve

from .blur import Tiles
from .fit import BlurSamples, LensFit, Vector, fit_lens, rough_focus
from .psf_report import PsfReport, examine_psf
from .target_stack import TargetStack, joined, samples_of

_ROUNDS = 3  # of measuring, and of telling how blurred the sharpest frames themselves are
_AFFINE_ERRORS = 3.0  # standard errors within which a line must pass all samples
_AFFINE_DPT = 0.004


@dataclass(frozen=True)
class CalibrationOptions:
    """How blur is measured and what is fitted."""

    curve: Literal["auto", "affine", "monotone"] = "auto"
    """Focus scale: a line in dioptres, a monotone curve through the samples, or whichever the data ask for."""
    focal_length_m: float = 0.0
    """Focal length (m) where it is known; 0: fitted, from how blur gain grows towards near focus."""
    largest_blur_px: float = 28.0
    """Largest blur diameter (px of a picture about 320 px wide) that is measured."""


@dataclass(frozen=True)
class Calibration:
    """What the targets' pictures say of the lens.

    Attributes:
        positions: the actuator's, increasing, (J,).
        samples: measured blur.
        scale: size of the measured pictures over that of the camera's: fit and samples are in px of the former.
        rings: (radius, gain over that of the whole, focus minus that of the whole in dpt) of rings of the image.
        curve_residual_dpt: root mean square distance of the focus samples from the curve.
    """

    positions: Vector
    samples: BlurSamples
    fit: LensFit
    curve: FocusCurve
    curve_residual_dpt: float
    scale: float
    rings: tuple[tuple[float, float, float], ...]
    psf: PsfReport

    @property
    def gain_px_per_dpt(self) -> float:
        """Lens constant f²/(N·p), px per dioptre of the camera's own pictures."""
        return self.fit.gain_px_per_dpt / self.scale

    @property
    def relative_gain_error(self) -> float:
        """Standard error of the lens constant over itself."""
        return self.fit.gain_error / self.fit.gain_px_per_dpt


def calibrate_lens(targets: Sequence[TargetStack], options: CalibrationOptions) -> Calibration:
    """Calibrate from two or more stacks of a flat target at different distances, taken with the same sweep.

    Raises:
        ConfigError: too few or unfit targets: the message says what is missing.
    """
    if len(targets) < 2:
        raise ConfigError(f"targets: expected stacks at 2 or more distances, got {len(targets)}")
    positions = np.unique(np.concatenate([target.positions for target in targets]))
    tiles = Tiles(margin_px=int(options.largest_blur_px / 2) + 2)
    samples, fit = _measured(targets, positions, tiles, options)
    curve = focus_curve(positions, fit, options.curve)
    fitted = np.isfinite(fit.focus_dpt)
    misses = [curve.focus_dpt(p) - f for p, f in zip(positions[fitted], fit.focus_dpt[fitted], strict=True)]
    return Calibration(
        positions=positions,
        samples=samples,
        fit=fit,
        curve=curve,
        curve_residual_dpt=float(np.sqrt(np.mean(np.square(misses)))),
        scale=targets[0].scale,
        rings=_rings(samples, fit),
        psf=examine_psf(targets, [_steps(target, positions) for target in targets], fit, tiles),
    )


def focus_curve(positions: Vector, fit: LensFit, kind: Literal["auto", "affine", "monotone"]) -> FocusCurve:
    """The fitted focus samples as a curve.

    Raises:
        ConfigError: they are not monotone.
    """
    seen = np.isfinite(fit.focus_dpt)
    places, dioptres = positions[seen], fit.focus_dpt[seen]
    if kind == "auto":
        line = np.polyval(np.polyfit(places, dioptres, 1, w=1 / (fit.focus_error_dpt[seen] + 1e-4)), places)
        tolerance = np.maximum(_AFFINE_ERRORS * fit.focus_error_dpt[seen], _AFFINE_DPT)
        kind = "affine" if bool(np.all(np.abs(line - dioptres) < tolerance)) else "monotone"
    try:
        return FocusCurve(kind, tuple(map(float, places)), tuple(map(float, dioptres)))
    except OpticsError as error:
        raise ConfigError(f"focus samples of the targets: {error}") from error


def _measured(
    targets: Sequence[TargetStack], positions: Vector, tiles: Tiles, options: CalibrationOptions
) -> tuple[BlurSamples, LensFit]:
    sharpest = np.array([target.positions[target.sharpest] for target in targets])
    depths = np.array([_middle_depth_dpt(target) for target in targets])
    start = rough_focus(positions, sharpest, depths)
    fit: LensFit | None = None
    samples = BlurSamples(np.empty(0, np.intp), np.empty(0), np.empty(0), np.empty(0))
    for _ in range(_ROUNDS):
        samples = joined(
            [samples_of(target, _steps(target, positions), tiles, options.largest_blur_px, fit) for target in targets]
        )
        fit = fit_lens(samples, start, options.focal_length_m)
        start = np.where(np.isfinite(fit.focus_dpt), fit.focus_dpt, start)
    assert fit is not None
    return samples, fit


def _steps(target: TargetStack, positions: Vector) -> npt.NDArray[np.intp]:
    return np.searchsorted(positions, target.positions)


def _middle_depth_dpt(target: TargetStack) -> float:
    """Median inverse depth of the target in its pictures."""
    height, width = target.pictures.shape[1:]
    grid = np.stack(np.meshgrid(np.linspace(0, width - 1, 17), np.linspace(0, height - 1, 13)), axis=-1)
    depth = float(np.nanmedian(target.inverse_depth_dpt(grid)))
    if not math.isfinite(depth):
        raise ConfigError(f"{target.name}: expected the target in the picture, found it nowhere")
    return depth


def _rings(samples: BlurSamples, fit: LensFit) -> tuple[tuple[float, float, float], ...]:
    """Gain and focus by image radius: what is left when the curvature of the whole fit is taken out again."""
    radii = np.unique(np.round(samples.radius, 6))
    edges = np.quantile(radii, [0.0, 0.25, 0.5, 0.75, 1.0])
    rings = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (samples.radius >= low - 1e-6) & (samples.radius <= high + 1e-6) & (samples.size_px > 2.0)
        chosen = samples.where(inside)
        expected = fit.blur_px(chosen)
        signed = np.sign(expected) * chosen.size_px
        design = np.stack([expected, np.full(len(expected), fit.gain_px_per_dpt)], axis=1)
        (ratio, shift), *_ = np.linalg.lstsq(design, signed, rcond=None)
        radius = float(chosen.radius.mean())
        rings.append((radius, float(ratio), float(shift) + fit.field_curvature_dpt * radius**2))
    return tuple(rings)
