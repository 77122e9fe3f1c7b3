# SPDX-License-Identifier: Apache-2.0
"""A street from a seed: what stands where, who drives, how the sun stands."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation import traffic
from effocc_ros.simulation.agents import Agent
from effocc_ros.simulation.ground import Ground, plan_ground
from effocc_ros.simulation.light import Light, light_of
from effocc_ros.simulation.mesh import concatenate
from effocc_ros.simulation.placing import Footprint
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.road import CenterLine, curved_line
from effocc_ros.simulation.roadside import furnish
from effocc_ros.simulation.section import draw_section
from effocc_ros.simulation.trajectory import Motion

EGO_START = 85.0
BEYOND = 95.0


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
        obstacles: (M, 4, 2) outlines in the map of what stands where people walk and drive.
    """

    static: Surface
    agents: tuple[Agent, ...]
    ego: Motion
    light: Light
    ground: Ground
    footprints: tuple[Footprint, ...]
    obstacles: NDArray[np.float64]

    @cached_property
    def _crowd(self) -> Motion:
        return Motion.gather([agent.motion for agent in self.agents])

    def near(self, place: NDArray, reach: float, time: float) -> tuple[Agent, ...]:
        """Return the agents within ``reach`` metres of a place (x, y) at a time in seconds."""
        if not self.agents:
            return ()
        away = np.linalg.norm(self._crowd.places(time)[:, :2] - place[:2], axis=1)
        return tuple(self.agents[number] for number in np.flatnonzero(away < reach))


def build_street(seed: int | np.random.SeedSequence, duration_s: float = 20.0) -> Street:
    """Build a street long enough for a drive.

    Args:
        seed: The whole street follows from it.
        duration_s: Length of the drive in seconds.
    """
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(seed)
    shape, sides, moving, sky = (np.random.default_rng(s) for s in seed.spawn(4))
    ego = lay_out(shape, duration_s)
    ground = ego.ground
    roadside = furnish(sides, ground)
    static = concatenate([ground.mesh(), *roadside.parts])
    obstacles = np.array(roadside.obstacles).reshape(-1, 4, 2)
    agents = traffic.populate(moving, ground, ego, duration_s, obstacles)
    footprints = tuple(roadside.footprints)
    return Street(Surface(static), agents, ego, light_of(sky), ground, footprints, obstacles)


def lay_out(rng: np.random.Generator, duration_s: float) -> Motion:
    """Draw the bare street, and how the ego vehicle drives on it.

    Args:
        rng: Source of all choices.
        duration_s: Length of the drive in seconds.
    """
    section = draw_section(rng)
    turns, speed = bool(rng.random() < 0.35), _speed(rng)
    if turns:
        speed = min(speed, rng.uniform(2.0, 8.0))
    length = np.ceil(EGO_START + speed * duration_s + BEYOND)
    line, bend = _line(rng, length, speed * duration_s, turns)
    ground = plan_ground(rng, line, section, _junctions(rng, length, bend))
    return _ego(rng, ground, speed)


def _speed(rng: np.random.Generator) -> float:
    """Draw the mean speed of the ego vehicle, metres per second; some stand, some creep."""
    kind = rng.random()
    if kind < 0.1:
        return 0.0
    return float(rng.uniform(0.5, 3.0) if kind < 0.25 else rng.uniform(3.0, 12.0))


def _line(
    rng: np.random.Generator, length: float, way: float, turns: bool
) -> tuple[CenterLine, tuple[float, float]]:
    """Draw the centre line, and where its turn begins and ends."""
    s = np.arange(0.0, length + 1.0)
    radius = rng.uniform(150, 600)
    curvature = np.interp(s, np.linspace(0, length, 5), rng.uniform(-1, 1, 5) / radius)
    if not turns:
        return curved_line(s, curvature), (0.0, 0.0)
    radius, angle = rng.uniform(25, 45), np.radians(rng.uniform(40, 95))
    middle = EGO_START + rng.uniform(-15.0, way + 30.0)
    half, ease = radius * angle / 2, 6.0
    along = np.clip((half + ease / 2 - np.abs(s - middle)) / ease, 0, 1)
    curvature = 0.3 * curvature + rng.choice([-1, 1]) * along / radius
    return curved_line(s, curvature), (middle - half - ease, middle + half + ease)


def _ego(rng: np.random.Generator, ground: Ground, speed: float) -> Motion:
    """Draw how the ego vehicle drives: its lane, how well it keeps to it, how its body sways."""
    section = ground.section
    lane = int(rng.integers(section.lanes))
    offset = -(lane + 0.5) * section.lane + float(np.clip(rng.normal(0, 0.4), -0.9, 0.9))
    weave = float(rng.uniform(0.0, 0.3))
    # However badly it keeps to its lane, it stays clear of what is parked beside it.
    offset = max(offset, weave + 1.25 - (section.half - section.bay))
    return Motion(
        ground,
        EGO_START,
        offset,
        speed,
        swing=float(rng.uniform(0.02, 0.25)),
        period=float(rng.uniform(6.0, 12.0)),
        weave=weave,
        wave=float(rng.uniform(40.0, 90.0)),
        turn=float(rng.normal(0, np.radians(0.8))),
        sway=tuple(np.radians(rng.uniform(0.2, 1.1, 2))),
    )


def _junctions(rng: np.random.Generator, length: float, bend: tuple[float, float]) -> list[float]:
    """Place crossing streets 70 to 150 m apart, none of them in a turn."""
    at, places = rng.uniform(60.0, 150.0), []
    while at < length - 30.0:
        if not bend[0] - 22.0 < at < bend[1] + 22.0:
            places.append(float(at))
        at += rng.uniform(70.0, 150.0)
    return places
