# SPDX-License-Identifier: Apache-2.0
"""Who moves on a street."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation import classes as c
from effocc_ros.simulation import people, vehicles
from effocc_ros.simulation.agents import Admission, Agent
from effocc_ros.simulation.ground import Ground
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.section import LAND
from effocc_ros.simulation.trajectory import Motion

STEPS = 8
"""Shapes in one cycle of a gait."""

PEOPLE = 6
"""Different walkers in one street."""

EGO_OUTLINE = np.array([-0.8, -0.9, 3.4, 0.9])
"""Least x, y and greatest x, y of the ego vehicle in its frame, metres."""

STRIDE = 1.5
"""Metres of two steps."""

PEDALS = 4.0
"""Metres of one turn of a cyclist's pedals."""


@dataclass
class _Traffic:
    """Agents so far, and what the next ones follow from."""

    rng: np.random.Generator
    ground: Ground
    ego: Motion
    duration_s: float
    admission: Admission
    agents: list[Agent]

    def add(self, shapes: tuple[Surface, ...], motion: Motion, stride: float = 1.0) -> bool:
        """Add an agent unless it would meet another one."""
        agent = Agent(shapes, motion, stride)
        admitted = self.admission.admit(agent.outline, motion)
        if admitted:
            self.agents.append(agent)
        return admitted


def populate(
    rng: np.random.Generator,
    ground: Ground,
    ego: Motion,
    duration_s: float,
    standing: NDArray[np.float64],
) -> tuple[Agent, ...]:
    """Choose who moves; nobody passes through anybody.

    Args:
        rng: Source of all choices.
        ground: Plan of the street.
        ego: Motion of the ego vehicle; those in its lane keep its speed.
        duration_s: Length of the drive in seconds.
        standing: (M, 4, 2) outlines in the map of what stands in the way.
    """
    traffic = _Traffic(rng, ground, ego, duration_s, Admission(duration_s, standing), [])
    traffic.admission.admit(EGO_OUTLINE, ego)
    _vehicles(traffic)
    _cross_traffic(traffic)
    _cyclists(traffic)
    crowd = [_walker(rng) for _ in range(PEOPLE)]
    _crossers(traffic, crowd)
    _walkers(traffic, crowd)
    return tuple(traffic.agents)


def _vehicle(rng: np.random.Generator) -> tuple[Surface, float]:
    """Draw a vehicle and its wheelbase."""
    kinds = ["sedan", "hatch", "suv", "van", "bus", "truck", "motorcycle"]
    kind = str(rng.choice(kinds, p=[0.24, 0.18, 0.2, 0.07, 0.12, 0.11, 0.08]))
    color = vehicles.COLORS[int(rng.integers(len(vehicles.COLORS)))]
    if kind == "bus":
        mesh = vehicles.bus(
            [(0.55, 0.04, 0.03), (0.05, 0.2, 0.45), (0.6, 0.55, 0.4)][int(rng.integers(3))]
        )
    elif kind == "truck":
        mesh = vehicles.truck(color, [(0.6, 0.6, 0.58), (0.1, 0.25, 0.4)][int(rng.integers(2))])
    elif kind == "motorcycle":
        mesh = people.motorcycle(color, _dress(rng))
    else:
        mesh = vehicles.car(color, kind)
    return Surface(mesh), {"bus": 6.0, "truck": 4.5, "motorcycle": 1.4}.get(kind, 2.8)


def _vehicles(traffic: _Traffic) -> None:
    rng, ego, section = traffic.rng, traffic.ego, traffic.ground.section
    own = round(-ego.offset / section.lane - 0.5)
    lanes = range(section.lanes)
    for ahead in (rng.uniform(8, 30), rng.uniform(36, 60), -rng.uniform(9, 25)):
        if rng.random() < 0.75:
            shape, length = _vehicle(rng)
            where = -(own + 0.5) * section.lane + rng.normal(0, 0.15)
            start = ego.start + ahead
            follow = replace(
                ego, start=start, offset=where, turn=0.0, weave=0.0, sway=(0, 0), length=length
            )
            traffic.add((shape,), follow)
    for sign in (-1, 1):
        for number in lanes:
            if (sign < 0 and number == own) or rng.random() < 0.2:
                continue
            _lane(traffic, sign, number)


def _lane(traffic: _Traffic, sign: int, number: int) -> None:
    """Fill a lane, at the right (-1) or the left (1) of the centre line."""
    rng, ground = traffic.rng, traffic.ground
    speed = -sign * (0.0 if rng.random() < 0.12 else rng.uniform(3.0, 11.0))
    room = rng.uniform(8, 40)
    ahead = abs(speed) * traffic.duration_s
    s = 15.0 - (ahead if sign < 0 else 0.0) + rng.uniform(0, 20)
    end = ground.line.length - 15.0 + (ahead if sign > 0 else 0.0)
    while s < end:
        shape, length = _vehicle(rng)
        d = sign * (number + 0.5) * ground.section.lane + rng.normal(0, 0.2)
        motion = Motion(ground, s, d, speed, turn=np.pi * (sign > 0), length=length)
        traffic.add((shape,), motion)
        s += 6.0 + rng.uniform(0.3, 2.0) * room


