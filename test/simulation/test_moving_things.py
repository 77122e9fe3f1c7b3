# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.simulation.agents import Admission, corners, touch
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.street import build_street, lay_out
from effocc_ros.simulation.traffic import EGO_OUTLINE
from effocc_ros.simulation.trajectory import Motion

DURATION = 4.0
CAR = np.array([-2.0, -0.9, 2.0, 0.9])
PERSON = np.array([-0.3, -0.3, 0.3, 0.3])


@pytest.fixture(scope="module")
def streets():
    return [build_street(seed, DURATION) for seed in range(4)]


@pytest.fixture(scope="module")
def flat(streets):
    return streets[0].ground


def rectangle(x, y, heading=0.0, size=(4.0, 2.0)):
    outline = np.array([-size[0], -size[1], size[0], size[1]]) / 2
    return corners(outline, np.array([[x, y, heading]]))


def test_rectangles_touch_when_they_share_ground():
    assert touch(rectangle(0, 0), rectangle(3.9, 0)).all()
    assert not touch(rectangle(0, 0), rectangle(4.1, 0)).any()
    assert not touch(rectangle(0, 0), rectangle(0, 2.1)).any()
    # Turned by 45 degrees a corner reaches sqrt(2) * 1.5 = 2.1 m instead of 2 and 1 m.
    assert touch(rectangle(0, 0), rectangle(0, 3.0, np.pi / 4)).all()
    assert not touch(rectangle(0, 0), rectangle(0, 3.2, np.pi / 4)).any()
    # The boxes around these two overlap, they themselves do not.
    assert not touch(rectangle(0, 0), rectangle(3.6, 2.6, np.pi / 4)).any()


def test_who_would_meet_someone_is_not_let_in(flat):
    admission = Admission(DURATION)
    assert admission.admit(CAR, Motion(flat, 50.0, -1.7, 10.0))
    # It passes s = 70 after two seconds; who crosses there then is hit, who does so later is not.
    assert not admission.admit(PERSON, Motion(flat, 70.0, -4.2, across=1.25))
    assert admission.admit(PERSON, Motion(flat, 70.0, -9.9, across=1.25))
    assert admission.admit(CAR, Motion(flat, 44.0, -1.7, 10.0))
    assert not admission.admit(CAR, Motion(flat, 40.0, -1.7, 12.0))


def test_who_would_run_into_what_stands_is_not_let_in(flat):
    post = corners(PERSON, np.array([flat.line.pose(80.0, 3.0)]))
    admission = Admission(DURATION, post)
    assert not admission.admit(PERSON, Motion(flat, 76.0, 3.2, 1.5))
    assert admission.admit(PERSON, Motion(flat, 76.0, 4.0, 1.5))
    assert admission.admit(PERSON, Motion(flat, 70.0, 3.2, 1.5))


def test_nobody_passes_through_anybody(streets):
    for street in streets:
        outlines = [EGO_OUTLINE, *(agent.outline for agent in street.agents)]
        motions = [street.ego, *(agent.motion for agent in street.agents)]
        times = np.arange(0.0, DURATION, 0.25)
        boxes = [corners(o, m.places(times)) for o, m in zip(outlines, motions, strict=True)]
        assert len(boxes) > 8
        for k, box in enumerate(boxes):
            assert not any(touch(box, other).any() for other in boxes[:k])


def test_nobody_runs_into_what_stands_at_the_road(streets):
    for street in streets:
        still = street.obstacles
        assert len(still) > 30
        middle = still.mean(axis=1)
        outlines = [EGO_OUTLINE, *(agent.outline for agent in street.agents)]
        motions = [street.ego, *(agent.motion for agent in street.agents)]
        for outline, motion in zip(outlines, motions, strict=True):
            for box in corners(outline, motion.places(np.arange(0.0, DURATION, 0.5))):
                near = still[np.linalg.norm(middle - box.mean(axis=0), axis=1) < 16]
                assert not touch(np.broadcast_to(box, near.shape), near).any()


def test_wheels_touch_the_ground_and_feet_stand_on_it(streets):
    errors = []
    for street in streets:
        surface, length = Surface(street.ground.mesh()), street.ground.line.length
        for agent in street.agents:
            for time in (0.0, DURATION):
                s, _, _ = agent.motion.course(time)
                if not 5 < s < length - 5:
                    continue
                half = agent.motion.length / 2
                points = [[x, y, 0.0, 1.0] for x in (-half, half) for y in (-0.7, 0.7)]
                points = points if half else [[0, 0, 0, 1.0]]
                wheels = np.array(points) @ agent.motion.pose(time)[:3].T
                above = (wheels + np.array([0, 0, 1.0])).astype(np.float32)
                down = np.tile(np.float32([0, 0, -1]), (len(above), 1))
                errors.append(surface.distance(surface.faces(above, down), above, down) - 1.0)
    errors = np.concatenate(errors)
    errors = errors[np.isfinite(errors)]  # who has left the land of a short street
    assert len(errors) > 250
    assert np.abs(np.median(errors)) < 0.01
    assert np.quantile(np.abs(errors), 0.95) < 0.06


def test_the_ego_vehicle_follows_the_ground_and_sways_a_little(streets):
    slopes, tilts = [], []
    for street in streets:
        for time in np.arange(0.0, DURATION, 0.5):
            pose = street.ego.pose(time)
            s, d, turn = street.ego.course(time)
            stands = street.ground.stand(s, d, turn, (-1.4, -0.7), (1.4, 0.7), rigid=True)
            np.testing.assert_allclose(pose[:3, 3], stands[:3, 3])
            np.testing.assert_allclose(pose[2, 3], street.ground.elevation(s, d), atol=0.03)
            slopes.append(np.degrees(np.arccos(stands[2, 2])))
            tilts.append(np.degrees(np.arccos(np.clip(pose[:3, 2] @ stands[:3, 2], -1, 1))))
    assert 0.2 < max(tilts) < 1.7
    assert 0.7 < max(slopes) < 5.0


def test_drives_differ_in_speed_lane_and_turn():
    drives = [lay_out(np.random.default_rng(seed), 0.1) for seed in range(40)]
    speeds = np.array([ego.speed for ego in drives])
    off = [-ego.offset / ego.ground.section.lane % 1 - 0.5 for ego in drives]
    bends = [np.abs(ego.ground.line.curvature(np.arange(180))).max() for ego in drives]
    assert (speeds == 0).any()
    assert ((speeds > 0) & (speeds < 3)).any()
    assert 9 < speeds.max() < 12
    assert np.ptp(off) > 0.15
    assert max(bends) > 1 / 46
    assert min(bends) < 1 / 100


def test_what_stands_keeps_its_heading_and_what_crosses_waits_at_the_kerb(flat):
    stands = Motion(flat, 60.0, 2.0, turn=np.pi)
    np.testing.assert_array_equal(stands.pose(0.0), stands.pose(9.0))
    heading = flat.line.heading(60.0)
    np.testing.assert_allclose(
        stands.pose(0.0)[:2, 0], [-np.cos(heading), -np.sin(heading)], atol=1e-2
    )
    crosses = Motion(flat, 60.0, -8.0, across=1.0, band=(-5.0, 5.0), turn=np.pi / 2, length=0.0)
    assert [float(crosses.course(t)[1]) for t in (0.0, 3.0, 8.0, 20.0)] == [-5, -5, 0, 5]
    assert crosses.travelled(8.0) - crosses.travelled(3.0) == pytest.approx(5.0)
