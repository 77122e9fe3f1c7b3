# SPDX-License-Identifier: Apache-2.0
"""Procedural textures: asphalt with its markings, pavers, grass, facades, leaves.

Each texture is a tile of linear albedo plus emission, made from a fixed seed, so that streets
differ by how they use the tiles and not by the tiles.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 512


@dataclass(frozen=True)
class Tile:
    """One periodic texture.

    Attributes:
        texels: (SIZE, SIZE, 4) float32 linear red, green, blue and emission, 0..1; rows along v.
        metres: Size (u, v) of the tile on a surface.
    """

    texels: NDArray[np.float32]
    metres: tuple[float, float]


def _noise(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Periodic smooth noise of mean 0 and about unit deviation, ``cells`` knots a side."""
    knots = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
    scale = SIZE // cells
    smooth = cv2.resize(knots, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return smooth[2 * scale : 2 * scale + SIZE, 2 * scale : 2 * scale + SIZE]


def _speckle(rng, *octaves: tuple[int, float]) -> NDArray[np.float32]:
    return 1 + sum(weight * _noise(rng, cells) for cells, weight in octaves)


def _paint(color, shade, emission=0.0) -> NDArray[np.float32]:
    rgb = np.clip(np.asarray(color, np.float32) * shade[..., None], 0.004, 1)
    glow = np.broadcast_to(np.float32(emission), shade.shape)[..., None]
    return np.concatenate([rgb, glow], axis=-1).astype(np.float32)


def _axes(metres: tuple[float, float]):
    u = (np.arange(SIZE) + 0.5) / SIZE
    return u[None, :] * metres[0], u[:, None] * metres[1]


def _cover(texels, mask, color, strength=1.0):
    weight = (np.broadcast_to(mask, texels.shape[:2]) * strength)[..., None]
    texels[..., :3] += weight * (np.asarray(color, np.float32) - texels[..., :3])


def _plain(rng):
    return Tile(_paint((1, 1, 1), _speckle(rng, (8, 0.03), (64, 0.02))), (2.0, 2.0))


def _asphalt(rng, metres=(8.0, 8.0)):
    shade = _speckle(rng, (4, 0.09), (32, 0.07), (256, 0.11))
    texels = _paint((0.098, 0.10, 0.105), shade)
    crack = np.abs(_noise(rng, 8) + 0.4 * _noise(rng, 64)) < 0.012
    _cover(texels, crack, (0.03, 0.03, 0.03), 0.6)
    patch = (_noise(rng, 4) > 1.6).astype(np.float32)
    _cover(texels, patch, (0.06, 0.06, 0.065), 0.5)
    return Tile(texels, metres)


def _wear(rng):
    return np.clip(0.82 + 0.22 * _noise(rng, 32) + 0.2 * _noise(rng, 128), 0.15, 1)


def _road(rng):
    """Carriageway 15 m wide: two lanes, a dashed centre line, cycle lanes, parking bays."""
    metres = (15.0, 12.0)
    texels = _asphalt(rng, metres).texels
    u, v = _axes(metres)
    for track in (4.9, 6.6, 8.4, 10.1):  # tyres polish and darken their tracks
        _cover(texels, np.exp(-(((u - track) / 0.28) ** 2)) + 0 * v, (0.075, 0.075, 0.08), 0.35)
    side = np.abs(u - 7.5)
    dash = (side < 0.075) & (v % 6.0 < 3.0)
    lane = (np.abs(side - 3.5) < 0.06) | (np.abs(side - 5.0) < 0.06)
    bay = (side > 5.0) & (np.abs(v % 6.0 - 3.0) < 0.05)
    wear = _wear(rng)
    _cover(texels, dash | (lane & (v >= 0)) | bay, (0.62, 0.62, 0.60), wear)
    return Tile(texels, metres)


def _zebra(rng):
    metres = (12.0, 12.0)
    texels = _asphalt(rng, metres).texels
    u, v = _axes(metres)
    _cover(texels, (np.abs(u % 1.0 - 0.5) < 0.25) & (v >= 0), (0.66, 0.66, 0.64), _wear(rng))
    return Tile(texels, metres)


def _pavers(rng, color=(0.36, 0.345, 0.325), joint=0.5, metres=(4.0, 4.0)):
    u, v = _axes(metres)
    row = np.floor(v / joint)
    shifted = u + 0.5 * joint * (row % 2)
    count = round(metres[0] / joint)
    stones = rng.normal(1.0, 0.07, (count, count))
    shade = stones[row.astype(int) % count, np.floor(shifted / joint).astype(int) % count]
    texels = _paint(color, shade * _speckle(rng, (16, 0.05), (256, 0.10)))
    gap = (shifted % joint < 0.018) | (v % joint < 0.018)
    _cover(texels, gap, (0.12, 0.115, 0.11), 0.8)
    return Tile(texels, metres)


def _cobble(rng):
    return _pavers(rng, color=(0.30, 0.235, 0.20), joint=0.2, metres=(4.0, 4.0))


def _concrete(rng):
    shade = _speckle(rng, (4, 0.06), (16, 0.05), (128, 0.06))
    return Tile(_paint((0.42, 0.41, 0.39), shade), (4.0, 4.0))


def _grass(rng):
    shade = _speckle(rng, (4, 0.15), (32, 0.12), (256, 0.35))
    texels = _paint((0.085, 0.15, 0.035), shade)
    dry = np.clip(_noise(rng, 8) * 0.5, 0, 0.6)
    _cover(texels, dry, (0.17, 0.15, 0.06))
    return Tile(texels, (6.0, 6.0))


def _leaves(rng):
    shade = np.clip(_speckle(rng, (16, 0.25), (64, 0.42), (128, 0.35)), 0.12, 2.2)
    texels = _paint((0.075, 0.155, 0.032), shade)
    _cover(texels, np.clip(_noise(rng, 64) - 0.6, 0, 0.7), (0.22, 0.27, 0.06))
    _cover(texels, np.clip(_noise(rng, 32) - 0.9, 0, 0.9), (0.012, 0.022, 0.008))
    return Tile(texels, (2.5, 2.5))


def _bark(rng):
    return Tile(_paint((0.13, 0.095, 0.065), _speckle(rng, (16, 0.2), (128, 0.3))), (1.0, 1.0))


def _roof(rng):
    u, v = _axes((4.0, 4.0))
    shade = _speckle(rng, (16, 0.1), (128, 0.1)) * (0.75 + 0.5 * ((v % 0.4) / 0.4)) + 0 * u
    return Tile(_paint((0.25, 0.105, 0.075), shade), (4.0, 4.0))


def _glass(rng):
    _, v = _axes((4.0, 2.0))
    shade = (0.6 + 0.5 * v / 2.0) * _speckle(rng, (8, 0.12))
    return Tile(_paint((0.035, 0.045, 0.055), shade), (4.0, 2.0))


def _stripes(rng):
    u, v = _axes((2.0, 2.0))
    texels = _paint((0.62, 0.60, 0.58), _speckle(rng, (32, 0.06)))
    _cover(texels, (u + v) % 1.0 < 0.5, (0.55, 0.03, 0.025))
    return Tile(texels, (2.0, 2.0))


def _lamp(rng):
    return Tile(_paint((0.9, 0.9, 0.88), np.ones((SIZE, SIZE), np.float32), 1.0), (1.0, 1.0))


def _wall(rng, kind: str):
    metres = (24.0, 25.6)
    if kind == "brick":
        u, v = _axes(metres)
        row = np.floor(v / 0.2)
        joint = ((u + 0.2 * (row % 2)) % 0.4 < 0.04) | (v % 0.2 < 0.04)
        shade = _speckle(rng, (8, 0.07), (64, 0.10), (256, 0.16))
        texels = _paint((0.30, 0.125, 0.085), shade)
        _cover(texels, joint, (0.36, 0.31, 0.27), 0.35)
    else:
        texels = _paint((0.62, 0.60, 0.56), _speckle(rng, (4, 0.04), (32, 0.03), (256, 0.05)))
    return texels, metres


def _facade(kind: str, width: float, height: float, glass=(0.045, 0.06, 0.08)):
    """A wall of 8 x 8 bays, 3.0 m by 3.2 m, each with a window of the given size."""

    def make(rng):
        texels, metres = _wall(rng, kind)
        u, v = _axes(metres)
        x, y = u % 3.0 - 1.5, v % 3.2 - 1.75
        bay = (np.floor(v / 3.2).astype(int), np.floor(u / 3.0).astype(int))
        inside = lambda grow: (np.abs(x) < width / 2 + grow) & (np.abs(y) < height / 2 + grow)  # noqa: E731
        _cover(texels, inside(0.09), (0.55, 0.53, 0.49))
        sill = (np.abs(x) < width / 2 + 0.16) & (np.abs(y + height / 2 + 0.12) < 0.06)
        _cover(texels, sill, (0.40, 0.39, 0.37))
        glow = (rng.random((8, 8)) < 0.4) * rng.uniform(0.4, 1.0, (8, 8))
        mirror = rng.uniform(0.5, 2.0, (8, 8))[bay] * (1 + 0.7 * y / height + 0.4 * x)
        pane = np.clip(mirror, 0.2, 3)[..., None] * np.asarray(glass, np.float32)
        curtain = (rng.random((8, 8)) < 0.35)[bay] & (np.abs(x) > width * 0.25)
        pane = np.where(curtain[..., None], np.float32((0.33, 0.31, 0.28)), pane)
        weight = inside(0.0).astype(np.float32)[..., None]
        texels[..., :3] += weight * (pane - texels[..., :3])
        texels[..., 3] = weight[..., 0] * glow[bay]
        frame = inside(0.0) & ((np.abs(x) < 0.035) | (np.abs(y - height * 0.2) < 0.03))
        _cover(texels, frame, (0.50, 0.48, 0.45))
        texels[..., 3][frame] = 0
        floor = np.abs(v % 3.2 - 3.1) < 0.07
        _cover(texels, floor & (u >= 0), (0.47, 0.45, 0.41), 0.45)
        return Tile(texels, metres)

    return make


def _shops(rng):
    """Ground floor 4 m high: shop windows, doors, signs over them; bays of 6 m."""
    metres = (24.0, 4.0)
    texels = _paint((0.28, 0.26, 0.24), _speckle(rng, (16, 0.08), (256, 0.08)))
    u, v = _axes(metres)
    x, bay = u % 6.0, np.floor(u / 6.0).astype(int) % 4
    window = (x > 0.4) & (x < 4.2) & (v > 0.55) & (v < 2.9)
    door = (x > 4.6) & (x < 5.6) & (v > 0.02) & (v < 2.7)
    cell = rng.uniform(0.15, 1.0, (8, 48, 3))[(v / 0.5).astype(int), (u / 0.5).astype(int)]
    depth = np.clip(1.25 - 0.35 * v + 0 * u, 0.25, 1.0)[..., None]
    goods = (np.float32((0.15, 0.13, 0.11)) * cell * depth).astype(np.float32)
    texels[..., :3] = np.where((window | door)[..., None], goods, texels[..., :3])
    shelf = cell.mean(axis=-1)
    texels[..., 3] = np.where(window, 0.6 * shelf, 0.0)
    bars = window & ((np.abs(x - 2.3) < 0.05) | (np.abs(v - 2.3) < 0.04))
    _cover(texels, bars | (door & (np.abs(x - 5.1) > 0.44)), (0.05, 0.05, 0.05))
    colors = np.float32(
        [(0.45, 0.04, 0.04), (0.03, 0.14, 0.38), (0.04, 0.26, 0.11), (0.5, 0.34, 0.04)]
    )
    sign = (x > 0.3) & (x < 5.7) & (v > 3.05) & (v < 3.65)
    texels[..., :3] = np.where(sign[..., None], colors[bay] + 0 * v[..., None], texels[..., :3])
    letters = sign & (v > 3.2) & (v < 3.5) & (x > 1.2) & (x < 4.8) & (np.sin(x * 19) > -0.2)
    _cover(texels, letters, (0.8, 0.8, 0.76))
    return Tile(texels, metres)


MAKERS: dict[str, Callable[[np.random.Generator], Tile]] = {
    "plain": _plain,
    "asphalt": _asphalt,
    "road": _road,
    "zebra": _zebra,
    "pavers": _pavers,
    "cobble": _cobble,
    "concrete": _concrete,
    "grass": _grass,
    "leaves": _leaves,
    "bark": _bark,
    "roof": _roof,
    "glass": _glass,
    "stripes": _stripes,
    "lamp": _lamp,
    "brick": _facade("brick", 1.3, 1.7),
    "plaster": _facade("plaster", 1.2, 1.6),
    "office": _facade("plaster", 2.6, 2.1, glass=(0.06, 0.085, 0.11)),
    "loft": _facade("brick", 2.2, 2.0),
    "shops": _shops,
}
"""How each texture is made."""
