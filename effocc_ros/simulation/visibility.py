# SPDX-License-Identifier: Apache-2.0
"""Which triangle each pixel of a camera sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid
from effocc_ros.simulation.raycast import Surface, depth_of
from effocc_ros.simulation.rig import CameraMount

STATIC, SKY = -1, -2

_BLOCK = 1 << 15
"""Pixels computed at once: their arrays fit into the processor's cache."""


@dataclass(frozen=True)
class View:
    """What a camera sees, before any light.

    Attributes:
        face: (H, W) int32 triangle of the owner's surface, -1 for the sky.
        owner: (H, W) int16 number of the agent, ``STATIC`` or ``SKY``.
        depth: (H, W) float32 metres along the optical axis, infinite for the sky.
        camera2map: (4, 4) pose of the optical frame.
        static: Surface of what never moves.
        placed: Agents as (surface, (4, 4) pose).
    """

    face: NDArray[np.int32]
    owner: NDArray[np.int16]
    depth: NDArray[np.float32]
    camera2map: NDArray[np.float64]
    static: Surface
    placed: tuple[tuple[Surface, NDArray], ...]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(H, W) class of each pixel, 17 (free) for the sky."""
        labels = np.where(self.owner == STATIC, self.static.mesh.label[self.face], np.uint8(17))
        for number in np.unique(self.owner[self.owner >= 0]):
            seen = self.owner == number
            labels[seen] = self.placed[number][0].mesh.label[self.face[seen]]
        return labels


def look(
    static: Surface,
    placed: Sequence[tuple[Surface, NDArray]],
    camera: CameraMount,
    ego2map: NDArray,
) -> View:
    """Find the triangles that a camera sees.

    Args:
        static: What never moves.
        placed: Agents as (surface, (4, 4) pose in the map).
        camera: The camera.
        ego2map: (4, 4) pose of the car when the camera fires.
    """
    camera2map = ego2map @ camera.sensor2ego
    height, width = camera.image_size
    face = _cast_sparsely(static, camera2map, camera.rays)
    planes = static.planes(camera2map)
    depth = np.empty(height * width, np.float32)
    for start in range(0, len(depth), _BLOCK):
        block = slice(start, start + _BLOCK)
        depth[block] = depth_of(planes, face.ravel()[block], camera.columns[:, block])
    depth = depth.reshape(face.shape)
    owner = np.where(face >= 0, np.int16(STATIC), np.int16(SKY))
    map2camera = inverse_rigid(camera2map)
    for number, (surface, pose) in enumerate(placed):
        window = _window(surface, map2camera @ pose, camera)
        if window is not None:
            camera2agent = inverse_rigid(pose) @ camera2map
            rays = camera.rays[window]
            part = tuple(image[window] for image in (face, depth, owner))
            _cover(surface, number, camera2agent, rays, *part)
    return View(face, owner, depth, camera2map, static, tuple(placed))


def _cover(surface, number, camera2agent, rays, face, depth, owner) -> None:
    """Put an agent in front of what lies behind it in a window of the image."""
    hit = _cast(surface, camera2agent, rays.reshape(-1, 3))
    distance = depth_of(surface.planes(camera2agent), hit, rays.reshape(-1, 3).T).reshape(
        depth.shape
    )
    hit = hit.reshape(depth.shape)
    nearer = (hit >= 0) & (distance < depth)
    face[nearer], depth[nearer], owner[nearer] = hit[nearer], distance[nearer], number


def _cast(surface: Surface, camera2surface: NDArray, rays: NDArray) -> NDArray[np.int32]:
    directions = rays @ camera2surface[:3, :3].T.astype(np.float32)
    return surface.faces(camera2surface[:3, 3], directions)


def _cast_sparsely(surface: Surface, camera2map: NDArray, rays: NDArray) -> NDArray[np.int32]:
    """Cast every second pixel of every second row, and the rest where neighbours differ.

    A thing that hides between four pixels on one and the same triangle is missed; it would be
    thinner than two pixels.
    """
    height, width = rays.shape[:2]
    face = np.full((height, width), -1, np.int32)
    coarse = rays[::2, ::2]
    known = _cast(surface, camera2map, coarse.reshape(-1, 3)).reshape(coarse.shape[:2])
    right = np.concatenate([known[:, 1:], np.full((len(known), 1), -9, np.int32)], axis=1)
    below = np.concatenate([known[1:], np.full((1, known.shape[1]), -9, np.int32)], axis=0)
    corner = np.concatenate([right[1:], np.full((1, known.shape[1]), -9, np.int32)], axis=0)
    todo = np.zeros((height, width), bool)
    face[::2, ::2] = known
    for rows, columns, same in (
        (0, 1, known == right),
        (1, 0, known == below),
        (1, 1, (known == right) & (known == below) & (known == corner)),
    ):
        part = face[rows::2, columns::2]
        h, w = part.shape
        part[:] = known[:h, :w]
        todo[rows::2, columns::2] = ~same[:h, :w]
    pixels = np.flatnonzero(todo)
    face.ravel()[pixels] = _cast(surface, camera2map, rays.reshape(-1, 3)[pixels])
    return face


def _window(surface: Surface, agent2camera: NDArray, camera: CameraMount):
    """Return the slices of the image in which an agent can be seen, None when there are none."""
    height, width = camera.image_size
    x, y, z = agent2camera[:3, :3] @ surface.center + agent2camera[:3, 3]
    if z < -surface.radius or np.hypot(np.hypot(x, y), z) > 150.0:
        return None
    low, high = surface.mesh.bounds()
    corners = np.array(
        [
            [a, b, c]
            for a in (low[0], high[0])
            for b in (low[1], high[1])
            for c in (low[2], high[2])
        ]
    )
    corners = corners @ agent2camera[:3, :3].T + agent2camera[:3, 3]
    if corners[:, 2].max() < 0.1:
        return None
    if corners[:, 2].min() < 0.1:
        return slice(0, height), slice(0, width)
    pixels = corners @ camera.intrinsics.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    first = np.clip(np.floor(pixels.min(axis=0)), 0, (width, height)).astype(int)
    last = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, (width, height)).astype(int)
    if np.any(first >= last):
        return None
    return slice(first[1], last[1]), slice(first[0], last[0])
