# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.geometry import OCC3D_GRID, inverse_rigid, transform_points
from effocc_ros.simulation.classes import DRIVEABLE_SURFACE
from effocc_ros.simulation.ground import Block, Ground, plan_ground
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.relief import Relief, draw_relief
from effocc_ros.simulation.road import curved_line
from effocc_ros.simulation.section import Section, draw_section

SECTION = Section(3.5, 1, 3.5, 0.0, 5.0, 6.0, 8.0, 0.1, 6.0)
S = np.arange(0.0, 201.0)
RIGHT_ANGLE = np.where(np.abs(S - 100) < 23.5, 1 / 30, 0.0)
LEVEL = np.zeros((1, 4))


def ground(curvature, waves=LEVEL, fall=((-70, 70), (0, 0))):
    relief = Relief(np.asarray(waves, float), LEVEL, np.asarray(fall, float))
    block = Block(0.0, 200.0, (False, False), ("grass", "grass"), (False, False))
    return Ground(curved_line(S, curvature), SECTION, relief, (block,))


def heights(surface, places):
    origins = np.column_stack([places, np.full(len(places), 50.0)]).astype(np.float32)
    down = np.tile(np.float32([0, 0, -1]), (len(places), 1))
    return 50.0 - surface.distance(surface.faces(origins, down), origins, down)


@pytest.fixture(scope="module")
def drawn():
    """Grounds of four seeds, straight and in a turn."""
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        line = curved_line(S, RIGHT_ANGLE * (seed % 2))
        found.append(plan_ground(rng, line, draw_section(rng), [60.0]))
    return found


def test_the_inner_side_of_a_turn_ends_where_the_other_leg_begins():
    line = ground(RIGHT_ANGLE).line
    np.testing.assert_allclose(line.reach(100.0, 5.0), 30.0, atol=0.2)
    assert line.reach(100.0, -5.0) > 70
    # 20 m before the turn the bisector of a right angle with rounded corner is 20 m further off.
    np.testing.assert_allclose(line.reach(100.0 - 23.5 - 20.0, 5.0), 50.0, atol=1.5)
    assert line.within(100.0, 50.0) < 30.3
    assert line.within(100.0, 12.0) == 12.0


def test_the_ground_has_no_holes_in_a_turn():
    plan = ground(RIGHT_ANGLE)
    middle = plan.line.point(100.0, 0.0)
    x, y = np.meshgrid(np.arange(-38.3, 39, 1.7), np.arange(-38.3, 39, 1.7))
    places = np.column_stack([x.ravel(), y.ravel()]) + middle
    found = heights(Surface(plan.mesh()), places)
    assert np.isfinite(found).mean() > 0.998
    assert np.abs(found[np.isfinite(found)]).max() < 0.11


def test_the_triangles_of_the_ground_lie_at_its_height(drawn):
    for plan in drawn:
        surface, rng = Surface(plan.mesh()), np.random.default_rng(5)
        s, d = rng.uniform(5, 195, 400), rng.uniform(-1, 1, 400) * plan.section.walk
        away = np.abs(np.abs(d[:, None]) - [plan.section.half]).min(axis=1) > 0.05
        junction = [b.start for b in plan.blocks] + [b.end for b in plan.blocks]
        away &= np.abs(s[:, None] - junction).min(axis=1) > 0.3
        found = heights(Surface(plan.mesh()), plan.line.point(s, d))
        error = np.abs(found - plan.surface(s, d))[away]
        assert len(error) > 250
        assert np.quantile(error, 0.99) < 0.03
        assert surface.mesh.label.max() < 17


def test_things_stand_on_a_slope():
    steep = ground(0 * S, fall=((-70, 70), (-3.5, 3.5)))  # 5 % to the left
    upright = steep.stand(50.0, 4.0, 0.3)
    np.testing.assert_allclose(upright[2, 3], 0.2, atol=1e-9)
    np.testing.assert_allclose(upright[:3, 2], [0, 0, 1])
    np.testing.assert_allclose(upright[2, :2], [0.05 * np.sin(0.3), 0.05 * np.cos(0.3)], atol=1e-9)
    tilted = steep.stand(50.0, 4.0, 0.3, rigid=True)
    np.testing.assert_allclose(tilted[:3, :3] @ tilted[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(
        tilted[:3, 2], np.array([0, -0.05, 1]) / np.hypot(1, 0.05), atol=1e-9
    )


def test_grades_and_falls_stay_those_of_streets(drawn):
    for plan in drawn:
        s = np.arange(10.0, 190.0)
        grade = np.gradient(plan.relief.hills(*plan.line.point(s, 0 * s).T))
        assert np.abs(grade).max() < 0.07
        fall = np.diff(plan.relief.across([-plan.section.half, 0.0, plan.section.half]))
        assert np.abs(fall / plan.section.half).max() < 0.065


def test_sections_are_narrow_and_wide_and_their_parts_in_order():
    sections = [draw_section(np.random.default_rng(seed)) for seed in range(60)]
    halves = [section.half for section in sections]
    assert min(halves) < 5.0
    assert max(halves) > 9.0
    for section in sections:
        assert 4.5 <= section.half <= 10.6
        assert section.traffic <= section.cycle <= section.half - section.bay
        assert 1.5 < section.walk - section.half < 4.3
        assert 0.05 <= section.kerb <= 0.18
        edges = [edge[:2] for edge in section.strips()]
        assert [a for a, _ in edges[1:]] == [b for _, b in edges[:-1]]
    assert {bool(section.bay) for section in sections} == {True, False}


def test_hills_spread_the_road_over_layers_of_voxels():
    z = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        section = draw_section(rng)
        relief = draw_relief(rng, section)
        block = Block(0.0, 200.0, (False, False), ("grass", "grass"), (False, False))
        plan = Ground(curved_line(S, 0 * S), section, relief, (block,))
        s, d = np.meshgrid(np.arange(62, 138, 2.0), np.linspace(-section.half, section.half, 9))
        road = np.concatenate([plan.line.point(s, d), plan.elevation(s, d)[..., None]], axis=-1)
        map2ego = inverse_rigid(plan.stand(100.0, -1.7, rigid=True))
        z.append(transform_points(map2ego, road.reshape(-1, 3))[:, 2])
    layer = np.floor((np.concatenate(z) - OCC3D_GRID.lower[2]) / 0.4)
    share = np.bincount(layer.astype(int).clip(0, 15), minlength=16) / len(layer)
    assert 0.4 < share[2] < 0.9  # one layer held all of a level road
    assert (share > 0.002).sum() >= 4


def test_labels_spread_the_road_too(drive, key_labels):
    layers = (key_labels == DRIVEABLE_SURFACE).sum(axis=(0, 1))
    assert (layers > 0.1 * layers.sum()).sum() >= 2
