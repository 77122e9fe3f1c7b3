# SPDX-License-Identifier: Apache-2.0
"""Which classes are things that move or are put somewhere, and which are the scene around them."""

from effocc_ros.errors import InputError
from effocc_ros.occupancy import ClassList

FOREGROUND = frozenset(
    {
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
        "general_object",
        "vehicle",
        "cyclist",
        "construction_cone",
    }
)
"""Names of foreground classes over all benchmarks.

For Occ3D-nuScenes these are EFFOcc's labels 0 to 10. Waymo's signs, traffic lights and poles stay
where they are and belong to the background, as Occ3D-nuScenes' ``manmade`` has them.
"""


def foreground_labels(classes: ClassList) -> tuple[int, ...]:
    """Return the labels of the foreground classes of a list, in order.

    Raises:
        InputError: The list has none of them, so that nothing could be told apart.
    """
    labels = tuple(i for i, name in enumerate(classes.names) if name in FOREGROUND)
    if not labels:
        raise InputError(
            f"class list {classes.name}",
            found=f"the classes {', '.join(classes.names)}",
            expected=f"at least one of {', '.join(sorted(FOREGROUND))}",
            do="Add the names of its movable objects to effocc_ros/training/foreground.py",
            reason="no_foreground",
        )
    return labels
