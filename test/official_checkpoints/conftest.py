# SPDX-License-Identifier: Apache-2.0
"""The weights that the files hold."""

import pytest
from helpers.deterministic_fill import fill

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.presets import load_preset


@pytest.fixture(scope="module", name="state")
def _state():
    return fill(EffOcc(load_preset("lidar_tiny"))).state_dict()
