# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes that carry a class, a texture and a colour on every triangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Paint:
    """What a surface is and looks like.

    Attributes:
        label: Occ3D class.
        texture: Name of a texture (see ``textures``).
        tint: Linear red, green, blue; multiplies the texture.
    """

    label: int
    texture: str = "plain"
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Mesh:
    """Triangles and what is painted on them.

    Attributes:
        vertices: (F, 3, 3) float32 metres; corners run counter-clockwise seen from outside.
        uv: (F, 3, 2) float32 texture coordinates of the corners, metres on the surface.
        texture: (F,) texture names.
        tint: (F, 3) float32, linear red, green, blue.
        label: (F,) uint8 Occ3D class.
    """

    vertices: NDArray[np.float32]
    uv: NDArray[np.float32]
    texture: NDArray[np.str_]
    tint: NDArray[np.float32]
    label: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.vertices)

    def transformed(self, transform: NDArray) -> Mesh:
        """Move the mesh by a (4, 4) transform, which may also scale."""
        moved = self.vertices @ transform[:3, :3].T + transform[:3, 3]
        return replace(self, vertices=moved.astype(np.float32))

    def without_slivers(self) -> Mesh:
        """Leave out triangles of no area."""
        edges = self.vertices[:, 1:] - self.vertices[:, :1]
        area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2
        return Mesh(*(getattr(self, f.name)[area > 1e-5] for f in fields(Mesh)))

    def bounds(self) -> tuple[NDArray, NDArray]:
        """Return the lowest and highest corner (3,) of the box around the mesh."""
        corners = self.vertices.reshape(-1, 3)
        return corners.min(axis=0), corners.max(axis=0)


def concatenate(meshes: Sequence[Mesh]) -> Mesh:
    """Put meshes together into one."""
    return Mesh(*(np.concatenate([getattr(m, f.name) for m in meshes]) for f in fields(Mesh)))


def triangles(vertices: ArrayLike, uv: ArrayLike, paint: Paint) -> Mesh:
    """Build a mesh of triangles (F, 3, 3) with texture coordinates (F, 3, 2) in one paint."""
    vertices = np.asarray(vertices, np.float32)
    count = len(vertices)
    return Mesh(
        vertices,
        np.asarray(uv, np.float32),
        np.full(count, paint.texture, "U16"),
        np.tile(np.asarray(paint.tint, np.float32), (count, 1)),
        np.full(count, paint.label, np.uint8),
    )


def quads(corners: ArrayLike, paint: Paint, uv: ArrayLike | None = None) -> Mesh:
    """Build quadrilaterals, two triangles each.

    Args:
        corners: (N, 4, 3) metres, counter-clockwise seen from outside.
        paint: Paint of all of them.
        uv: (N, 4, 2) metres; by default the first edge runs along u and the last along v.
    """
    corners = np.asarray(corners, np.float64)
    if uv is None:
        width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
        height = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)
        uv = np.zeros((len(corners), 4, 2))
        uv[:, 1:3, 0] = width[:, None]
        uv[:, 2:4, 1] = height[:, None]
    uv = np.asarray(uv)
    order = [0, 1, 2, 0, 2, 3]
    return triangles(corners[:, order].reshape(-1, 3, 3), uv[:, order].reshape(-1, 3, 2), paint)


def grid(points: NDArray, uv: NDArray, paint: Paint) -> Mesh:
    """Build a sheet from a lattice of points (M, N, 3) with texture coordinates (M, N, 2).

    It faces along the cross product of the first and the second axis.
    """

    def cells(values):
        around = (values[:-1, :-1], values[1:, :-1], values[1:, 1:], values[:-1, 1:])
        return np.stack(around, axis=2).reshape(-1, 4, values.shape[2])

    return quads(cells(points), paint, cells(uv))


