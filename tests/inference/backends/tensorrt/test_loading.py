"""Which engine is taken on a fake GPU: what is found out about one is kept, and what is of no use is made anew."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError, EngineUnavailableError
from defocus_depth.inference import BackendRequest, load_backend, load_estimator
from defocus_depth.inference.backends import Preparation
from defocus_depth.inference.backends.tensorrt import loading
from defocus_depth.inference.backends.tensorrt.adapter import FLAVOURS, TENSORRT, import_library
from defocus_depth.inference.backends.tensorrt.building import EngineMaker
from defocus_depth.inference.backends.tensorrt.cache import EngineCache, EngineKey
from defocus_depth.inference.working_size import choose_geometry

RequestMaker = Callable[..., BackendRequest]


def maker_of(trt, flavour: str = "tensorrt") -> EngineMaker:
    return EngineMaker(import_library(FLAVOURS[flavour]), EngineCache(), trt.gpu.identity)


def spoil(key: EngineKey) -> None:
    """An engine whose file is whole and is about the right things, and which the library does not take."""
    cached = EngineCache().load(key)
    assert cached is not None
    about = json.loads(cached.engine)
    EngineCache().store(key, type(cached)(json.dumps({**about, "fault": "load"}).encode(), cached.verified_on))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every comparison with the CPU."""
    found: list[int] = []
    compare = loading.compare
    monkeypatch.setattr(loading, "compare", lambda *given: found.append(1) or compare(*given))
    return found


