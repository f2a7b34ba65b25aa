"""Choosing a backend by name, and what `auto` does when one does not load."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from defocus_depth.commands import dispatch
from defocus_depth.errors import (
    BackendError,
    BackendUnavailableError,
    ConfigError,
    EngineUnavailableError,
    ModelError,
)
from defocus_depth.inference import BACKENDS, BackendRequest, file_sha256, load_backend
from defocus_depth.inference.backends import AUTO_ORDER, registry

RequestMaker = Callable[..., BackendRequest]


@pytest.fixture(autouse=True)
def forget_what_was_logged():
    """Reasons are logged once per process; here once per test."""
    registry._log_once.cache_clear()


def test_auto_order_names_backends_that_exist():
    assert set(AUTO_ORDER) <= set(BACKENDS)
    assert AUTO_ORDER == ("tensorrt", "tensorrt_rtx", "onnxruntime_gpu", "torch_cuda", "openvino", "onnxruntime")


def test_unknown_name_is_refused(tiny_model: Path, request_for: RequestMaker):
    with pytest.raises(ConfigError, match=r"backend: expected one of auto, .*openvino.*, got 'abacus'"):
        load_backend("abacus", request_for(tiny_model))


def test_auto_takes_the_first_that_loads(tiny_model: Path, request_for: RequestMaker):
    assert load_backend("auto", request_for(tiny_model)).name == "openvino"


def test_auto_falls_through_and_logs_each_reason_once(
    tiny_model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    _hide_library(monkeypatch, "openvino")
    with caplog.at_level(logging.INFO):
        names = [load_backend("auto", request_for(tiny_model)).name for _ in range(2)]
    assert names == ["onnxruntime", "onnxruntime"]
    reasons = [record.getMessage() for record in caplog.records if "not used" in record.getMessage()]
    assert [reason.split()[1] for reason in reasons] == list(AUTO_ORDER[:5])
    assert "pip install openvino" in reasons[4]


def test_commands_leave_to_doctor_what_a_machine_lacks_and_say_what_fails(
    tiny_model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The log that is left out by name in commands/dispatch.py gets what is absent, and nothing else."""
    failing = {"tensorrt": EngineUnavailableError("no engine: build one"), "onnxruntime_gpu": BackendError("broken")}

    def make(name: str, request: BackendRequest):
        raise failing.get(name, BackendUnavailableError("not installed"))

    monkeypatch.setattr(registry, "_make", make)
    with caplog.at_level(logging.INFO), pytest.raises(BackendUnavailableError):
        load_backend("auto", request_for(tiny_model))
    told = [record.getMessage().split()[1] for record in caplog.records if record.name != dispatch._LEFT_TO_DOCTOR]
    assert told == list(failing)
    assert len(caplog.records) == len(AUTO_ORDER)


def test_missing_library_says_what_to_install(
    tiny_model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch
):
    _hide_library(monkeypatch, "onnxruntime")
    with pytest.raises(BackendUnavailableError, match=r"onnxruntime: cannot be imported .*: pip install onnxruntime"):
        load_backend("onnxruntime", request_for(tiny_model))


def test_auto_with_nothing_left_gives_every_reason(
    tiny_model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch
):
    _hide_library(monkeypatch, "openvino")
    _hide_library(monkeypatch, "onnxruntime")
    with pytest.raises(BackendUnavailableError, match=r"torch_cuda: .*openvino: .*onnxruntime: ") as caught:
        load_backend("auto", request_for(tiny_model))
    assert "--format pt2" in str(caught.value)


def test_auto_calls_a_corrupt_model_a_model_error(tmp_path: Path, make_tiny_model, request_for: RequestMaker):
    path = make_tiny_model(tmp_path)
    path.write_bytes(b"no graph")
    make_sidecar = path.with_suffix(".json")
    make_sidecar.write_text(make_sidecar.read_text().replace(_hash_in(make_sidecar), file_sha256(path)))
    with pytest.raises(ModelError, match="expected a model that one of the backends can run"):
        load_backend("auto", request_for(path))


def test_backend_that_fails_its_first_run_is_closed(
    tiny_model: Path, request_for: RequestMaker, monkeypatch: pytest.MonkeyPatch
):
    class Broken:
        name = "onnxruntime"
        closed = False

        def run(self, image, lens):
            raise BackendError("out of memory")

        def close(self):
            self.closed = True

    broken = Broken()
    module = importlib.import_module("defocus_depth.inference.backends.onnxruntime_backend")
    monkeypatch.setattr(module, "load", lambda request: broken)
    with pytest.raises(BackendError, match="out of memory"):
        load_backend("onnxruntime", request_for(tiny_model))
    assert broken.closed


def _hide_library(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    module = f"defocus_depth.inference.backends.{BACKENDS[library].module}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, library, None)


def _hash_in(sidecar: Path) -> str:
    import json

    return json.loads(sidecar.read_text())["sha256"]
