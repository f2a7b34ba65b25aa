"""The graph with its convolutions in fp16: casts where the region begins and ends, weights stored as fp16."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from defocus_depth.errors import ModelError

from .region import FIRST_INPUT_ONLY, region

_LARGEST = float(np.finfo(np.float16).max)


def half_graph(model: ModelProto, kept_f32: Iterable[str] = ()) -> ModelProto:
    """A copy of `model` whose region (`region`) computes in fp16; inputs and outputs stay float32.

    Raises:
        ModelError: a weight is beyond the range of fp16.
    """
    lowered = ModelProto()
    lowered.CopyFrom(model)
    _Rewriting(lowered, region(model, kept_f32)).run()
    return lowered


class _Rewriting:
    def __init__(self, model: ModelProto, lowered: set[str]) -> None:
        self._graph = model.graph
        self._lowered = lowered
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[NodeProto] = []
        self._half: dict[str, str] = {}

    def run(self) -> None:
        wanted_outside = {port.name for port in self._graph.output}
        for node in self._graph.node:
            if node.name not in self._lowered:
                wanted_outside.update(node.input)
        for node in list(self._graph.node):
            if node.name in self._lowered:
                self._lower(node, wanted_outside)
            else:
                self._nodes.append(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]  # they name the old types
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _lower(self, node: NodeProto, wanted_outside: set[str]) -> None:
        values = 1 if node.op_type in FIRST_INPUT_ONLY else len(node.input)
        for index, name in enumerate(node.input[:values]):
            node.input[index] = self._as_half(name)
        outputs = list(node.output)
        for index, name in enumerate(outputs):
            node.output[index] = self._half[name] = f"{name}_f16"
        self._nodes.append(node)
        for name in wanted_outside.intersection(outputs):
            self._nodes.append(
                helper.make_node("Cast", [f"{name}_f16"], [name], f"{name}_to_f32", to=TensorProto.FLOAT)
            )

    def _as_half(self, name: str) -> str:
        """The fp16 tensor with these values, made where it is first needed."""
        if name not in self._half and name:
            self._half[name] = f"{name}_f16"
            if name in self._weights:
                self._graph.initializer.append(_half_weights(self._weights[name]))
            else:
                cast = helper.make_node("Cast", [name], [f"{name}_f16"], f"{name}_to_f16", to=TensorProto.FLOAT16)
                self._nodes.append(cast)
        return self._half.get(name, name)


def _half_weights(tensor: TensorProto) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    if np.abs(values).max(initial=0) > _LARGEST:
        raise ModelError(f"weights {tensor.name}: expected values within ±{_LARGEST:g} for fp16, got larger ones")
    return numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_f16")
