# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from effocc_ros.sweeps import Sweep, aggregate_sweeps

MANMADE = 15
PATCH = 2.0
VOXEL = 0.4


@pytest.fixture(scope="module")
def sequence(data_dir):
    """Points on buildings of eleven keyframes, 5 s at walking to driving speed."""
    folder = data_dir / "surroundocc_11frame_sequence"
    sweeps = []
    for frame in json.loads((folder / "calib.json").read_text())["frames"]:
        semantics = np.load(folder / frame["semantic_points"])[:, 3]
        points = np.load(folder / frame["points"])[semantics == MANMADE]
        sweeps.append(
            Sweep(
                points=points,
                sensor2ego=np.array(frame["lidar2ego"]),
                ego2global=np.array(frame["ego2global"]),
                stamp=frame["timestamp_us"] * 1000,
            )
        )
    return sweeps


def wall_thickness(sweeps) -> list[float]:
    """Of each patch that is flat in the last sweep: how thick 90 % of all points make it."""
    points = aggregate_sweeps(sweeps[-1], sweeps[:-1], count=10).astype(np.float64)
    places, last = points[:, :3], points[:, 4] == 0
    patches = np.floor(places / PATCH).astype(int)
    thickness = []
    for patch in np.unique(patches[last], axis=0):
        here = (patches == patch).all(axis=1)
        seen = places[here & last]
        if len(seen) < 30:
            continue
        variance, axes = np.linalg.eigh(np.cov(seen.T))
        if np.sqrt(variance[0]) < 0.03 and np.sqrt(variance[1]) > 0.25:
            away = np.abs((places[here] - seen.mean(0)) @ axes[:, 0])
            thickness.append(2 * np.percentile(away, 90))
    return thickness


def test_eleven_recorded_sweeps_make_walls_one_voxel_thick(sequence):
    thickness = wall_thickness(sequence)
    assert len(thickness) >= 8
    assert np.median(thickness) < 0.1
    assert np.percentile(thickness, 90) < VOXEL


def test_without_ego_motion_the_walls_would_be_thicker_than_a_voxel(sequence):
    still = [Sweep(sweep.points, sweep.sensor2ego, np.eye(4), sweep.stamp) for sweep in sequence]
    assert np.median(wall_thickness(still)) > VOXEL
