"""What every test process gets: a ROS domain of its own, and libraries that use one thread each."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when the libraries are imported
    os.environ.setdefault(_name, "1")
os.environ.update(RMW_IMPLEMENTATION="rmw_fastrtps_cpp", ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST")

import pytest  # noqa: E402

from defocus_depth.inference import OUTPUT_NAMES, Sidecar, file_sha256  # noqa: E402
from defocus_depth.ros.domain import reserved_domain  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def ros_domain(tmp_path_factory: pytest.TempPathFactory):
    """The ROS_DOMAIN_ID of this test process and of the processes it starts; no other process has it."""
    with reserved_domain() as domain, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ROS_DOMAIN_ID", str(domain))
        environment.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        yield domain


TINY_SIZES = ((64, 96), (96, 128))


@pytest.fixture(scope="session")
def make_tiny_model() -> Callable[..., Path]:
    """A function (folder, name="tiny", **sidecar_fields) → `<name>.onnx` with its sidecar, whose depth is known.

    With m the mean of a pixel's channels: 1/depth = min(0.5 + 2·m, N) dpt, coc = G·(F − 1/depth), defocus = |coc|,
    inv_depth_scale = 0.05/depth, confidence = m. Height and width are dynamic.
    """
    import onnx

    def make(folder: Path, name: str = "tiny", **fields: Any) -> Path:
        path = folder / f"{name}.onnx"
        onnx.save(_tiny_graph(), path)
        chosen = {
            "sizes": TINY_SIZES,
            "transfer": "srgb",
            "supervision": "truth",
            "trained_on": "nothing: depth is an affine function of brightness",
            "metrics": {"abs_rel": 0.5},
            "sha256": file_sha256(path),
            **fields,
        }
        Sidecar(**chosen).write(path.with_suffix(".json"))
        return path

    return make


@pytest.fixture(scope="session")
def tiny_model(make_tiny_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `make_tiny_model`, made once; not to be written to."""
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def _tiny_graph() -> Any:
    from onnx import TensorProto, helper

    def constant(name: str, values: list[float], kind: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor(name, kind, [len(values)], values)

    nodes = [
        helper.make_node("Split", ["lens"], ["gain_2d", "focus_2d", "nearest_2d"], axis=1, num_outputs=3),
        helper.make_node("Unsqueeze", ["gain_2d", "last_axes"], ["gain"]),
        helper.make_node("Unsqueeze", ["focus_2d", "last_axes"], ["focus"]),
        helper.make_node("Unsqueeze", ["nearest_2d", "last_axes"], ["nearest"]),
        helper.make_node("ReduceMean", ["image", "channel_axis"], ["confidence"], keepdims=1),
        helper.make_node("Mul", ["confidence", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "half"], ["brightness"]),
        helper.make_node("Min", ["brightness", "nearest"], ["inverse_depth"]),
        helper.make_node("Reciprocal", ["inverse_depth"], ["depth"]),
        helper.make_node("Mul", ["inverse_depth", "twentieth"], ["inv_depth_scale"]),
        helper.make_node("Sub", ["focus", "inverse_depth"], ["distance"]),
        helper.make_node("Mul", ["gain", "distance"], ["coc"]),
        helper.make_node("Abs", ["coc"], ["defocus"]),
    ]
    constants = [
        constant("two", [2.0]),
        constant("half", [0.5]),
        constant("twentieth", [0.05]),
        constant("channel_axis", [1], TensorProto.INT64),
        constant("last_axes", [2, 3], TensorProto.INT64),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"]),
        helper.make_tensor_value_info("lens", TensorProto.FLOAT, [1, 3]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, "height", "width"]) for name in OUTPUT_NAMES
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