def _cross_traffic(traffic: _Traffic) -> None:
    """Vehicles on crossing streets, who drive through or wait."""
    rng, ground = traffic.rng, traffic.ground
    lane = ground.section.cross_half / 2
    for before, after in pairwise(ground.blocks):
        middle = (before.end + after.start) / 2
        if ground.line.reach(middle, [-1, 1]).min() < LAND:
            continue  # the crossing street ends in a turn of this one
        for side in (-1, 1):  # who drives to the left is at the right, where s is smaller
            speed = side * (0.0 if rng.random() < 0.4 else rng.uniform(2.5, 9.0))
            for _ in range(int(rng.integers(0, 5))):
                shape, length = _vehicle(rng)
                s = middle + side * lane + rng.normal(0, 0.15)
                d = rng.uniform(-LAND + 8, LAND - 8) - speed * traffic.duration_s / 2
                motion = Motion(ground, s, d, across=speed, turn=side * np.pi / 2, length=length)
                traffic.add((shape,), motion)


def _dress(rng: np.random.Generator) -> tuple:
    cloth = people.CLOTHES
    shirt, legs = cloth[int(rng.integers(len(cloth)))], cloth[int(rng.integers(len(cloth)))]
    return shirt, legs, people.SKIN[int(rng.integers(len(people.SKIN)))]


def _walker(rng: np.random.Generator) -> tuple[Surface, ...]:
    dress, height = _dress(rng), rng.uniform(1.55, 1.9)
    phases = np.arange(STEPS) * 2 * np.pi / STEPS
    return tuple(Surface(people.person(c.PEDESTRIAN, *dress, p, height)) for p in phases)


def _cyclists(traffic: _Traffic) -> None:
    rng, section, ego = traffic.rng, traffic.ground.section, traffic.ego
    wide = section.cycle - section.traffic
    middle = section.traffic + (wide / 2 if wide else -0.5)
    for side in (-1, 1):
        if rng.random() < 0.35:
            continue
        color = vehicles.COLORS[int(rng.integers(len(vehicles.COLORS)))]
        dress = _dress(rng)
        shapes = tuple(
            Surface(people.bicycle(color, dress, -p)) for p in np.arange(STEPS) * 2 * np.pi / STEPS
        )
        for _ in range(3):
            start, speed = ego.start + rng.uniform(-20, 60), -side * rng.uniform(2.5, 5.5)
            turn = np.pi * (side > 0)
            motion = Motion(traffic.ground, start, side * middle, speed, turn=turn, length=1.1)
            if traffic.add(shapes, motion, PEDALS):
                break


def _walkers(traffic: _Traffic, crowd) -> None:
    rng, ground = traffic.rng, traffic.ground
    section, length = ground.section, ground.line.length
    low, high = section.verge + 0.25, max(section.verge + 0.3, section.walk - 0.8)
    busy = rng.uniform(0.2, 1.6)
    for _ in range(int(busy * length / 9)):
        speed = rng.uniform(0.8, 1.7) * rng.choice([-1, 1]) * (rng.random() > 0.12)
        offset = rng.choice([-1, 1]) * rng.uniform(low, high)
        start, turn = rng.uniform(20, length - 20), 0.0 if speed > 0 else np.pi
        motion = Motion(ground, start, offset, speed, turn=turn, length=0.0)
        traffic.add(crowd[int(rng.integers(len(crowd)))], motion, STRIDE)


def _crossers(traffic: _Traffic, crowd) -> None:
    """People on the zebra crossings, who wait at the kerb before and after."""
    rng, ground = traffic.rng, traffic.ground
    kerb = ground.section.half + 0.6
    for block in ground.blocks[1:]:
        for _ in range(int(rng.integers(0, 5))):
            s = block.start + rng.uniform(0.5, max(0.6, ground.section.corner - 0.5))
            speed = rng.uniform(1.0, 1.6) * rng.choice([-1, 1])
            now = rng.uniform(-0.3, 1.0) * max(traffic.duration_s, 2 * kerb / abs(speed))
            start = -np.sign(speed) * kerb - speed * now
            turn = np.sign(speed) * np.pi / 2
            motion = Motion(
                ground, s, start, across=speed, band=(-kerb, kerb), turn=turn, length=0.0
            )
            traffic.add(crowd[int(rng.integers(len(crowd)))], motion, STRIDE)
