"""The calibration as a picture: blur and its fit, focus scale, field, point spread function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError

from .calibration import Calibration
from .psf import disc_transfer, gaussian_transfer


def write_report(path: Path, calibration: Calibration, title: str) -> None:
    """Write the four panels as PNG.

    Raises:
        ConfigError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(title)
    (blur, scale), (field, psf) = figure.subplots(2, 2)
    _draw_blur(blur, calibration)
    _draw_scale(scale, calibration)
    _draw_field(field, calibration)
    _draw_psf(psf, calibration)
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            figure.savefig(file, format="png", dpi=110)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def _draw_blur(axes: Any, calibration: Calibration) -> None:
    samples, fit, scale = calibration.samples, calibration.fit, calibration.scale
    signed = np.sign(fit.blur_px(samples)) * samples.size_px / scale
    away = fit.focus_dpt[samples.step] - samples.inverse_depth_dpt
    axes.scatter(away, signed, s=4, alpha=0.3, label="measured, each tile")
    order = np.argsort(away)
    axes.plot(away[order], fit.blur_px(samples)[order] / scale, color="black", linewidth=0.8, label="fit")
    axes.set(xlabel="focus − 1/distance (dpt)", ylabel="blur diameter (px)", title="Blur of the target")
    residual = f"lens constant {calibration.gain_px_per_dpt:.4g} px/dpt ± {100 * calibration.relative_gain_error:.2f} %"
    axes.text(0.03, 0.93, f"{residual}\nresidual {fit.residual_px / scale:.3g} px", transform=axes.transAxes, va="top")
    axes.legend(loc="lower right")


def _draw_scale(axes: Any, calibration: Calibration) -> None:
    fit, curve = calibration.fit, calibration.curve
    axes.errorbar(
        calibration.positions, fit.focus_dpt, 3 * fit.focus_error_dpt, fmt="o", markersize=4, label="measured"
    )
    places = np.linspace(curve.positions[0], curve.positions[-1], 200)
    axes.plot(places, [curve.focus_dpt(float(place)) for place in places], label=curve.kind)
    axes.set(xlabel="actuator position", ylabel="focus (dpt)", title="Focus scale")
    found = f"standard errors up to {np.nanmax(fit.focus_error_dpt):.2g} dpt"
    if curve.kind == "affine":
        found += f", line misses by {calibration.curve_residual_dpt:.2g} dpt"
    axes.text(0.97, 0.05, found, transform=axes.transAxes, ha="right")
    axes.legend()


def _draw_field(axes: Any, calibration: Calibration) -> None:
    radius, ratio, shift = (np.array(column) for column in zip(*calibration.rings, strict=True))
    axes.plot(radius, shift, "o-", label="focus shift (dpt)")
    axes.axhline(0.0, color="grey", linewidth=0.6)
    axes.set_ylim(-max(0.02, 1.2 * np.abs(shift).max()), max(0.02, 1.2 * np.abs(shift).max()))
    axes.set(xlabel="radius over half the diagonal", ylabel="dpt", title="Field: focus and gain over the image")
    other = axes.twinx()
    other.plot(radius, 100 * (ratio - 1), "s--", color="tab:orange", label="gain (%)")
    other.set_ylim(-max(1.0, 120 * np.abs(ratio - 1).max()), max(1.0, 120 * np.abs(ratio - 1).max()))
    other.set_ylabel("gain against the mean (%)")
    lines = [*axes.get_lines()[:1], *other.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines])


def _draw_psf(axes: Any, calibration: Calibration) -> None:
    psf = calibration.psf
    axes.plot(psf.phase, psf.transfer, "o", markersize=4, label="measured")
    axes.plot(psf.phase, disc_transfer(psf.phase, 1.0), label=f"disc, leaves {100 * psf.disc_residual:.1f} %")
    gaussian = gaussian_transfer(psf.phase, psf.kappa)
    axes.plot(psf.phase, gaussian, label=f"Gaussian σ = {psf.kappa:.3f}·d, leaves {100 * psf.gaussian_residual:.1f} %")
    axes.set(xlabel="frequency · blur diameter", ylabel="transfer", title=f"Point spread function: {psf.shape}")
    axes.legend()
