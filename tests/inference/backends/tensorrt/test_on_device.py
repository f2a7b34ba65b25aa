"""What only a machine with an NVIDIA GPU can show, most of it with TensorRT (`make test-gpu`).

`-rP` prints the figures: how far the engine is from the CPU, how often it was loaded. The released model comes in
float32 only: `DEFOCUS_DEPTH_TESTED_MODEL` names a copy that has fp16 and int8 as well, which `make test-gpu` makes.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import BackendUnavailableError
from defocus_depth.inference import BackendRequest, load_backend, load_estimator
from defocus_depth.inference.backends.base import Precision, Preparation
from defocus_depth.inference.backends.fidelity import (
    LIMITS,
    compare,
    gate_inputs,
    reference_backend,
    require_fidelity,
)
from defocus_depth.inference.backends.tensorrt import loading
from defocus_depth.inference.backends.tensorrt.adapter import FLAVOURS, import_library
from defocus_depth.inference.backends.tensorrt.buffers import Sequence, Workspace
from defocus_depth.inference.backends.tensorrt.building import EngineMaker
from defocus_depth.inference.backends.tensorrt.cache import EngineCache
from defocus_depth.inference.backends.tensorrt.device import Gpu, open_gpu
from defocus_depth.inference.working_size import choose_geometry
from defocus_depth.types import LensParameters

RequestMaker = Callable[..., BackendRequest]
ROBOT = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
LOADS, LOADING_S = 1000, 25.0  # an engine is loaded as often as the time allows, at most so many times
SETTLED_AFTER = 20  # loads after which the driver's and the library's own pools are as large as they get
LEAK_BYTES = 16 << 20
MODEL = os.environ.get("DEFOCUS_DEPTH_TESTED_MODEL")


def gpu_missing() -> bool:
    try:
        open_gpu().close()
    except BackendUnavailableError:
        return True
    return False


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.tensorrt,
    pytest.mark.timeout(1800),  # TensorRT proper builds for minutes
    pytest.mark.skipif(gpu_missing(), reason="needs an NVIDIA GPU"),
]


@pytest.fixture
def gpu() -> Iterator[Gpu]:
    """The real one, shadowing the stand-in of `conftest`."""
    opened = open_gpu()
    opened.activate()
    yield opened
    opened.close()


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    library = import_library(FLAVOURS[request.param])
    with closing(open_gpu()) as opened:
        try:
            library.require_support(opened.identity)
        except BackendUnavailableError as error:
            pytest.skip(str(error))
    return request.param


@pytest.fixture
def released(request_for: RequestMaker) -> BackendRequest:
    return request_for(None, height=256, width=320)


def free_bytes() -> int:
    driver = importlib.import_module("cuda.bindings.driver")
    status, free, _ = driver.cuMemGetInfo()
    assert status == driver.CUresult.CUDA_SUCCESS
    return free


def round_trip(workspace: Workspace) -> tuple[np.ndarray, np.ndarray, Callable[[], None]]:
    """Two pinned arrays, and what enqueues a copy of the first to the device and on to the second."""
    there, back = (workspace.pinned(name, (256, 320), np.float32) for name in ("there", "back"))
    workspace.device("there", there.nbytes)

    def enqueue() -> None:
        workspace.upload("there")
        address, _, nbytes = workspace._device_and_host("there")
        workspace.gpu.download(back.ctypes.data, address, nbytes, workspace.stream)

    return there, back, enqueue


@pytest.mark.parametrize("capture", [False, True])
def test_what_is_uploaded_comes_back_also_from_another_thread(capture: bool, gpu: Gpu):
    print(f"GPU: {gpu.identity}")
    workspace = Workspace(gpu)
    there, back, enqueue = round_trip(workspace)
    sequence = Sequence(workspace, enqueue, capture)

    def run_thrice() -> None:
        for value in (1.0, 2.0, 3.0):  # plain, recorded and launched, launched
            there[...] = value
            sequence.run()
            assert np.all(back == value)
            seen.append(value)

    seen: list[float] = []
    run_thrice()
    assert (sequence._graph is not None) == capture
    thread = threading.Thread(target=run_thrice)
    thread.start()
    thread.join()
    assert len(seen) == 6
    sequence.close()
    workspace.close()


def test_a_thousand_workspaces_leave_no_memory_behind(gpu: Gpu):
    settled = 0
    for number in range(LOADS):
        one = open_gpu()
        workspace = Workspace(one)
        there, _, enqueue = round_trip(workspace)
        workspace.device("scratch", 8 << 20)
        sequence = Sequence(workspace, enqueue, capture=True)
        there[...] = number
        for _ in range(2):
            sequence.run()
        sequence.close()
        workspace.close()
        one.close()
        if number == SETTLED_AFTER:
            settled = free_bytes()
    assert settled - free_bytes() < LEAK_BYTES


def test_engine_is_built_proves_faithful_and_stays_so(flavour: str, released: BackendRequest, engines: Path):
    reference = load_backend("onnxruntime", released)
    image = np.random.default_rng(0).random((1, 3, 256, 320), dtype=np.float32)
    lens = np.array([[7.8, 2.857, 2.857]], np.float32)
    for _ in range(2):  # built, then from the cache
        backend = load_backend(flavour, released)
        for brightness in (1.0, 0.7, 0.4):  # plain, captured, replayed
            expected = reference.run(image * np.float32(brightness), lens)
            maps = backend.run(image * np.float32(brightness), lens)
            assert np.mean(np.abs(maps["depth"] / expected["depth"] - 1)) < 0.01
        fidelity = compare(backend.run, reference.run, gate_inputs(256, 320))
        print(f"{flavour}: {fidelity}")
        require_fidelity(fidelity, "f32")
        backend.close()


def test_an_engine_is_compared_at_its_first_load_and_trusted_after(
    flavour: str, released: BackendRequest, engines: Path, monkeypatch: pytest.MonkeyPatch
):
    library, gpu = import_library(FLAVOURS[flavour]), open_gpu()
    gpu.close()
    maker = EngineMaker(library, EngineCache(), gpu.identity)
    key = maker.network_key(released, "f32")
    maker.build_network(released, "f32")
    built = maker.cache.load(key)
    assert built is not None and built.verified_on == ""
    load_backend(flavour, released).close()
    verified = maker.cache.load(key)
    assert verified is not None and verified.verified_on == str(gpu.identity)
    assert verified.figures is not None and verified.figures["depth"] <= LIMITS["f32"].depth
    monkeypatch.setattr(loading, "compare", None)
    load_backend(flavour, released).close()


def test_pre_processing_on_the_gpu(
    flavour: str, released: BackendRequest, engines: Path, caplog: pytest.LogCaptureFixture
):
    library, gpu = import_library(FLAVOURS[flavour]), open_gpu()
    EngineMaker(library, EngineCache(), gpu.identity).build_pixels()
    gpu.close()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    with load_estimator(None, "onnxruntime") as reference, load_estimator(None, flavour) as estimator:
        expected = reference.estimate(image, ROBOT, 0.35).depth_m
        for _ in range(3):
            assert np.mean(np.abs(estimator.estimate(image, ROBOT, 0.35).depth_m / expected - 1)) < 0.01
    assert "pre-processing stays on the CPU" not in caplog.text
    backend = loading.load_flavour(released, FLAVOURS[flavour])
    preparation = Preparation(choose_geometry((480, 640), 20, [(256, 320)], 20), "srgb", "srgb")
    assert backend.run_pixels(image, preparation, np.array([[7.8, 2.857, 2.857]], np.float32)) is not None
    backend.close()


def test_loaded_and_closed_many_times_no_memory_is_lost(
    flavour: str, released: BackendRequest, engines: Path, gpu: Gpu
):
    settled, number, start = 0, 0, time.monotonic()
    while number < LOADS and (number <= SETTLED_AFTER or time.monotonic() - start < LOADING_S):
        load_backend(flavour, released).close()
        if number == SETTLED_AFTER:
            gpu.activate()
            settled = free_bytes()
        number += 1
    gpu.activate()
    seconds, lost = time.monotonic() - start, settled - free_bytes()
    print(f"{flavour}: loaded {number} times in {seconds:.0f} s, {lost / 1e6:.1f} MB less free at the end")
    assert lost < LEAK_BYTES


@pytest.mark.parametrize("size", [(128, 160), (256, 320), (480, 640)])
@pytest.mark.parametrize("precision", ["f32", "f16", "int8"])
def test_engines_of_each_precision_and_size_pass_the_gate(
    precision: Precision, size: tuple[int, int], flavour: str, request_for: RequestMaker, engines: Path
):
    request = request_for(Path(MODEL) if MODEL else None, height=size[0], width=size[1], precision=precision)
    if precision not in {"f32", *request.artifact.sidecar.variants}:
        pytest.skip(f"the model has no {precision} graph: `make test-gpu` makes a copy that has")
    with closing(load_backend(flavour, request)) as backend, closing(reference_backend(request)) as reference:
        fidelity = compare(backend.run, reference.run, gate_inputs(*size))
    print(f"{flavour} {precision} {size}: {fidelity}")
    require_fidelity(fidelity, precision)
    with closing(open_gpu()) as opened:
        maker = EngineMaker(import_library(FLAVOURS[flavour]), EngineCache(), opened.identity)
        engine = maker.cache.load(maker.network_key(request, precision))
    # Where the gate refuses one precision, the next one runs, with maps that are good enough for this one too.
    assert engine is not None and engine.verified_on == str(opened.identity)
