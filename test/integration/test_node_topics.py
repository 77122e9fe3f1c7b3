# SPDX-License-Identifier: Apache-2.0
"""The tables of topics in the documentation are those of a running node."""

import re

import pytest
from helpers.waiting import wait_until
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

pytestmark = pytest.mark.integration

HIDDEN = ("rosout", "parameter_events", "transition_event")
OPTIONAL = {f"~/output/{name}" for name in ("label_info", "foxglove_voxels", "nav2_voxels")}
"""Published where the packages of their messages are installed."""


def rows(repository, section):
    """Topic -> the other cells of its row in a section's table."""
    page = (repository / "docs" / "node.md").read_text()
    part = page.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `")]
    return {topic: cells for first, *cells in lines for topic in re.findall("`(.*?)`", first)}


def types(text):
    return {name.replace("/", "/msg/") for name in re.findall(r"`(\w+/\w+)`", text)}


def test_the_outputs_are_those_of_the_table(stage, tiny_models, repository):
    documented = rows(repository, "Outputs")
    stage.start_node(model=tiny_models["lidar"])
    graph = stage.peer.node

    def published():
        found = dict(graph.get_publisher_names_and_types_by_node("occ_node", "/"))
        return {
            name.replace("/occ_node", "~", 1): set(kinds)
            for name, kinds in found.items()
            if not name.endswith(HIDDEN)
        }

    expected = {
        topic: types(kinds) for topic, (kinds, *_) in documented.items() if topic not in OPTIONAL
    }
    wait_until(lambda: published().keys() >= expected.keys(), "the node's outputs")
    found = {topic: kinds for topic, kinds in published().items() if topic not in OPTIONAL}
    assert found == expected
    for topic in expected:
        (info,) = graph.get_publishers_info_by_topic(topic.replace("~", "/occ_node", 1))
        qos = documented[topic][1]
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        assert "reliable" in qos
        latched = info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert latched == ("latched" in qos), topic


def test_the_inputs_are_those_of_the_table(stage, tiny_models, repository):
    documented = {
        topic.replace("<camera>", "CAM_FRONT").replace("<LiDAR>", "LIDAR_2"): types(cells[0])
        for topic, cells in rows(repository, "Inputs").items()
    }
    node = stage.start(  # without a rig, whose topics would stand in their place
        "occ_node",
        model=tiny_models["fusion"],
        device="cpu",
        cameras=["CAM_FRONT"],
        other_lidars=["LIDAR_2"],
        odometry=True,
    )

    node.wait_for_text("active:")
    graph = stage.peer.node
    wait_until(lambda: "occ_node" in graph.get_node_names(), "the node")

    def subscribed():
        found = graph.get_subscriber_names_and_types_by_node("occ_node", "/")
        return {
            name.replace("/occ_node", "~", 1): set(kinds)
            for name, kinds in found
            if not name.endswith(HIDDEN)
        }

    # Discovery tells of one after the other.
    wait_until(lambda: subscribed().keys() >= documented.keys(), "the node's inputs")
    found = subscribed()
    assert found.keys() == documented.keys()
    for topic, kinds in found.items():
        assert kinds <= documented[topic], topic
