# SPDX-License-Identifier: Apache-2.0
import numpy as np

from effocc_ros.simulation.mesh import Paint, box, concatenate, quads
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.rig import nuscenes_rig
from effocc_ros.simulation.trajectory import planar
from effocc_ros.simulation.visibility import SKY, STATIC, look

GROUND = quads([[[-90, -90, 0], [90, -90, 0], [90, 90, 0], [-90, 90, 0]]], Paint(11))
FRONT = nuscenes_rig((99, 176)).cameras[1]


def test_the_ground_is_as_far_as_geometry_says():
    view = look(Surface(GROUND), (), FRONT, np.eye(4))
    row = 90
    down = (row - FRONT.intrinsics[1, 2]) / FRONT.intrinsics[1, 1]
    np.testing.assert_allclose(view.depth[row, 88], FRONT.sensor2ego[2, 3] / down, rtol=1e-4)
    assert view.labels[row, 88] == 11
    assert view.owner[5, 88] == SKY
    assert view.labels[5, 88] == 17
    assert np.isinf(view.depth[5, 88])


def test_sparse_casting_finds_what_dense_casting_finds():
    rng = np.random.default_rng(3)
    boxes = [
        box((*rng.uniform((5, -15), (60, 15)), 1.0), rng.uniform(0.5, 3, 3), Paint(15))
        for _ in range(40)
    ]
    surface = Surface(concatenate([GROUND, *boxes]))
    view = look(surface, (), FRONT, np.eye(4))
    rays = FRONT.rays.reshape(-1, 3) @ FRONT.sensor2ego[:3, :3].T.astype(np.float32)
    dense = surface.faces(FRONT.sensor2ego[:3, 3], rays).reshape(view.face.shape)
    assert (dense == view.face).mean() > 0.997


def test_an_agent_hides_what_is_behind_it_and_not_what_is_before_it():
    wall = box((30.0, 0, 5), (1, 40, 10), Paint(15))
    post = box((8.0, 0, 2), (0.6, 0.6, 4), Paint(15))
    car = Surface(box((0, 0, 1), (4, 6, 2), Paint(4)))
    placed = [(car, planar(15.0, 0.0, 0.3))]
    view = look(Surface(concatenate([GROUND, wall, post])), placed, FRONT, np.eye(4))
    middle = view.labels[52]
    assert middle[88] == 15
    assert view.owner[52, 88] == STATIC
    assert {4, 15} == set(middle.tolist())
    assert middle[88 - 20] == middle[88 + 20] == 4
    assert view.owner[52, 68] == 0


def test_an_agent_behind_the_camera_is_not_seen():
    car = Surface(box((0, 0, 1), (4, 2, 2), Paint(4)))
    view = look(Surface(GROUND), [(car, planar(-10.0, 0.0, 0.0))], FRONT, np.eye(4))
    assert not (view.labels == 4).any()
