# SPDX-License-Identifier: Apache-2.0
"""Views of an occupancy grid that ROS tools understand: a cloud, a map for Nav2, cubes."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.occupancy import ClassList, SemanticOccupancy, exposed

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

FLOW_POINT = np.dtype([*POINT.descr, ("vx", np.float32), ("vy", np.float32)])
"""One voxel of a labelled cloud of a network that gives a flow, 26 bytes, packed."""

GRID_UNKNOWN, GRID_FREE, GRID_OCCUPIED = -1, 0, 100
"""Values of nav_msgs/OccupancyGrid."""

HEIGHT_SLACK = 5e-7
"""Metres: a centre at 2.2 m computed in floats still lies in a band that ends at 2.2 m."""


@dataclass(frozen=True)
class ViewFilter:
    """Which voxels of a grid a view shows.

    Attributes:
        classes: Names of the classes shown; empty for all.
        z_min: Lowest voxel centre shown, metres over the base frame.
        z_max: Highest voxel centre shown.
        min_confidence: Lowest probability shown, 0..1. Without confidence in the occupancy, no
            voxel is left out.
    """

    classes: tuple[str, ...] = ()
    z_min: float = -np.inf
    z_max: float = np.inf
    min_confidence: float = 0.0


EVERYTHING = ViewFilter()


@dataclass(frozen=True)
class Voxels:
    """The voxels of a view, in C order of the grid.

    Attributes:
        index: Positions along x, y, z, three arrays (N,).
        labels: (N,) uint8.
        centers: (N, 3) float64, metres, in the grid's frame.
    """

    index: tuple[NDArray[np.intp], ...]
    labels: NDArray[np.uint8]
    centers: NDArray[np.float64]


def visible_voxels(occupancy: SemanticOccupancy, chosen: ViewFilter = EVERYTHING) -> Voxels:
    """Return the occupied voxels that pass a filter and can be seen from outside.

    What the filter leaves out hides nothing: a trunk shows where the crown was taken away.

    Raises:
        InputError: The filter names a class that the list does not have.
    """
    solid = occupancy.occupied
    if chosen.classes:
        solid &= occupancy.classes.mask(chosen.classes)[occupancy.labels]
    above, below = _sides_of_band(occupancy, chosen.z_min, chosen.z_max)
    solid &= above
    solid &= below
    if occupancy.confidence is not None and chosen.min_confidence > 0:
        solid &= occupancy.confidence >= 255 * chosen.min_confidence
    flat = np.flatnonzero(exposed(solid))
    index = np.unravel_index(flat, solid.shape)
    centers = np.empty((len(flat), 3))
    for axis, (along, positions) in enumerate(zip(_axes(occupancy), index, strict=True)):
        centers[:, axis] = along[positions]
    return Voxels(index, occupancy.labels.reshape(-1)[flat], centers)


def labelled_points(
    occupancy: SemanticOccupancy, voxels: Voxels | None = None
) -> NDArray[np.void]:
    """Return the centre of every visible voxel with its colour and label.

    Args:
        occupancy: The grid.
        voxels: Which voxels of it; all visible ones when absent.

    Returns:
        (N,) of dtype ``POINT``: x, y, z in metres in the grid's frame; rgb as RViz and PCL pack
        it, the bits 0x00RRGGBB read as float32; label; confidence 0..255 for 0..1, and 0
        everywhere when the occupancy carries none. Of dtype ``FLOW_POINT`` when it carries a
        flow: vx, vy in m/s in the grid's frame as well.
    """
    voxels = visible_voxels(occupancy) if voxels is None else voxels
    points = np.zeros(len(voxels.labels), POINT if occupancy.flow is None else FLOW_POINT)
    for axis, name in enumerate("xyz"):
        points[name] = voxels.centers[:, axis]
    points["rgb"] = packed_colors(occupancy.classes.palette())[voxels.labels]
    points["label"] = voxels.labels
    if occupancy.confidence is not None:
        points["confidence"] = occupancy.confidence[voxels.index]
    if occupancy.flow is not None:
        points["vx"], points["vy"] = occupancy.flow[voxels.index].T
    return points


def packed_colors(palette: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pack colours (C, 3) uint8 RGB into (C,) float32 with the bits 0x00RRGGBB."""
    red, green, blue = palette.astype(np.uint32).T
    return (red << 16 | green << 8 | blue).view(np.float32)


