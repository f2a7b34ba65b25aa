"""Real engines by TensorRT for RTX, whose builder needs no GPU: parsed, built, inspected; never run here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError, ModelError
from defocus_depth.inference import INPUT_NAMES, LENS_SHAPE, OUTPUT_NAMES, BackendRequest
from defocus_depth.inference.backends.base import graph_path
from defocus_depth.inference.backends.tensorrt.adapter import TENSORRT, Library, import_library
from defocus_depth.inference.backends.tensorrt.builder import BuildOptions, ShapeRange, Tensor, _profile, build_plan
from defocus_depth.inference.backends.tensorrt.building import EngineMaker, precisions_to_try
from defocus_depth.inference.backends.tensorrt.cache import ANY_GPU, CachedEngine, EngineCache, EngineKey
from defocus_depth.inference.backends.tensorrt.device import GpuIdentity
from defocus_depth.inference.backends.tensorrt.pixel_graph import SHAPES, pixel_graph

IMAGE = {"image": ShapeRange.fixed((1, 3, 64, 96))}


def test_engine_of_a_graph(rtx_library: Library, convolutional_model: Path):
    told = []
    options = BuildOptions(IMAGE, workspace_bytes=64 << 20, progress=lambda *step: told.append(step))
    plan = build_plan(rtx_library, convolutional_model.read_bytes(), options)
    assert len(plan.engine) > 10_000
    assert plan.inputs == (Tensor("image", (1, 3, -1, -1), "FLOAT"), Tensor("lens", LENS_SHAPE, "FLOAT"))
    assert [tensor.name for tensor in plan.outputs] == list(OUTPUT_NAMES)
    assert {tensor.dtype for tensor in plan.outputs} == {"FLOAT"}
    assert len(told) > 10 and all(phase and 0 < done <= steps for phase, done, steps in told)


def test_timings_of_one_build_serve_the_next(tmp_path: Path, request_for, tiny_model: Path, trt):
    maker = EngineMaker(import_library(TENSORRT), EngineCache(tmp_path), GPUS[0])
    for count in (1, 2):
        maker.build_network(request_for(tiny_model), "f32")
        (notes,) = tmp_path.glob("timing_tensorrt-10.3.0_Orin.cache")
        assert notes.read_bytes().endswith(b"\n" + b"t" * count)


def test_a_graph_whose_lens_has_another_shape_is_refused_before_the_build(
    tmp_path: Path, request_for, tiny_model: Path, trt
):
    trt.lens_shape = (1, 2)
    maker = EngineMaker(import_library(TENSORRT), EngineCache(tmp_path), GPUS[0])
    with pytest.raises(
        ModelError, match=r"tiny\.onnx: input lens: expected \[1, 3\] .*, got \[1, 2\]: export the model"
    ):
        maker.build_network(request_for(tiny_model), "f32")
    assert trt.built == []
    maker.build_pixels()  # which has no lens


def test_tensorrt_rtx_times_nothing(rtx_library: Library, convolutional_model: Path):
    assert build_plan(rtx_library, convolutional_model.read_bytes(), BuildOptions(IMAGE)).timing_cache == b""


def test_progress_can_end_the_build(rtx_library: Library, convolutional_model: Path):
    def interrupt(phase: str, done: int, steps: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_plan(rtx_library, convolutional_model.read_bytes(), BuildOptions(IMAGE, progress=interrupt))


def test_what_the_parser_refuses_is_a_model_error(rtx_library: Library):
    with pytest.raises(
        ModelError, match="tensorrt_rtx: expected an ONNX graph that its parser takes: .*Failed to parse"
    ):
        build_plan(rtx_library, b"no graph", BuildOptions(IMAGE))


def test_what_cannot_be_built_is_a_backend_error_with_the_librarys_reason(
    rtx_library: Library, convolutional_model: Path
):
    with pytest.raises(
        BackendError, match="cannot build the engine: .*Dynamic input tensor image is missing dimensions"
    ):
        build_plan(rtx_library, convolutional_model.read_bytes(), BuildOptions({}))


def test_pre_processing_is_built_for_any_size(rtx_library: Library):
    plan = build_plan(rtx_library, pixel_graph(), BuildOptions(SHAPES))
    assert {tensor.name: tensor.dtype for tensor in plan.inputs} == {
        "pixels": "UINT8",
        "table": "FLOAT",
        "rows": "FLOAT",
        "columns": "FLOAT",
        "mix": "FLOAT",
    }
    assert plan.outputs == (Tensor("image", (1, 3, -1, -1), "FLOAT"),)


def test_the_profile_is_what_was_asked_for(rtx_library: Library):
    builder = rtx_library.trt.Builder(rtx_library.log)
    for name, shape in SHAPES.items():
        found = _profile(builder, SHAPES).get_shape(name)
        assert [tuple(dims) for dims in found] == [shape.smallest, shape.usual, shape.largest]


def test_inputs_outputs_and_types_of_the_released_model(rtx_library: Library, request_for):
    """Reduced precision is inside the graph: what goes in and out is float32."""
    request = request_for(None, height=128, width=160)
    options = BuildOptions({"image": ShapeRange.fixed((1, 3, 128, 160))})
    for precision in precisions_to_try(request, "tensorrt_rtx"):
        plan = build_plan(rtx_library, graph_path(request, precision).read_bytes(), options)
        assert {tensor.name: tensor.shape for tensor in plan.inputs} == {"image": (1, 3, -1, -1), "lens": LENS_SHAPE}
        assert [tensor.name for tensor in plan.outputs] == list(OUTPUT_NAMES)
        assert {tensor.dtype for tensor in plan.inputs + plan.outputs} == {"FLOAT"}


def test_every_shipped_precision_and_size_of_the_released_model(
    rtx_library: Library, tmp_path: Path, request_for: Callable[..., BackendRequest]
):
    """Smallest and largest size; the command builds the others the same way."""
    maker = EngineMaker(rtx_library, EngineCache(tmp_path), None)
    sizes = request_for(None).artifact.sidecar.sizes
    for height, width in (min(sizes), max(sizes)):
        request = request_for(None, height=height, width=width)
        for precision in precisions_to_try(request, "tensorrt_rtx"):
            built = maker.build_network(request, precision)
            key = maker.network_key(request, precision)
            assert maker.cache.load(key) == built and not built.verified_on
            assert key.gpu == ANY_GPU and f"_{precision}_{width}x{height}_" in maker.cache.path(key).name
    assert set(INPUT_NAMES) == {"image", "lens"}


@pytest.mark.parametrize("trusted", [True, False])
def test_who_waited_for_another_process_takes_what_that_one_built(
    trusted: bool, tmp_path: Path, request_for, tiny_model: Path, trt, monkeypatch: pytest.MonkeyPatch
):
    maker, request = EngineMaker(import_library(TENSORRT), EngineCache(tmp_path), GPUS[0]), request_for(tiny_model)
    key = maker.network_key(request, "f32")
    building = EngineCache.building

    @contextmanager
    def after_another(cache: EngineCache, wanted: EngineKey) -> Iterator[None]:
        path = cache.store(wanted, CachedEngine(b"of another process"))
        path.chmod(0o600 if trusted else 0o666)
        with building(cache, wanted):
            yield

    monkeypatch.setattr(EngineCache, "building", after_another)
    engine = maker.build_network(request, "f32").engine
    assert (engine == b"of another process") == trusted and trt.built == ([] if trusted else ["network"])
    monkeypatch.setattr(EngineCache, "building", building)
    maker.build_network(request, "f32")  # asked for again, it is built again
    assert len(trt.built) == (1 if trusted else 2)
    assert maker.cache.load(key) is not None


def test_tensorrt_proper_is_built_for_one_gpu(tmp_path: Path, request_for, tiny_model: Path, trt):
    request = request_for(tiny_model)
    library = import_library(TENSORRT)
    with pytest.raises(BackendError, match="tensorrt: expected an NVIDIA driver: its engines are built for one GPU"):
        EngineMaker(library, EngineCache(tmp_path), None).build_network(request, "f32")
    keys = {EngineMaker(library, EngineCache(tmp_path), gpu).network_key(request, "f32").stem for gpu in GPUS}
    assert len(keys) == len(GPUS)


GPUS = (GpuIdentity("Orin", "8.7"), GpuIdentity("NVIDIA RTX 4000", "8.7"), GpuIdentity("Orin", "8.9"))


@pytest.mark.parametrize("capability", ["8.0", "8.6", "8.9", "12.0", "12.1", "13.0"])
def test_gpus_that_tensorrt_rtx_names_and_newer_ones_are_supported(capability: str, rtx_library: Library):
    rtx_library.require_support(GpuIdentity("one", capability))


@pytest.mark.parametrize("capability", ["7.5", "8.7", "9.0", "10.0"])
def test_other_gpus_are_not(capability: str, rtx_library: Library):
    """Turing has to be asked for; Orin, Hopper and data-centre Blackwell are TensorRT's own."""
    with pytest.raises(
        BackendUnavailableError, match=rf"expected .* 8\.0, 8\.6, .* or newer, got {capability} \(one\)"
    ):
        rtx_library.require_support(GpuIdentity("one", capability))


def test_tensorrt_itself_refuses_gpus_on_its_own(trt):
    import_library(TENSORRT).require_support(GpuIdentity("Orin", "8.7"))


def test_an_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises(BackendUnavailableError, match="tensorrt: cannot be imported .*: comes with JetPack"):
        import_library(TENSORRT)
