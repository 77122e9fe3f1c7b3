# SPDX-License-Identifier: Apache-2.0
"""What Rerun's own MCAP loader draws of our bags; `make view-test` has what is needed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.occupancy_bags import street

pytest.importorskip("rerun", reason="rerun-sdk is not installed: see make view-test")
import rerun.chunk

from effocc_ros.bags.messages import voxel_grid_message
from effocc_ros.bags.writer import BagWriter

RED, GREEN = 0xFF0000FF, 0x00FF00FF


def test_the_nav2_grid_becomes_voxels_in_two_colours_at_their_places(tmp_path):
    occupancy = street()
    with BagWriter(tmp_path / "bag") as writer:
        message = voxel_grid_message("nav2", occupancy)
        writer.write("/effocc/nav2_voxels", message, occupancy.stamp)
    file = tmp_path / "bag.rrd"
    tool = Path(sys.executable).with_name("rerun")
    command = [tool, "mcap", "convert", tmp_path / "bag" / "bag.mcap", "-o", file]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    chunks = [
        chunk.to_record_batch()
        for chunk in rerun.chunk.RrdReader(str(file)).stream()
        if chunk.entity_path == "/effocc/nav2_voxels"
    ]
    (batch,) = [each for each in chunks if "VoxelGridMap:colors" in each.schema.names]
    colors = np.array(batch["VoxelGridMap:colors"][0].as_py(), np.uint32)
    index = np.array(batch["VoxelGridMap:voxel_indices"][0].as_py())
    assert set(colors.tolist()) == {RED, GREEN}
    drawn = np.zeros(occupancy.labels.shape, bool)
    drawn[tuple(index[colors == RED].T)] = True
    np.testing.assert_array_equal(drawn, occupancy.occupied)
