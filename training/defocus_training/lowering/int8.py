"""The graph with its convolutions in int8, in the one form that TensorRT's parser, OpenVINO and ONNX Runtime all take.

Explicit quantise/dequantise pairs around convolutions alone; symmetric (zero point 0); weights per channel; biases left
in float32 (TensorRT refuses the int32 biases that ONNX Runtime writes otherwise).
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from defocus_depth.errors import ModelError
from defocus_depth.types import FloatArray

Feed = dict[str, FloatArray]
PERCENTILE = 99.99
"""Of the activations' magnitudes: the largest of all are rare, and would cost everything else its resolution."""


def write_int8_graph(source: Path, target: Path, calibration: Sequence[Feed], kept_f32: Iterable[str] = ()) -> None:
    """Write the int8 variant of `source`, its ranges taken from running `calibration` through it.

    Raises:
        ModelError: ONNX Runtime cannot quantise the graph.
    """
    logging.getLogger().addFilter(_without_advice)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress, in prints
            _quantise(source, target, calibration, kept_f32)
        onnx.save(_convolutions_only(onnx.load(target)), target)
    except Exception as error:  # it documents no error type
        raise ModelError(f"{source}: expected a graph that ONNX Runtime can quantise: {error}") from error
    finally:
        logging.getLogger().removeFilter(_without_advice)


def _quantise(source: Path, target: Path, calibration: Sequence[Feed], kept_f32: Iterable[str]) -> None:
    quantize_static(
        source,
        target,
        _Reader(calibration),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=list(kept_f32),
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.Percentile,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "CalibPercentile": PERCENTILE,
        },
    )


def _convolutions_only(model: ModelProto) -> ModelProto:
    """The graph with pairs at the convolutions' inputs alone: all others read the values from before the pair.

    ONNX Runtime rounds the convolutions' outputs, and what residual sums and skips read, as well: that costs accuracy
    and gains no speed.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    original = {
        node.output[0]: producers[node.input[0]].input[0]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in producers
    }
    for node in graph.node:
        if node.op_type not in ("Conv", "DequantizeLinear"):
            for index, name in enumerate(node.input):
                node.input[index] = original.get(name, name)
    _drop_unused(graph)
    return model


def _drop_unused(graph: GraphProto) -> None:
    wanted = {port.name for port in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:]
    graph.node.extend(reversed(kept))
    del graph.initializer[:]
    graph.initializer.extend(weights)


class _Reader(CalibrationDataReader):
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[override]
        return next(self._feeds, None)


def _without_advice(record: logging.LogRecord) -> bool:
    """Its advice to pre-process the graph concerns graphs that are not optimised yet."""
    return "pre-processing" not in record.getMessage()
