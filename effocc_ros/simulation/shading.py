# SPDX-License-Identifier: Apache-2.0
"""Colours of surface points under sun, sky and lamps."""

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.atlas import atlas
from effocc_ros.simulation.classes import DRIVEABLE_SURFACE, SIDEWALK
from effocc_ros.simulation.light import Light
from effocc_ros.simulation.raycast import Surface

_LINEAR = (np.arange(256, dtype=np.float32) / 255) ** 2

_LAMP = np.float32([1.0, 0.82, 0.55])
"""Colour of lamps and lit windows."""

_BOUNCE = np.float32([0.20, 0.19, 0.18])
"""Light from the ground on what faces down, as a share of the light from above."""


class Look:
    """Textures and tints of a surface, one value per triangle, ready to be gathered.

    Texture coordinates are affine on a triangle, so they follow from the place of a point.

    Args:
        surface: The surface.
    """

    def __init__(self, surface: Surface):
        mesh, pages = surface.mesh, atlas()
        names, inverse = np.unique(mesh.texture, return_inverse=True)
        self.texture = np.array([pages.index[str(n)] for n in names], np.int32)[inverse]
        density = pages.texels_per_metre[self.texture]
        corners = mesh.vertices.astype(np.float64)
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        a, b, c = ((x * y).sum(axis=1) for x, y in ((first,) * 2, (first, second), (second,) * 2))
        across = np.maximum(a * c - b * b, 1e-12)[:, None, None]
        one, two = ((mesh.uv[:, k] - mesh.uv[:, 0]).astype(np.float64) for k in (1, 2))
        gradient = (c[:, None] * one - b[:, None] * two)[..., None] * first[:, None]
        gradient += (a[:, None] * two - b[:, None] * one)[..., None] * second[:, None]
        gradient /= across  # (F, uv, xyz)
        start = mesh.uv[:, 0] - np.einsum("fui,fi->fu", gradient, corners[:, 0])
        affine = np.concatenate([gradient, start[..., None]], axis=-1) * density[:, :, None]
        self.affine = np.ascontiguousarray(affine.transpose(1, 2, 0), np.float32)  # (2, 4, F)
        scale = np.linalg.norm(affine[..., :3], axis=-1).max(axis=1)
        self.level = np.log2(np.maximum(scale, 1e-3)).astype(np.float32)
        self.tint = np.ascontiguousarray(mesh.tint.T)
        glass = self.texture == pages.index["glass"]
        vehicle = np.isin(mesh.label, (3, 4, 5, 6, 9, 10)) & (mesh.texture == "plain")
        self.paved = (mesh.label == DRIVEABLE_SURFACE).astype(np.float32)
        self.paved += np.float32(0.5) * (mesh.label == SIDEWALK)
        self.gloss = np.where(glass, 0.75, np.where(vehicle, 0.28, 0.0)).astype(np.float32)

    @staticmethod
    def of(surface: Surface) -> "Look":
        """Return the look of a surface, made once."""
        if not hasattr(surface, "look"):
            surface.look = Look(surface)
        return surface.look


def albedo(
    surface: Surface, faces: NDArray, points: NDArray, footprint: NDArray, jitter: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Look up what is painted on a surface.

    Args:
        surface: The surface.
        faces: (N,) triangles.
        points: (3, N) float32 metres in the surface's frame.
        footprint: (N,) size of a pixel on the surface, metres.
        jitter: (2, N) offsets in texels; together with a blur they stand for filtering.

    Returns:
        Linear colours (3, N) and emission (N,).
    """
    made = Look.of(surface)
    level = np.take(made.level, faces) + np.log2(footprint)
    texel = np.exp2(np.maximum(level, 0))
    coordinates = []
    for axis in range(2):
        place = np.take(made.affine[axis, 3], faces)
        for k in range(3):
            place += np.take(made.affine[axis, k], faces) * points[k]
        place += jitter[axis] * texel
        coordinates.append(place)
    texels = atlas().sample(np.take(made.texture, faces), *coordinates, level + jitter[0])
    root = [np.take(_LINEAR, texels[:, k]) for k in range(4)]
    colors = np.empty((3, len(faces)), np.float32)
    for k in range(3):
        np.multiply(root[k], np.take(made.tint[k], faces), out=colors[k])
    return colors, root[3]


def shade(
    surface: Surface,
    light: Light,
    rotation: NDArray,
    faces: NDArray,
    normal: NDArray,
    points: NDArray,
    directions: NDArray,
    distance: NDArray,
    pixel_angle: float,
    lit: NDArray,
    open_sky: NDArray,
    jitter: NDArray,
) -> NDArray[np.float32]:
    """Compute the light that leaves surface points towards the camera.

    Args:
        surface: The surface.
        light: Light of the scene.
        rotation: (3, 3), surface's frame to map.
        faces: (N,) triangles.
        normal: (3, N) float32 their normals, turned towards the camera.
        points: (3, N) float32 metres in the surface's frame.
        directions: (3, N) float32 unit rays from the camera in the surface's frame.
        distance: (N,) float32 metres from the camera.
        pixel_angle: Angle of one pixel in radians.
        lit: (N,) share of the sun that arrives.
        open_sky: (N,) share of the sky that is not hidden by neighbours.
        jitter: (2, N) texture offsets, see ``albedo``.

    Returns:
        (3, N) linear colours.
    """
    facing = normal[0] * directions[0] + normal[1] * directions[1] + normal[2] * directions[2]
    facing = np.abs(facing)
    footprint = distance * np.float32(pixel_angle) / np.sqrt(np.maximum(facing, 0.05))
    colors, emission = albedo(surface, faces, points, footprint, jitter)
    sun = (light.sun @ rotation).astype(np.float32)
    arrives = np.empty_like(colors)  # from the sun, from the sky, back from the ground
    np.multiply(np.maximum(sun @ normal, 0), lit, out=arrives[0])
    up = (np.float32(0.5) * rotation[2].astype(np.float32)) @ normal + np.float32(0.5)
    np.multiply(up, open_sky, out=arrives[1])
    np.multiply(1 - up, np.float32(0.35) + np.float32(0.65) * open_sky, out=arrives[2])
    below = _BOUNCE * (light.ambient + light.sunlight * light.sun[2])
    sources = np.stack([light.sunlight, light.ambient, below], axis=1).astype(np.float32)
    colors *= sources @ arrives
    glowing = np.flatnonzero(emission)
    if len(glowing):
        tint = Look.of(surface).tint[:, faces[glowing]]
        glow = emission[glowing] * np.float32(light.lamps)
        colors[:, glowing] += _LAMP[:, None] * tint * glow
    gloss = np.take(Look.of(surface).gloss, faces)
    if light.wet:
        wet = np.float32(light.wet) * np.take(Look.of(surface).paved, faces)
        colors *= 1 - np.float32(0.45) * wet
        gloss = np.maximum(gloss, np.float32(0.4) * wet)
    shiny = np.flatnonzero(gloss)
    if len(shiny):
        n, facing = normal[:, shiny], facing[shiny]
        mirrored = rotation.astype(np.float32) @ (directions[:, shiny] + 2 * facing * n)
        fresnel = gloss[shiny] * (np.float32(0.12) + np.float32(0.88) * (1 - facing) ** 3)
        fresnel *= np.float32(0.35) + np.float32(0.65) * open_sky[shiny]
        dull = colors[:, shiny]
        colors[:, shiny] = dull + fresnel * (light.reflection(mirrored) - dull)
    return colors
