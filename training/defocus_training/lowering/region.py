"""Which part of an exported graph may be computed in lower precision, and which convolutions are the delicate ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onnx import GraphProto, ModelProto, NodeProto

_PASSING = {"Relu", "Add", "Concat", "Resize", "Slice"}
"""What lies between the convolutions of a U-Net; everything else (logarithms, ratios, softplus) stays in float32."""
FIRST_INPUT_ONLY = {"Resize", "Slice"}
"""Of these the other inputs are sizes and places, not values."""
_HEAD_CHANNELS = 4


def convolutions(model: ModelProto) -> list[str]:
    """Names of the convolutions, in the order in which they are computed."""
    return [node.name for node in model.graph.node if node.op_type == "Conv"]


def heads(model: ModelProto) -> list[str]:
    """The convolutions whose few channels are the network's results themselves."""
    channels = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    found = (node for node in model.graph.node if node.op_type == "Conv")
    return [node.name for node in found if channels[node.input[1]] <= _HEAD_CHANNELS]


def stems(model: ModelProto) -> list[str]:
    """The convolutions that read what something else than convolutions has computed: hand-made features, hints."""
    producers = _producers(model.graph)
    return [node.name for node in model.graph.node if node.op_type == "Conv" and _reads_outside(node, producers)]


def region(model: ModelProto, kept_f32: Iterable[str]) -> set[str]:
    """Names of the nodes to lower: the convolutions but `kept_f32`, and what passes values between them."""
    convs = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    lowered = [node for name, node in convs.items() if name not in set(kept_f32)]
    producers, consumers = _producers(model.graph), _consumers(model.graph)
    after = _reached(lowered, lambda node: [user for name in node.output for user in consumers.get(name, [])])
    before = _reached(lowered, lambda node: [producers[name] for name in node.input if name in producers])
    return {node.name for node in lowered} | (after & before)


def _reads_outside(node: NodeProto, producers: dict[str, NodeProto]) -> bool:
    """Whether a value comes, through passing nodes alone, from a node that is neither these nor a convolution."""
    values = node.input[:1] if node.op_type in {"Conv", *FIRST_INPUT_ONLY} else node.input
    for source in (producers.get(name) for name in values):
        if source is None or source.op_type not in {"Conv", *_PASSING}:
            return True
        if source.op_type != "Conv" and _reads_outside(source, producers):
            return True
    return False


def _reached(start: list[NodeProto], neighbours: Callable[[NodeProto], list[NodeProto]]) -> set[str]:
    """Names of the passing nodes that are reached from `start` through passing nodes only."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for node in neighbours(waiting.pop()):
            if node.op_type in _PASSING and node.name not in found:
                found.add(node.name)
                waiting.append(node)
    return found


def _producers(graph: GraphProto) -> dict[str, NodeProto]:
    return {name: node for node in graph.node for name in node.output}


def _consumers(graph: GraphProto) -> dict[str, list[NodeProto]]:
    users: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users
