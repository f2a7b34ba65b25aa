"""What shape the blur has: measured transfer against that of a disc and of a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from defocus_depth.types import FloatArray

from .blur import SharpPicture, Tiles
from .fit import LensFit, Vector
from .psf import disc_transfer, frequencies, gaussian_transfer
from .target_stack import TargetStack

_LEAST_PX, _MOST_PX, _MOST_OWN_PX = 4.0, 16.0, 1.2  # blur of the frames that tell the shape, and of the sharp ones
_BINS, _MOST_PHASE = 24, 2.6  # of frequency · diameter; a disc's first zero lies at 1.22
_MOST_FRAMES = 8


@dataclass(frozen=True)
class PsfReport:
    """The point spread function as measured.

    Attributes:
        kappa: σ of the best Gaussian over the blur diameter.
        disc_residual, gaussian_residual: what each shape leaves unexplained, share of the change that blur makes.
        phase: frequency (cycles/px) times blur diameter, (B,).
        transfer: measured transfer there, (B,); NaN where nothing was measured.
    """

    kappa: float
    disc_residual: float
    gaussian_residual: float
    phase: Vector
    transfer: Vector

    @property
    def shape(self) -> str:
        """The shape that explains the pictures better."""
        return "disc" if self.disc_residual <= self.gaussian_residual else "gaussian"


def examine_psf(
    targets: Sequence[TargetStack], steps: Sequence[npt.NDArray[np.intp]], fit: LensFit, tiles: Tiles
) -> PsfReport:
    """Compare the pictures of well-told blur with both shapes."""
    kappas, discs, gaussians, transfers = [], [], [], []
    for target, frame, diameter_px, own_px in _chosen(targets, steps, fit):
        sharp = SharpPicture(target.pictures[target.sharpest], _MOST_PX + 4, tiles, own_px)
        as_disc, as_gaussian = (
            sharp.measure(target.pictures[frame], shape) for shape in (disc_transfer, gaussian_transfer)
        )
        kappas.append(float(np.nanmedian(as_gaussian.size_px)) / diameter_px)
        discs.append(float(np.nanmedian(as_disc.residual)))
        gaussians.append(float(np.nanmedian(as_gaussian.residual)))
        transfers.append(_transfer(target.pictures[target.sharpest], target.pictures[frame], diameter_px))
    phase = (np.arange(_BINS) + 0.5) * _MOST_PHASE / _BINS
    if not kappas:
        return PsfReport(0.25, np.nan, np.nan, phase, np.full(_BINS, np.nan))
    with np.errstate(all="ignore"):
        transfer = np.nanmedian(np.stack(transfers), axis=0)
    return PsfReport(float(np.median(kappas)), float(np.median(discs)), float(np.median(gaussians)), phase, transfer)


def _chosen(targets: Sequence[TargetStack], steps: Sequence[npt.NDArray[np.intp]], fit: LensFit):
    """(target, frame, blur diameter, blur of the sharp frame) of frames whose blur is neither small nor large."""
    found = []
    for target, places in zip(targets, steps, strict=True):
        height, width = target.pictures.shape[1:]
        depth = float(np.nanmedian(target.inverse_depth_dpt(np.array([[(width - 1) / 2, (height - 1) / 2]]))))
        blur = fit.diameter_px(fit.focus_dpt[places], depth) * target.magnification
        own_px = float(blur[target.sharpest])
        for frame, diameter_px in enumerate(blur):
            if _LEAST_PX < diameter_px < _MOST_PX and own_px < _MOST_OWN_PX:
                found.append((target, frame, float(diameter_px), own_px))
    return found[:: max(1, -(-len(found) // _MOST_FRAMES))]


def _transfer(sharp: FloatArray, blurred: FloatArray, diameter_px: float) -> Vector:
    """Cross-spectrum over power, by frequency times diameter; (B,)."""
    height, width = sharp.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    spectra = [np.fft.rfft2((image - image.mean()) * window) for image in (sharp, blurred)]
    phase = frequencies((height, width)) * diameter_px
    bins = np.minimum((phase / _MOST_PHASE * _BINS).astype(int), _BINS)
    across = np.bincount(bins.ravel(), np.real(np.conj(spectra[0]) * spectra[1]).ravel(), _BINS + 1)[:_BINS]
    power = np.bincount(bins.ravel(), np.abs(spectra[0]).ravel() ** 2, _BINS + 1)[:_BINS]
    return np.where(power > 0, across / np.maximum(power, 1e-12), np.nan)
