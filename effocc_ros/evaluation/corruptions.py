# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with sensors: frozen transforms of a sample's Frame.

The same sample is always corrupted in the same way, whoever asks and in whatever order.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from transforms3d.axangles import axangle2mat

from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation import weather
from effocc_ros.evaluation.late_images import EarlierImage, ego_motion, late_images
from effocc_ros.frame import Camera, Frame
from effocc_ros.geometry import inverse_rigid, transform_points
from effocc_ros.networks.config import ModelConfig

ALL = "all"
TURN_DEGREES = 0.5
LOWEST_BEAM, BEAM_SPACING = -30.67, 4.0 / 3.0
"""Degrees: the 32 beams of the nuScenes LiDAR."""


@dataclass(frozen=True)
class Corruption:
    """One thing that goes wrong.

    Attributes:
        name: What it is called in options and tables.
        said: What it does, for readers.
        cameras: True if it touches the cameras.
        lidar: True if it touches the LiDAR.
        apply: Returns a sample's Frame as it would then be.
        removes: ``cameras`` or ``lidar`` where none is left, else empty.
    """

    name: str
    said: str
    cameras: bool
    lidar: bool
    apply: Callable[[Sample], Frame]
    removes: str = ""

    def touches(self, config: ModelConfig) -> bool:
        """Return whether a network sees any difference."""
        has_cameras, has_lidar = config.modality != "lidar", config.modality != "vision"
        return (self.cameras and has_cameras) or (self.lidar and has_lidar)

    def stops(self, config: ModelConfig) -> bool:
        """Return whether a network cannot run any more."""
        if self.removes == "lidar":
            return config.modality == "lidar" or config.frame == "lidar"
        return self.removes == "cameras" and config.modality == "vision"


def corruptions(earlier: EarlierImage | None = None) -> tuple[Corruption, ...]:
    """Return all corruptions.

    Args:
        earlier: Reads images of 100 ms before; None where the data set has none.
    """
    older = "the pictures are of 100 ms before"
    ahead = "the cameras' places are those of 100 ms later, for the data set has no earlier images"
    late = partial(late_images, earlier=earlier)
    return (
        Corruption("one_camera_gone", "a camera is silent", True, False, partial(_gone, 1)),
        Corruption("three_cameras_gone", "three are silent", True, False, partial(_gone, 3)),
        Corruption(
            "six_cameras_gone", "all are silent", True, False, partial(_gone, None), "cameras"
        ),
        Corruption("lidar_gone", "no cloud", False, True, _lidar_gone, "lidar"),
        Corruption(
            "night", f"{weather.NIGHT_LIGHT:.0%} of the light, with noise", True, False, _night
        ),
        Corruption("fog", f"{weather.VISIBILITY:.0f} m of visibility", True, True, _fog),
        Corruption("blur", "out of focus", True, False, _blur),
        Corruption("images_late", older if earlier else ahead, True, False, late),
        Corruption(
            "extrinsics_off",
            f"each camera turned by {TURN_DEGREES} degrees about some axis",
            True,
            False,
            _turned,
        ),
        Corruption("half_the_beams", "every second beam is gone", False, True, _half_the_beams),
    )


def choose(
    names: str, config: ModelConfig, earlier: EarlierImage | None = None
) -> tuple[Corruption, ...]:
    """Choose corruptions by name.

    Args:
        names: Names with commas between, or ``all``: all that touch the network's sensors.
        config: The network that is to see them.
        earlier: As for :func:`corruptions`.

    Raises:
        InputError: No such corruption, or it touches no sensor of the network.
    """
    known = {corruption.name: corruption for corruption in corruptions(earlier)}
    if names == ALL:
        return tuple(some for some in known.values() if some.touches(config))
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",")))
    for name in wanted:
        if name not in known:
            found, expected = repr(name), f"one of {', '.join([*known, ALL])}"
        elif not known[name].touches(config):
            found = f"{name}, which a {config.modality} network does not notice"
            fitting = [some.name for some in known.values() if some.touches(config)]
            expected = f"one of {', '.join([*fitting, ALL])}"
        else:
            continue
        raise InputError("--corrupt", found=found, expected=expected, reason="bad_option")
    return tuple(known[name] for name in wanted)


