# SPDX-License-Identifier: Apache-2.0
"""Each frame goes to the network that was made for the sensors which are there."""

from dataclasses import replace

import pytest
from helpers.moments import frame_of
from helpers.tiny_model import tiny_config

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.nodes.auto_predictor import AutoPredictor
from effocc_ros.predictor import Predictor


def network(modality, **changes):
    config = replace(tiny_config(modality), name=modality, **changes)
    return Predictor.from_network(EffOcc(config), config, device="cpu", trained=False)


@pytest.fixture(scope="module")
def auto():
    return AutoPredictor(network("fusion"), network("vision"), network("lidar"))


@pytest.mark.parametrize(
    ("sensors", "mode"),
    [({}, "fusion"), ({"lidar": False}, "vision"), ({"cameras": ()}, "lidar")],
)
def test_a_frame_goes_to_the_network_of_its_sensors(auto, sensors, mode):
    occupancy = auto.run(auto.prepare(frame_of(1, **sensors)))
    assert (occupancy.model, occupancy.mode) == (mode, mode)
    assert set(auto.timings) == {"preprocess", "network", "output"}
    assert (auto.name, auto.trained) == ("fusion, vision, lidar", False)


def test_a_frame_of_nothing_is_refused(auto):
    with pytest.raises(InputError, match="found no sensor"):
        auto.prepare(frame_of(1, cameras=(), lidar=False))


def test_networks_of_other_classes_are_refused():
    other = network("vision", classes="openocc_flow")
    with pytest.raises(InputError, match="found classes openocc_flow of vision beside"):
        AutoPredictor(network("fusion"), other, network("lidar"))
