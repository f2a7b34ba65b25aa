"""How blurred a picture is against a sharper one of the same flat target, tile by tile.

Both are cross-blurred: the sharper one by the diameter that is sought, the other by what blur the sharper one has
itself. Where they agree best, the diameter is found; this has no bias as long as both blurs are discs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.types import FloatArray

from .psf import BlurLadder, Transfer2d, disc_transfer, gaussian_transfer

_SMOOTHING_PX = 0.8  # takes noise off, which blurring the sharper picture would take off that one alone
_LEAST_CONTRAST = 0.02  # standard deviation over mean of a tile that tells blur
Shape = Callable[[Transfer2d, float], Transfer2d]
SHAPES: dict[Shape, float] = {disc_transfer: 1.0, gaussian_transfer: 0.3}  # and its size over the disc's, about


@dataclass(frozen=True)
class Tiles:
    """Which parts of a picture are measured.

    Attributes:
        across, down: number of tiles; they share the picture inside the margin.
        margin_px: border that blur brings unseen things into.
    """

    across: int = 6
    down: int = 4
    margin_px: int = 16

    def means(self, image: FloatArray) -> FloatArray:
        """Mean of each tile, (down, across)."""
        inner = image[self.margin_px : -self.margin_px, self.margin_px : -self.margin_px]
        return np.asarray(cv2.resize(inner, (self.across, self.down), interpolation=cv2.INTER_AREA), np.float32)

    def size_px(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Width and height of a tile."""
        height, width = (side - 2 * self.margin_px for side in shape)
        return width / self.across, height / self.down

    def centres_px(self, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Centre (x, y) of each tile, (down, across, 2)."""
        width, height = self.size_px(shape)
        x = self.margin_px + (np.arange(self.across) + 0.5) * width - 0.5
        y = self.margin_px + (np.arange(self.down) + 0.5) * height - 0.5
        return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float64)


@dataclass(frozen=True)
class BlurMeasurement:
    """Of each tile (down, across): blur size (px; NaN where it cannot be told), and how well the shape explains it.

    Attributes:
        residual: root mean square of what is left over that of the difference between the two pictures.
    """

    size_px: npt.NDArray[np.float64]
    residual: npt.NDArray[np.float64]


def ladder_sizes(largest_px: float) -> list[float]:
    """Blur sizes to try: finer where they are small."""
    sizes = [0.0]
    while sizes[-1] < largest_px:
        sizes.append(sizes[-1] + max(0.4, 0.06 * sizes[-1]))
    return sizes


class SharpPicture:
    """The sharper picture, prepared for comparing others with it.

    Args:
        image: linear luminance (H, W).
        largest_px: largest blur diameter to be measured.
        own_blur_px: what blur diameter it has itself.
    """

    def __init__(self, image: FloatArray, largest_px: float, tiles: Tiles, own_blur_px: float = 0.0) -> None:
        self._tiles, self._own_blur_px = tiles, own_blur_px
        self._ladder = BlurLadder(image, int(largest_px) + 4)
        self._smoothing = gaussian_transfer(self._ladder.frequency, _SMOOTHING_PX)
        self._sharp = self._ladder.blurred(self._smoothing)
        self._sizes = {shape: np.array(ladder_sizes(largest_px)) * scale for shape, scale in SHAPES.items()}
        self._copies: dict[Shape, list[FloatArray]] = {}

    def measure(self, image: FloatArray, shape: Shape = disc_transfer) -> BlurMeasurement:
        """Blur of `image`, of the same size and exposure and registered to this one.

        Args:
            shape: transfer of the point spread function over frequency and size: one of `SHAPES`.
        """
        other = BlurLadder(image, self._ladder.margin_px)
        smooth = other.blurred(self._smoothing * disc_transfer(other.frequency, self._own_blur_px))
        errors = np.stack([self._tiles.means((copy - smooth) ** 2) for copy in self._blurred(shape)])
        size, least = _minimum(self._sizes[shape], errors)
        whole = self._tiles.means((self._sharp - smooth) ** 2)
        size[self._plain()] = np.nan
        return BlurMeasurement(size, np.sqrt(np.maximum(least, 0) / np.maximum(whole, 1e-20)))

    def _blurred(self, shape: Shape) -> list[FloatArray]:
        """Copies of all sizes, made once for all pictures that are compared."""
        if shape not in self._copies:
            frequency = self._ladder.frequency
            self._copies[shape] = [
                self._ladder.blurred(self._smoothing * shape(frequency, float(size))) for size in self._sizes[shape]
            ]
        return self._copies[shape]

    def _plain(self) -> npt.NDArray[np.bool_]:
        mean = self._tiles.means(self._sharp)
        spread = np.sqrt(np.maximum(self._tiles.means(self._sharp**2) - mean**2, 0))
        return spread < _LEAST_CONTRAST * mean


def _minimum(
    sizes: npt.NDArray[np.float64], errors: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Size of least error by a parabola over the squared size, in which small blur is linear; NaN at the largest."""
    best = np.argmin(errors, axis=0)
    middle = np.clip(best, 1, len(sizes) - 2)
    u = sizes**2
    left, centre, right = u[middle - 1], u[middle], u[middle + 1]
    low, mid, high = (np.take_along_axis(errors, (middle + step)[None], 0)[0] for step in (-1, 0, 1))
    from_left, from_right = (centre - left) * (mid - high), (centre - right) * (mid - low)
    bend = from_left - from_right
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * ((centre - left) * from_left - (centre - right) * from_right) / bend
    found = np.where(bend != 0, np.clip(centre - shift, left, right), centre)
    size = np.sqrt(np.maximum(found, 0))
    return np.where(best == len(sizes) - 1, np.nan, size), np.take_along_axis(errors, best[None], 0)[0]
