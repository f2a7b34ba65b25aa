"""The printed target: a ChArUco board that tells its pose, beside a texture that tells blur.

ChArUco: chessboard corners named by ArUco markers (Garrido-Jurado et al., Pattern Recognition 47(6), 2014; OpenCV).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError
from defocus_depth.types import ImageArray

from ..capture.texture import dead_leaves

_PAPER_M = {"A4": (0.297, 0.210), "A3": (0.420, 0.297)}  # landscape
_SQUARES_ACROSS, _SQUARES_DOWN, _MARKER_SHARE = 5, 7, 0.75
_MARGIN_SHARE = 0.04  # of the page's height
_TEXTURE_PX = 768
_PRINT_DPI = 300
_INCH_M = 0.0254
_DICTIONARY = cv2.aruco.DICT_4X4_50


@dataclass(frozen=True)
class Chart:
    """Size of the chart as it was printed."""

    paper: Literal["A4", "A3"] = "A4"
    """Paper that the chart was made for."""
    square_m: float = 0.0
    """Side of a square (m) as measured on the print; 0: as designed, printed at 100 %."""

    @property
    def page_m(self) -> tuple[float, float]:
        """Width and height of the page as designed."""
        return _PAPER_M[self.paper]

    @property
    def margin_m(self) -> float:
        """White border as designed."""
        return _MARGIN_SHARE * self.page_m[1]

    @property
    def designed_square_m(self) -> float:
        """Side of a square as designed: the board fills the page's height."""
        return (self.page_m[1] - 2 * self.margin_m) / _SQUARES_DOWN

    @property
    def printed_scale(self) -> float:
        """Size of the print over that of the design."""
        return self.square_m / self.designed_square_m if self.square_m else 1.0

    def board(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's board; metres on the print, origin at its upper left corner."""
        square_m = self.designed_square_m * self.printed_scale
        dictionary = cv2.aruco.getPredefinedDictionary(_DICTIONARY)
        return cv2.aruco.CharucoBoard((_SQUARES_ACROSS, _SQUARES_DOWN), square_m, _MARKER_SHARE * square_m, dictionary)

    def printed_area_m(self) -> npt.NDArray[np.float64]:
        """Corners of what is printed, board and texture, in the board's coordinates (4, 2) m."""
        left_top = np.zeros(2)
        right_bottom = (np.array(self.page_m) - 2 * self.margin_m) * self.printed_scale
        (x0, y0), (x1, y1) = left_top, right_bottom
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])

    def page(self, pixels_per_m: float) -> ImageArray:
        """The page as designed, uint8 (H, W), sRGB grey."""
        width, height = (round(side * pixels_per_m) for side in self.page_m)
        page = np.full((height, width), 255, np.uint8)
        margin = round(self.margin_m * pixels_per_m)
        board_size = [round(n * self.designed_square_m * pixels_per_m) for n in (_SQUARES_ACROSS, _SQUARES_DOWN)]
        board = self.board().generateImage(board_size)
        page[margin : margin + board_size[1], margin : margin + board_size[0]] = board
        left = margin + board_size[0] + margin // 2
        texture = _texture((width - margin - left, board_size[1]))
        page[margin : margin + board_size[1], left : width - margin] = texture
        return page


def write_chart(path: Path, chart: Chart) -> None:
    """Write the chart as a PDF page of its true size.

    Raises:
        ConfigError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(chart.page_m[0] / _INCH_M, chart.page_m[1] / _INCH_M))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(chart.page(_PRINT_DPI / _INCH_M), cmap="gray", vmin=0, vmax=255, interpolation="none", aspect="auto")
    axes.axis("off")
    note = f"{chart.paper}, print at 100 %: squares of {chart.designed_square_m * 1e3:.2f} mm"
    figure.text(0.5, 0.008, note, ha="center", va="bottom", fontsize=7)
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            figure.savefig(file, format="pdf", dpi=_PRINT_DPI)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def _texture(size: tuple[int, int]) -> ImageArray:
    """Part of the texture, with grain of one size, uint8 (H, W)."""
    reflectance = dead_leaves(_TEXTURE_PX)
    scale = max(size) / _TEXTURE_PX
    part = reflectance[: max(1, round(size[1] / scale)), : max(1, round(size[0] / scale))]
    fitted = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA)
    return np.rint(255 * fitted ** (1 / 2.2)).astype(np.uint8)
