"""Pre-processing as a graph of its own: 8-bit camera pixels in, the network's input out.

    image[c] = rows · (Σ_k mix[k, c] · table[pixels[…, k]]) · columns

`table` re-encodes the values, `mix` puts the channels in order (or a grey one into all three), and `rows` and `columns`
are area resampling and reflected padding, both linear and separable (`WorkingGeometry.resampling`). They are inputs:
one engine serves every camera, and computes what `to_unit_floats` and `to_working` compute on the CPU.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ....errors import BackendUnavailableError, install_hint
from .builder import ShapeRange

OPSET = 18
LARGEST_IMAGE = (2160, 3840)
LARGEST_WORKING = (1088, 1920)
_USUAL_IMAGE, _USUAL_WORKING = (480, 640), (256, 320)

SHAPES = {
    "pixels": ShapeRange((1, 32, 32, 1), (1, *_USUAL_IMAGE, 3), (1, *LARGEST_IMAGE, 3)),
    "rows": ShapeRange((32, 32), (_USUAL_WORKING[0], _USUAL_IMAGE[0]), (LARGEST_WORKING[0], LARGEST_IMAGE[0])),
    "columns": ShapeRange((32, 32), (_USUAL_IMAGE[1], _USUAL_WORKING[1]), (LARGEST_IMAGE[1], LARGEST_WORKING[1])),
    "mix": ShapeRange((1, 3), (3, 3), (3, 3)),
}


def graph_digest() -> str:
    """Identifies the graph: the hash of what makes it, so that the ONNX library is needed for building only."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def pixel_graph() -> bytes:
    """The ONNX graph.

    Inputs: `pixels` uint8 [1, H, W, C], `table` float32 [256], `rows` [h, H], `columns` [W, w], `mix` [C, 3].
    Output: `image` float32 [1, 3, h, w].

    Raises:
        BackendUnavailableError: the package onnx is not installed.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError as error:
        wanted = install_hint("tensorrt")
        raise BackendUnavailableError(f"pre-processing on the GPU: expected the package onnx: {wanted}") from error

    def port(name: str, kind: int, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    nodes = [
        helper.make_node("Cast", ["pixels"], ["indices"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "indices"], ["values"], axis=0),
        helper.make_node("Transpose", ["values"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("MatMul", ["planes", "columns"], ["narrowed"]),
        helper.make_node("MatMul", ["rows", "narrowed"], ["resampled"]),
        helper.make_node("Transpose", ["resampled"], ["channels_last"], perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["channels_last", "mix"], ["mixed"]),
        helper.make_node("Transpose", ["mixed"], ["image"], perm=[0, 3, 1, 2]),
    ]
    inputs = [
        port("pixels", TensorProto.UINT8, [1, "height", "width", "channels"]),
        port("table", TensorProto.FLOAT, [256]),
        port("rows", TensorProto.FLOAT, ["working_height", "height"]),
        port("columns", TensorProto.FLOAT, ["width", "working_width"]),
        port("mix", TensorProto.FLOAT, ["channels", 3]),
    ]
    output = port("image", TensorProto.FLOAT, [1, 3, "working_height", "working_width"])
    graph = helper.make_graph(nodes, "pixels", inputs, [output])
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()
