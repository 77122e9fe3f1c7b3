# SPDX-License-Identifier: Apache-2.0
"""The tables of topics in the documentation are those of a running node."""

import re

import pytest
from helpers.waiting import wait_until
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

pytestmark = pytest.mark.integration

ROW = re.compile(
    r"^\| `(?P<topic>[~/][^`]*)`.*?\| (?P<types>`[^|]*) \|(?P<rest>.*)\|$", re.MULTILINE
)
HIDDEN = ("rosout", "parameter_events", "transition_event")
OPTIONAL = "~/output/label_info"  # where vision_msgs is installed


def rows(repository, section):
    """Topic, types and the rest of each row of a section's table."""
    page = (repository / "docs" / "node.md").read_text()
    part = page.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [match.groupdict() for match in ROW.finditer(part)]


def types(text):
    return {name.replace("/", "/msg/") for name in re.findall(r"`(\w+/\w+)`", text)}


def test_the_outputs_are_those_of_the_table(stage, tiny_models, repository):
    documented = {row["topic"]: row for row in rows(repository, "Outputs")}
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
        topic: types(row["types"]) for topic, row in documented.items() if topic != OPTIONAL
    }
    wait_until(lambda: published().keys() >= expected.keys(), "the node's outputs")
    found = published()
    found.pop(OPTIONAL, None)
    assert found == expected
    for topic in expected:
        (info,) = graph.get_publishers_info_by_topic(topic.replace("~", "/occ_node", 1))
        said = documented[topic]["rest"]
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        assert said.startswith(" reliable")
        latched = info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert latched == ("latched" in said.split("|")[0]), topic


def test_the_inputs_are_those_of_the_table(stage, tiny_models, repository):
    documented = {
        re.sub("<camera>", "CAM_FRONT", row["topic"]).replace("<LiDAR>", "LIDAR_2"): row
        for row in rows(repository, "Inputs")
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

    wait_until(lambda: "~/input/odometry" in subscribed(), "the node's inputs")
    found = subscribed()
    assert found.keys() == documented.keys()
    for topic, kinds in found.items():
        assert kinds <= types(documented[topic]["types"]), topic
