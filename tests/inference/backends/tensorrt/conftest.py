"""Machines with a GPU and TensorRT, of the stand-ins in `fake_tensorrt`, and a model with variants for them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fake_tensorrt import FakeGpu, FakeTensorRt, model_with_variants

from defocus_depth.inference.backends.tensorrt import adapter, loading
from defocus_depth.inference.backends.tensorrt.cache import FOLDER_VARIABLE


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of engines, empty."""
    folder = tmp_path / "engines"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """A machine with this GPU. At the end of the test nothing may be left on it."""
    fake = FakeGpu()
    monkeypatch.setattr(loading, "open_gpu", fake.open)
    return fake


@pytest.fixture
def trt(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    """`import tensorrt` gives this one."""
    fake = FakeTensorRt("tensorrt", gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    return fake


@pytest.fixture
def rtx(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    """`import tensorrt_rtx` gives this one."""
    fake = FakeTensorRt("tensorrt_rtx", gpu)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", fake)
    return fake


@pytest.fixture
def make_model_with_variants(make_tiny_model: Callable[..., Path]) -> Callable[..., Path]:
    """A function (folder, *precisions) → the tiny model whose variants are files of other bytes."""

    return partial(model_with_variants, make_tiny_model)


@pytest.fixture
def rtx_library() -> adapter.Library:
    """The real TensorRT for RTX, whose builder needs no GPU."""
    pytest.importorskip("tensorrt_rtx")
    return adapter.import_library(adapter.TENSORRT_RTX)
