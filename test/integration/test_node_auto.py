# SPDX-License-Identifier: Apache-2.0
"""`model: auto` over DDS: each frame goes to the network made for the sensors that are there."""

from dataclasses import replace

import pytest
from helpers.bench import Bench
from helpers.feeder import NONE
from helpers.ros_processes import ros_stage
from helpers.waiting import wait_until

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.msg import SemanticOccupancy

pytestmark = pytest.mark.integration

PHASES = (
    ("LIDAR_TOP", ("LIDAR_TOP",), "vision"),
    ("the cameras", NUSCENES_CAMERAS, "lidar"),
)


def test_the_network_for_the_sensors_that_are_left_answers_and_fusion_once_all_are_back(
    tiny_models, tmp_path
):
    models = {f"{kind}_model": path for kind, path in tiny_models.items()}
    with ros_stage(tmp_path) as stage:
        heard = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
        bench = Bench(stage, tmp_path, "auto", strict=False, **models)

        def wait_for(mode: str, why: str) -> None:
            expected = f"tiny_{mode}", mode
            newest = lambda: heard and (heard[-1].model, heard[-1].mode) == expected  # noqa: E731
            wait_until(newest, f"{expected} {why}", 60)

        wait_for("fusion", "at first")
        for name, dead, mode in PHASES:
            bench.set(replace(NONE, dead=dead))
            wait_for(mode, f"without {name}")
            assert not set(heard[-1].inputs) & set(dead)
            bench.set(NONE)
            wait_for("fusion", f"once {name} is back")
        answers = {(each.model, each.mode) for each in heard}
        assert answers == {(f"tiny_{mode}", mode) for mode in ("fusion", "vision", "lidar")}
        for mode in ("vision", "lidar"):
            assert f"mode {mode}, was fusion" in bench.node.text
        assert "Traceback" not in bench.node.text
