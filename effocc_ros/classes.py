# SPDX-License-Identifier: Apache-2.0
"""The class lists of the benchmarks, by name."""

from effocc_ros.errors import InputError
from effocc_ros.occupancy import ClassList

_WHITE = (255, 255, 255)
_NUSCENES_GROUND = ("driveable_surface", "other_flat", "sidewalk", "terrain")
_NUSCENES_DRIVABLE = ("driveable_surface",)

OCC3D_NUSCENES = ClassList(
    name="occ3d_nuscenes",
    names=(
        "others",
        "barrier",
        "bicycle",
        "bus",
        "car",
        "construction_vehicle",
        "motorcycle",
        "pedestrian",
        "traffic_cone",
        "trailer",
        "truck",
        "driveable_surface",
        "other_flat",
        "sidewalk",
        "terrain",
        "manmade",
        "vegetation",
        "free",
    ),
    colors=(
        (105, 105, 105),
        (255, 120, 50),
        (255, 150, 200),
        (255, 230, 60),
        (0, 130, 255),
        (0, 210, 210),
        (200, 120, 0),
        (230, 20, 40),
        (255, 240, 160),
        (135, 60, 0),
        (150, 50, 230),
        (180, 110, 180),
        (140, 140, 120),
        (85, 45, 95),
        (140, 205, 90),
        (215, 215, 225),
        (20, 145, 40),
        _WHITE,
    ),
    free=17,
    ground=_NUSCENES_GROUND,
    drivable=_NUSCENES_DRIVABLE,
)
"""Occ3D-nuScenes."""

_NUSCENES_COLORS = dict(zip(OCC3D_NUSCENES.names, OCC3D_NUSCENES.colors, strict=True))

OPENOCCUPANCY = ClassList(
    name="openoccupancy",
    names=("free", *OCC3D_NUSCENES.names[1:17]),
    colors=(_WHITE, *OCC3D_NUSCENES.colors[1:17]),
    free=0,
    ground=_NUSCENES_GROUND,
    drivable=_NUSCENES_DRIVABLE,
)
"""nuScenes-Occupancy: the nuScenes-lidarseg classes, and 0 for free."""

_FLOW_NAMES = (
    "car",
    "truck",
    "trailer",
    "bus",
    "construction_vehicle",
    "bicycle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "barrier",
    "driveable_surface",
    "other_flat",
    "sidewalk",
    "terrain",
    "manmade",
    "vegetation",
    "free",
)

OPENOCC_FLOW = ClassList(
    name="openocc_flow",
    names=(*_FLOW_NAMES, "unused"),
    colors=(*(_NUSCENES_COLORS[name] for name in _FLOW_NAMES), (0, 0, 0)),
    free=16,
    unused=(17,),
    ground=_NUSCENES_GROUND,
    drivable=_NUSCENES_DRIVABLE,
)
"""OpenOcc with flow: 17 classes; EFFOcc's head has an 18th output that no label ever used."""

OCC3D_WAYMO = ClassList(
    name="occ3d_waymo",
    names=(
        "general_object",
        "vehicle",
        "pedestrian",
        "sign",
        "cyclist",
        "traffic_light",
        "pole",
        "construction_cone",
        "bicycle",
        "motorcycle",
        "building",
        "vegetation",
        "tree_trunk",
        "road",
        "walkable",
        "free",
    ),
    colors=(
        (105, 105, 105),
        (0, 130, 255),
        (230, 20, 40),
        (250, 210, 50),
        (230, 90, 160),
        (255, 150, 0),
        (120, 120, 180),
        (255, 240, 160),
        (255, 150, 200),
        (200, 120, 0),
        (215, 215, 225),
        (20, 145, 40),
        (110, 75, 40),
        (180, 110, 180),
        (85, 45, 95),
        _WHITE,
    ),
    free=15,
    ground=("road", "walkable"),
    drivable=("road",),
)
"""Occ3D-Waymo, in the order of its own description, where 1 to 4 are Waymo's types of boxes.

EFFOcc's evaluation prints the classes 2, 3, 4 as bicyclist, pedestrian, sign; its numbers belong
to pedestrian, sign, cyclist.
"""

_LISTS = {
    classes.name: classes for classes in (OCC3D_NUSCENES, OPENOCCUPANCY, OPENOCC_FLOW, OCC3D_WAYMO)
}


def class_list(name: str) -> ClassList:
    """Return the class list of that name, as ``ModelConfig.classes`` gives it.

    Raises:
        InputError: There is no such list.
    """
    if name not in _LISTS:
        raise InputError(
            "class list",
            found=repr(name),
            expected=f"one of {', '.join(sorted(_LISTS))}",
            reason="unknown_classes",
        )
    return _LISTS[name]


def class_list_of(names: tuple[str, ...]) -> ClassList | None:
    """Return the list that has exactly these classes in this order, or None."""
    return next((classes for classes in _LISTS.values() if classes.names == names), None)
