"""The backend: runs the network's engine, with the pre-processing's engine in front of it where that is built."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from ....errors import BackendError
from ....types import FloatArray, ImageArray
from ...artifact import INPUT_NAMES, LENS_SHAPE, OUTPUT_NAMES
from ...pixels import to_unit_floats
from ..base import BackendRequest, Precision, Preparation, check_inputs, check_interface, closed
from . import pixels
from .adapter import TENSORRT_RTX
from .buffers import Sequence, Workspace
from .building import EngineMaker
from .cache import CachedEngine
from .device import Gpu
from .engine import Engine
from .kernels import Kernels

_LOG = logging.getLogger(__name__)
_PIXEL_TOLERANCE = 4e-3  # one grey level of 8 bits; TF32 products are good to a tenth of it


class TensorRtBackend:
    """The network's engine on a stream of its own, with its buffers; and in front of it, where built, the pixels'.

    Args:
        gpu: closed with the backend.
        precision: of the engine.
    """

    def __init__(
        self, request: BackendRequest, maker: EngineMaker, gpu: Gpu, cached: CachedEngine, precision: Precision
    ) -> None:
        self.name = maker.library.flavour.name
        self.precision: Precision = precision
        self._request, self._maker, self._gpu = request, maker, gpu
        self._stack = ExitStack()
        self._stack.callback(gpu.close)
        self._pixels: pixels.PixelStage | None = None
        self._pixel_sequence: Sequence | None = None
        self._pixel_engine: bytes | None = None
        self._pixel_kernels = Kernels(maker.cache, maker.pixel_key(), gpu.identity)
        self._has_run = False
        try:
            self._open(cached)
        except BaseException:
            self._stack.close()
            raise
        self._is_open = True

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """See `Backend.run`; the maps are pinned memory."""
        if not self._is_open:
            raise closed(self.name)
        check_inputs(self._request, image, lens)
        self._inputs["image"][...] = image
        self._inputs["lens"][...] = lens
        self._sequence.run()
        if not self._has_run:  # and not only on close: a robot is switched off
            self._has_run = True
            self._kernels.keep(self._engine.runtime_cache())
        return self._outputs

    def run_pixels(self, image: ImageArray, preparation: Preparation, lens: FloatArray) -> dict[str, FloatArray] | None:
        """See `PixelBackend.run_pixels`: None without an engine for it, or for sizes beyond its profile."""
        if not self._is_open:
            raise closed(self.name)
        if self._pixel_engine is None or not pixels.fits(image, preparation):
            return None
        try:
            stage, sequence = self._stage(image, preparation, self._pixel_engine)
        except BackendError as error:
            _LOG.warning("%s: pre-processing stays on the CPU: %s", self.name, error)
            self._pixel_engine = None
            return None
        stage.put(image)
        self._inputs["lens"][...] = lens
        sequence.run()
        return self._outputs

    def prepare_pixels_by(self, engine: bytes | None) -> None:
        """From now on `run_pixels` runs this engine, serialised and trusted; None: it leaves that to the CPU."""
        self._close_pixels()
        self._pixel_engine = engine

    def close(self) -> None:
        """See `Backend.close`."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._close_pixels()
            self._gpu.activate()
            self._kernels.keep(self._engine.runtime_cache())
        finally:
            self._stack.close()

    def _open(self, cached: CachedEngine) -> None:
        self._workspace = Workspace(self._gpu)
        self._stack.callback(self._workspace.close)
        height, width = self._request.height, self._request.width
        shapes = {"image": (1, 3, height, width), "lens": LENS_SHAPE}
        key = self._maker.network_key(self._request, self.precision)
        self._kernels = Kernels(self._maker.cache, key, self._gpu.identity)
        self._engine = Engine(self._maker.library, self._workspace, cached.engine, shapes, self._kernels.content)
        self._stack.callback(self._engine.close)
        inputs = {name: shape for name, (shape, _) in self._engine.inputs.items()}
        check_interface(self._request, inputs, list(self._engine.outputs))
        self._inputs = {name: self._workspace.pinned(name, *self._engine.inputs[name]) for name in INPUT_NAMES}
        self._outputs = {name: self._workspace.pinned(name, *self._engine.outputs[name]) for name in OUTPUT_NAMES}
        self._sequence = self._sequence_of(self._enqueue_planes)
        self._stack.callback(self._sequence.close)

    def _sequence_of(self, enqueue: Callable[[], None]) -> Sequence:
        # The contexts of TensorRT for RTX capture their own graphs.
        return Sequence(self._workspace, enqueue, capture=self._maker.library.flavour is not TENSORRT_RTX)

    def _enqueue_planes(self) -> None:
        self._workspace.upload("image")
        self._enqueue_network()

    def _enqueue_pixels(self) -> None:
        assert self._pixels is not None  # made with the sequence that calls this
        self._pixels.enqueue()
        self._enqueue_network()

    def _enqueue_network(self) -> None:
        self._workspace.upload("lens")
        self._engine.enqueue()
        for name in OUTPUT_NAMES:
            self._workspace.download(name)

    def _stage(self, image: ImageArray, preparation: Preparation, engine: bytes) -> tuple[pixels.PixelStage, Sequence]:
        """The stage for images of this shape; a new one is compared with the CPU's pre-processing first."""
        made_for = (image.shape, preparation)
        if self._pixels is None or self._pixel_sequence is None or self._pixels.made_for != made_for:
            self._close_pixels()
            made_of = pixels.PixelEngine(self._maker.library, engine, self._pixel_kernels)
            self._pixels = pixels.PixelStage(made_of, self._workspace, image.shape, preparation)
            self._pixel_sequence = self._sequence_of(self._enqueue_pixels)
            self._require_same_pixels(self._pixels, image, preparation)
        return self._pixels, self._pixel_sequence

    def _require_same_pixels(self, stage: pixels.PixelStage, image: ImageArray, preparation: Preparation) -> None:
        values = to_unit_floats(image, preparation.transfer, preparation.wanted)
        expected = preparation.geometry.to_working(values)
        stage.put(image)
        stage.enqueue()
        self._workspace.download("image")
        self._gpu.synchronise(self._workspace.stream)
        difference = float(np.max(np.abs(self._inputs["image"] - expected)))
        if not difference <= _PIXEL_TOLERANCE:
            raise BackendError(f"image: expected the CPU's values within {_PIXEL_TOLERANCE}, off by {difference:.2g}")
        stage.keep_kernels()

    def _close_pixels(self) -> None:
        with ExitStack() as stack:  # each, whatever fails; last in, first out
            if self._pixels is not None:
                stack.callback(self._pixels.close)
            if self._pixel_sequence is not None:
                stack.callback(self._pixel_sequence.close)
            self._pixels = self._pixel_sequence = None