def check_ground(
    classes: ClassList, ground: Collection[str], drivable: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ground and drivable classes: those given, or where empty, those of the list.

    Raises:
        InputError: A name is not in the class list, or a drivable class is no ground class.
    """
    ground = tuple(ground) or classes.ground
    drivable = tuple(drivable) or tuple(name for name in classes.drivable if name in ground)
    classes.mask(ground, "ground_classes")
    classes.mask(drivable, "drivable_classes")
    airborne = sorted(set(drivable) - set(ground))
    if airborne:
        raise InputError(
            "drivable_classes",
            found=", ".join(airborne),
            expected=f"some of ground_classes: {', '.join(ground)}",
            reason="bad_parameter",
        )
    return ground, drivable


def navigation_grid(
    occupancy: SemanticOccupancy,
    z_min: float = 0.2,
    z_max: float = 2.2,
    ground: Collection[str] = (),
    drivable: Collection[str] = (),
) -> NDArray[np.int8]:
    """Flatten a grid to what a ground robot may drive on.

    A column is occupied (100) when a voxel of a class outside ``ground`` has its centre in
    [z_min, z_max]. Otherwise its ground decides, that is, its highest ground voxel up to z_max:
    free (0) when that class is drivable, occupied when it is not. A column with neither is
    unknown (-1): an empty column says nothing about the ground, and what hangs above z_max
    (crowns, bridges) or lies below z_min without being ground is not in the way.

    Args:
        occupancy: The grid.
        z_min: Lower end of the band in metres over the base frame; above kerbs and ramps.
        z_max: Upper end of the band; the height of the vehicle with some room.
        ground: Names of the classes that are ground; empty for those of the class list.
        drivable: Names of the ground classes that this vehicle may drive on; empty for those of
            the class list.

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
    classes = occupancy.classes
    is_ground, is_drivable = map(classes.mask, check_ground(classes, ground, drivable))
    above, below = _sides_of_band(occupancy, z_min, z_max)
    # Layers that lie above the band everywhere need no look.
    count = np.flatnonzero(below.any(axis=(0, 1))).max(initial=-1) + 1
    labels, above, below = (array[:, :, :count] for array in (occupancy.labels, above, below))
    cells = np.full(occupancy.grid.shape[:2], GRID_UNKNOWN, np.int8)
    if count:
        lies = is_ground[labels] & below
        top = count - 1 - np.argmax(lies[:, :, ::-1], axis=2)
        label = np.take_along_axis(labels, top[:, :, None], axis=2)[:, :, 0]
        verdict = np.where(is_drivable[label], GRID_FREE, GRID_OCCUPIED)
        cells = np.where(lies.any(axis=2), verdict, GRID_UNKNOWN).astype(np.int8)
    is_obstacle = ~is_ground
    is_obstacle[classes.free] = False
    obstacle = is_obstacle[labels] & above & below
    cells[obstacle.any(axis=2)] = GRID_OCCUPIED
    return np.ascontiguousarray(cells.T)


def _axes(occupancy: SemanticOccupancy) -> list[NDArray[np.float64]]:
    """Return the coordinates of voxel centres along x, y, z."""
    grid = occupancy.grid
    return [
        lower + (np.arange(count) + 0.5) * size
        for lower, size, count in zip(grid.lower, grid.voxel_size, grid.shape, strict=True)
    ]


def _sides_of_band(
    occupancy: SemanticOccupancy, z_min: float, z_max: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which voxel centres lie at z_min or above, and which at z_max or below.

    Heights are over the base frame. The shapes broadcast against (X, Y, Z): (1, 1, Z) where the
    grid stands upright.
    """
    x, y, z = _axes(occupancy)
    a, b, c, d = occupancy.up
    origin = np.full((1, 1), d)
    if a or b:
        origin = d + (a * x)[:, None] + (b * y)[None, :]
    rise = (c * z)[None, None, :]
    above = rise >= (z_min - HEIGHT_SLACK - origin)[:, :, None]
    below = rise <= (z_max + HEIGHT_SLACK - origin)[:, :, None]
    return above, below


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


def cubes_per_class(
    occupancy: SemanticOccupancy, voxels: Voxels | None = None
) -> tuple[ClassCubes, ...]:
    """Return voxels class by class, in the order of labels, empty classes left out.

    Args:
        occupancy: The grid.
        voxels: Which voxels of it; all visible ones when absent.
    """
    voxels = visible_voxels(occupancy) if voxels is None else voxels
    order = np.argsort(voxels.labels, kind="stable")
    labels, first = np.unique(voxels.labels[order], return_index=True)
    parts = np.split(voxels.centers[order], first[1:])
    classes = occupancy.classes
    return tuple(
        ClassCubes(int(label), classes.names[label], classes.colors[label], centers)
        for label, centers in zip(labels, parts, strict=False)
    )
