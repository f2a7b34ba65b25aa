"""Pre-processing on the GPU: the graph of `pixel_graph`, in front of the network on the same stream and memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....types import FloatArray, ImageArray
from ...pixels import byte_table
from ..base import Preparation
from .adapter import Library
from .buffers import Workspace
from .engine import Engine
from .kernels import Kernels
from .pixel_graph import LARGEST_IMAGE, SHAPES


def fits(image: ImageArray, preparation: Preparation) -> bool:
    """Whether the engine's optimisation profile takes images of this size."""
    smallest = SHAPES["pixels"].smallest[1:3]
    bounds = zip(smallest, image.shape[:2], LARGEST_IMAGE, strict=True)
    return image.shape[:2] == _input_size(preparation) and all(low <= n <= high for low, n, high in bounds)


@dataclass(frozen=True)
class PixelEngine:
    """The engine, serialised and trusted, with the kernels that were compiled for it."""

    library: Library
    serialised: bytes
    kernels: Kernels


class PixelStage:
    """The engine, bound for images of one shape and one preparation; what it is given stays on the device.

    Args:
        network: workspace of the network, whose `image` it writes.
    """

    def __init__(
        self, engine: PixelEngine, network: Workspace, shape: tuple[int, ...], preparation: Preparation
    ) -> None:
        self.made_for = (shape, preparation)
        self._kernels = engine.kernels
        self._workspace = Workspace(network.gpu, network)
        channels = 3 if len(shape) == 3 else 1
        rows, columns = preparation.geometry.resampling()
        constants = {
            "table": byte_table(preparation.transfer, preparation.wanted),
            "rows": rows,
            "columns": columns,
            "mix": np.eye(3, dtype=np.float32) if channels == 3 else np.ones((1, 3), np.float32),
        }
        pixels_shape = (1, *shape[:2], channels)
        try:
            shapes = {"pixels": pixels_shape, **{name: values.shape for name, values in constants.items()}}
            kernels = engine.kernels.content
            self._engine = Engine(engine.library, self._workspace, engine.serialised, shapes, kernels)
            self._pixels = self._workspace.pinned("pixels", pixels_shape, np.uint8)
            self._upload(constants)
        except BaseException:
            self._workspace.close()
            raise

    def put(self, image: ImageArray) -> None:
        """Lay the image (H, W, 3) or (H, W) into pinned memory."""
        self._pixels[...] = image.reshape(self._pixels.shape)

    def enqueue(self) -> None:
        """Enqueue upload and pre-processing."""
        self._workspace.upload("pixels")
        self._engine.enqueue()

    def keep_kernels(self) -> None:
        """Keep the kernels compiled so far, each time for some shape."""
        self._workspace.gpu.activate()
        self._kernels.keep(self._engine.runtime_cache())

    def close(self) -> None:
        """Free everything but the network's memory; a second time does nothing."""
        try:
            self.keep_kernels()
        finally:
            self._engine.close()
            self._workspace.close()

    def _upload(self, constants: dict[str, FloatArray]) -> None:
        for name, values in constants.items():
            self._workspace.pinned(name, values.shape, np.float32)[...] = values
            self._workspace.upload(name)
        self._workspace.gpu.synchronise(self._workspace.stream)


def _input_size(preparation: Preparation) -> tuple[int, int]:
    return preparation.geometry.input_height, preparation.geometry.input_width
