"""The model artifact: what is refused, and what the message says."""

from __future__ import annotations

import json
from datetime import timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from defocus_depth.errors import ModelError
from defocus_depth.inference import RELEASED_MODEL, Sidecar, file_sha256, load_artifact

FIELDS = {
    "sizes": [[256, 320]],
    "transfer": "srgb",
    "supervision": "self",
    "trained_on": "stacks",
    "metrics": {"abs_rel": 0.3, "robot": {"delta1": 0.5}},
    "sha256": "0" * 64,
}


def test_sidecar_survives_writing(tmp_path: Path):
    written = Sidecar(**FIELDS)
    written.write(tmp_path / "m.json")
    assert Sidecar.read(tmp_path / "m.json") == written
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


def test_sidecar_file_has_the_documented_keys(tmp_path: Path):
    Sidecar(**FIELDS).write(tmp_path / "m.json")
    content = json.loads((tmp_path / "m.json").read_text())
    assert content["schema"] == 1
    assert content["sizes"] == [[256, 320]]
    assert content["max_coc_px"] == 20.0
    assert set(content) == {*FIELDS, "schema", "pt2_sha256", "variants", "max_coc_px", "created"}


def test_created_has_a_time_zone():
    assert Sidecar(**FIELDS).created.tzinfo == timezone.utc


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sizes", []),
        ("sizes", [[250, 320]]),
        ("sizes", [[0, 320]]),
        ("sizes", [[256, 320], [256, 320]]),
        ("transfer", "log"),
        ("supervision", "maybe"),
        ("trained_on", ""),
        ("metrics", {"abs_rel": float("nan")}),
        ("sha256", "abc"),
        ("max_coc_px", 0),
        ("max_coc_px", float("inf")),
        ("created", "2026-01-01T00:00:00"),
        ("schema", 2),
        ("surplus", 1),
    ],
)
def test_sidecar_refuses(field: str, value: object):
    with pytest.raises(ValidationError, match=field):
        Sidecar(**{**FIELDS, field: value})


def test_read_names_file_and_field(tmp_path: Path):
    (tmp_path / "m.json").write_text(json.dumps({**FIELDS, "transfer": "log"}))
    with pytest.raises(ModelError, match=r"m\.json: transfer: expected 'srgb', 'linear' or 'gamma', got 'log'"):
        Sidecar.read(tmp_path / "m.json")


def test_read_refuses_what_is_not_json(tmp_path: Path):
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(ModelError, match=r"m\.json: expected JSON"):
        Sidecar.read(tmp_path / "m.json")


def test_load_verifies_the_hash(tiny_model: Path):
    artifact = load_artifact(tiny_model)
    assert artifact.sidecar.sha256 == file_sha256(tiny_model)
    assert artifact.exported_program_path == tiny_model.with_suffix(".pt2")
    assert artifact.weights_path == tiny_model.with_suffix(".safetensors")


def test_load_refuses_a_changed_model(tmp_path: Path, make_tiny_model):
    path = make_tiny_model(tmp_path)
    expected = file_sha256(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=rf"tiny\.onnx: expected sha256 {expected}.*got {file_sha256(path)}"):
        load_artifact(path)


def test_load_refuses_missing_files(tmp_path: Path, make_tiny_model):
    path = make_tiny_model(tmp_path)
    with pytest.raises(ModelError, match=r"other\.onnx: expected a model file, which is not there"):
        load_artifact(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"tiny\.json: expected a model file <name>\.onnx, got suffix '\.json'"):
        load_artifact(tmp_path / "tiny.json")
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"tiny\.json: expected a readable model sidecar"):
        load_artifact(path)


@pytest.mark.skipif(not RELEASED_MODEL.is_file(), reason="no released model in the package yet")
def test_released_model_is_whole_and_small():
    artifact = load_artifact()
    beside = [path for path in RELEASED_MODEL.parent.iterdir() if path.stem == RELEASED_MODEL.stem]
    assert sum(path.stat().st_size for path in beside) <= 12 * 2**20
    assert artifact.sidecar.metrics
