"""The one size at which a camera's images go through the network, and the way there and back.

The rule (`choose_geometry`): of the model's short list of sizes take the one at which the blur that the depth range
can cause spans most nearly 22 px. At smaller sizes blur that could be measured is thrown away, at larger ones it grows
beyond what the network was trained on, and costs time. The image is scaled isotropically to fit, never up
(interpolation adds no blur information, and its own softness would be read as defocus), and reflected at the
right and bottom edges to fill the rest.

Positions follow half-pixel centres, u_w + ½ = (u + ½)·r, in both directions, so that maps register with images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import ConfigError, ImageError, OpticsError
from ..types import FloatArray

Size = tuple[int, int]
SPAN_PX = 22.0


@dataclass(frozen=True)
class WorkingGeometry:
    """How images of one size lie in the network's input: scaled, in the top left corner, the rest reflected.

    Attributes:
        input_height, input_width: px of the camera's image.
        scaled_height, scaled_width: px of the working image that it covers.
        height, width: px of the network's input, multiples of 32.
    """

    input_height: int
    input_width: int
    scaled_height: int
    scaled_width: int
    height: int
    width: int

    @property
    def scale(self) -> float:
        """Working px per input px, ≤ 1 (across; down it differs at most by the rounding to whole pixels)."""
        return self.scaled_width / self.input_width

    @property
    def pad(self) -> tuple[int, int]:
        """Reflected rows at the bottom and columns at the right."""
        return self.height - self.scaled_height, self.width - self.scaled_width

    def to_working(self, image: FloatArray) -> FloatArray:
        """Network input [1, 3, height, width] of a float32 image (H, W, 3) or (H, W), whose grey fills all channels."""
        if self._resizes:
            image = cv2.resize(image, (self.scaled_width, self.scaled_height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        if self.pad != (0, 0):
            image = cv2.copyMakeBorder(image, 0, self.pad[0], 0, self.pad[1], cv2.BORDER_REFLECT_101)  # type: ignore[assignment]
        planes = np.empty((1, 3, self.height, self.width), np.float32)
        planes[0] = image if image.ndim == 2 else image.transpose(2, 0, 1)
        return planes

    def to_input(self, working_map: FloatArray) -> FloatArray:
        """A map (height, width) of the network, brought to (input_height, input_width) bilinearly; always a copy."""
        inner = working_map[: self.scaled_height, : self.scaled_width]
        if not self._resizes:
            return inner.copy()
        return cv2.resize(inner, (self.input_width, self.input_height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]

    def resampling(self) -> tuple[FloatArray, FloatArray]:
        """`to_working` as matrices: a channel x (input_height, input_width) becomes rows @ x @ columns.

        rows is (height, input_height), columns (input_width, width).
        """
        rows = _resampled(self.input_height, self.scaled_height, self.pad[0])
        return rows, np.ascontiguousarray(_resampled(self.input_width, self.scaled_width, self.pad[1]).T)

    @property
    def _resizes(self) -> bool:
        return (self.scaled_height, self.scaled_width) != (self.input_height, self.input_width)


def _resampled(length: int, scaled: int, padding: int) -> FloatArray:
    """What area resampling and reflection make of each unit vector: (scaled + padding, length)."""
    units = np.eye(length, dtype=np.float32)
    if scaled != length:
        units = cv2.resize(units, (length, scaled), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return cv2.copyMakeBorder(units, 0, padding, 0, 0, cv2.BORDER_REFLECT_101)  # type: ignore[return-value]


def blur_span_px(lens_constant_px_per_dpt: float, depth_min_m: float, depth_max_m: float) -> float:
    """Largest |CoC| (px) of the depth range when the focus lies at either end of it: G·(1/d_min − 1/d_max).

    Raises:
        ConfigError: not 0 < depth_min_m < depth_max_m (inf allowed).
    """
    if not 0 < depth_min_m < depth_max_m:
        raise ConfigError(f"depth range: expected 0 < depth_min_m < depth_max_m, got {depth_min_m} and {depth_max_m}")
    return lens_constant_px_per_dpt * (1 / depth_min_m - 1 / depth_max_m)


def choose_geometry(image_size: Size, span_px: float, sizes: Sequence[Size], max_coc_px: float) -> WorkingGeometry:
    """The geometry for images of `image_size` (height, width) whose blur spans `span_px` px of the image.

    Of the listed sizes (and, for a portrait image, the same sizes on end) the one whose span is nearest
    `SPAN_PX` (`max_coc_px`, for a model that was trained on less) by ratio; among equal ones that with the fewest
    pixels.

    Raises:
        ImageError: an image without pixels.
        OpticsError: a lens without blur, or with more than can be told.
    """
    if not 0 < span_px < math.inf:
        raise OpticsError(f"blur of the depth range: expected > 0 px and finite, got {span_px:g}: check the lens")
    height, width = image_size
    if height < 1 or width < 1:
        raise ImageError(f"image size: expected at least 1x1 px, got {width}x{height}")
    upright = [(min(size), max(size)) if width >= height else (max(size), min(size)) for size in sizes]
    candidates = [_fit(image_size, size) for size in upright]
    wanted_px = min(SPAN_PX, max_coc_px)

    def distance(geometry: WorkingGeometry) -> tuple[float, int]:
        ratio = span_px * geometry.scale / wanted_px
        return round(abs(math.log(ratio)), 6), geometry.height * geometry.width

    return min(candidates, key=distance)


def _fit(image_size: Size, size: Size) -> WorkingGeometry:
    (input_height, input_width), (height, width) = image_size, size
    scale = min(height / input_height, width / input_width, 1.0)
    scaled_height = max(1, round(input_height * scale))
    scaled_width = max(1, round(input_width * scale))
    return WorkingGeometry(input_height, input_width, scaled_height, scaled_width, height, width)
