# SPDX-License-Identifier: Apache-2.0
"""A drive through a street: every measurement of every sensor, on demand and in any order."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID, transform_points
from effocc_ros.simulation.cameras import Photographer
from effocc_ros.simulation.lidar import Sweep, sweep
from effocc_ros.simulation.masks import camera_mask, mark, traverse
from effocc_ros.simulation.occupancy import TrueOccupancy
from effocc_ros.simulation.rig import (
    CAMERA_RATE,
    KEYFRAME_RATE,
    LIDAR_RATE,
    CameraMount,
    drawn_rig,
)
from effocc_ros.simulation.shadow import Shadows
from effocc_ros.simulation.street import build_street
from effocc_ros.simulation.survey import Returns, Survey
from effocc_ros.simulation.visibility import View, look

START = 1_700_000_000_000_000_000
"""Nanoseconds since the epoch at which a drive starts unless told otherwise."""

SIGHT = 90.0
"""Agents further away than this from the car are left out, metres."""

SURVEY = 40
"""Sweeps that a drive is surveyed with at least, as far as there are so many; the key sweeps of
20 s. A short drive takes those between its keyframes too."""

SWEEPS_A_KEYFRAME = round(LIDAR_RATE / KEYFRAME_RATE)
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Instant:
    """A sweep of the LiDAR and the pictures taken during it.

    Attributes:
        number: Number of the sweep.
        stamp: End of the sweep, nanoseconds since the epoch.
        cameras: Names of the cameras that fire, and their stamps.
        keyframe: Whether this is an annotated moment.
    """

    number: int
    stamp: int
    cameras: tuple[tuple[str, int], ...]
    keyframe: bool


class Drive:
    """A street, a car with sensors, and a clock.

    Args:
        seed: Street and noise follow from it.
        duration_s: Length in seconds.
        image_size: (height, width) of the pictures.
        start: Nanoseconds since the epoch at which the first sweep begins.
    """

    def __init__(
        self,
        seed: int = 0,
        duration_s: float = 5.0,
        image_size: tuple[int, int] = (396, 704),
        start: int = START,
    ):
        self.seed, self.duration_s, self.start = seed, duration_s, start
        self.street = build_street(seed, duration_s)
        self.rig = drawn_rig(seed, image_size)
        self._cameras = {camera.name: camera for camera in self.rig.cameras}

        self._sweeps: dict[int, Sweep] = {}

    def _path(self) -> NDArray[np.float64]:
        times = np.arange(0.0, self.duration_s + 0.5, 0.5)
        return np.array([self.street.ego.pose(time) for time in times])

    # What a caller does not ask for is not made.

    @cached_property
    def _shadows(self) -> Shadows:
        return Shadows(self.street.static, self.street.light.sun)

    @cached_property
    def _photographer(self) -> Photographer:
        size = self.rig.cameras[0].image_size
        level = self.street.ground.relief.hills
        return Photographer(self.street.static, self.street.light, size, level)

    @cached_property
    def _truth(self) -> TrueOccupancy:
        return TrueOccupancy(self.street.static, self._path(), self.street.footprints)

    def camera(self, name: str) -> CameraMount:
        """Return a camera by name."""
        return self._cameras[name]

    def instants(self) -> list[Instant]:
        """List the sweeps of the drive; cameras fire in 12 of 20."""
        count = round(self.duration_s * LIDAR_RATE)
        period = round(1e9 / LIDAR_RATE)
        every = LIDAR_RATE / CAMERA_RATE
        firing = {int(i * every + 1e-9) for i in range(int(count / every) + 1)}
        return [
            Instant(
                number,
                self.start + (number + 1) * period,
                tuple(
                    (camera.name, self.start + number * period + round(camera.offset_s * 1e9))
                    for camera in self.rig.cameras
                )
                if number in firing
                else (),
                number % SWEEPS_A_KEYFRAME == 0,
            )
            for number in range(count)
        ]

    def ego2map(self, stamp: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose of the car at a stamp."""
        return self.street.ego.pose((stamp - self.start) / 1e9)

    def view(self, camera: str, stamp: int) -> View:
        """Find what a camera sees at a stamp."""
        ego2map = self.ego2map(stamp)
        return look(self.street.static, self._placed(stamp), self._cameras[camera], ego2map)

    def picture(self, camera: str, stamp: int) -> NDArray[np.uint8]:
        """Take a picture, (H, W, 3) uint8 RGB."""
        return self.develop(self.view(camera, stamp), camera, stamp)

    def develop(self, view: View, camera: str, stamp: int) -> NDArray[np.uint8]:
        """Make a picture, (H, W, 3) uint8 RGB, of a view."""
        number = list(self._cameras).index(camera)
        rng = np.random.default_rng([self.seed, 1 + number, (stamp - self.start) // 1000])
        return self._photographer.photograph(
            view, self._cameras[camera], self._shadows.at(view.placed), rng
        )

    def sweep(self, stamp: int) -> Sweep:
        """Turn the LiDAR once, ending at a stamp; the sweeps of the survey are remembered."""
        if stamp not in self._sweeps:
            turn = self._turn(stamp)
            if stamp not in self._surveyed:
                return turn
            self._sweeps[stamp] = turn
        return self._sweeps[stamp]

    @cached_property
    def _surveyed(self) -> frozenset[int]:
        """Stamps of the sweeps that the drive is surveyed with."""
        instants = self.instants()
        keys = sum(instant.keyframe for instant in instants)
        more = min(max(0, SURVEY - keys), len(instants))
        chosen = {k * len(instants) // more for k in range(more)}
        return frozenset(i.stamp for i in instants if i.keyframe or i.number in chosen)

    def _turn(self, stamp: int) -> Sweep:
        rng = np.random.default_rng([self.seed, 0, (stamp - self.start) // 1000])
        end = (stamp - self.start) / 1e9
        street = self.street
        lidar, wet = self.rig.lidar, street.light.wet
        agents = street.near(street.ego.places(end)[:2], lidar.max_range + 10.0, end)
        return sweep(street.static, agents, lidar, street.ego.pose, end, rng, wet)

    def labels(self, stamp: int) -> NDArray[np.uint8]:
        """Label the Occ3D grid in the ego frame at a stamp, (200, 200, 16) uint8."""
        ego2map = self.ego2map(stamp)
        return self._truth.labels(ego2map, self._placed(stamp), self._survey.returns(ego2map))

    def truth(self, stamp: int) -> dict[str, NDArray[np.uint8]]:
        """Return the arrays of an Occ3D ``labels.npz``: semantics, mask_lidar, mask_camera."""
        labels = self.labels(stamp)
        by_lidar, by_camera = self.masks(stamp, labels)
        return {
            "semantics": labels,
            "mask_lidar": by_lidar.astype(np.uint8),
            "mask_camera": by_camera.astype(np.uint8),
        }

    def masks(self, stamp: int, labels: NDArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Find what was observed of the labels at a stamp.

        Args:
            stamp: End of the key sweep.
            labels: (200, 200, 16) true labels there.

        Returns:
            Voxels that the LiDAR observed, and voxels that the cameras observed.
        """
        ego2map, lidar2ego = self.ego2map(stamp), self.rig.lidar.sensor2ego
        turn = self.sweep(stamp)
        points = turn.points[turn.label != OCC3D_NUSCENES.free, :3].astype(np.float64)
        points = transform_points(lidar2ego, points)
        origins = np.broadcast_to(lidar2ego[:3, 3], points.shape)
        passed = traverse(OCC3D_GRID, origins, points)
        hit = mark(OCC3D_GRID, points) | mark(OCC3D_GRID, self._survey.returns(ego2map).points)
        by_lidar = np.where(labels != OCC3D_NUSCENES.free, hit, passed)
        seen = (self._seen(camera, stamp) for camera in self._mask_cameras)
        return by_lidar, camera_mask(OCC3D_GRID, seen, by_lidar)

    @cached_property
    def _mask_cameras(self) -> tuple[CameraMount, ...]:
        return tuple(camera.shrunk(2) for camera in self.rig.cameras)

    def _seen(self, camera: CameraMount, stamp: int) -> tuple[NDArray, NDArray]:
        """Return where a camera is, (3,), and what its pixels see, (N, 3), in the ego frame."""
        view = look(self.street.static, self._placed(stamp), camera, self.ego2map(stamp))
        depth = view.depth.ravel()
        near = depth < self.rig.lidar.max_range
        points = (np.take(camera.columns, np.flatnonzero(near), axis=1) * depth[near]).T
        return camera.sensor2ego[:3, 3], transform_points(camera.sensor2ego, points)

    @cached_property
    def _survey(self) -> Survey:
        sweeps = []
        for stamp in sorted(self._surveyed):
            lidar2map = self.ego2map(stamp) @ self.rig.lidar.sensor2ego
            turn = self.sweep(stamp)
            points = transform_points(lidar2map, turn.points[turn.still, :3].astype(np.float64))
            sweeps.append(Returns(points, turn.label[turn.still]))
        return Survey(sweeps)

    def _placed(self, stamp: int):
        ego2map, time = self.ego2map(stamp), (stamp - self.start) / 1e9
        near = self.street.near(ego2map[:2, 3], SIGHT, time)
        return tuple(agent.at(time) for agent in near)


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image (H, W, 3) as JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1].tobytes()
