# SPDX-License-Identifier: Apache-2.0
"""Parameters over DDS: described, refused with a reason, changed while the node runs."""

import signal
from itertools import groupby

import pytest
from helpers.ros_processes import set_parameter
from helpers.toy_drive import PERIOD, START, TOPICS, make_toy_bag
from helpers.waiting import wait_until
from rcl_interfaces.srv import DescribeParameters, GetParameters

from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.to_message import stamp_of

pytestmark = pytest.mark.integration


def test_a_parameter_says_what_it_may_be_and_takes_nothing_else(stage, tiny_models):
    stage.start_node(model=tiny_models["lidar"])
    request = DescribeParameters.Request(names=["tolerance", "precision"])
    answer = stage.peer.ask(DescribeParameters, "/occ_node/describe_parameters", request)
    tolerance, precision = answer.descriptors
    assert tolerance.floating_point_range[0].to_value == 10.0
    assert tolerance.dynamic_typing
    assert "float16" in precision.additional_constraints
    assert precision.description

    for name, value, reason in (
        ("model", "nonsense_r99", "nonsense_r99"),
        ("device", "cuda:7", "parameter device: found a new value while the node is active"),
        ("tolerance", 1, "tolerance"),
        ("grid_min_height", 5.0, "grid_min_height, grid_max_height: found 5.0 m, 2.2 m"),
        ("grid_max_height", 1000.0, "1000.0"),
        ("sweeps", 3, "Deactivate it first"),
    ):
        before = get(stage, name)
        answer = set_parameter(stage, name, value)
        assert not answer.successful
        assert reason in answer.reason
        assert get(stage, name) == before


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"tolerance": "wide"}, "tolerance"),
        ({"synchronizer": "approximate"}, "one of: auto, lidar, anchor"),
        (
            {"cameras": ["front", "rear"], "camera_offsets": [0, 0]},
            "parameter cameras: found front, rear; expected names",
        ),
        ({"calibration": "/no/such/file.yaml"}, "/no/such/file.yaml"),
    ],
)
def test_a_bad_start_value_ends_the_node_with_one_clear_line(stage, tiny_models, parameters, said):
    node = stage.start_node(active=False, model=tiny_models["vision"], **parameters)
    assert node.wait(60) != 0
    assert said in node.text
    assert "Traceback" not in node.text


def test_the_model_changes_while_a_bag_is_played_and_no_frame_is_lost(
    stage, tiny_models, tmp_path
):
    moments = 40
    bag = make_toy_bag(tmp_path / "drive", moments)
    occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    node = stage.start_node(model=tiny_models["fusion"], diagnostics_period=0.2)
    player = stage.start("bag_player", bag=bag, lockstep=True, rate=100.0, wait_for=TOPICS)
    wait_until(lambda: len(occupancies) >= 5, "five frames")
    for modality in ("vision", "fusion"):
        answer = set_parameter(stage, "model", str(tiny_models[modality]))
        assert answer.successful, answer.reason
        wait_until(lambda m=modality: occupancies[-1].mode == m, f"{modality} to take over")
    refused = set_parameter(stage, "model", str(node.log))
    assert not refused.successful
    assert str(node.log) in refused.reason

    assert player.wait(120) == 0, player.text
    assert "0 without an answer" in player.text
    stamps = {stamp_of(message.header.stamp) for message in occupancies}
    assert stamps == {START + number * PERIOD for number in range(moments)}
    modes = [mode for mode, _ in groupby(message.mode for message in occupancies)]
    assert modes == ["fusion", "vision", "fusion"]
    for message in occupancies:
        assert message.model == f"tiny_{message.mode}"
        lidar = [] if message.mode == "vision" else ["LIDAR_TOP"]
        assert [name for name in message.inputs if name == "LIDAR_TOP"] == lidar
    assert node.signal(signal.SIGINT) == 0


def test_parameters_may_change_while_the_node_is_inactive(stage, tiny_models):
    node = stage.start_node(active=False, autostart=False, tolerance=1, modle="x")
    assert set_parameter(stage, "model", str(tiny_models["lidar"])).successful
    for name, value in (("tolerance", 1), ("sweeps", 1), ("device", "cpu")):
        answer = set_parameter(stage, name, value)
        assert answer.successful, answer.reason
    assert "parameter modle: there is none of this name" in node.text
    assert "did you mean model?" in node.text


def get(stage, name: str):
    request = GetParameters.Request(names=[name])
    return stage.peer.ask(GetParameters, "/occ_node/get_parameters", request).values[0]
