# SPDX-License-Identifier: Apache-2.0
"""Photographs of the street."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid
from effocc_ros.simulation.light import Light
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.rig import CameraMount
from effocc_ros.simulation.shading import shade
from effocc_ros.simulation.shadow import ShadowMap
from effocc_ros.simulation.sky_view import SkyView
from effocc_ros.simulation.visibility import SKY, STATIC, View

_CURVE_STEPS = 4096
_CURVE_TOP = 4.0
_BLOCK = 1 << 15
"""Pixels shaded at once: their arrays fit into the processor's cache."""


def _tone_curve() -> NDArray[np.uint8]:
    """Linear light to 8 bits: a filmic shoulder (K. Narkowicz, 2015), then the display's gamma."""
    x = np.linspace(0, _CURVE_TOP, _CURVE_STEPS)
    film = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    return (film ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


_CURVE = _tone_curve()


def _dither(height: int, width: int) -> NDArray[np.float32]:
    """Even, unclustered offsets (2, height, width) in -0.5..0.5.

    Interleaved gradient noise: J. Jimenez, "Next generation post processing in Call of Duty:
    Advanced Warfare", SIGGRAPH 2014.
    """
    y, x = np.mgrid[:height, :width].astype(np.float64)
    one = (52.9829189 * ((0.06711056 * x + 0.00583715 * y) % 1.0)) % 1.0
    two = (52.9829189 * ((0.06711056 * (y + 47) + 0.00583715 * (x + 17)) % 1.0)) % 1.0
    return np.stack([one, two]).astype(np.float32) - np.float32(0.5)


def _columns(camera: CameraMount, pixels: NDArray) -> NDArray[np.float32]:
    """Rays (3, N) of some pixels in the optical frame."""
    return np.stack([np.take(row, pixels) for row in camera.columns])


def _blocks(owner: NDArray[np.int16]):
    """Yield each owner and its pixels, a block at a time."""
    owner = owner.ravel()
    order = np.argsort(owner, kind="stable")  # 16 bits: a radix sort
    numbers = owner[order]
    ends = np.append(np.flatnonzero(np.diff(numbers)) + 1, len(order))
    start = 0
    for end in ends:
        for first in range(start, end, _BLOCK):
            yield int(numbers[first]), order[first : min(first + _BLOCK, end)]
        start = end


class Photographer:
    """Turns views into pictures under the light of a scene.

    Args:
        static: What never moves.
        light: Light of the scene.
        image_size: (height, width).
        level: Height of the ground from x and y in metres.
    """

    def __init__(
        self,
        static: Surface,
        light: Light,
        image_size: tuple[int, int],
        level: Callable[[NDArray, NDArray], NDArray],
    ):
        self.static, self.light = static, light
        self.sky_view = SkyView(static, level)
        height, width = image_size
        self._dither = _dither(height + 64, width + 64)
        strength = 1.3 + 1.2 * np.clip(light.exposure - 1.0, 0, 2)
        noise = np.random.default_rng(5).standard_normal((height + 64, width + 64, 3))
        self._noise = np.round(strength * noise).astype(np.int16)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        self._vignette = (1 - 0.13 * (x**2 + y**2)).astype(np.float32)

    def photograph(
        self, view: View, camera: CameraMount, shadows: ShadowMap, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Expose one picture.

        Args:
            view: What the camera sees.
            camera: The camera.
            shadows: Shadows at that time.
            rng: Source of the noise.

        Returns:
            (H, W, 3) uint8, RGB.
        """
        height, width = camera.image_size
        a, b = rng.integers(0, 64, 2)
        window = slice(a, a + height), slice(b, b + width)
        dither = self._dither[(slice(None), *window)].reshape(2, -1)
        radiance = np.empty((3, height * width), np.float32)
        for number, pixels in _blocks(view.owner):
            if number == SKY:
                light = self._sky(view, camera, pixels)
            else:
                light = self._expose(view, camera, shadows, number, pixels, dither)
            for plane, values in zip(radiance, light, strict=True):
                plane[pixels] = values
        return self._develop(radiance.reshape(3, height, width), self._noise[window])

    def _sky(self, view: View, camera: CameraMount, pixels: NDArray) -> NDArray[np.float32]:
        unit = _columns(camera, pixels) / np.take(camera.lengths, pixels)
        return self.light.sky((view.camera2map[:3, :3].astype(np.float32) @ unit).T).T

    def _expose(
        self,
        view: View,
        camera: CameraMount,
        shadows: ShadowMap,
        number: int,
        pixels: NDArray,
        dither: NDArray,
    ) -> NDArray[np.float32]:
        """Light (3, N) that arrives from the pixels (N,) of one owner."""
        jitter = np.stack([np.take(row, pixels) for row in dither])
        surface, pose = (self.static, np.eye(4)) if number == STATIC else view.placed[number]
        camera2surface = (inverse_rigid(pose) @ view.camera2map).astype(np.float32)
        # numpy would turn narrower indices into this type again at every gather.
        faces = np.take(view.face, pixels).astype(np.intp)
        depth = np.take(view.depth, pixels)
        length = np.take(camera.lengths, pixels)
        directions = camera2surface[:3, :3] @ _columns(camera, pixels)
        points = directions * depth
        points += camera2surface[:3, 3:]
        directions /= length
        normal = np.empty_like(points)
        for k in range(3):
            np.take(surface.normals[k], faces, out=normal[k])
        facing = np.einsum("in,in->n", normal, directions)
        normal *= -np.sign(facing)  # what is seen is the outside
        place = points + np.float32(0.09) * normal  # clear of the surface's own shadow
        if number != STATIC:
            place = pose[:3, :3].astype(np.float32) @ place + pose[:3, 3:].astype(np.float32)
        distance = depth * length
        colors = shade(
            surface,
            self.light,
            pose[:3, :3],
            faces,
            normal,
            points,
            directions,
            distance,
            1.0 / camera.intrinsics[0, 0],
            shadows.lit(place, 1.6 * jitter),
            self.sky_view.share(place),
            jitter,
        )
        haze = 1 - np.exp(distance * np.float32(-1 / self.light.haze))
        colors += haze * (self.light.horizon.astype(np.float32)[:, None] - colors)
        return colors

    def _develop(self, radiance: NDArray, noise: NDArray) -> NDArray[np.uint8]:
        """Lens, exposure, tone curve and noise: (3, H, W) linear to (H, W, 3) uint8."""
        gain = self._vignette * np.float32(self.light.exposure * (_CURVE_STEPS - 1) / _CURVE_TOP)
        planes = []
        for plane in radiance:
            plane = cv2.GaussianBlur(plane, (3, 3), 0.55)
            plane *= gain
            np.minimum(plane, _CURVE_STEPS - 1, out=plane)
            planes.append(np.take(_CURVE, plane.astype(np.uint16)))
        return cv2.add(cv2.merge(planes), noise, dtype=cv2.CV_8U)
