"""The command line of the depth node that a bag is played to."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from bag_maker import START_NS, BagMaker

from defocus_depth.commands.online import NodeChoice, node_arguments
from defocus_depth.evaluation.bags.reader import open_bag
from defocus_depth.evaluation.playback import Pace
from defocus_depth.evaluation.scenarios.schema import ScenarioBag
from defocus_depth.inference import EstimatorConfig


def arguments(path: Path, clock_hz: float = 0.0, **bag: object) -> list[str]:
    with open_bag(path) as opened:
        options = ScenarioBag(path=path, **bag)  # type: ignore[arg-type]
        return node_arguments(
            opened, options, NodeChoice("robot", estimator=EstimatorConfig(threads=2)), Pace(clock_hz=clock_hz)
        )


def values(line: list[str], flag: str) -> dict[str, str]:
    pairs = [line[index + 1].split(":=") for index, part in enumerate(line) if part == flag]
    return dict(pairs)


def test_parameters_and_topics_of_raw_images(tmp_path: Path) -> None:
    maker = BagMaker()
    maker.frames((40,))
    bag = maker.write(tmp_path / "bag")
    line = arguments(bag, 100.0, image_topic="/image", lens_state_topic="/lens", focus_distance_m=math.inf)
    assert line[0] == "--ros-args"
    parameters = values(line, "-p")
    assert parameters["autostart"] == parameters["use_sim_time"] == "true"
    assert (parameters["focus_distance_m"], parameters["threads"], parameters["depth_max_m"]) == (".inf", "2", "10.0")
    assert parameters["lens_file"].endswith("config/lenses/robot.yaml'") and "model" not in parameters
    assert values(line, "-r") == {"image": "/image", "lens_state": "/lens"}
    assert values(arguments(bag, image_topic="/image"), "-p")["use_sim_time"] == "false"


@pytest.mark.parametrize("topic", ["/camera/image/compressed", "/camera/jpeg"])
def test_compressed_images_of_any_name_reach_the_node(tmp_path: Path, topic: str) -> None:
    maker = BagMaker()
    maker.compressed(topic, START_NS, np.zeros((8, 8), np.uint8), "mono8; png compressed mono8")
    line = arguments(maker.write(tmp_path / "bag"), image_topic=topic)
    rules = values(line, "-r")
    assert values(line, "-p")["image_transport"] == "compressed"
    subscribed = f"{rules['image']}/compressed"
    assert rules.get(subscribed, subscribed) == topic
