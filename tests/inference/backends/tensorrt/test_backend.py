"""The backend on a fake GPU: what it computes, what it leaves behind, which engine it takes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError
from defocus_depth.inference import BackendRequest, load_backend, load_estimator
from defocus_depth.inference.backends import Preparation, registry
from defocus_depth.inference.backends.tensorrt import loading
from defocus_depth.inference.backends.tensorrt.adapter import TENSORRT, TENSORRT_RTX, import_library
from defocus_depth.inference.backends.tensorrt.building import EngineMaker
from defocus_depth.inference.backends.tensorrt.cache import EngineCache
from defocus_depth.inference.backends.tensorrt.device import GpuIdentity
from defocus_depth.inference.working_size import choose_geometry
from defocus_depth.types import LensParameters

RequestMaker = Callable[..., BackendRequest]
Inputs = Callable[..., tuple[np.ndarray, np.ndarray]]
ROBOT = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)


def expected_maps(image: np.ndarray, lens: np.ndarray) -> dict[str, np.ndarray]:
    inverse = 0.5 + 2 * image.mean(axis=1, keepdims=True)
    return {"depth": 1 / inverse, "coc": lens[0, 0] * (lens[0, 1] - inverse)}


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_maps_are_the_networks_before_and_after_the_graph_is_captured(
    runs: int, tiny_model: Path, request_for: RequestMaker, inputs: Inputs, engines, trt
):
    backend = load_backend("tensorrt", request_for(tiny_model))
    image, lens = inputs()
    for number in range(runs):
        given = image * np.float32(1 - 0.1 * number)
        maps = backend.run(given, lens)
        for name, values in expected_maps(given, lens).items():
            np.testing.assert_allclose(maps[name], values, rtol=1e-5, atol=1e-5)
    assert trt.gpu.launches > 0
    backend.close()
    backend.close()
    assert trt.gpu.live == {} and trt.gpu.users == 0
    with pytest.raises(BackendError, match="tensorrt: expected an open backend"):
        backend.run(image, lens)


def test_where_cuda_refuses_to_capture_the_steps_are_enqueued_one_by_one(
    tiny_model: Path, request_for: RequestMaker, inputs: Inputs, engines, trt
):
    trt.gpu.refuse_capture = True
    backend = load_backend("tensorrt", request_for(tiny_model))
    for _ in range(3):
        np.testing.assert_allclose(backend.run(*inputs())["depth"], expected_maps(*inputs())["depth"], rtol=1e-5)
    assert trt.gpu.launches == 0


def test_contexts_of_tensorrt_rtx_capture_their_own_graphs_and_keep_their_kernels(
    tiny_model: Path, request_for: RequestMaker, inputs: Inputs, engines, rtx
):
    rtx.kernels = b"compiled"
    for _ in range(2):
        backend = load_backend("tensorrt_rtx", request_for(tiny_model))
        for _ in range(3):
            backend.run(*inputs())
        backend.close()
    assert rtx.gpu.launches == 0 and rtx.gpu.live == {}
    assert rtx.received_kernels == [b"compiled"]  # the second time
    assert rtx.built == ["network", "pixels"]


def test_a_thousand_times_loaded_and_closed_nothing_is_left(
    tiny_model: Path, request_for, inputs: Inputs, engines, trt
):
    build_all(tiny_model, request_for, trt)
    image = np.zeros((90, 130, 3), np.uint8)
    request = request_for(tiny_model)
    most = 0
    for number in range(1000):
        backend = loading.load_flavour(request, TENSORRT)
        if number % 100 == 0:
            preparation = Preparation(choose_geometry((90, 130), 20, [(64, 96)], 20), "srgb", "srgb")
            for _ in range(3):
                assert backend.run_pixels(image, preparation, inputs()[1]) is not None
        most = max(most, len(trt.gpu.live))
        backend.close()
        assert trt.gpu.live == {} and trt.gpu.users == 0
    assert most > 10
    assert trt.built == ["network", "pixels"]


@pytest.mark.parametrize("fault", ["context", "sequence"])
def test_closing_that_fails_at_pre_processing_leaves_nothing_behind(
    fault: str, tiny_model: Path, request_for, inputs: Inputs, engines, rtx
):
    backend = loading.load_flavour(request_for(tiny_model), TENSORRT_RTX)
    preparation = Preparation(choose_geometry((90, 130), 20, [(64, 96)], 20), "srgb", "srgb")
    assert backend.run_pixels(np.zeros((90, 130, 3), np.uint8), preparation, inputs()[1]) is not None
    broken, name = (rtx.gpu, "activate") if fault == "context" else (backend._pixel_sequence, "close")

    def fail_once() -> None:
        delattr(broken, name)
        raise BackendError("CUDA: expected CUDA_SUCCESS, got LAUNCH_FAILED")

    setattr(broken, name, fail_once)
    with pytest.raises(BackendError, match="LAUNCH_FAILED"):
        backend.close()
    assert rtx.gpu.live == {} and rtx.gpu.users == 0
    backend.close()


def test_out_of_memory_half_way_leaves_nothing_behind(tiny_model: Path, request_for: RequestMaker, engines, trt):
    for number in range(1, 8):  # the stream, then seven tensors
        trt.gpu.out_of_memory_after = number
        with pytest.raises(BackendUnavailableError, match="tensorrt: CUDA: cuMemAlloc"):
            load_backend("tensorrt", request_for(tiny_model))
        assert trt.gpu.live == {} and trt.gpu.users == 0


def test_a_failed_inference_is_a_backend_error(tiny_model: Path, request_for: RequestMaker, engines, trt):
    trt.faults[tiny_model.read_bytes()] = "run"
    with pytest.raises(BackendUnavailableError, match="tensorrt: inference failed"):
        load_backend("tensorrt", request_for(tiny_model))
    assert trt.gpu.live == {}


@pytest.mark.parametrize("shape", [(480, 640, 3), (100, 130), (64, 96, 3)])
def test_pixels_prepared_on_the_gpu_are_the_cpus(shape, tiny_model: Path, request_for, engines, trt):
    build_all(tiny_model, request_for, trt)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with load_estimator(tiny_model, "openvino") as reference, load_estimator(tiny_model, "tensorrt") as estimator:
        for _ in range(3):
            expected = reference.estimate(image, ROBOT, 0.35, transfer="linear")
            found = estimator.estimate(image, ROBOT, 0.35, transfer="linear")
            np.testing.assert_allclose(found.depth_m, expected.depth_m, rtol=1e-4)
            image = 255 - image
        half = image[: shape[0] // 2]
        np.testing.assert_allclose(
            estimator.estimate(half, ROBOT, 0.35).depth_m, reference.estimate(half, ROBOT, 0.35).depth_m, rtol=1e-4
        )
        assert any(content is not None and kind == "pinned" for kind, content in trt.gpu.live.values())
    assert trt.gpu.live == {}


def test_pixels_that_differ_from_the_cpus_are_not_used(
    tiny_model: Path, request_for, engines, trt, caplog: pytest.LogCaptureFixture
):
    from defocus_depth.inference.backends.tensorrt.pixel_graph import pixel_graph

    trt.faults[pixel_graph()] = "off"
    build_all(tiny_model, request_for, trt)
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    with load_estimator(tiny_model, "openvino") as reference, load_estimator(tiny_model, "tensorrt") as estimator:
        for _ in range(2):
            found = estimator.estimate(image, ROBOT, 0.35)
        np.testing.assert_allclose(found.depth_m, reference.estimate(image, ROBOT, 0.35).depth_m, rtol=1e-4)
    told = [record for record in caplog.records if "pre-processing stays on the CPU" in record.getMessage()]
    assert len(told) == 1 and "off by 0.1" in told[0].getMessage()


def test_images_beyond_the_profile_go_through_the_cpu(tiny_model: Path, request_for, engines, trt):
    build_all(tiny_model, request_for, trt)
    with load_estimator(tiny_model, "tensorrt") as estimator:
        estimate = estimator.estimate(np.full((20, 30, 3), 51, np.uint8), ROBOT, 0.35)
    np.testing.assert_allclose(estimate.depth_m, 1 / 0.9, rtol=1e-4)


def test_auto_takes_only_what_is_built_and_names_the_command(
    tiny_model: Path, request_for: RequestMaker, engines, trt, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO):
        assert load_backend("auto", request_for(tiny_model)).name == "openvino"
    assert trt.built == []
    told = [record.getMessage() for record in caplog.records if "backend tensorrt not used" in record.getMessage()]
    command = f"no f32 engine for 96x64 px: defocus_depth build-engine {tiny_model} --flavour tensorrt"
    assert len(told) == 1 and command in told[0]
    build_all(tiny_model, request_for, trt)
    backend = load_backend("auto", request_for(tiny_model))
    assert backend.name == "tensorrt"
    backend.close()


def test_by_name_a_missing_engine_is_built_once(tiny_model: Path, request_for: RequestMaker, engines, trt):
    for _ in range(2):
        load_backend("tensorrt", request_for(tiny_model)).close()
    assert trt.built == ["network", "pixels"]


def test_fastest_faithful_precision_is_taken(
    tmp_path: Path, make_model_with_variants, request_for: RequestMaker, inputs: Inputs, engines, trt, caplog
):
    path = make_model_with_variants(tmp_path, "f16", "int8")
    artifact = request_for(path).artifact
    trt.faults[artifact.variant_path("int8").read_bytes()] = "scale"
    trt.faults[artifact.variant_path("f16").read_bytes()] = "parse"
    backend = load_backend("tensorrt", request_for(path))
    np.testing.assert_allclose(backend.run(*inputs())["depth"], expected_maps(*inputs())["depth"], rtol=1e-5)
    warnings = " | ".join(record.getMessage() for record in caplog.records)
    assert "int8 engine not used: int8 engine differs from the CPU's float32 maps: scale 0.2, at most 0.05" in warnings
    assert "f16 engine not used: tensorrt: expected an ONNX graph that its parser takes: unsupported node" in warnings


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nan", "not_finite"),
        ("scale", "scale 0.2"),
        ("scale per frame", "scale_spread"),
        ("load", "expected an engine of tensorrt 10.3.0 for this GPU: engine of another version"),
        ("run", "inference failed"),
    ],
)
def test_an_engine_that_is_not_the_network_is_refused_with_the_figures(
    fault: str, reason: str, tiny_model: Path, request_for: RequestMaker, engines, trt
):
    trt.faults[tiny_model.read_bytes()] = fault
    with pytest.raises(BackendUnavailableError, match=reason):
        load_backend("tensorrt", request_for(tiny_model))
    assert trt.gpu.live == {} and trt.gpu.users == 0


def test_an_engine_is_compared_once_on_each_gpu(
    tiny_model: Path, request_for: RequestMaker, engines, trt, monkeypatch: pytest.MonkeyPatch
):
    compared = []
    compare = loading.compare
    monkeypatch.setattr(loading, "compare", lambda *given: compared.append(1) or compare(*given))
    for _ in range(2):
        load_backend("tensorrt", request_for(tiny_model)).close()
    assert len(compared) == 1
    library = import_library(TENSORRT)
    maker = EngineMaker(library, EngineCache(), trt.gpu.identity)
    cached = maker.cache.load(maker.network_key(request_for(tiny_model), "f32"))
    assert cached is not None and cached.verified_on == "Fake RTX 1, 8.9"
    assert cached.figures is not None and cached.figures["depth"] < 1e-4


def test_a_portable_engine_is_compared_again_on_another_gpu(
    tiny_model: Path, request_for: RequestMaker, engines, rtx, monkeypatch: pytest.MonkeyPatch
):
    compared = []
    compare = loading.compare
    monkeypatch.setattr(loading, "compare", lambda *given: compared.append(1) or compare(*given))
    for name in ("Fake RTX 1", "Fake RTX 2"):
        monkeypatch.setattr(rtx.gpu, "identity", type(rtx.gpu.identity)(name, "8.9"))
        load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    assert len(compared) == 2 and rtx.built == ["network", "pixels"]


@pytest.mark.parametrize("harm", ["damaged", "open to others", "of another version"])
def test_an_engine_not_to_be_trusted_is_rebuilt_by_name_and_left_by_auto(
    harm: str, tiny_model: Path, request_for: RequestMaker, engines: Path, trt
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    (path,) = engines.glob("*f32*.engine")
    if harm == "damaged":
        path.write_bytes(path.read_bytes()[:-3])
    elif harm == "open to others":
        path.chmod(0o666)
    else:
        path.write_bytes(path.read_bytes().replace(b"tensorrt 10.3.0", b"tensorrt 10.2.0"))
    assert load_backend("auto", request_for(tiny_model)).name != "tensorrt"
    load_backend("tensorrt", request_for(tiny_model)).close()
    assert trt.built == ["network", "pixels", "network"]
    load_backend("auto", request_for(tiny_model)).close()
    assert trt.built == ["network", "pixels", "network"]


def test_a_precision_the_model_has_no_graph_for_is_one_clear_error(
    tiny_model: Path, request_for: RequestMaker, engines, trt
):
    with pytest.raises(Exception, match=r"tiny\.int8\.onnx: expected a sidecar that names this graph: .*quantise"):
        load_backend("tensorrt", request_for(tiny_model, precision="int8"))
    with pytest.raises(BackendUnavailableError, match="tensorrt: expected precision int8 or f16 or f32, got bf16"):
        load_backend("tensorrt", request_for(tiny_model, precision="bf16"))


def test_without_the_library_or_a_driver_the_error_says_what_to_do(
    tiny_model: Path, request_for: RequestMaker, engines, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises(BackendUnavailableError, match="tensorrt: expected its Python package, .* comes with JetPack"):
        load_backend("tensorrt", request_for(tiny_model))


HOPPER = GpuIdentity("NVIDIA H100 80GB HBM3", "9.0")


def test_a_gpu_the_library_is_not_for_is_refused_before_anything_is_built(
    tiny_model: Path, request_for: RequestMaker, engines: Path, rtx, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rtx.gpu, "identity", HOPPER)
    with pytest.raises(BackendUnavailableError) as refusal:
        load_backend("tensorrt_rtx", request_for(tiny_model))
    assert str(refusal.value) == (
        "tensorrt_rtx 10.3.0: expected a GPU of compute capability 8.0, 8.6, 8.9, 12.0 or newer, got 9.0 "
        "(NVIDIA H100 80GB HBM3): use TensorRT itself (tensorrt), onnxruntime_gpu or torch_cuda"
    )
    assert rtx.built == [] and not engines.exists() and rtx.gpu.users == 0


def test_auto_falls_through_on_such_a_gpu_and_sends_nobody_to_build_for_it(
    tiny_model: Path, request_for: RequestMaker, engines, rtx, monkeypatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(rtx.gpu, "identity", HOPPER)
    registry._log_once.cache_clear()
    with caplog.at_level(logging.INFO):
        assert load_backend("auto", request_for(tiny_model)).name == "openvino"
    (told,) = [
        record.getMessage() for record in caplog.records if "backend tensorrt_rtx not used" in record.getMessage()
    ]
    assert "expected a GPU of compute capability" in told and "build-engine" not in told and "\n" not in told


def build_all(model: Path, request_for: RequestMaker, trt) -> None:
    """What `build-engine` does."""
    maker = EngineMaker(import_library(TENSORRT), EngineCache(), trt.gpu.identity)
    maker.build_network(request_for(model), "f32")
    maker.build_pixels()