def box(center: ArrayLike, size: ArrayLike, paint: Paint, bottom: bool = False) -> Mesh:
    """Build an axis-aligned box; the underside is left away unless ``bottom``."""
    (x, y, z), (dx, dy, dz) = np.asarray(center, float), np.asarray(size, float) / 2
    c = np.array(
        [[x + i * dx, y + j * dy, z + k * dz] for k in (-1, 1) for j in (-1, 1) for i in (-1, 1)]
    )
    sides = [[0, 1, 5, 4], [1, 3, 7, 5], [3, 2, 6, 7], [2, 0, 4, 6], [4, 5, 7, 6]]
    if bottom:
        sides.append([0, 2, 3, 1])
    return quads(c[sides], paint)


def loft(rings: ArrayLike, paint: Paint, caps: bool = True) -> Mesh:
    """Stretch a skin over closed rings of points.

    Args:
        rings: (S, K, 3); each ring counter-clockwise seen from the side of the last ring.
        paint: Paint of the skin.
        caps: Close the first and the last ring.
    """
    rings = np.asarray(rings, np.float64)
    closed = np.concatenate([rings, rings[:, :1]], axis=1)
    around = np.cumsum(np.linalg.norm(np.diff(closed, axis=1, prepend=closed[:, :1]), axis=2), 1)
    along = np.linalg.norm(np.diff(rings.mean(1), axis=0, prepend=rings[:1].mean(1)), axis=1)
    uv = np.stack([around, np.broadcast_to(np.cumsum(along)[:, None], around.shape)], axis=-1)
    parts = [grid(closed.transpose(1, 0, 2), uv.transpose(1, 0, 2), paint)]
    if caps:
        parts += [_fan(rings[0, ::-1], paint), _fan(rings[-1], paint)]
    return concatenate(parts)


def _fan(ring: NDArray, paint: Paint) -> Mesh:
    center = np.broadcast_to(ring.mean(axis=0), ring.shape)
    corners = np.stack([center, ring, np.roll(ring, -1, axis=0)], axis=1)
    return triangles(corners, corners[..., :2], paint)


def mapped(mesh: Mesh) -> Mesh:
    """Lay textures on along the two axes that a triangle faces least."""
    edges = mesh.vertices[:, 1:] - mesh.vertices[:, :1]
    facing = np.abs(np.cross(edges[:, 0], edges[:, 1]))
    facing[:, 2] *= 1.0001  # ties
    uv = np.empty_like(mesh.uv)
    for axis, kept in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1])):
        chosen = facing.argmax(axis=1) == axis
        uv[chosen] = mesh.vertices[chosen][..., kept]
    return replace(mesh, uv=uv)


def cylinder(
    base: ArrayLike, radius: float, height: float, paint: Paint, sides: int = 8, top: float = 1.0
) -> Mesh:
    """Build an upright cylinder on ``base``; its top radius is ``top * radius``."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides)], axis=1)
    low = np.asarray(base, float) + radius * circle
    high = np.asarray(base, float) + [0, 0, height] + radius * top * circle
    return loft([low, high], paint)


def ball(
    center: ArrayLike,
    radius: ArrayLike,
    paint: Paint,
    detail: int = 6,
    rough: NDArray | None = None,
) -> Mesh:
    """Build an ellipsoid of ``detail`` belts.

    Args:
        center: (3,) metres.
        radius: One or three radii in metres.
        paint: Paint of all triangles.
        detail: Number of belts; twice as many sectors.
        rough: (detail - 1, 2 * detail) factors of the radius at the inner lattice points.
    """
    polar = np.linspace(np.pi, 0, detail + 1)[:, None]
    azimuth = (np.arange(2 * detail) * np.pi / detail)[None]
    azimuth = azimuth + (np.arange(detail + 1) % 2)[:, None] * (np.pi / detail / 2)
    directions = np.stack(
        [
            np.sin(polar) * np.cos(azimuth),
            np.sin(polar) * np.sin(azimuth),
            np.broadcast_to(np.cos(polar), azimuth.shape),
        ],
        axis=-1,
    )
    length = np.ones(azimuth.shape)
    if rough is not None:
        length[1:-1] = rough
    rings = np.asarray(center, float) + directions * length[..., None] * radius
    return loft(rings, paint, caps=False)