def seed_of(*parts: str) -> int:
    """Return a seed that depends on names alone, not on this process."""
    return int.from_bytes(hashlib.sha256(" ".join(parts).encode()).digest()[:8], "little")


def _each_camera(sample: Sample, change: Callable[[Camera], Camera]) -> Frame:
    return replace(sample.frame, cameras=tuple(map(change, sample.frame.cameras)))


def _gone(count: int | None, sample: Sample) -> Frame:
    """Leave out so many cameras, drawn by the sample's name; all when None."""
    names = sorted(camera.name for camera in sample.frame.cameras)
    count = len(names) if count is None else min(count, len(names))
    silent = random.Random(seed_of("gone", sample.token)).sample(names, count)
    kept = tuple(camera for camera in sample.frame.cameras if camera.name not in silent)
    return replace(sample.frame, cameras=kept)


def _lidar_gone(sample: Sample) -> Frame:
    return replace(sample.frame, cloud=None)


def _night(sample: Sample) -> Frame:
    def dark(camera: Camera) -> Camera:
        rng = np.random.default_rng(seed_of("night", sample.token, camera.name))
        return replace(camera, image=weather.night(camera.image, rng))

    return _each_camera(sample, dark)


def _fog(sample: Sample) -> Frame:
    frame = _each_camera(sample, lambda camera: replace(camera, image=weather.fog(camera)))
    if frame.cloud is None:
        return frame
    return replace(frame, cloud=replace(frame.cloud, points=weather.fog_cloud(frame.cloud)))


def _blur(sample: Sample) -> Frame:
    return _each_camera(
        sample, lambda camera: replace(camera, image=weather.blurred(camera.image))
    )


def _turned(sample: Sample) -> Frame:
    def turn(camera: Camera) -> Camera:
        rng = np.random.default_rng(seed_of("turned", sample.token, camera.name))
        rotation = np.eye(4)
        rotation[:3, :3] = axangle2mat(rng.standard_normal(3), np.radians(TURN_DEGREES))
        return replace(camera, sensor2ego=camera.sensor2ego @ rotation)

    return _each_camera(sample, turn)


def _half_the_beams(sample: Sample) -> Frame:
    cloud = sample.frame.cloud
    if cloud is None:
        return sample.frame
    beams = beam_numbers(sample.frame)
    return replace(sample.frame, cloud=replace(cloud, points=cloud.points[beams % 2 == 0]))


def beam_numbers(frame: Frame) -> NDArray[np.int64]:
    """Return which beam of the LiDAR each point of a Frame's cloud came from, by its elevation.

    Earlier sweeps are looked at from where the vehicle was then; its motion is that of
    :func:`ego_motion`, so a Frame without cameras is taken to stand still. Clouds of a LiDAR
    other than nuScenes' are cut into bands of the same width.

    Returns:
        (N,); 0 is the lowest beam.
    """
    points, lags = frame.cloud.points, frame.cloud.points[:, 4]
    if (ego_motion(frame, 1.0) == np.eye(4)).all():
        lags = np.zeros_like(lags)
    beams = np.empty(len(points), np.int64)
    for lag in np.unique(lags):
        ego2sensor = inverse_rigid(ego_motion(frame, -float(lag)) @ frame.cloud.sensor2ego)
        x, y, z = transform_points(ego2sensor, points[lags == lag, :3].astype(np.float64)).T
        elevation = np.degrees(np.arctan2(z, np.hypot(x, y)))
        beams[lags == lag] = np.rint((elevation - LOWEST_BEAM) / BEAM_SPACING)
    return beams
