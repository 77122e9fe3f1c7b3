"""A street from a seed: what stands where, who drives, how the sun stands."""

from dataclasses import dataclass

import numpy as np

from effocc_ros.simulation import traffic
from effocc_ros.simulation.agents import Agent, Motion
from effocc_ros.simulation.ground import LANE, Ground, plan_ground
from effocc_ros.simulation.light import Light, light_of
from effocc_ros.simulation.mesh import concatenate
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.road import curved_line
from effocc_ros.simulation.roadside import Footprint, furnish
from effocc_ros.simulation.trajectory import LaneMotion

EGO_START = 90.0
EGO_LANE = -LANE / 2
BEYOND = 110.0


@dataclass(frozen=True)
class Street:
    """Everything a sensor can meet.

    Attributes:
        static: What never moves.
        agents: What moves, the ego vehicle left out.
        ego: Motion of the ego vehicle.
        light: Sun, sky and exposure.
        ground: Plan of the ground.
        footprints: Where houses stand.
    """

    static: Surface
    agents: tuple[Agent, ...]
    ego: Motion
    light: Light
    ground: Ground
    footprints: tuple[Footprint, ...]


def build_street(seed: int | np.random.SeedSequence, duration_s: float = 20.0) -> Street:
    """Build a street long enough for a drive.

    Args:
        seed: The whole street follows from it.
        duration_s: Length of the drive in seconds.
    """
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(seed)
    shape, sides, moving, sky = (np.random.default_rng(s) for s in seed.spawn(4))
    speed = shape.uniform(7.0, 9.0)
    length = EGO_START + speed * duration_s + BEYOND
    line = curved_line(shape.uniform(-1, 1, 5) / shape.uniform(130, 400), length)
    junctions = _junctions(shape, length)
    ground = plan_ground(shape, line, junctions)
    roadside = furnish(sides, ground)
    static = concatenate([ground.mesh(), *roadside.parts])
    ego = LaneMotion(line, EGO_START, EGO_LANE, speed, swing=0.08, period=9.0)
    agents = traffic.populate(moving, ground, ego, duration_s)
    return Street(Surface(static), agents, ego, light_of(sky), ground, tuple(roadside.footprints))


def _junctions(rng: np.random.Generator, length: float) -> list[float]:
    """Place crossing streets 75 to 120 m apart, the first within sight of the start."""
    at, places = rng.uniform(112.0, 135.0), []
    while at < length - 30.0:
        places.append(float(at))
        at += rng.uniform(75.0, 120.0)
    return places
