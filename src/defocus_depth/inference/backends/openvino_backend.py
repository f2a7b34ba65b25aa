"""OpenVINO on the CPU: the fastest of the CPU backends here (docs/inference.md)."""

from __future__ import annotations

from pathlib import Path

import openvino as ov
from openvino import opset13 as ops

from ...errors import BackendError, BackendUnavailableError, ModelError
from ...types import FloatArray
from ..artifact import LENS_SHAPE, OUTPUT_NAMES
from .base import BackendRequest, Precision, check_inputs, check_interface, chosen_precision, closed, graph_path

_DEVICE = "CPU"


class OpenVinoBackend:
    """A compiled model with one inference request, tuned for the latency of single images."""

    name = "openvino"

    def __init__(self, request: BackendRequest) -> None:
        self._request = request
        core = ov.Core()
        self.precision = _precision(core, request)
        model = _read(core, request, graph_path(request, self.precision))
        if self.precision == "bf16":
            _convolve_in_bf16(model)
        compiled = _compile(core, model, request)
        self._infer: ov.InferRequest | None = compiled.create_infer_request()

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """See `Backend.run`; the maps are views of the request's own memory."""
        if self._infer is None:
            raise closed(self.name)
        check_inputs(self._request, image, lens)
        try:
            results = self._infer.infer({"image": image, "lens": lens}, share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise BackendError(f"openvino: inference failed: {error}") from error
        return {name: results[name] for name in OUTPUT_NAMES}

    def close(self) -> None:
        """See `Backend.close`."""
        self._infer = None


def load(request: BackendRequest) -> OpenVinoBackend:
    """The registry's entry."""
    return OpenVinoBackend(request)


def _precision(core: ov.Core, request: BackendRequest) -> Precision:
    precision = chosen_precision(request, "openvino", ("f32", "bf16", "int8"))
    able = [str(name) for name in core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")]
    if precision == "bf16" and "BF16" not in able:
        raise BackendUnavailableError(f"openvino: expected a CPU with bf16, got one with {', '.join(able)}")
    return precision


def _read(core: ov.Core, request: BackendRequest, path: Path) -> ov.Model:
    try:
        model = core.read_model(path)
        check_interface(
            request,
            {port.get_any_name(): _lengths(port.get_partial_shape()) for port in model.inputs},
            [port.get_any_name() for port in model.outputs],
        )
        model.reshape({"image": [1, 3, request.height, request.width], "lens": list(LENS_SHAPE)})
    except RuntimeError as error:
        raise ModelError(f"{path}: expected an ONNX graph that OpenVINO can read: {error}") from error
    return model


def _lengths(shape: ov.PartialShape) -> list[int | str]:
    """The dimensions' lengths; in words where they are dynamic."""
    return [length.get_length() if length.is_static else str(length) for length in shape]


def _convolve_in_bf16(model: ov.Model) -> None:
    """Convolutions alone: the library's own bf16 mode rounds everything, and log energies and ratios of small numbers
    do not survive that (AbsRel of the released model 0.43 instead of 0.25).
    """
    for convolution in (op for op in model.get_ordered_ops() if op.get_type_name() == "Convolution"):
        for index in (0, 1):
            port = convolution.input(index)
            port.replace_source_output(ops.convert(port.get_source_output(), "bf16").output(0))
        readers = convolution.output(0).get_target_inputs()
        convolution.validate_and_infer_types()
        result = ops.convert(convolution.output(0), "f32").output(0)
        for reader in readers:
            reader.replace_source_output(result)
    model.validate_nodes_and_infer_types()


def _compile(core: ov.Core, model: ov.Model, request: BackendRequest) -> ov.CompiledModel:
    options: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # what is bf16 or int8 the graph says itself
        # Pinned threads wait for their core whenever the camera driver or the middleware is on it.
        "ENABLE_CPU_PINNING": False,
    }
    if request.threads:
        options["INFERENCE_NUM_THREADS"] = request.threads
    try:
        return core.compile_model(model, _DEVICE, options)
    except RuntimeError as error:
        raise BackendError(f"openvino: compilation failed: {error}") from error
