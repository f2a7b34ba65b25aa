"""The files in config/ that other programs read name the node's topics, and parse."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import yaml

from defocus_depth.ros.topics import TOPICS

CONFIG = Path(__file__).resolve().parents[2] / "config"
KNOWN = {topic.name if topic.name.startswith("/") else f"/{topic.name.replace('~', 'depth')}" for topic in TOPICS}


def test_rviz_shows_topics_of_the_node() -> None:
    displays = yaml.safe_load((CONFIG / "defocus_depth.rviz").read_text())["Visualization Manager"]["Displays"]
    shown = {display["Topic"]["Value"] for display in displays}
    assert {"/image", "/depth/depth/color", "/depth/points"} <= shown <= KNOWN
    reliable = {f"/{topic.name.replace('~', 'depth')}" for topic in TOPICS if topic.reliable}
    for display in displays:
        policy = display["Topic"]["Reliability Policy"]
        assert policy == "Best Effort" or display["Topic"]["Value"] in reliable


def test_foxglove_shows_topics_of_the_node_in_panels_of_the_layout() -> None:
    content = json.loads((CONFIG / "foxglove_layout.json").read_text())
    named = set(re.findall(r'"(/[\w/]+)"', json.dumps(content["configById"])))
    assert {"/image", "/depth/depth/image", "/depth/points", "/diagnostics"} <= named <= KNOWN
    assert set(re.findall(r'"(\w+![\w]+)"', json.dumps(content["layout"]))) == set(content["configById"])


def test_the_dds_profile_has_32_mib_of_shared_memory_and_keeps_the_network() -> None:
    space = {"p": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    root = ET.parse(CONFIG / "fastdds_shm.xml").getroot()
    transports = {
        item.findtext("p:transport_id", namespaces=space): item
        for item in root.iterfind("p:transport_descriptors/p:transport_descriptor", space)
    }
    assert {item.findtext("p:type", namespaces=space) for item in transports.values()} == {"SHM", "UDPv4"}
    sizes = [item.findtext("p:segment_size", namespaces=space) for item in transports.values()]
    assert str(32 * 2**20) in sizes
    participant = root.find("p:participant", space)
    assert participant is not None and participant.get("is_default_profile") == "true"
    used = participant.findall("p:rtps/p:userTransports/p:transport_id", space)
    assert {item.text for item in used} == set(transports)
    assert participant.findtext("p:rtps/p:useBuiltinTransports", namespaces=space) == "false"
