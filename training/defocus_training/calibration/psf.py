"""Point spread functions as transfer functions: what blur does to each spatial frequency.

A thin lens blurs by a uniform disc, whose transfer is 2·J₁(πcρ)/(πcρ) at ρ cycles per pixel for diameter c
(Goodman, "Introduction to Fourier Optics", ch. 6). A Gaussian of standard deviation σ has exp(−2(πσρ)²).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import j1

from defocus_depth.types import FloatArray

Transfer2d = npt.NDArray[np.float64]


def frequencies(shape: tuple[int, int]) -> Transfer2d:
    """Radial frequency (cycles per pixel) of each coefficient of `numpy.fft.rfft2` of an image of this shape."""
    across, down = np.fft.rfftfreq(shape[1]), np.fft.fftfreq(shape[0])
    return np.hypot(across[None], down[:, None])


def disc_transfer(frequency: Transfer2d, diameter_px: float) -> Transfer2d:
    """Transfer of a uniform disc."""
    phase = np.maximum(np.pi * abs(diameter_px) * frequency, 1e-9)
    return 2 * j1(phase) / phase


def gaussian_transfer(frequency: Transfer2d, sigma_px: float) -> Transfer2d:
    """Transfer of a Gaussian."""
    return np.exp(-2 * (np.pi * sigma_px * frequency) ** 2)


class BlurLadder:
    """Copies of an image blurred more and more, made once in the frequency domain.

    Args:
        image: float32 (H, W).
        margin_px: the image is mirrored by this much at its borders.
    """

    def __init__(self, image: FloatArray, margin_px: int) -> None:
        self.margin_px, self._shape = margin_px, image.shape
        padded = np.pad(image.astype(np.float64), margin_px, mode="reflect")
        self._padded_shape = padded.shape
        self.frequency = frequencies(padded.shape)
        self._spectrum = np.fft.rfft2(padded)

    def blurred(self, transfer: Transfer2d) -> FloatArray:
        """The image after a transfer function over `self.frequency`, float32 (H, W)."""
        padded = np.fft.irfft2(self._spectrum * transfer, self._padded_shape)
        margin, (height, width) = self.margin_px, self._shape
        return padded[margin : margin + height, margin : margin + width].astype(np.float32)
