"""A small network of the model's interface: a hand-made feature, a stem, a residual block, a joined stem, a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from defocus_depth.evaluation.dataset import Sample
from defocus_depth.inference import OUTPUT_NAMES, ModelArtifact, Sidecar, file_sha256, load_artifact
from defocus_depth.types import LensParameters

LENS = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=96)


@pytest.fixture
def artifact(tmp_path: Path) -> ModelArtifact:
    """The network with its sidecar, in a folder of its own."""
    path = tmp_path / "net.onnx"
    save(_graph(), path)
    Sidecar(
        sizes=((64, 96),),
        transfer="srgb",
        supervision="truth",
        trained_on="nothing: random weights",
        metrics={},
        sha256=file_sha256(path),
    ).write(path.with_suffix(".json"))
    return load_artifact(path)


@pytest.fixture
def samples() -> list[Sample]:
    """Random pictures with a depth that they do not show."""
    generator = np.random.default_rng(4)

    def sample(number: int) -> Sample:
        image = generator.integers(0, 256, (64, 96, 3), dtype=np.uint8)
        truth_m = generator.uniform(0.4, 3, (64, 96)).astype(np.float32)
        return Sample(str(number), str(number), image, LENS, 0.35, truth_m)

    return [sample(number) for number in range(3)]


def _graph() -> Any:
    generator = np.random.default_rng(2)
    constants = [
        numpy_helper.from_array(np.array([2, 3], np.int64), "last_axes"),
        numpy_helper.from_array(np.array([0.3], np.float32), "floor"),
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"),
        numpy_helper.from_array(np.array([1, 1, 1, 1], np.int64), "each"),
    ]

    def conv(source: str, output: str, channels: tuple[int, int], stride: int = 1) -> Any:
        weights = generator.normal(0, 0.3 * (channels[0] * 9) ** -0.5, (channels[1], channels[0], 3, 3))
        bias = generator.normal(0, 0.1, channels[1])
        constants.append(numpy_helper.from_array(weights.astype(np.float32), f"{output}_w"))
        constants.append(numpy_helper.from_array(bias.astype(np.float32), f"{output}_b"))
        inputs = [source, f"{output}_w", f"{output}_b"]
        return helper.make_node("Conv", inputs, [output], f"conv_{output}", pads=[1] * 4, strides=[stride, stride])

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [output], f"{kind}_{output}", **attributes)

    nodes = [
        helper.make_node("Split", ["lens"], ["gain_2d", "focus_2d", "nearest_2d"], "split", axis=1, num_outputs=3),
        node("Unsqueeze", ["gain_2d", "last_axes"], "gain"),
        node("Unsqueeze", ["focus_2d", "last_axes"], "focus"),
        node("Unsqueeze", ["nearest_2d", "last_axes"], "nearest"),
        node("Sqrt", ["image"], "feature"),
        conv("feature", "stem", (3, 16), stride=2),
        node("Relu", ["stem"], "stem_relu"),
        conv("stem_relu", "block", (16, 16)),
        node("Relu", ["block"], "block_relu"),
        node("Add", ["stem_relu", "block_relu"], "residual"),
        node("Resize", ["residual", "", "twice"], "upsampled", mode="linear"),
        node("Concat", ["upsampled", "feature"], "joined", axis=1),
        conv("joined", "second", (19, 16)),
        node("Relu", ["second"], "second_relu"),
        conv("second_relu", "head", (16, 4)),
        helper.make_node("Split", ["head", "each"], ["raw_blur", "raw_depth", "raw_scale", "raw_sure"], "s", axis=1),
        node("Softplus", ["raw_blur"], "defocus"),
        node("Softplus", ["raw_depth"], "positive"),
        node("Add", ["positive", "floor"], "unbounded"),
        node("Min", ["unbounded", "nearest"], "inverse_depth"),
        node("Reciprocal", ["inverse_depth"], "depth"),
        node("Softplus", ["raw_scale"], "inv_depth_scale"),
        node("Sigmoid", ["raw_sure"], "confidence"),
        node("Sub", ["focus", "inverse_depth"], "distance"),
        node("Mul", ["gain", "distance"], "coc"),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"]),
        helper.make_tensor_value_info("lens", TensorProto.FLOAT, [1, 3]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, None, None]) for name in OUTPUT_NAMES]
    graph = helper.make_graph(nodes, "net", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
