# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from effocc_ros.bags.process import POINTS_TOPIC, VOXEL_GRID_TOPICS
from effocc_ros.rig import load_rig


@pytest.fixture(scope="module")
def layout(repository):
    return json.loads((repository / "config" / "foxglove" / "occ.json").read_text())


def panels(node) -> list[str]:
    return [node] if isinstance(node, str) else panels(node["first"]) + panels(node["second"])


def test_every_panel_has_its_settings_and_each_setting_a_panel(layout):
    assert sorted(panels(layout["layout"])) == sorted(layout["configById"])
    kinds = {name.partition("!")[0] for name in layout["configById"]}
    assert kinds == {"3D", "Image", "DiagnosticSummary"}


def test_images_are_those_of_the_first_rig(layout):
    rig = {camera.name: camera for camera in load_rig("nuscenes").cameras}
    images = {
        name.partition("!")[2]: config["imageMode"]
        for name, config in layout["configById"].items()
        if name.startswith("Image!")
    }
    assert images == {
        name: {"imageTopic": camera.image, "calibrationTopic": camera.camera_info}
        for name, camera in rig.items()
    }


def test_the_voxels_of_the_node_and_of_processed_bags_are_drawn(layout):
    topics = layout["configById"]["3D!voxels"]["topics"]
    for topic in (POINTS_TOPIC, "/occ_node/output/points"):
        assert topics[topic]["visible"]
        assert (topics[topic]["colorMode"], topics[topic]["colorField"]) == ("rgb", "rgb")
    for topic in (VOXEL_GRID_TOPICS["foxglove"], "/occ_node/output/foxglove_voxels"):
        assert topics[topic]["colorMode"] == "rgba-fields"
