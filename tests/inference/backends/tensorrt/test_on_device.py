"""What only a machine with an NVIDIA GPU and TensorRT can show (`make test-gpu`)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import BackendUnavailableError
from defocus_depth.inference import BackendRequest, load_backend, load_estimator
from defocus_depth.inference.backends.tensorrt.adapter import FLAVOURS, import_library
from defocus_depth.inference.backends.tensorrt.building import EngineMaker
from defocus_depth.inference.backends.tensorrt.cache import EngineCache
from defocus_depth.inference.backends.tensorrt.device import open_gpu
from defocus_depth.types import LensParameters

RequestMaker = Callable[..., BackendRequest]
ROBOT = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)


def gpu_missing() -> bool:
    try:
        open_gpu().close()
    except BackendUnavailableError:
        return True
    return False


pytestmark = [pytest.mark.gpu, pytest.mark.tensorrt, pytest.mark.skipif(gpu_missing(), reason="needs an NVIDIA GPU")]


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture
def released(request_for: RequestMaker) -> BackendRequest:
    return request_for(None, height=256, width=320)


def test_engine_is_built_proves_faithful_and_stays_so(flavour: str, released: BackendRequest, engines: Path):
    reference = load_backend("onnxruntime", released)
    image = np.random.default_rng(0).random((1, 3, 256, 320), dtype=np.float32)
    lens = np.array([[7.8, 2.857]], np.float32)
    for _ in range(2):  # built, then from the cache
        backend = load_backend(flavour, released)
        for brightness in (1.0, 0.7, 0.4):  # plain, captured, replayed
            expected = reference.run(image * np.float32(brightness), lens)
            maps = backend.run(image * np.float32(brightness), lens)
            assert np.mean(np.abs(maps["depth"] / expected["depth"] - 1)) < 0.01
        backend.close()


def test_pre_processing_on_the_gpu(flavour: str, engines: Path):
    library, gpu = import_library(FLAVOURS[flavour]), open_gpu()
    EngineMaker(library, EngineCache(), gpu.identity).build_pixels()
    gpu.close()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    with load_estimator(None, "onnxruntime") as reference, load_estimator(None, flavour) as estimator:
        expected = reference.estimate(image, ROBOT, 0.35).depth_m
        for _ in range(3):
            assert np.mean(np.abs(estimator.estimate(image, ROBOT, 0.35).depth_m / expected - 1)) < 0.01


def test_loaded_and_closed_many_times(flavour: str, released: BackendRequest, engines: Path):
    for _ in range(50):
        load_backend(flavour, released).close()
