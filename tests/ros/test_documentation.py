"""Docs and config that are made from the code are what the code makes now."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from defocus_depth.errors import ConfigError
from defocus_depth.ros import documentation
from defocus_depth.ros.documentation import params_yaml, refreshed
from defocus_depth.ros.parameters import DepthNodeParameters, parameter_specs
from defocus_depth.ros.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
REFRESH = "run: python -m defocus_depth.ros.documentation docs/ros.md README.md --params-file config/depth.yaml"


@pytest.mark.parametrize("name", ["docs/ros.md", "README.md"])
def test_tables_are_up_to_date(name: str) -> None:
    if not (ROOT / name).exists():
        pytest.skip(f"no {name} yet")
    text = (ROOT / name).read_text(encoding="utf-8")
    if "begin:camera-parameters" in text:
        pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    assert refreshed(text) == text, REFRESH


def test_the_params_file_is_up_to_date() -> None:
    assert (ROOT / "config" / "depth.yaml").read_text(encoding="utf-8") == params_yaml(), REFRESH


def test_the_params_file_gives_every_parameter_its_default_with_its_own_type() -> None:
    values = yaml.safe_load(params_yaml())["/**"]["ros__parameters"]
    assert DepthNodeParameters(**values) == DepthNodeParameters()
    assert {name: type(value) for name, value in values.items()} == {s.name: type(s.default) for s in parameter_specs()}
    assert documentation.yaml_scalar(float("inf")) == ".inf"


def test_tables_name_every_topic_and_parameter() -> None:
    text = refreshed(
        "<!-- begin:topics -->\n<!-- end:topics -->\n<!-- begin:parameters -->\noutdated\n<!-- end:parameters -->\n"
    )
    assert all(f"`{name}`" in text for name in (*(t.name for t in TOPICS), *(s.name for s in parameter_specs())))
    assert "outdated" not in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| ")}
    assert widths == {6, 7}


def test_text_outside_the_blocks_stays_and_unknown_blocks_are_refused() -> None:
    assert refreshed("no block\n") == "no block\n"
    assert refreshed("before\n<!-- begin:topics -->\n<!-- end:topics -->\nafter").startswith(
        "before\n<!-- begin:topics -->\n| "
    )
    with pytest.raises(
        ConfigError, match="expected one of topics, parameters, camera-parameters, lens-state-parameters, got 'prices'"
    ):
        refreshed("<!-- begin:prices -->\n<!-- end:prices -->")


def test_files_are_refreshed_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, values = tmp_path / "page.md", tmp_path / "values.yaml"
    page.write_text("<!-- begin:parameters -->\n<!-- end:parameters -->\n")
    assert documentation.main([str(page), "--params-file", str(values)]) == 0
    assert "`focus_distance_m`" in page.read_text() and values.read_text() == params_yaml()
    assert documentation.main([str(tmp_path / "missing.md")]) == 2
    assert "missing.md" in capsys.readouterr().err
