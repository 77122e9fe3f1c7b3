"""A drive through a street: every measurement of every sensor, on demand and in any order."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.cameras import Photographer
from effocc_ros.simulation.lidar import Sweep, sweep
from effocc_ros.simulation.occupancy import TrueOccupancy
from effocc_ros.simulation.rig import (
    CAMERA_RATE,
    KEYFRAME_RATE,
    LIDAR_RATE,
    CameraMount,
    nuscenes_rig,
)
from effocc_ros.simulation.shadow import Shadows
from effocc_ros.simulation.street import build_street
from effocc_ros.simulation.visibility import View, look

START = 1_700_000_000_000_000_000
"""Nanoseconds since the epoch at which a drive starts."""

SIGHT = 90.0
"""Agents further away than this from the car are left out, metres."""

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
    """

    def __init__(
        self, seed: int = 0, duration_s: float = 5.0, image_size: tuple[int, int] = (396, 704)
    ):
        self.seed, self.duration_s = seed, duration_s
        self.street = build_street(seed, duration_s)
        self.rig = nuscenes_rig(image_size)
        self._cameras = {camera.name: camera for camera in self.rig.cameras}
        self._shadows = Shadows(self.street.static, self.street.light.sun)
        self._photographer = Photographer(self.street.static, self.street.light, image_size)
        self._truth = TrueOccupancy(self.street.static, self._path())

    def _path(self) -> NDArray[np.float64]:
        times = np.arange(0.0, self.duration_s + 0.5, 0.25)
        return np.array([self.street.ego.pose(time)[:2, 3] for time in times])

    def camera(self, name: str) -> CameraMount:
        """Return a camera by name."""
        return self._cameras[name]

    def instants(self) -> list[Instant]:
        """List the sweeps of the drive; cameras fire in 12 of 20."""
        count = int(round(self.duration_s * LIDAR_RATE))
        period = round(1e9 / LIDAR_RATE)
        every = LIDAR_RATE / CAMERA_RATE
        firing = {int(i * every + 1e-9) for i in range(int(count / every) + 1)}
        return [
            Instant(
                number,
                START + (number + 1) * period,
                tuple(
                    (camera.name, START + number * period + round(camera.offset_s * 1e9))
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
        return self.street.ego.pose((stamp - START) / 1e9)

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
        rng = np.random.default_rng([self.seed, 1 + number, (stamp - START) // 1000])
        return self._photographer.photograph(
            view, self._cameras[camera], self._shadows.at(view.placed), rng
        )

    def sweep(self, stamp: int) -> Sweep:
        """Turn the LiDAR once, ending at a stamp."""
        rng = np.random.default_rng([self.seed, 0, (stamp - START) // 1000])
        end = (stamp - START) / 1e9
        street = self.street
        return sweep(street.static, street.agents, self.rig.lidar, street.ego.pose, end, rng)

    def labels(self, stamp: int) -> NDArray[np.uint8]:
        """Label the Occ3D grid in the ego frame at a stamp, (200, 200, 16) uint8."""
        return self._truth.labels(self.ego2map(stamp), self._placed(stamp))

    def _placed(self, stamp: int):
        ego2map, time = self.ego2map(stamp), (stamp - START) / 1e9
        placed = (agent.at(time) for agent in self.street.agents)
        return tuple(p for p in placed if np.hypot(*(p[1][:2, 3] - ego2map[:2, 3])) < SIGHT)


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image (H, W, 3) as JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1].tobytes()
