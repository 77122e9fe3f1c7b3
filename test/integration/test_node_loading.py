# SPDX-License-Identifier: Apache-2.0
"""Requests of every kind while a network loads, and networks that do not load."""

import os
import signal
import sys

import pytest
from helpers.ros_processes import set_parameter
from helpers.waiting import wait_until
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters

pytestmark = pytest.mark.integration

GATE = "EFFOCC_TEST_GATE"
"""Environment variable: the file that networks wait for; one that is not empty lets them fail."""

GATED = f"""
import os, time
from pathlib import Path
from effocc_ros.nodes import executables, models

gate, load = Path(os.environ["{GATE}"]), models.load_model

def load_model(settings):
    print("loading", Path(settings.model).stem, flush=True)
    while not gate.exists():
        time.sleep(0.01)
    if gate.read_text():
        raise RuntimeError(gate.read_text())
    return load(settings)

models.load_model = load_model
executables.occ_node()
"""


class Gated:
    """A node whose networks load when the test says so."""

    def __init__(self, stage, folder, **parameters):
        self.stage, self.gate = stage, folder / "gate"
        arguments = [f"{name}:={value}" for name, value in parameters.items()]
        given = [text for each in arguments for text in ("-p", each)]
        command = [sys.executable, "-c", GATED, "--ros-args", "-p", "device:=cpu", *given]
        self.node = stage.run(command, folder / "gated.log", **{GATE: os.fspath(self.gate)})

    def open(self, failure=""):
        self.gate.write_text(failure)

    def request(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.stage.peer.call(ChangeState, "/occ_node/change_state", request)

    def answer(self, future) -> bool:
        wait_until(future.done, "the answer to a transition", 60)
        return future.result().success

    def ask(self, transition) -> bool:
        return self.answer(self.request(transition))

    def state(self) -> int:
        ask = self.stage.peer.ask
        return ask(GetState, "/occ_node/get_state", GetState.Request()).current_state.id

    def parameter(self, name) -> str:
        request = GetParameters.Request(names=[name])
        answer = self.stage.peer.ask(GetParameters, "/occ_node/get_parameters", request)
        return answer.values[0].string_value


def test_a_node_that_is_shut_down_while_its_network_loads_stays_so(stage, tiny_models, tmp_path):
    gated = Gated(stage, tmp_path, model=tiny_models["lidar"])
    gated.node.wait_for_text("loading")
    assert gated.ask(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    gated.open()
    for _ in range(20):  # each is answered behind what the loading thread has handed over
        assert gated.state() == State.PRIMARY_STATE_FINALIZED
    assert gated.node.signal(signal.SIGTERM) == 0
    assert "transition" not in gated.node.text


def test_a_network_is_loaded_once_for_all_who_ask_and_is_the_one_wanted_last(
    stage, tiny_models, tmp_path
):
    gated = Gated(stage, tmp_path, model=tiny_models["lidar"], autostart=False)
    requests = [gated.request(Transition.TRANSITION_CONFIGURE) for _ in range(3)]
    gated.node.wait_for_text("loading tiny_lidar")
    assert gated.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert set_parameter(stage, "model", str(tiny_models["fusion"])).successful
    gated.open()
    assert sorted(gated.answer(each) for each in requests) == [False, False, True]
    assert gated.state() == State.PRIMARY_STATE_INACTIVE
    assert "model tiny_fusion (fusion)" in gated.node.text
    said = [line for line in gated.node.text.splitlines() if line.startswith("loading")]
    assert said == ["loading tiny_lidar", "loading tiny_fusion"]


@pytest.mark.parametrize("active", [True, False])
def test_the_parameters_go_back_to_the_network_in_use_when_another_does_not_load(
    stage, tiny_models, tmp_path, active
):
    models = {name: str(path) for name, path in tiny_models.items()}
    gated = Gated(stage, tmp_path, model=models["lidar"], autostart=False)
    gated.open()
    assert gated.ask(Transition.TRANSITION_CONFIGURE)
    if active:
        assert gated.ask(Transition.TRANSITION_ACTIVATE)
    wanted = {"model": models["fusion"]}
    if not active:
        wanted = {"model": "fusion", "fusion_model": models["fusion"], "device": "cuda:77"}
    gated.open("no memory is left")
    before = {name: gated.parameter(name) for name in wanted}
    for name in reversed(wanted):
        assert set_parameter(stage, name, wanted[name]).successful
    gated.node.wait_for_text("was not loaded: no memory is left")
    wait_until(lambda: {name: gated.parameter(name) for name in wanted} == before, "the old ones")
    assert gated.node.text.count("loading tiny_lidar") <= 2  # once more for another device
    assert active == (gated.state() == State.PRIMARY_STATE_ACTIVE)
    gated.open()
    assert set_parameter(stage, "model", models["fusion"]).successful
    gated.node.wait_for_text("model tiny_fusion (fusion)")


def test_class_names_are_checked_against_the_network_that_is_on_its_way(
    stage, tiny_models, tmp_path
):
    gated = Gated(stage, tmp_path, model=tiny_models["lidar"], autostart=False)
    gated.open()
    assert gated.ask(Transition.TRANSITION_CONFIGURE)
    gated.gate.unlink()
    assert set_parameter(stage, "model", "waymo_lidar").successful
    gated.node.wait_for_text("loading waymo_lidar")
    refused = set_parameter(stage, "ground_classes", ["driveable_surface"])
    assert not refused.successful
    assert "driveable_surface" in refused.reason
    assert set_parameter(stage, "ground_classes", ["road"]).successful
    gated.open("no memory is left")
    gated.node.wait_for_text("was not loaded")
    gated.node.wait_for_text("what goes out does not fit tiny_lidar")
