"""`evaluate-bag`, `replay` and scenario files say what is on a recording by the same fields."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import tyro

from defocus_depth.cli import COMMANDS
from defocus_depth.commands import evaluate_bag, replay
from defocus_depth.commands.dispatch import main
from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.bags.options import BagOptions
from defocus_depth.evaluation.scenarios.schema import Scenario, read_scenario

FIELDS = {field.name: field for field in dataclasses.fields(BagOptions)}


def scenario_bag(folder: Path, **fields: object) -> BagOptions:
    path = folder / "hallway.yaml"
    given = ", ".join(f"{name}: {value}" for name, value in {"path": "bag", "image_topic": "/image", **fields}.items())
    path.write_text(f"lens: robot\nbags: [{{{given}}}]\nconditions: [{{figure: abs_rel, at_most: 1}}]\n")
    (bag,) = read_scenario(path).bags
    return bag


def everywhere(folder: Path) -> list[BagOptions]:
    """What is said of a recording of which only the image topic is given."""
    line = ["bag", "--image-topic", "/image"]
    offline = tyro.cli(evaluate_bag.Options, args=[*line, "--lens", "robot"])
    return [offline.recorded, tyro.cli(replay.Options, args=line).recorded, scenario_bag(folder)]


def test_commands_and_scenario_files_have_one_set_of_fields_and_defaults(tmp_path: Path) -> None:
    for options in everywhere(tmp_path):
        own = {field.name: field for field in dataclasses.fields(options)}
        assert all(own[name] is field for name, field in FIELDS.items())
        assert {name: getattr(options, name) for name in FIELDS} == dataclasses.asdict(BagOptions("/image"))
    for command in (evaluate_bag.Options, replay.Options):
        assert not FIELDS.keys() & {field.name for field in dataclasses.fields(command)}
    assert not FIELDS.keys() & Scenario.model_fields.keys()


@pytest.mark.parametrize("command", ["evaluate-bag", "replay"])
def test_every_field_is_a_flag_of_its_own_name(command: str, capsys) -> None:
    assert main("defocus_depth", COMMANDS, [command, "--help"]) == 0
    words = capsys.readouterr().out.replace(",", " ").split()
    assert {f"--{name.replace('_', '-')}" for name in FIELDS} <= set(words)
    assert ("--render-defocus" in words) == (command == "evaluate-bag")


def test_the_image_topic_is_needed_where_nothing_else_could_be_done(capsys) -> None:
    assert main("defocus_depth", COMMANDS, ["evaluate-bag", "bag", "--lens", "robot"]) == 2
    assert "--image-topic" in capsys.readouterr().err
    assert tyro.cli(replay.Options, args=["bag"]).recorded == BagOptions("")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("tolerance_s", "-1", "tolerance_s: expected a finite number ≥ 0, got -1.0"),
        ("tolerance_s", ".nan", "tolerance_s: expected a finite number ≥ 0, got nan"),
        ("lens_state_max_age_s", ".inf", "lens_state_max_age_s: expected a finite number ≥ 0, got inf"),
        ("focus_distance_m", "0", "focus_distance_m: expected > 0 m, inf allowed, got 0.0"),
        ("focus_distance_m", ".nan", "focus_distance_m: expected > 0 m, inf allowed, got nan"),
        ("transfer", "rec709", "transfer: expected one of auto, srgb, linear, gamma, got 'rec709'"),
    ],
)
def test_values_out_of_range_are_named_with_their_file(
    field: str, value: str, expected: str, tmp_path: Path, capsys
) -> None:
    with pytest.raises(ConfigError) as refused:
        scenario_bag(tmp_path, **{field: value})
    assert str(refused.value) == f"{tmp_path / 'hallway.yaml'}: bags[0]: {expected}"
    flag = f"--{field.replace('_', '-')}={value.removeprefix('.')}"
    for command in (["evaluate-bag", "bag", "--lens", "robot"], ["replay", "bag"]):
        assert main("defocus_depth", COMMANDS, [*command, "--image-topic", "/image", flag]) == 2
        assert expected in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert scenario_bag(tmp_path, focus_distance_m=".inf").focus_distance_m == math.inf


def test_keys_and_types_of_a_scenario_bag_are_checked(tmp_path: Path) -> None:
    for fields, expected in (
        ({"tolerance": 1}, r"bags\[0\].tolerance: Extra inputs are not permitted, got 1"),
        ({"image_topic": "[/image]"}, r"bags\[0\].image_topic: expected a valid string, got \['/image'\]"),
        ({"registered": "perhaps"}, r"bags\[0\].registered: expected a valid boolean.*got 'perhaps'"),
        ({"focus_distance_m": "far"}, r"bags\[0\].focus_distance_m: expected a valid number.*got 'far'"),
    ):
        with pytest.raises(ConfigError, match=f"hallway.yaml: {expected}"):
            scenario_bag(tmp_path, **fields)