def test_an_engine_the_library_does_not_take_is_built_anew_once_by_name(
    tiny_model: Path, request_for: RequestMaker, engines, trt
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    spoil(maker_of(trt).network_key(request_for(tiny_model), "f32"))
    for _ in range(2):
        load_backend("tensorrt", request_for(tiny_model)).close()
    assert trt.built.count("network") == 2
    assert trt.gpu.live == {} and trt.gpu.users == 0


def test_where_nothing_may_be_built_such_an_engine_is_told_with_the_command(
    tiny_model: Path, request_for: RequestMaker, engines, trt
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    spoil(maker_of(trt).network_key(request_for(tiny_model), "f32"))
    with pytest.raises(EngineUnavailableError) as refusal:
        loading.load_flavour(request_for(tiny_model, may_build=False), TENSORRT)
    assert str(refusal.value) == (
        "tensorrt: f32 engine for 96x64 px: expected an engine of tensorrt 10.3.0 for this GPU: engine of another "
        f"version: defocus_depth build-engine {tiny_model} --flavour tensorrt --force"
    )
    assert trt.built.count("network") == 1 and trt.gpu.users == 0


@pytest.mark.parametrize(
    "complaint",
    [
        "Error Code 2: OutOfMemory (Requested size was 4096 bytes.)",
        "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)",
        "Requested amount of GPU memory (4096 bytes) could not be allocated.",
    ],
)
def test_an_engine_that_does_not_fit_into_memory_is_told_and_not_built_anew(
    complaint: str, tiny_model: Path, request_for: RequestMaker, engines, trt
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    trt.refused_engines.add(trt.serialised[0])
    trt.refusal = (complaint, "[runtime.cpp] Error Code 4: Internal Error (Engine deserialization failed.)")
    with pytest.raises(BackendUnavailableError) as refusal:
        load_backend("tensorrt", request_for(tiny_model))
    assert "tensorrt: expected memory for the engine" in str(refusal.value) and complaint in str(refusal.value)
    assert trt.built == ["network", "pixels"] and trt.gpu.live == {} and trt.gpu.users == 0
    trt.refused_engines.clear()
    load_backend("tensorrt", request_for(tiny_model)).close()
    assert trt.built == ["network", "pixels"]


def test_advice_that_mentions_memory_keeps_no_engine_from_being_built_anew(
    tiny_model: Path, request_for: RequestMaker, engines, trt
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    trt.refused_engines.add(trt.serialised[0])
    advice = "CUDA lazy loading is not enabled. Enabling it can significantly reduce device memory usage"
    trt.refusal = (advice, "engine of another version")
    load_backend("tensorrt", request_for(tiny_model)).close()
    assert trt.built == ["network", "pixels", "network"]


def test_a_refused_engine_is_compared_once_and_then_known(
    tmp_path: Path, make_model_with_variants, request_for: RequestMaker, engines, trt, compared, caplog
):
    path = make_model_with_variants(tmp_path, "int8")
    trt.faults[request_for(path).artifact.variant_path("int8").read_bytes()] = "scale"
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            load_backend("tensorrt", request_for(path)).close()
    assert len(compared) == 2 and trt.built.count("network") == 2  # int8 once, f32 once
    told = [record for record in caplog.records if "int8 engine not used" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.WARNING, logging.INFO, logging.INFO]
    assert "scale 0.2, at most 0.05" in told[1].getMessage()
    assert told[1].getMessage().endswith("found before on this GPU, build-engine --force builds and compares it again")


def test_a_refusal_holds_for_one_gpu_and_leaves_what_was_found_on_another(
    tiny_model: Path, request_for: RequestMaker, engines, rtx, compared, monkeypatch: pytest.MonkeyPatch
):
    first, other = rtx.gpu.identity, type(rtx.gpu.identity)("Fake RTX 2", "8.9")
    load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    monkeypatch.setattr(rtx.gpu, "identity", other)
    monkeypatch.setattr(loading, "require_fidelity", refuse)
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match="depths doubled"):
            load_backend("tensorrt_rtx", request_for(tiny_model))
    monkeypatch.setattr(rtx.gpu, "identity", first)
    load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    assert len(compared) == 2


def refuse(*given: object) -> None:
    raise BackendError("depths doubled")


def test_an_engine_is_used_where_its_verdict_cannot_be_written_down(
    tiny_model: Path, request_for: RequestMaker, engines, trt, monkeypatch: pytest.MonkeyPatch, caplog
):
    maker_of(trt).build_network(request_for(tiny_model), "f32")

    def full(*given: object) -> None:
        raise BackendError("no space left")

    monkeypatch.setattr(EngineCache, "store", full)
    load_backend("auto", request_for(tiny_model)).close()
    assert "compared again at the next load: no space left" in caplog.text


def prepared_on_the_gpu(backend, height: int = 90) -> bool:
    image, lens = np.zeros((height, 130, 3), np.uint8), np.array([[7.5, 2.8, 3.0]], np.float32)
    preparation = Preparation(choose_geometry((height, 130), 20, [(64, 96)], 20), "srgb", "srgb")
    return backend.run_pixels(image, preparation, lens) is not None


def test_by_name_the_engine_for_pre_processing_is_built_too_and_once(
    tiny_model: Path, request_for: RequestMaker, engines, trt
):
    for _ in range(2):
        backend = loading.load_flavour(request_for(tiny_model), TENSORRT)
        assert prepared_on_the_gpu(backend)
        backend.close()
    assert trt.built == ["network", "pixels"] and trt.gpu.live == {}


def test_where_it_may_not_be_built_the_log_says_that_it_is_missing_and_names_the_command(
    tiny_model: Path, request_for: RequestMaker, engines, trt, caplog: pytest.LogCaptureFixture
):
    maker_of(trt).build_network(request_for(tiny_model), "f32")
    with caplog.at_level(logging.INFO):
        backend = loading.load_flavour(request_for(tiny_model, may_build=False), TENSORRT)
    assert not prepared_on_the_gpu(backend) and trt.built == ["network"]
    command = f"defocus_depth build-engine {tiny_model} --flavour tensorrt"
    assert f"tensorrt: pre-processing stays on the CPU: no engine for it: {command}" in caplog.text
    backend.close()


def test_where_it_cannot_be_built_the_network_runs_all_the_same(
    tiny_model: Path, request_for: RequestMaker, engines, trt, monkeypatch: pytest.MonkeyPatch, caplog
):
    monkeypatch.setitem(sys.modules, "onnx", None)
    backend = loading.load_flavour(request_for(tiny_model), TENSORRT)
    assert not prepared_on_the_gpu(backend)
    assert "pre-processing stays on the CPU: pre-processing on the GPU: expected the package onnx" in caplog.text
    backend.close()
    assert trt.gpu.live == {}


def test_an_engine_for_pre_processing_the_library_does_not_take_is_built_anew(
    tiny_model: Path, request_for: RequestMaker, engines, trt, caplog: pytest.LogCaptureFixture
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    spoil(maker_of(trt).pixel_key())
    for _ in range(2):
        backend = loading.load_flavour(request_for(tiny_model), TENSORRT)
        assert prepared_on_the_gpu(backend)
        backend.close()
    assert trt.built == ["network", "pixels", "pixels"]
    assert "engine for pre-processing not used: expected an engine of tensorrt 10.3.0 for this GPU" in caplog.text


def test_an_engine_for_pre_processing_that_does_not_fit_into_memory_is_not_built_anew(
    tiny_model: Path, request_for: RequestMaker, engines, trt
):
    load_backend("tensorrt", request_for(tiny_model)).close()
    spoil(maker_of(trt).pixel_key())
    trt.refusal = ("Error Code 2: OutOfMemory (Requested size was 4096 bytes.)",)
    backend = load_backend("tensorrt", request_for(tiny_model))
    assert not prepared_on_the_gpu(backend)  # the CPU does it
    backend.close()
    assert trt.built == ["network", "pixels"] and trt.gpu.live == {}


def test_kernels_are_kept_whenever_they_are_new_and_not_only_when_an_engine_is_compared(
    tiny_model: Path, request_for: RequestMaker, engines: Path, rtx
):
    for rtx.kernels in (b"of one driver", b"of the next driver", b"of the next driver"):
        load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    assert rtx.received_kernels == [b"of one driver", b"of the next driver"]


def test_kernels_are_kept_after_the_first_run_for_a_robot_is_switched_off_and_not_closed(
    tiny_model: Path, request_for: RequestMaker, engines: Path, rtx
):
    load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    rtx.kernels = b"compiled"
    never_closed = load_backend("tensorrt_rtx", request_for(tiny_model))
    load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    assert rtx.received_kernels == [b"compiled"]
    never_closed.close()


def test_kernels_compiled_later_are_kept_on_close_and_the_same_are_not_written_again(
    tiny_model: Path, request_for: RequestMaker, engines: Path, rtx
):
    rtx.kernels = b"first"
    backend = load_backend("tensorrt_rtx", request_for(tiny_model))
    (file,) = engines.glob("kernels_*.cache")
    written = file.stat().st_mtime_ns
    rtx.kernels = b"first and specialised"
    backend.close()
    assert file.stat().st_mtime_ns > written and file.read_bytes().endswith(b"\nfirst and specialised")
    file.chmod(0o400)
    inode = file.stat().st_ino
    load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    assert file.stat().st_ino == inode


def test_kernels_of_pre_processing_are_kept_apart_and_serve_images_of_another_shape(
    tiny_model: Path, request_for: RequestMaker, engines: Path, rtx
):
    rtx.kernels = b"the network's"
    backend = loading.load_flavour(request_for(tiny_model), FLAVOURS["tensorrt_rtx"])
    rtx.kernels = b"for 130x90 px"
    assert prepared_on_the_gpu(backend, 90) and prepared_on_the_gpu(backend, 100)
    backend.close()
    assert rtx.received_kernels == [b"for 130x90 px"]
    assert len(list(engines.glob("kernels_*_pixels_*.cache"))) == 1
    backend = loading.load_flavour(request_for(tiny_model), FLAVOURS["tensorrt_rtx"])
    assert prepared_on_the_gpu(backend, 90)
    backend.close()
    assert rtx.received_kernels[-1] == b"for 130x90 px" and rtx.gpu.live == {}


def test_kernels_that_cannot_be_kept_keep_nothing_from_running(
    tiny_model: Path, request_for: RequestMaker, engines: Path, rtx, monkeypatch: pytest.MonkeyPatch, caplog
):
    def full(*given: object) -> None:
        raise BackendError("no space left")

    monkeypatch.setattr(EngineCache, "store_notes", full)
    rtx.kernels = b"compiled"
    with caplog.at_level(logging.INFO):
        load_backend("tensorrt_rtx", request_for(tiny_model)).close()
    assert "kernels will be compiled again at the next load: no space left" in caplog.text
    assert rtx.gpu.live == {}


@pytest.mark.parametrize(("faulty", "runs"), [((), "int8"), (("int8",), "f16"), (("int8", "f16"), "f32")])
def test_the_backend_says_in_which_precision_it_runs(
    faulty: tuple[Any, ...],
    runs: str,
    tmp_path: Path,
    make_model_with_variants,
    request_for: RequestMaker,
    engines,
    trt,
):
    path = make_model_with_variants(tmp_path, "f16", "int8")
    for precision in faulty:
        trt.faults[request_for(path).artifact.variant_path(precision).read_bytes()] = "scale"
    with load_estimator(path, "tensorrt") as estimator:
        assert (estimator.info.backend, estimator.info.precision) == ("tensorrt", runs)
