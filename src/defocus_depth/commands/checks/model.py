"""The model's files, and each backend tried on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import BackendError, ModelError, install_hint, one_line
from ...inference import BACKENDS, BackendRequest, ModelArtifact, load_artifact, load_backend
from ...inference.backends import AUTO_ORDER
from . import Check


def check_model(path: Path | None) -> tuple[Check, ModelArtifact | None]:
    """The model's files and hash; the artifact when they are whole."""
    try:
        artifact = load_artifact(path)
    except ModelError as error:
        return Check("model", "error", str(error), "reinstall defocus_depth, or give --model NAME.onnx"), None
    sidecar = artifact.sidecar
    figures = ", ".join(_figures(sidecar.metrics)) or "no figures"
    supervision = {"self": "self-supervised", "truth": "supervised by ground truth"}[sidecar.supervision]
    found = f"{artifact.onnx_path.name}, sha256 {sidecar.sha256[:12]} as in its sidecar, {supervision}; {figures}"
    return Check("model", "ok", found), artifact


def check_backends(artifact: ModelArtifact | None) -> list[Check]:
    """One line for each backend, and an error when none of those that `auto` tries can run the model."""
    if artifact is None:
        return [Check("backends", "error", "not tried: no model", "mend the model first")]
    checks = {name: _check_backend(name, artifact) for name in BACKENDS}
    usable = [name for name in AUTO_ORDER if checks[name].status == "ok"]
    if usable:
        summary = Check("backend auto", "ok", f"takes {usable[0]}")
    else:
        refused = any(checks[name].status == "warning" for name in AUTO_ORDER)
        remedy = "export the model again" if refused else install_hint("cpu")
        summary = Check("backend auto", "error", "no backend runs the model", remedy)
    return [*checks.values(), summary]


def _check_backend(name: str, artifact: ModelArtifact) -> Check:
    height, width = artifact.sidecar.sizes[0]
    try:
        backend = load_backend(name, BackendRequest(artifact, height, width, may_build=False))
    except BackendError as error:
        return Check(f"backend {name}", "note", str(error))
    except ModelError as error:
        return Check(f"backend {name}", "warning", one_line(error), "export the model again")
    image, lens = np.full((1, 3, height, width), 0.5, np.float32), np.array([[8.0, 2.8, 2.9]], np.float32)
    start = time.perf_counter()
    backend.run(image, lens)
    milliseconds = (time.perf_counter() - start) * 1e3
    backend.close()
    return Check(f"backend {name}", "ok", f"{backend.precision}, {width}x{height} px in {milliseconds:.1f} ms")


def _figures(metrics: Mapping[str, float | dict[str, float]], prefix: str = "") -> list[str]:
    lines = []
    for name, value in metrics.items():
        lines += _figures(value, f"{name} ") if isinstance(value, dict) else [f"{prefix}{name} {value:.3g}"]
    return lines
