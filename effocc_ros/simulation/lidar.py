# SPDX-License-Identifier: Apache-2.0
"""A spinning LiDAR in the street."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid
from effocc_ros.simulation.agents import Agent
from effocc_ros.simulation.classes import DRIVEABLE_SURFACE, FREE, OTHER_FLAT, SIDEWALK
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.rig import LIDAR_RATE, LidarMount
from effocc_ros.simulation.shading import Look, albedo
from effocc_ros.simulation.trajectory import planar
from effocc_ros.simulation.vehicles import COLORS, car

RANGE_NOISE = 0.012
"""Standard deviation of the range in metres."""


GROUND = (DRIVEABLE_SURFACE, OTHER_FLAT, SIDEWALK)

OVER_ROOF = 0.34
"""Height of the LiDAR over the car's roof, metres."""

GHOSTS = 0.004
"""Share of the lost beams that measure something where nothing is."""


@dataclass(frozen=True)
class Sweep:
    """One turn of the LiDAR, its returns corrected for the car's motion.

    Attributes:
        points: (N, 5) float32: x, y, z in metres in the LiDAR frame at the end of the turn,
            intensity 0..255, ring.
        label: (N,) uint8 true class of each return, ``FREE`` where none came from the street.
        moving: (N,) true for returns from moving agents.

    As in the files of nuScenes there is one point for every beam of every column: beams without a
    return have a point less than half a metre from the sensor, beams that meet the car itself one
    on its roof or bonnet. Both have the class ``FREE``, and so have the few returns from nothing.
    """

    points: NDArray[np.float32]
    label: NDArray[np.uint8]
    moving: NDArray[np.bool_]

    @property
    def still(self) -> NDArray[np.bool_]:
        """(N,) true for returns from things that never move."""
        return (self.label != FREE) & ~self.moving


@dataclass
class _Hits:
    """First hits of all rays, arrays of length N."""

    distance: NDArray[np.float32]
    label: NDArray[np.uint8]
    brightness: NDArray[np.float32]
    facing: NDArray[np.float32]
    glossy: NDArray[np.bool_]
    moving: NDArray[np.bool_]


def sweep(
    static: Surface,
    agents: Sequence[Agent],
    lidar: LidarMount,
    ego_pose: Callable[[float], NDArray],
    end: float,
    rng: np.random.Generator,
    wet: float = 0.0,
) -> Sweep:
    """Turn the LiDAR once.

    Every column of beams fires from where the car is at that moment; the returns are given in the
    sensor's frame at the end of the turn, as nuScenes gives them.

    Args:
        static: What never moves.
        agents: What moves.
        lidar: The sensor.
        ego_pose: (4, 4) pose of the car at a time in seconds.
        end: Time of the end of the turn.
        rng: Source of noise and dropouts.
        wet: How wet the ground is, 0..1; a film of water mirrors the light away.
    """
    begin = end - 1.0 / LIDAR_RATE
    fraction = (np.arange(lidar.columns) + 0.5) / lidar.columns
    local = lidar.beams
    first, last = ego_pose(begin) @ lidar.sensor2ego, ego_pose(end) @ lidar.sensor2ego
    # Between neighbours 50 ms apart a straight blend is a rotation to 1e-5.
    rings = len(lidar.elevations)
    fraction = np.repeat(fraction, rings)[:, None]
    directions = local @ first[:3, :3].T + fraction * (local @ (last - first)[:3, :3].T)
    directions = directions.astype(np.float32)
    origins = (first[:3, 3] + fraction * (last - first)[:3, 3]).astype(np.float32)
    fired = begin + fraction[:, 0] * (end - begin)
    hits = _cast(static, agents, origins, directions, fired)
    ring = np.tile(np.arange(rings, dtype=np.float32), lidar.columns)
    own = own_car(lidar)
    reach = hits.distance
    noisy = reach + rng.normal(0, RANGE_NOISE, len(reach)).astype(np.float32)
    intensity = lidar.gain * _intensity(hits, reach, rng)
    # A return is lost when too little light comes back, and off glass more often.
    signal = (0.04 + hits.brightness) * (0.15 + hits.facing) * (60.0 / np.maximum(reach, 1)) ** 2
    missed = lidar.dropout + 0.5 * np.exp(-3.0 * signal) + 0.55 * hits.glossy
    if wet:
        flat = np.isin(hits.label, GROUND) * (1 - hits.facing) ** 2
        missed += wet * flat * np.clip((reach - 4.0) / 12.0, 0, 1)
    lost = (rng.random(len(reach)) < missed) | np.isfinite(own)
    returned = np.isfinite(reach) & (reach < lidar.max_range) & (reach > 1.0) & ~lost
    noisy = np.where(returned, noisy, rng.uniform(0.05, 0.45, len(reach)))
    intensity = np.where(returned, intensity, rng.exponential(6.0, len(reach)) + 1)
    ghost = ~returned & (rng.random(len(reach)) < GHOSTS)
    limit = np.where(np.isfinite(reach), np.minimum(reach, 40.0), 40.0)
    noisy = np.where(ghost, 2.0 + rng.random(len(reach)) ** 2 * (limit - 2.0).clip(0), noisy)
    roof = np.isfinite(own)
    noisy = np.where(roof, own + rng.normal(0, 0.02, len(reach)), noisy)
    world = origins + directions * noisy[:, None]
    map2lidar = inverse_rigid(last)
    points = world @ map2lidar[:3, :3].T + map2lidar[:3, 3]
    columns = [points, np.clip(np.round(intensity), 0, 255)[:, None], ring[:, None]]
    label = np.where(returned, hits.label, np.uint8(FREE))
    return Sweep(np.concatenate(columns, axis=1).astype(np.float32), label, hits.moving & returned)


