# SPDX-License-Identifier: Apache-2.0
"""Messages that come faster than the node handles them keep nobody else waiting."""

import sys
import threading
import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.diagnostics import told
from helpers.toy_drive import PERIOD, START, points, static_poses
from helpers.waiting import wait_until
from rcl_interfaces.srv import GetParameters

from effocc_ros.nodes.executor import events_executor
from effocc_ros.nodes.rig_parameters import rig_arguments
from effocc_ros.rig import load_rig

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        events_executor() is None, reason="rclpy has no EventsExecutor, and a wait set takes turns"
    ),
]

SLOW = """
import time
from effocc_ros.nodes import executables, session

class Slow(session.Stream):
    def add_points(self, *arguments):
        time.sleep(0.1)
        print("a sweep", flush=True)
        return super().add_points(*arguments)

session.Stream = Slow
executables.occ_node()
"""
"""The node, which spends a tenth of a second on each sweep."""

SWEEPS_BEFORE = 150


def test_a_request_does_not_wait_for_all_messages_that_came_before_it(
    stage, tiny_models, tmp_path
):
    parameters = {"model": tiny_models["lidar"], "device": "cpu", "threads": 1, "queue_depth": 20}
    arguments = rig_arguments(load_rig("nuscenes"))
    for name, value in parameters.items():
        arguments += ["-p", f"{name}:={value}"]
    command = [sys.executable, "-c", SLOW, "--ros-args", *arguments]
    node = stage.run(command, tmp_path / "slow.log")
    node.wait_for_text("active:")
    diagnostics = stage.peer.listen(DiagnosticArray, "/diagnostics")
    stage.send([static_poses()])
    sent, stop = [], threading.Event()

    def flood():
        while not stop.is_set():
            sent.append(START + len(sent) * PERIOD)
            stage.send([points(sent[-1])])
            time.sleep(0.02)

    request = GetParameters.Request(names=["model"])
    stage.peer.ask(GetParameters, "/occ_node/get_parameters", request)  # it knows the client now
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        wait_until(lambda: len(sent) >= SWEEPS_BEFORE, "a backlog")
        before, waiting = node.text.count("a sweep"), len(sent)
        assert waiting - before > SWEEPS_BEFORE / 2, "the node is not slow"
        stage.peer.ask(GetParameters, "/occ_node/get_parameters", request, 120)
        assert node.text.count("a sweep") - before < (waiting - before) / 4
    finally:
        stop.set()
        flooding.join()

    def accounted() -> bool:
        handled, lost = (int(told(diagnostics, key) or 0) for key in ("count", "lost"))
        return lost > 0 and handled + lost == len(sent)

    wait_until(accounted, "each sweep handled or counted as lost", 60)
    node.wait_for_text("messages came faster than this process could handle them")
