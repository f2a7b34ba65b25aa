"""Requests for the backends, and a network whose arithmetic is worth comparing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.inference import OUTPUT_NAMES, BackendRequest, Sidecar, file_sha256, load_artifact

HEIGHT, WIDTH = 64, 96


@pytest.fixture
def request_for() -> Callable[..., BackendRequest]:
    """A function (path of a model, **fields of the request) → request for 96x64 px."""

    def make(path: Path | None, **fields: Any) -> BackendRequest:
        return BackendRequest(load_artifact(path), **{"height": HEIGHT, "width": WIDTH, "threads": 1, **fields})

    return make


@pytest.fixture
def inputs() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A function (height, width) → a random image [1, 3, H, W] and a lens [1, 3]."""

    def make(height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
        image = np.random.default_rng(5).random((1, 3, height, width), dtype=np.float32)
        return image, np.array([[7.5, 2.8, 3.0]], np.float32)

    return make


@pytest.fixture(scope="session")
def convolutional_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random U-shaped network of this interface: strided convolutions, a resize, a skip, bounded heads."""
    import onnx

    path = tmp_path_factory.mktemp("convolutional") / "net.onnx"
    onnx.save(_convolutional_graph(), path)
    Sidecar(
        sizes=((HEIGHT, WIDTH),),
        transfer="srgb",
        supervision="truth",
        trained_on="nothing: random weights",
        metrics={},
        sha256=file_sha256(path),
    ).write(path.with_suffix(".json"))
    return path


def _convolutional_graph() -> Any:
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(11)
    constants = [
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"),
        numpy_helper.from_array(np.array([2, 3], np.int64), "last_axes"),
        numpy_helper.from_array(np.array([0.1], np.float32), "floor"),
        numpy_helper.from_array(np.array([1, 1, 1, 1], np.int64), "heads"),
    ]

    def convolution(source: str, output: str, channels: tuple[int, int], stride: int = 1) -> Any:
        weights = generator.normal(0, (channels[0] * 9) ** -0.5, (channels[1], channels[0], 3, 3)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"{output}_weights"))
        return helper.make_node(
            "Conv", [source, f"{output}_weights"], [output], pads=[1, 1, 1, 1], strides=[stride, stride]
        )

    nodes = [
        helper.make_node("Split", ["lens"], ["gain_2d", "focus_2d", "nearest_2d"], axis=1, num_outputs=3),
        helper.make_node("Unsqueeze", ["gain_2d", "last_axes"], ["gain"]),
        helper.make_node("Unsqueeze", ["focus_2d", "last_axes"], ["focus"]),
        helper.make_node("Unsqueeze", ["nearest_2d", "last_axes"], ["nearest"]),
        convolution("image", "c1", (3, 16)),
        helper.make_node("Relu", ["c1"], ["skip"]),
        convolution("skip", "c2", (16, 32), stride=2),
        helper.make_node("Relu", ["c2"], ["low"]),
        convolution("low", "c3", (32, 16)),
        helper.make_node("Resize", ["c3", "", "twice"], ["high"], mode="linear"),
        helper.make_node("Concat", ["high", "skip"], ["both"], axis=1),
        convolution("both", "c4", (32, 4)),
        helper.make_node("Split", ["c4", "heads"], ["raw_blur", "raw_depth", "raw_scale", "raw_sure"], axis=1),
        helper.make_node("Softplus", ["raw_blur"], ["defocus"]),
        helper.make_node("Softplus", ["raw_depth"], ["positive"]),
        helper.make_node("Add", ["positive", "floor"], ["unbounded"]),
        helper.make_node("Min", ["unbounded", "nearest"], ["inverse_depth"]),
        helper.make_node("Reciprocal", ["inverse_depth"], ["depth"]),
        helper.make_node("Softplus", ["raw_scale"], ["inv_depth_scale"]),
        helper.make_node("Sigmoid", ["raw_sure"], ["confidence"]),
        helper.make_node("Sub", ["focus", "inverse_depth"], ["distance"]),
        helper.make_node("Mul", ["gain", "distance"], ["coc"]),
    ]
    ports = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"]),
        helper.make_tensor_value_info("lens", TensorProto.FLOAT, [1, 3]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, None, None]) for name in OUTPUT_NAMES]
    graph = helper.make_graph(nodes, "net", ports, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