def _intensity(hits: "_Hits", reach: NDArray, rng: np.random.Generator) -> NDArray:
    """Return intensities 0..255: low near by, where the sensor turns its light down."""
    near = np.clip(reach / 9.0, 0.45, 1.0) ** 1.2
    value = 115 * hits.brightness * (0.3 + 0.7 * hits.facing) * near
    value = value * np.exp(rng.normal(0, 0.45, len(reach))) + 2.0
    return value + np.where(reach > 30.0, (reach - 30.0) * 0.35, 0.0)


@lru_cache(maxsize=1)
def _car_body() -> Surface:
    """The car below the sensors, its roof on z = 0, x and y as in the ego frame."""
    body = car(COLORS[1], "hatch")
    return Surface(body.transformed(planar(1.3, 0.0, 0.0, -float(body.bounds()[1][2]))))


@lru_cache(maxsize=2)
def own_car(lidar: LidarMount) -> NDArray[np.float64]:
    """Return the distance (columns * rings,) at which beams meet the car, infinite elsewhere."""
    along = (lidar.beams @ lidar.sensor2ego[:3, :3].T).astype(np.float32)
    start, body = np.float32([*lidar.sensor2ego[:2, 3], OVER_ROOF]), _car_body()
    return body.distance(body.faces(start, along), start, along).astype(np.float64)


def _cast(static, agents, origins, directions, fired) -> _Hits:
    faces = static.faces(origins, directions)
    distance = static.distance(faces, origins, directions)
    hits = _Hits(
        distance,
        static.mesh.label[faces],
        np.zeros(len(faces), np.float32),
        np.zeros(len(faces), np.float32),
        np.zeros(len(faces), bool),
        np.zeros(len(faces), bool),
    )
    _describe(hits, static, np.flatnonzero(faces >= 0), faces[faces >= 0], origins, directions)
    for agent, rays in _candidates(agents, float(fired.mean()), origins, directions):
        shape, pose = agent.at(float(fired[rays].mean()))
        back = inverse_rigid(pose).astype(np.float32)
        start = origins[rays] @ back[:3, :3].T + back[:3, 3]
        along = directions[rays] @ back[:3, :3].T
        found = shape.faces(start, along)
        reach = shape.distance(found, start, along)
        nearer = (found >= 0) & (reach < hits.distance[rays])
        hit = rays[nearer]
        hits.distance[hit] = reach[nearer]
        hits.label[hit] = shape.mesh.label[found[nearer]]
        hits.moving[hit] = True
        _describe(hits, shape, hit, found[nearer], start[nearer], along[nearer], sparse=True)
    return hits


def _candidates(agents, time: float, origins: NDArray, directions: NDArray):
    """Yield agents with the rays that pass near them, at most 100 m away."""
    middle = origins.mean(axis=0)
    for agent in agents:
        shape, pose = agent.at(time)
        offset = (pose[:3, :3] @ shape.center + pose[:3, 3] - middle).astype(np.float32)
        square = float(offset @ offset)
        # Half a metre for the way of the car and half a metre for that of the agent.
        radius = shape.radius + 1.0
        if square > 100.0**2:
            continue
        ahead = directions @ offset
        rays = np.flatnonzero((square - ahead * ahead < radius**2) & (ahead > -radius))
        if len(rays):
            yield agent, rays


def _describe(hits, surface, rays, faces, origins, directions, sparse=False) -> None:
    """Fill brightness, incidence and gloss of the hit rays."""
    if not len(rays):
        return
    start, along = (origins, directions) if sparse else (origins[rays], directions[rays])
    reach = hits.distance[rays]
    points = np.ascontiguousarray((start + along * reach[:, None]).T)
    nothing = np.zeros((2, len(rays)), np.float32)
    colors, _ = albedo(surface, faces, points, np.maximum(reach * 0.002, 0.01), nothing)
    hits.brightness[rays] = colors.mean(axis=0)
    x, y, z = (np.take(row, faces) for row in surface.normals)
    hits.facing[rays] = np.abs(x * along[:, 0] + y * along[:, 1] + z * along[:, 2])
    hits.glossy[rays] = Look.of(surface).gloss[faces] > 0.5
