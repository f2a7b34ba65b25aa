"""What importing and running inference loads, seen from a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "rclpy", "openvino", "onnxruntime", "tensorrt", "tensorrt_rtx", "onnx")


def loaded_after(statement: str) -> set[str]:
    """Those of `HEAVY` that a fresh interpreter has imported after `statement`."""
    report = f"import json, sys; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; {report}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_loads_no_deep_learning_library_and_no_ros():
    assert loaded_after("import defocus_depth.inference") == set()


def test_each_backend_loads_its_own_library_only(tiny_model: Path):
    load = (
        "from pathlib import Path; from defocus_depth.inference import load_estimator; load_estimator(Path({!r}), {!r})"
    )
    assert loaded_after(load.format(str(tiny_model), "onnxruntime")) == {"onnxruntime"}
    assert loaded_after(load.format(str(tiny_model), "auto")) == {"openvino"}
