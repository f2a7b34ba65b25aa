"""How badly each depth explains the frames around each pixel, whatever the sharp picture is.

For a hypothesis u every frame f is the sharp picture blurred by H_f = PSF(G_f·(F_f − u)). The best sharp picture
under a 1/ω² prior is a Wiener filter over all frames, Ŝ = Σ H_f·Y_f / (Σ H_f² + λ), and what it leaves unexplained,
Σ (Y_f − H_f·Ŝ)² over the noise, is the cost: no frame needs to be sharp. (Multi-frame form of Levin et al. 2007,
"Image and depth from a conventional camera with a coded aperture"; for two frames it is Favaro & Soatto's residual.)
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.types import FloatArray

from ..splatting.kernel_table import sized_kernel
from ..splatting.psf import Psf
from .views import Noise, Views

PADDING_PX = 16
_PRIOR_EXPONENT = 2.5  # power spectrum of the sharp picture ∝ ω^−2.5
_PRIOR_STRENGTH = 1.5  # its variance over that of the frames, which are blurred
COC_STEPS_PER_PX = 8  # kernels are kept for eighths of a pixel


@dataclass(frozen=True)
class CostVolume:
    """`cost` float32 (K, H, W): half chi-square pooled around each pixel, for each of `hypotheses_dpt` (K,)."""

    cost: FloatArray
    hypotheses_dpt: npt.NDArray[np.float64]

    @property
    def step_dpt(self) -> float:
        """Spacing of the hypotheses."""
        return float(self.hypotheses_dpt[1] - self.hypotheses_dpt[0])


def cost_volume(views: Views, hypotheses_dpt: npt.NDArray[np.float64], psf: Psf, window_px: float) -> CostVolume:
    """Costs pooled with a Gaussian window of deviation `window_px`."""
    spectrum = _Spectrum(views, psf)
    noise = views.noise_map()
    costs = np.empty((len(hypotheses_dpt), *views.size), np.float32)
    for index, hypothesis in enumerate(hypotheses_dpt):
        unexplained = spectrum.unexplained(float(hypothesis)) / (2 * noise**2)
        costs[index] = cv2.GaussianBlur(unexplained, (0, 0), window_px)
    return CostVolume(costs, hypotheses_dpt)


def best_hypotheses(volume: CostVolume, cost: FloatArray) -> FloatArray:
    """Inverse depth (dpt) of the least of `cost` (K, H, W), refined by a parabola through its neighbours, (H, W)."""
    best = np.clip(cost.argmin(0), 1, len(cost) - 2)
    before, at, after = (np.take_along_axis(cost, best[None] + shift, 0)[0] for shift in (-1, 0, 1))
    shift = np.clip((before - after) / (2 * np.maximum(before - 2 * at + after, 1e-9)), -0.5, 0.5)
    return (volume.hypotheses_dpt[best] + shift * volume.step_dpt).astype(np.float32)


class _Spectrum:
    """The frames' spectra, and the transfer functions of blurs met so far."""

    def __init__(self, views: Views, psf: Psf) -> None:
        padded = padded_luminance(views)
        self._views, self._psf, self._shape = views, psf, padded.shape[1:]
        self._frames = np.fft.rfft2(padded).astype(np.complex64)
        self._penalty = noise_over_prior(padded, views.noise)
        self._transfers: dict[int, FloatArray] = {}

    def unexplained(self, hypothesis_dpt: float) -> FloatArray:
        """Squared residual summed over frames, (H, W)."""
        cocs = self._views.gain_px_per_dpt * (self._views.focus_dpt - hypothesis_dpt)
        transfers = np.stack([self._transfer(float(coc)) for coc in cocs])
        sharp = (transfers * self._frames).sum(0) / ((transfers**2).sum(0) + self._penalty)
        left = np.fft.irfft2(self._frames - transfers * sharp, self._shape).astype(np.float32)
        pad = PADDING_PX
        return (left[:, pad:-pad, pad:-pad] ** 2 * self._views.valid).sum(0)

    def _transfer(self, coc_px: float) -> FloatArray:
        """Transfer function of the very kernel that the renderer uses; its shapes are taken as symmetric."""
        key = round(abs(coc_px) * COC_STEPS_PER_PX)
        if key not in self._transfers:
            placed = placed_kernel(self._psf, key / COC_STEPS_PER_PX, self._shape)
            self._transfers[key] = np.fft.rfft2(placed).real.astype(np.float32)
        return self._transfers[key]


def padded_luminance(views: Views) -> FloatArray:
    """The frames' luminance, mirrored at the borders, where a Fourier transform would take the other side's."""
    pad = PADDING_PX
    return np.pad(views.luminance, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")


def placed_kernel(psf: Psf, coc_px: float, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """A kernel in a picture of `shape`, centred on its first pixel."""
    kernel = sized_kernel(psf, coc_px)
    half = len(kernel) // 2
    placed = np.zeros(shape)
    rows, columns = (np.arange(-half, half + 1) % size for size in shape)
    np.add.at(placed, np.ix_(rows, columns), kernel)
    return placed


def noise_over_prior(padded: FloatArray, noise: Noise) -> FloatArray:
    """λ of the Wiener filter, for each frequency of a real transform of the `padded` frames."""
    height, width = padded.shape[1:]
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
    prior = frequency**-_PRIOR_EXPONENT
    prior *= _PRIOR_STRENGTH * max(float(padded.var()), noise.deviation**2) / prior.mean()
    return (noise.deviation**2 / prior).astype(np.float32)
