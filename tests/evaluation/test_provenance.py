from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from defocus_depth import __version__
from defocus_depth.evaluation import provenance as module
from defocus_depth.evaluation.provenance import describe_lens, provenance
from defocus_depth.inference import EstimatorInfo
from defocus_depth.types import LensParameters


def test_of_a_network() -> None:
    info = EstimatorInfo("ab" * 32, Path("/somewhere/mine.onnx"), "openvino", (256, 320), "self", {}, "f32")
    made_with = provenance(info)
    assert (made_with["model"], made_with["model_sha256"], made_with["backend"]) == ("mine.onnx", "ab" * 32, "openvino")
    assert (made_with["supervision"], made_with["version"]) == ("self", __version__)


def test_of_a_baseline() -> None:
    assert {name for name, value in provenance().items() if value is None} >= {"model", "model_sha256", "backend"}


def test_commit_only_where_the_package_is_tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    assert provenance()["commit"] is None  # no repository
    git("init", "-q")
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "other.py").write_text("")
    git("add", "other.py")
    git("commit", "-qm", "m")
    assert provenance()["commit"] is None  # installed into someone else's repository
    git("add", ".")
    git("commit", "-qm", "m")
    commit = provenance()["commit"]
    assert commit is not None and len(commit) == 12
    (tmp_path / "__init__.py").write_text("changed")
    assert provenance()["commit"] == f"{commit}-dirty"


def test_lens_in_a_line() -> None:
    lens = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
    assert describe_lens(lens) == "f 8 mm, f/1.4, pixel pitch 6 µm, 320 px wide"
    assert describe_lens(LensParameters(blur_gain_px_per_dpt=8.0)) == "blur gain 8 px/dpt"
