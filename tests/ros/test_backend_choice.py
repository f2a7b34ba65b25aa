"""A backend that this machine cannot run: one clear error, a node that can be configured otherwise; `auto` goes on."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from defocus_depth.inference.backends import registry  # noqa: E402
from defocus_depth.ros.depth_node import estimator_of  # noqa: E402

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture(autouse=True)
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)
    registry._log_once.cache_clear()


def test_backend_tensorrt_without_tensorrt_leaves_the_node_unconfigured_and_configurable(
    make_bench, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(estimator_of, model=str(tiny_model), backend="tensorrt")
    assert bench.node.trigger_configure() == FAILURE
    assert "tensorrt: expected its Python package, not installed: comes with JetPack" in bench.node._failure
    bench.node.set_parameters([Parameter("backend", value="auto")])
    with caplog.at_level(logging.INFO):
        assert bench.node.trigger_configure() == SUCCESS
    reasons = [record.getMessage() for record in caplog.records if "not used" in record.getMessage()]
    assert [reason.split()[1] for reason in reasons] == ["tensorrt", "tensorrt_rtx", "onnxruntime_gpu", "torch_cuda"]
