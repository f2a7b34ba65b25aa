"""Inverse depth of every pixel from a stack's own frames: cross-blur photometric depth from defocus.

If a point lies at inverse depth u, frame a is blurred by the disc |φa − u| and frame b by |φb − u|; blurring each
frame by the *other's* disc must make them equal, whatever the sharp picture is. No all-in-focus image is needed, and
unlike re-blurring by a relative Gaussian the test is unbiased. Each hypothesis u is scored by its squared residuals
over the noise that would remain after the two blurs (a chi-square), because strong blur hides differences.

Method: Subbarao & Surya 1994 and Favaro & Soatto 2005 compare defocused frames through relative blur; the symmetric
form is the "blur equalisation" of Xian & Subbarao 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.special import j1

Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TeacherOptions:
    """How the photometric teacher searches and what it believes of the pictures."""

    step_px: float = 0.6
    """Spacing of the inverse-depth hypotheses."""
    window_px: float = 2.6
    """Deviation of the Gaussian window that pools residuals."""
    noise: float = 0.003
    """Deviation of a pixel's luminance, linear 0..1."""
    model_error: float = 0.05
    """Residual expected of unmodelled things (aperture shape, slanted surfaces), as a share of the local contrast."""
    temperature: float = 2.0
    """Divides the pooled chi-square: neighbouring residuals are not independent."""
    padding_px: int = 16
    """Reflected border, against wrap-around of the Fourier transform."""


@dataclass(frozen=True)
class TeacherDepth:
    """`inverse_depth_px` u (H, W) and the deviation of its posterior, px."""

    inverse_depth_px: Map
    deviation_px: Map


def teach(luminance: Map, focus_px: Map, options: TeacherOptions | None = None) -> TeacherDepth:
    """Inverse depth (px) of each pixel of a static stack.

    Args:
        luminance: (K, H, W) linear 0..1, K ≥ 2.
        focus_px: (K,) φ = G·F of each frame, falling.
    """
    options = options or TeacherOptions()
    hypotheses = np.arange(0.3, float(focus_px[0]) + options.step_px, options.step_px, dtype=np.float32)
    cost = _cost_volume(luminance, focus_px, hypotheses, options)
    return _posterior(cost, hypotheses, options)


def _cost_volume(luminance: Map, focus_px: Map, hypotheses: Map, options: TeacherOptions) -> Map:
    """Pooled chi-square (J, H, W), summed over the pairs of neighbouring frames."""
    pairs = _FramePairs(luminance, options)
    volume = np.empty((len(hypotheses), *luminance.shape[1:]), np.float32)
    for index, u in enumerate(hypotheses):
        chi2 = pairs.chi_square(np.abs(focus_px - u))
        volume[index] = cv2.GaussianBlur(chi2, (0, 0), options.window_px)
    return volume


class _FramePairs:
    """The frames in the frequency domain, and what two of them may differ by."""

    def __init__(self, luminance: Map, options: TeacherOptions) -> None:
        pad = options.padding_px
        padded = np.pad(luminance, ((0, 0), (pad, pad), (pad, pad)), mode="reflect").astype(np.float32)
        self.options, self.shape = options, padded.shape[1:]
        self.spectra = np.array(fft.rfft2(padded), np.complex64)
        self.disc = _DiscTransfer(self.shape)
        self.contrast = _local_contrast(luminance)

    def chi_square(self, cocs_px: Map) -> Map:
        """Squared cross-blurred differences over their expected size, summed over neighbouring frames, (H, W)."""
        transfers = [self.disc(float(coc)) for coc in cocs_px]
        chi2 = np.zeros(self.contrast.shape, np.float32)
        for a in range(len(cocs_px) - 1):
            b = a + 1
            difference = self.spectra[a] * transfers[b] - self.spectra[b] * transfers[a]
            chi2 += self._residual(difference) ** 2 / self._expected(cocs_px[a], cocs_px[b])
        return chi2

    def _residual(self, difference: npt.NDArray[np.complex64]) -> Map:
        pad = self.options.padding_px
        return np.array(fft.irfft2(difference, self.shape), np.float32)[pad:-pad, pad:-pad]

    def _expected(self, coc_a_px: float, coc_b_px: float) -> Map:
        noise2 = self.options.noise**2 * (_noise_gain(coc_a_px) + _noise_gain(coc_b_px))
        shrink = 1.0 / (1.0 + 0.15 * max(coc_a_px, coc_b_px))  # blur evens out the contrast that a misfit feeds on
        return noise2 + (self.options.model_error * shrink * self.contrast) ** 2


def _local_contrast(luminance: Map) -> Map:
    frames = np.ascontiguousarray(luminance.transpose(1, 2, 0))
    strongest = np.abs(frames - cv2.blur(frames, (7, 7)).reshape(frames.shape)).max(2)
    return np.asarray(cv2.GaussianBlur(strongest, (0, 0), 3), np.float32)


def _noise_gain(coc_px: float) -> float:
    """Variance of white noise after averaging over a disc of this diameter (a pixel at least)."""
    return 1.0 / max(1.0, np.pi * coc_px * coc_px / 4)


class _DiscTransfer:
    """Optical transfer function of a uniform disc on the frequencies of one picture size: 2·J1(πcf)/(πcf)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :])
        self._bin = (frequency / frequency.max() * 4095).astype(np.int64)
        self._frequency = np.linspace(0, frequency.max(), 4096)

    def __call__(self, coc_px: float) -> Map:
        argument = np.pi * coc_px * self._frequency
        table = np.where(argument < 1e-4, 1.0, 2 * j1(argument) / np.maximum(argument, 1e-9)).astype(np.float32)
        return table[self._bin]


def _posterior(cost: Map, hypotheses: Map, options: TeacherOptions) -> TeacherDepth:
    """Mean around the best hypothesis, and deviation over all of them."""
    evidence = np.exp(-(cost - cost.min(0)) / (2 * options.temperature))
    best = hypotheses[cost.argmin(0)]
    distance = hypotheses[:, None, None] - best
    near = evidence * (np.abs(distance) < 2.5 * options.step_px)
    mean = best + (near * distance).sum(0) / near.sum(0)
    deviation = np.sqrt((evidence * (hypotheses[:, None, None] - mean) ** 2).sum(0) / evidence.sum(0))
    misfit = np.sqrt(np.maximum(cost.min(0) / (2 * options.temperature), 1.0))
    return TeacherDepth(mean.astype(np.float32), (deviation * misfit).astype(np.float32))
