"""Views of an occupancy grid that ROS tools understand: a cloud, a map for Nav2, cubes."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.occupancy import SemanticOccupancy

POINT = np.dtype(
    [
        ("x", np.float32),
        ("y", np.float32),
        ("z", np.float32),
        ("rgb", np.float32),
        ("label", np.uint8),
        ("confidence", np.uint8),
    ]
)
"""One voxel of a labelled cloud, 18 bytes, packed."""

FLAT_CLASSES = ("driveable_surface", "other_flat", "sidewalk", "terrain", "road", "walkable")
"""The classes that lie on the ground: those of nuScenes, then those of Waymo."""

GRID_UNKNOWN, GRID_FREE, GRID_OCCUPIED = -1, 0, 100
"""Values of nav_msgs/OccupancyGrid."""


def labelled_points(occupancy: SemanticOccupancy) -> NDArray[np.void]:
    """Return the centre of every visible voxel with its colour and label.

    Args:
        occupancy: The grid; voxels shut in by six occupied neighbours are left out.

    Returns:
        (N,) of dtype ``POINT``: x, y, z in metres in the grid's frame; rgb as RViz and PCL pack
        it, the bits 0x00RRGGBB read as float32; label; confidence 0..255 for 0..1, and 0
        everywhere when the occupancy carries none.
    """
    index = np.argwhere(occupancy.visible())
    labels = occupancy.labels[tuple(index.T)]
    centers = occupancy.grid.centers(index)
    points = np.zeros(len(index), POINT)
    for axis, name in enumerate("xyz"):
        points[name] = centers[:, axis]
    points["rgb"] = packed_colors(occupancy.classes.palette())[labels]
    points["label"] = labels
    if occupancy.confidence is not None:
        points["confidence"] = occupancy.confidence[tuple(index.T)]
    return points


def packed_colors(palette: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pack colours (C, 3) uint8 RGB into (C,) float32 with the bits 0x00RRGGBB."""
    red, green, blue = palette.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).view(np.float32)


def navigation_grid(
    occupancy: SemanticOccupancy,
    z_min: float = 0.2,
    z_max: float = 2.2,
    flat: Collection[str] = FLAT_CLASSES,
    drivable: Collection[str] = FLAT_CLASSES,
) -> NDArray[np.int8]:
    """Flatten a grid to what a ground robot may drive on.

    A column is occupied (100) when a voxel of a class outside ``flat`` has its centre in
    [z_min, z_max]. Otherwise its ground decides, that is, its highest flat voxel up to z_max:
    free (0) when that class is drivable, occupied when it is not. A column with neither is
    unknown (-1): an empty column says nothing about the ground, and what hangs above z_max
    (crowns, bridges) or lies below z_min without being ground is not in the way.

    Args:
        occupancy: The grid.
        z_min: Lower end of the band in metres over the base frame; above kerbs and ramps.
        z_max: Upper end of the band; the height of the vehicle with some room.
        flat: Names of the classes that are ground; those of another benchmark do no harm.
        drivable: Names of the flat classes that this vehicle may drive on.

    Returns:
        (Y, X) int8 of -1, 0 and 100. Flattened in C order it is ``OccupancyGrid.data``: rows
        along y, x runs fastest, cell (0, 0) at the grid's lowest corner.

    Raises:
        InputError: A name is not in the class list, or the band is empty.
    """
    if not z_min < z_max:
        raise InputError(
            "height band of the navigation grid",
            found=f"z_min {z_min} m, z_max {z_max} m",
            expected="z_min below z_max",
            reason="bad_parameter",
        )
    is_flat = _class_mask(occupancy, flat)
    is_drivable = _class_mask(occupancy, drivable)
    grid = occupancy.grid
    heights = grid.lower[2] + (np.arange(grid.shape[2]) + 0.5) * grid.voxel_size[2]
    heights += occupancy.above_base
    # Half a micrometre of slack: a centre at 2.2 m computed in floats is still in the band.
    low, high = np.searchsorted(heights, (z_min - 5e-7, z_max + 5e-7))
    below = occupancy.labels[:, :, :high]

    cells = np.full(grid.shape[:2], GRID_UNKNOWN, np.int8)
    if high > 0:
        ground = is_flat[below]
        top = high - 1 - np.argmax(ground[:, :, ::-1], axis=2)
        label = np.take_along_axis(below, top[:, :, None], axis=2)[:, :, 0]
        verdict = np.where(is_drivable[label], GRID_FREE, GRID_OCCUPIED)
        cells = np.where(ground.any(axis=2), verdict, GRID_UNKNOWN).astype(np.int8)
    band = below[:, :, low:]
    obstacle = (band != occupancy.classes.free) & ~is_flat[band]
    cells[obstacle.any(axis=2)] = GRID_OCCUPIED
    return np.ascontiguousarray(cells.T)


def _class_mask(occupancy: SemanticOccupancy, names: Collection[str]) -> NDArray[np.bool_]:
    known = occupancy.classes.names
    unknown = sorted(set(names) - {*known, *FLAT_CLASSES})
    if unknown:
        raise InputError(
            "classes of the navigation grid",
            found=", ".join(unknown),
            expected=f"names out of {', '.join(known)}",
            reason="unknown_class",
        )
    mask = np.zeros(256, bool)
    mask[[known.index(name) for name in names if name in known]] = True
    return mask


@dataclass(frozen=True)
class ClassCubes:
    """The visible voxels of one class.

    Attributes:
        label: The class.
        name: Its name.
        color: Red, green, blue, 0..255.
        centers: (N, 3) float64, metres, in the grid's frame.
    """

    label: int
    name: str
    color: tuple[int, int, int]
    centers: NDArray[np.float64]


def cubes_per_class(occupancy: SemanticOccupancy) -> tuple[ClassCubes, ...]:
    """Return the visible voxels class by class, in the order of labels, empty classes left out."""
    index = np.argwhere(occupancy.visible())
    labels = occupancy.labels[tuple(index.T)]
    centers = occupancy.grid.centers(index)
    classes = occupancy.classes
    return tuple(
        ClassCubes(
            int(label), classes.names[label], classes.colors[label], centers[labels == label]
        )
        for label in np.unique(labels)
    )
