# SPDX-License-Identifier: Apache-2.0
"""What a network may cost: a preset or a card that asks for more is refused before it is made.

The limits lie at two to ten times of what the largest official network has.
"""

import math
from typing import Any

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.config import ModelConfig
from effocc_ros.typed_values import bad_field

_MOST = {
    "class_count": 255,
    "image_width": 512,
    "image_channels": 2048,
    "bev_channels": 2048,
    "max_voxels": 2_000_000,
    "max_points_per_voxel": 1000,
    "sweeps": 100,
    "voxel_widths": 1024,
    "voxel_blocks": 16,
    "fused_channels": 2048,
    "trunk_widths": 2048,
    "trunk_layers": 16,
    "trunk_channels": 2048,
    "encoder_widths": 2048,
    "encoder_channels": 2048,
    "upsample_channels": 2048,
    "head_channels": 2048,
    "head_hidden": 4096,
    "tanh_columns": 4,
}
"""Greatest number of a field; of a tuple, of each number in it."""

MOST_CAMERAS, MOST_STAGES, LONGEST_NAME = 32, 6, 100
MOST_PIXELS = 16_000_000
"""Of the input images of all cameras together; the largest official network has 4.3 million."""
MOST_BEV_CELLS = 600_000
MOST_GRID_VOXELS = 24_000_000
MOST_LIDAR_VOXELS = 1 << 31
"""Cells that a sparse tensor may have active; it costs what is."""
MOST_DEPTHS = 500
LONGEST_EDGE, SHORTEST_EDGE = 1e3, 1e-3
"""Metres along an edge of a voxel."""
FURTHEST = 1e4
"""Metres to a corner of a grid."""


def check_limits(config: ModelConfig, what: str) -> None:
    """Refuse a network that costs more than any machine of a vehicle has, or whose parts misfit.

    Args:
        config: Its numbers are finite and of the right kind.
        what: Where it comes from, for errors.

    Raises:
        InputError: A field is beyond its limit, or two contradict each other; named in the text.
    """
    for name, most in _MOST.items():
        value = getattr(config, name)
        if max(value if isinstance(value, tuple) else (value,), default=0) > most:
            raise bad_field(what, name, value, f"at most {most}")
    stages = len(config.voxel_widths)
    if stages > MOST_STAGES:
        raise bad_field(what, "voxel_widths", config.voxel_widths, f"at most {MOST_STAGES} stages")
    _check_names(config, what)
    for name in ("grid", "bev", "voxels"):
        grid = getattr(config, name)
        if grid is not None:
            _check_grid(grid, f"{what}, field {name}")
    _check_cells(config, what)
    if config.modality != "lidar":
        _check_images(config, what)
        trunk = config.trunk_size[::-1]
        _check_size(config, what, "bev", trunk, "the cells that the trunk works on")
    if config.modality != "vision":
        factor = 2 ** (stages - 1)
        wanted = tuple(factor * cells for cells in config.trunk_size[::-1])
        _check_size(config, what, "voxels", wanted, f"{factor} times the cells of the trunk")
        if config.sparse_channels < 1:
            raise bad_field(what, "voxels", config.voxels.shape, f"heights for {stages} stages")


def _check_names(config: ModelConfig, what: str) -> None:
    names = (*config.cameras, config.name, config.key_camera, config.points_camera)
    if not all(len(name) <= LONGEST_NAME and name.isprintable() for name in names):
        expected = f"printable names of up to {LONGEST_NAME} characters"
        raise bad_field(what, "cameras", config.cameras, expected)
    cameras = config.cameras
    if len(cameras) > MOST_CAMERAS or len({*cameras}) < len(cameras) or "" in cameras:
        raise bad_field(what, "cameras", cameras, f"up to {MOST_CAMERAS} different names")
    for name in ("key_camera", "points_camera"):
        camera = getattr(config, name)
        if cameras and camera and camera not in cameras:
            raise bad_field(what, name, camera, f"one of {', '.join(cameras)}, or empty")


def _check_grid(grid: VoxelGrid, what: str) -> None:
    if not all(SHORTEST_EDGE <= edge <= LONGEST_EDGE for edge in grid.voxel_size):
        expected = f"metres, {SHORTEST_EDGE:g} to {LONGEST_EDGE:g}"
        raise bad_field(what, "voxel_size", grid.voxel_size, expected)
    if not all(abs(edge) <= FURTHEST for edge in (*grid.lower, *grid.upper)):
        found = f"{grid.lower} to {grid.upper}"
        raise bad_field(what, "lower", found, f"corners within {FURTHEST:g} m")


def _check_cells(config: ModelConfig, what: str) -> None:
    width, height, _ = config.grid.shape
    cells = {
        "grid": (math.prod(config.grid.shape), MOST_GRID_VOXELS),
        "bev": (math.prod(config.bev.shape) if config.bev else 0, MOST_BEV_CELLS),
        "voxels": (math.prod(config.voxels.shape) if config.voxels else 0, MOST_LIDAR_VOXELS),
    }
    for name, (count, most) in cells.items():
        if count > most:
            raise bad_field(what, name, getattr(config, name).shape, f"at most {most} cells")
    if width * height > MOST_BEV_CELLS:
        raise bad_field(what, "grid", config.grid.shape, f"at most {MOST_BEV_CELLS} columns")


def _check_images(config: ModelConfig, what: str) -> None:
    pixels = math.prod(config.image_size) * len(config.cameras)
    if pixels > MOST_PIXELS:
        expected = f"at most {MOST_PIXELS} pixels of all cameras"
        raise bad_field(what, "image_size", config.image_size, expected)
    stages = config.image_stages
    if sorted({*stages}) != list(stages):
        raise bad_field(what, "image_stages", stages, "different stages, the finest first")
    finest = 4 * 2 ** stages[0]
    if config.image_downsample != finest:
        expected = f"{finest}, for the finest of image_stages is {stages[0]}"
        raise bad_field(what, "image_downsample", config.image_downsample, expected)
    if any(side % finest for side in config.image_size):
        raise bad_field(what, "image_size", config.image_size, f"multiples of {finest}")
    start, end, step = config.depth_range
    if (end - start) / step > MOST_DEPTHS:
        raise bad_field(what, "depth_range", config.depth_range, f"at most {MOST_DEPTHS} bins")


def _check_size(config: ModelConfig, what: str, name: str, wanted: Any, why: str) -> None:
    found = getattr(config, name).shape
    if found[:2] != wanted:
        expected = f"{wanted[0]} x {wanted[1]} along x and y, {why}"
        raise bad_field(what, name, found, expected)
