"""Who moves on a street."""

import numpy as np

from effocc_ros.simulation import classes as c
from effocc_ros.simulation import people, vehicles
from effocc_ros.simulation.agents import Agent, Walk
from effocc_ros.simulation.ground import CYCLE_LANE, KERB, LANE, ROAD_HALF, VERGE, WALK, Ground
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.trajectory import LaneMotion

STEPS = 8
"""Shapes in one cycle of a gait."""

PEOPLE = 6
"""Different walkers in one street."""


def populate(
    rng: np.random.Generator, ground: Ground, ego: LaneMotion, duration_s: float
) -> tuple[Agent, ...]:
    """Choose who moves.

    Args:
        rng: Source of all choices.
        ground: Plan of the street.
        ego: Motion of the ego vehicle; those in its lane keep its speed.
        duration_s: Length of the drive in seconds.
    """
    agents = _vehicles(rng, ground, ego, duration_s)
    agents += _cyclists(rng, ground, ego)
    crowd = [_walker(rng) for _ in range(PEOPLE)]
    agents += _walkers(rng, ground, crowd)
    agents += _crossers(rng, ground, ego, crowd)
    return tuple(agents)


def _vehicle(rng: np.random.Generator, kind: str) -> Surface:
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
    return Surface(mesh)


def _vehicles(rng, ground: Ground, ego: LaneMotion, duration_s: float) -> list[Agent]:
    line, agents = ground.line, []

    def kind() -> str:
        kinds = ["sedan", "hatch", "suv", "van", "bus", "truck", "motorcycle"]
        return str(rng.choice(kinds, p=[0.24, 0.18, 0.2, 0.07, 0.12, 0.11, 0.08]))

    for ahead in (rng.uniform(16, 26), rng.uniform(42, 60), -rng.uniform(15, 22)):
        motion = LaneMotion(line, ego.start + ahead, ego.offset, ego.speed, ego.swing, ego.period)
        agents.append(Agent((_vehicle(rng, kind()),), motion))
    speed, s = rng.uniform(6.5, 9.5), 30.0
    reach = line.length + speed * duration_s - 20.0
    while s < reach:
        agents.append(Agent((_vehicle(rng, kind()),), LaneMotion(line, s, LANE / 2, -speed)))
        s += rng.uniform(16, 45)
    return agents


def _dress(rng: np.random.Generator) -> tuple:
    cloth = people.CLOTHES
    shirt, legs = cloth[int(rng.integers(len(cloth)))], cloth[int(rng.integers(len(cloth)))]
    return shirt, legs, people.SKIN[int(rng.integers(len(people.SKIN)))]


def _walker(rng: np.random.Generator) -> tuple[Surface, ...]:
    dress, height = _dress(rng), rng.uniform(1.55, 1.9)
    phases = np.arange(STEPS) * 2 * np.pi / STEPS
    return tuple(Surface(people.person(c.PEDESTRIAN, *dress, p, height)) for p in phases)


def _cyclists(rng, ground: Ground, ego: LaneMotion) -> list[Agent]:
    agents = []
    for side, start in (
        (-1, ego.start + rng.uniform(25, 40)),
        (1, ego.start + rng.uniform(20, 90)),
    ):
        dress = _dress(rng)
        color = vehicles.COLORS[int(rng.integers(len(vehicles.COLORS)))]
        shapes = tuple(
            Surface(people.bicycle(color, dress, -p)) for p in np.arange(STEPS) * 2 * np.pi / STEPS
        )
        speed = -side * rng.uniform(3.5, 5.0)
        agents.append(
            Agent(
                shapes, LaneMotion(ground.line, start, side * (LANE + CYCLE_LANE) / 2, speed), 0.9
            )
        )
    return agents


def _walkers(rng, ground: Ground, crowd) -> list[Agent]:
    agents = []
    for _ in range(int(ground.line.length / 12)):
        speed = rng.uniform(0.9, 1.6) * rng.choice([-1, 1])
        offset = rng.choice([-1, 1]) * rng.uniform(VERGE + 0.3, WALK - 0.8)
        start = rng.uniform(40, ground.line.length - 20)
        motion = LaneMotion(ground.line, start, offset, speed, height=KERB)
        agents.append(Agent(crowd[int(rng.integers(len(crowd)))], motion, 1.5 / abs(speed)))
    return agents


def _crossers(rng, ground: Ground, ego: LaneMotion, crowd) -> list[Agent]:
    """People on the zebra crossings, far enough from the ego vehicle's front."""
    agents = []
    for block in ground.blocks[1:]:
        s = block.start + 1.7
        arrival = (s - ego.start) / ego.speed
        for _ in range(int(rng.integers(1, 4))):
            sign, speed = rng.choice([-1, 1]), rng.uniform(1.1, 1.5)
            # Past the ego's lane 2 s or more before it arrives, or not there until it has gone.
            late = (
                arrival + rng.uniform(4.0, 7.0) if sign < 0 else arrival - rng.uniform(9.0, 12.0)
            )
            yaw = float(ground.line.heading(s)) + sign * np.pi / 2
            velocity = speed * np.array([np.cos(yaw), np.sin(yaw)])
            at = ground.line.point(s + rng.uniform(-1, 1), -sign * (ROAD_HALF - 0.5))
            start = at - velocity * late
            agents.append(
                Agent(
                    crowd[int(rng.integers(len(crowd)))],
                    Walk((*start, 0.0), tuple(velocity)),
                    1.5 / speed,
                )
            )
    return agents
