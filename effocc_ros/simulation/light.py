# SPDX-License-Identifier: Apache-2.0
"""Sun, sky and exposure, from day to dusk."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

SKY_SHAPE = (256, 1024)
"""Rows (elevation -15 to 90 degrees) and columns (azimuth) of the sky panorama."""

DOME = 512
"""Side of the square map of the sky that mirrors look into."""

_LOWEST = np.radians(-15.0)


@dataclass(frozen=True)
class Light:
    """Light of one scene; colours are linear red, green, blue.

    Attributes:
        sun: Unit vector towards the sun in the map.
        sunlight: Radiance of a white surface that faces the sun.
        zenith: Colour of the sky overhead.
        horizon: Colour of the sky at the horizon, and of haze.
        clouds: Share of the sky that clouds cover, 0..1.
        lamps: Radiance of lamps and lit windows.
        exposure: Gain before the tone curve.
        haze: Distance in metres over which haze takes 63 % of a colour.
        seed: Of the clouds.
        wet: How wet the ground is, 0..1.
    """

    sun: NDArray[np.float64]
    sunlight: NDArray[np.float64]
    zenith: NDArray[np.float64]
    horizon: NDArray[np.float64]
    clouds: float
    lamps: float
    exposure: float
    haze: float
    seed: int
    wet: float = 0.0

    @property
    def ambient(self) -> NDArray[np.float64]:
        """Mean light from the sky on a white surface that faces up."""
        return 0.6 * self.zenith + 0.4 * self.horizon

    @cached_property
    def panorama(self) -> NDArray[np.float32]:
        """The sky as (*SKY_SHAPE, 3) linear colours."""
        rng = np.random.default_rng(self.seed)
        rows, columns = SKY_SHAPE
        elevation = np.linspace(_LOWEST, np.pi / 2, rows)[:, None]
        azimuth = (np.arange(columns) / columns * 2 * np.pi - np.pi)[None]
        up = np.clip(np.sin(elevation), 0, 1)
        blend = (up**0.5)[..., None]
        sky = self.horizon * (1 - blend) + self.zenith * blend
        toward = (
            np.stack(
                np.broadcast_arrays(
                    np.cos(elevation) * np.cos(azimuth),
                    np.cos(elevation) * np.sin(azimuth),
                    np.sin(elevation),
                ),
                axis=-1,
            )
            @ self.sun
        )
        glow = np.clip(toward, 0, 1)[..., None]
        sky = sky + self.sunlight * (0.06 * glow**6 + 0.25 * glow**64 + 6.0 * (glow > 0.9998))
        cover = _cloud_cover(rng, elevation, azimuth, self.clouds)[..., None]
        white = (
            0.55 * self.ambient + 0.16 * self.sunlight * (0.7 + 0.6 * glow**4) + 0.3 * self.horizon
        )
        return (sky * (1 - cover) + white * cover).astype(np.float32)

    def sky(self, directions: NDArray) -> NDArray[np.float32]:
        """Return the colour of the sky (N, 3) in unit directions (N, 3) of the map."""
        rows, columns = SKY_SHAPE
        x, y, z = directions.T
        elevation = np.arcsin(np.clip(z, -1, 1))
        row = (elevation - _LOWEST) * ((rows - 1) / (np.pi / 2 - _LOWEST))
        column = (np.arctan2(y, x) + np.pi) * (columns / (2 * np.pi))
        count, fold = len(z), 1024  # OpenCV's remap takes no side longer than 32767
        place = np.zeros((2, -(-count // fold) * fold), np.float32)
        place[0, :count], place[1, :count] = column, row
        colors = cv2.remap(
            self.panorama,
            *place.reshape(2, -1, fold),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        return colors.reshape(-1, 3)[:count]

    @cached_property
    def _dome(self) -> NDArray[np.float32]:
        """The sky seen in a mirror ball from above, (3, DOME, DOME)."""
        y, x = np.mgrid[-1 : 1 : DOME * 1j, -1 : 1 : DOME * 1j]
        square = np.minimum(x**2 + y**2, 1.0)
        z = (1 - square) / (1 + square)
        directions = np.stack([x * (1 + z), y * (1 + z), z], axis=-1).reshape(-1, 3)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return np.ascontiguousarray(self.sky(directions).T.reshape(3, -1))

    def reflection(self, directions: NDArray) -> NDArray[np.float32]:
        """Return what a mirror shows (3, N) in unit directions (3, N): sky above, street below."""
        x, y, z = directions
        scale = np.float32(0.5 * (DOME - 1)) / (1 + np.abs(z))
        index = (y * scale + np.float32(0.5 * DOME)).astype(np.int32) * DOME
        index += (x * scale + np.float32(0.5 * DOME)).astype(np.int32)
        colors = np.stack([np.take(plane, index) for plane in self._dome])
        colors *= np.where(z > 0, np.float32(1.0), np.float32(0.25))
        return colors


def _cloud_cover(rng, elevation, azimuth, share: float) -> NDArray:
    """Noise on a plane high above, so that clouds shrink towards the horizon."""
    reach = 1.0 / np.maximum(np.sin(elevation) + 0.06, 0.06)
    x, y = reach * np.cos(azimuth) * 5, reach * np.sin(azimuth) * 5
    total = np.zeros(np.broadcast_shapes(elevation.shape, azimuth.shape))
    for octave in range(5):
        field = rng.random((64, 64)).astype(np.float32)
        scale = 0.55 * 2.0**octave
        column = ((x * scale) % 63).astype(np.float32)
        row = ((y * scale) % 63).astype(np.float32)
        total += 0.55**octave * cv2.remap(field, column, row, cv2.INTER_LINEAR)
    total = (total - total.mean()) / total.std()
    level = np.interp(share, [0, 0.3, 0.6, 1], [3.0, 0.7, -0.2, -3.0])
    fade = np.clip(np.sin(elevation) / 0.12, 0, 1)
    return np.clip((total - level) * 1.1, 0, 1) * 0.9 * fade


def light_of(rng: np.random.Generator) -> Light:
    """Draw the time of day and the weather."""
    hour = float(
        rng.choice(
            [rng.uniform(0.5, 0.85), rng.uniform(0.2, 0.5), rng.uniform(0.05, 0.14)],
            p=[0.5, 0.3, 0.2],
        )
    )
    clouds = rng.uniform(0.1, 0.75) if rng.random() < 0.65 else rng.uniform(0.75, 1.0)
    light = light_at(
        hour,
        float(rng.uniform(-np.pi, np.pi)),
        float(clouds),
        int(rng.integers(1 << 30)),
        gain=float(np.exp(rng.normal(0, 0.25))),
        haze=float(np.exp(rng.uniform(np.log(150.0), np.log(1500.0)))),
    )
    wet = rng.uniform(0.3, 1.0) * (clouds > 0.5 and rng.random() < 0.35)
    return replace(light, wet=float(wet))


def light_at(
    height: float,
    azimuth: float,
    clouds: float,
    seed: int,
    gain: float = 1.0,
    haze: float = 900.0,
) -> Light:
    """Compose the light of a sun height.

    Args:
        height: Sine of the sun's elevation: 1 overhead, about 0.1 dusk.
        azimuth: Direction of the sun in the map, radians.
        clouds: Share of the sky that clouds cover; dims the sun.
        seed: Of the clouds.
        gain: How much brighter than usual pictures are exposed.
        haze: Distance in metres over which haze takes 63 % of a colour.
    """
    level = np.sqrt(1 - height**2)
    sun = np.array([level * np.cos(azimuth), level * np.sin(azimuth), height])
    day = float(np.clip((height - 0.03) / 0.45, 0, 1))
    warm = np.array([1.0, 0.45 + 0.50 * day**0.5, 0.18 + 0.70 * day**0.6])
    dimmed = 1 - 0.75 * np.clip((clouds - 0.45) / 0.5, 0, 1)
    sunlight = (0.45 + 2.4 * day) * dimmed * warm
    zenith = np.array([0.20, 0.40, 0.85]) * (0.12 + 0.75 * day)
    horizon = day * np.array([0.72, 0.84, 0.98]) + (1 - day) * np.array([0.62, 0.36, 0.26])
    gray = np.full(3, 0.30 + 0.45 * day)
    overcast = float(np.clip((clouds - 0.5) / 0.5, 0, 1))
    zenith, horizon = (
        (1 - overcast) * zenith + overcast * gray,
        (1 - overcast) * horizon + overcast * gray,
    )
    ambient = (0.6 * zenith + 0.4 * horizon).mean()
    exposure = 1.05 / (ambient + 0.55 * sunlight.mean() * max(height, 0.35)) ** 0.8 * gain
    lamps = 0.15 + 1.6 * (1 - day) ** 4
    return Light(sun, sunlight, zenith, horizon, clouds, lamps, exposure, haze, seed)
