# SPDX-License-Identifier: Apache-2.0
"""Pictures and clouds as they would be at night, in fog, and out of focus.

Simple models with the right trend, not a renderer: night knows no street lamps, and fog takes the
world for flat, for how far a pixel sees is known of the ground alone.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.frame import Camera, PointCloud

GAMMA = 2.2
NIGHT_LIGHT = 0.06
"""Part of the daylight that the exposure still gathers."""
SHOT_NOISE, READ_NOISE = 0.002, 0.004
"""Variance per light, and standard deviation in the dark, in linear light 0..1."""
VISIBILITY = 50.0
"""Metres at which fog leaves 5 % of the contrast: dense fog."""
EXTINCTION = -np.log(0.05) / VISIBILITY
"""Per metre (Koschmieder, "Theorie der horizontalen Sichtweite", 1924)."""
AIRLIGHT = 200.0
"""Grey value of fog."""
FARTHEST = 60.0
"""Metres at which a picture is taken to end where it does not see the ground."""
LIDAR_REACH, LIDAR_TARGET = 100.0, 0.1
"""In clear air the LiDAR just sees a target that reflects 10 % at 100 m."""
BLUR = 0.0025
"""Standard deviation of the blur in widths of the image: 4 pixels of nuScenes' 1600."""


def night(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) with little light and the noise that comes with it."""
    light = _linear()[image] * np.float32(NIGHT_LIGHT)
    noise = rng.standard_normal(light.shape, np.float32)
    light += noise * np.sqrt(SHOT_NOISE * light + READ_NOISE**2)
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / GAMMA)).astype(np.uint8)


def fog(camera: Camera) -> NDArray[np.uint8]:
    """Return a camera's image (H, W, 3) through fog: I = J t + A (1 - t), t = exp(-beta d)."""
    seen = np.exp(-EXTINCTION * _distances(camera))[..., None].astype(np.float32)
    return np.rint(camera.image * seen + AIRLIGHT * (1 - seen)).astype(np.uint8)


def fog_cloud(cloud: PointCloud) -> NDArray[np.float32]:
    """Return the points (M, 5) of a cloud that come back through fog.

    An echo weakens with the reflectivity over the distance squared, times exp(-2 beta d); it is
    lost when it is weaker than the weakest of clear air. Intensity is taken for the reflectivity
    in percent, as the nuScenes LiDAR gives it.
    """
    away = np.linalg.norm(cloud.points[:, :3] - cloud.sensor2ego[:3, 3], axis=1)
    away = np.maximum(away, 1.0)
    echo = cloud.points[:, 3] / 100 / away**2 * np.exp(-2 * EXTINCTION * away)
    return cloud.points[echo >= LIDAR_TARGET / LIDAR_REACH**2]


def blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) out of focus."""
    return cv2.GaussianBlur(image, (0, 0), BLUR * image.shape[1])


def _distances(camera: Camera) -> NDArray[np.float32]:
    """(H, W) metres to the ground plane of the ego frame along each pixel's ray, limited."""
    height, width = camera.image.shape[:2]
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    pixels = np.stack([u.ravel(), v.ravel(), np.ones(u.size, np.float32)])
    rays = np.linalg.inv(camera.intrinsics).astype(np.float32) @ pixels
    length = np.sqrt((rays * rays).sum(axis=0)).reshape(height, width)
    down = -(camera.sensor2ego[2, :3].astype(np.float32) @ rays).reshape(height, width)
    above = max(float(camera.sensor2ego[2, 3]), 0.1)
    far = down * FARTHEST <= above * length  # above the horizon, or just below it
    return np.where(far, FARTHEST, above * length / np.where(far, 1.0, down)).astype(np.float32)


@cache
def _linear() -> NDArray[np.float32]:
    """(256,) linear light of each grey value."""
    return ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
