"""The contract of every backend that runs from the ONNX file, and that they agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError, ModelError
from defocus_depth.inference import OUTPUT_NAMES, RELEASED_MODEL, Backend, BackendRequest, Sidecar, load_backend
from defocus_depth.inference.artifact import file_sha256, load_artifact
from defocus_depth.inference.backends.fidelity import gate_inputs

ON_ONNX = ("openvino", "onnxruntime")
TOLERANCES = {"defocus": 2e-3, "coc": 2e-3, "inv_depth_scale": 2e-4, "confidence": 1e-3}  # docs/inference.md
INVERSE_DEPTH_DPT = 2e-4

RequestMaker = Callable[..., BackendRequest]
Inputs = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture(params=ON_ONNX)
def backend(request: pytest.FixtureRequest, tiny_model: Path, request_for: RequestMaker):
    """Each backend with the tiny model loaded."""
    loaded = load_backend(request.param, request_for(tiny_model))
    yield loaded
    loaded.close()


def assert_agree(maps: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> None:
    for name, tolerance in TOLERANCES.items():
        np.testing.assert_allclose(maps[name], reference[name], atol=tolerance, rtol=0, err_msg=name)
    np.testing.assert_allclose(1 / maps["depth"], 1 / reference["depth"], atol=INVERSE_DEPTH_DPT, rtol=0)


def test_maps_are_what_the_graph_says(backend: Backend, inputs: Inputs):
    image, lens = inputs()
    maps = backend.run(image, lens)
    assert set(maps) == set(OUTPUT_NAMES)
    mean = image.mean(axis=1, keepdims=True)
    inverse_depth = 0.5 + 2 * mean
    np.testing.assert_allclose(maps["depth"], 1 / inverse_depth, rtol=1e-5)
    np.testing.assert_allclose(maps["coc"], lens[0, 0] * (lens[0, 1] - inverse_depth), atol=1e-4)
    np.testing.assert_allclose(maps["defocus"], np.abs(maps["coc"]), atol=1e-6)
    np.testing.assert_allclose(maps["inv_depth_scale"], 0.05 * inverse_depth, rtol=1e-5)
    np.testing.assert_allclose(maps["confidence"], mean, rtol=1e-5)
    assert all(values.dtype == np.float32 and values.shape == (1, 1, 64, 96) for values in maps.values())


def test_every_run_sees_its_own_input(backend: Backend, inputs: Inputs):
    image, lens = inputs()
    first = backend.run(image, lens)["confidence"].copy()
    image *= 0.5
    np.testing.assert_allclose(backend.run(image, lens)["confidence"], first / 2, rtol=1e-5)


def test_inputs_of_another_shape_or_type_are_refused(backend: Backend, inputs: Inputs):
    image, lens = inputs()
    with pytest.raises(BackendError, match=r"image: expected float32 \(1, 3, 64, 96\), got float32 \(1, 3, 96, 128\)"):
        backend.run(*inputs(96, 128))
    with pytest.raises(BackendError, match=r"image: expected float32 .*, got float64"):
        backend.run(image.astype(np.float64), lens)  # type: ignore[arg-type]
    with pytest.raises(BackendError, match=r"lens: expected float32 \(1, 3\), got float32 \(3,\)"):
        backend.run(image, lens[0])
    assert np.isfinite(backend.run(image, lens)["depth"]).all()  # still alive


def test_closed_is_closed(backend: Backend, inputs: Inputs):
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match=f"{backend.name}: expected an open backend"):
        backend.run(*inputs())


@pytest.mark.parametrize("name", ON_ONNX)
def test_corrupt_graph_is_a_model_error(name: str, tmp_path: Path, make_tiny_model, request_for: RequestMaker):
    path = make_tiny_model(tmp_path)
    path.write_bytes(path.read_bytes()[:200] + b"\xff" * 300)
    _rewrite_sidecar(path, sha256=file_sha256(path))
    with pytest.raises(ModelError, match=r"tiny\.onnx: expected an ONNX graph"):
        load_backend(name, request_for(path))


@pytest.mark.parametrize("name", ON_ONNX)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rename_input", "expected inputs image, lens, got picture, lens"),
        ("drop_output", "expected outputs defocus, depth, coc, inv_depth_scale, confidence, got"),
        ("forget_nearest", r"input lens: expected \[1, 3\] \(G, F, N\), got \[1, 2\]: export the model again"),
    ],
)
def test_another_interface_is_a_model_error(
    name: str, change: str, message: str, tmp_path: Path, make_tiny_model, request_for: RequestMaker
):
    path = make_tiny_model(tmp_path)
    _edit_graph(path, change)
    with pytest.raises(ModelError, match=rf"tiny\.onnx: .*{message}"):
        load_backend(name, request_for(path))


def test_onnxruntime_refuses_a_graph_of_another_fixed_size(tmp_path: Path, make_tiny_model, request_for: RequestMaker):
    path = make_tiny_model(tmp_path)
    _edit_graph(path, "fix_size")
    with pytest.raises(
        ModelError, match=r"input image: expected a shape that takes \[1, 3, 64, 96\], got \[1, 3, 32, 32\]"
    ):
        load_backend("onnxruntime", request_for(path))


@pytest.mark.parametrize("name", ON_ONNX)
def test_map_of_another_size_is_a_model_error(name: str, tmp_path: Path, make_tiny_model, request_for: RequestMaker):
    path = make_tiny_model(tmp_path)
    _edit_graph(path, "pool_confidence")
    with pytest.raises(
        ModelError, match=r"output confidence: expected float32 \(1, 1, 64, 96\), got float32 \(1, 1, 1"
    ):
        load_backend(name, request_for(path))


def test_openvino_and_onnxruntime_agree(convolutional_model: Path, request_for: RequestMaker, inputs: Inputs):
    reference, other = (load_backend(name, request_for(convolutional_model)) for name in ON_ONNX)
    assert_agree(reference.run(*inputs()), other.run(*inputs()))


def test_disagreement_beyond_tolerance_is_seen(convolutional_model: Path, request_for: RequestMaker, inputs: Inputs):
    maps = load_backend("onnxruntime", request_for(convolutional_model)).run(*inputs())
    with pytest.raises(AssertionError):
        assert_agree({**maps, "depth": maps["depth"] * 1.002}, maps)


def test_bf16_stays_near_f32(convolutional_model: Path, request_for: RequestMaker, inputs: Inputs):
    exact = load_backend("openvino", request_for(convolutional_model)).run(*inputs())
    try:
        backend = load_backend("openvino", request_for(convolutional_model, precision="bf16"))
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    assert backend.precision == "bf16"
    rough = backend.run(*inputs())
    np.testing.assert_allclose(1 / rough["depth"], 1 / exact["depth"], rtol=0.05)


def test_bf16_keeps_the_released_models_depth(request_for: RequestMaker):
    """Its features are log ratios of small numbers, which must stay float32."""
    height, width = load_artifact().sidecar.sizes[0]
    exact = load_backend("openvino", request_for(None, height=height, width=width))
    try:
        rough = load_backend("openvino", request_for(None, height=height, width=width, precision="bf16"))
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    for image, lens in gate_inputs(height, width):
        expected = exact.run(image, lens)["depth"].copy()
        relative = np.abs(rough.run(image, lens)["depth"] / expected - 1)
        assert 0 < relative.mean() < 0.01


def test_onnxruntime_refuses_bf16(tiny_model: Path, request_for: RequestMaker):
    with pytest.raises(BackendUnavailableError, match="onnxruntime: expected precision f32 or int8 or f16, got bf16"):
        load_backend("onnxruntime", request_for(tiny_model, precision="bf16"))


def test_onnxruntime_gpu_is_not_taken_for_the_cpu_build(tiny_model: Path, request_for: RequestMaker):
    if "CUDAExecutionProvider" in pytest.importorskip("onnxruntime").get_available_providers():
        pytest.skip("onnxruntime-gpu is installed")
    with pytest.raises(
        BackendUnavailableError, match=r"onnxruntime_gpu: expected .*providers_cuda.so .*onnxruntime-gpu"
    ):
        load_backend("onnxruntime_gpu", request_for(tiny_model))


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_session_that_fell_back_to_the_cpu_is_refused(
    tiny_model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch
):
    from defocus_depth.inference.backends import onnxruntime_backend

    monkeypatch.setattr(onnxruntime_backend, "_require_cuda_build", lambda: None)
    with pytest.raises((BackendUnavailableError, ModelError), match="CUDAExecutionProvider"):
        load_backend("onnxruntime_gpu", request_for(tiny_model))


@pytest.mark.skipif(not RELEASED_MODEL.is_file(), reason="no released model in the package yet")
@pytest.mark.parametrize("size_index", [0, -1])
def test_backends_agree_on_the_released_model(size_index: int, request_for: RequestMaker, inputs: Inputs):
    artifact = load_artifact()
    height, width = artifact.sidecar.sizes[size_index]
    requested = request_for(None, height=height, width=width)
    names = (*ON_ONNX, "torch") if artifact.sidecar.pt2_sha256 else ON_ONNX
    reference, *others = (load_backend(name, requested).run(*inputs(height, width)) for name in names)
    assert all(np.isfinite(values).all() for values in reference.values())
    for maps in others:
        assert_agree(maps, reference)


def _rewrite_sidecar(path: Path, **fields: Any) -> None:
    sidecar = path.with_suffix(".json")
    Sidecar.read(sidecar).model_copy(update=fields).write(sidecar)


def _edit_graph(path: Path, change: str) -> None:
    import onnx
    from onnx import helper

    model = onnx.load(path)
    graph = model.graph
    if change == "rename_input":
        graph.input[0].name = "picture"
        next(node for node in graph.node if "image" in node.input).input[0] = "picture"
    elif change == "forget_nearest":
        lens = next(port for port in graph.input if port.name == "lens")
        lens.type.tensor_type.shape.dim[1].dim_value = 2
        split = next(node for node in graph.node if node.op_type == "Split")
        split.output.remove("nearest_2d")
        next(attribute for attribute in split.attribute if attribute.name == "num_outputs").i = 2
        next(node for node in graph.node if "nearest_2d" in node.input).input[0] = "focus_2d"
    elif change == "drop_output":
        del graph.output[0]
    elif change == "fix_size":
        for port in (graph.input[0], *graph.output):
            port.type.tensor_type.shape.dim[2].dim_value = 32
            port.type.tensor_type.shape.dim[3].dim_value = 32
    elif change == "pool_confidence":
        pooled = next(node for node in graph.node if "confidence" in node.output)
        pooled.output[0] = "mean"
        next(node for node in graph.node if "confidence" in node.input).input[0] = "mean"
        graph.node.append(helper.make_node("GlobalAveragePool", ["mean"], ["confidence"]))
        port = next(port for port in graph.output if port.name == "confidence")
        port.type.tensor_type.ClearField("shape")
    onnx.save(model, path)
    _rewrite_sidecar(path, sha256=file_sha256(path))
