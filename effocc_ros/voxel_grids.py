# SPDX-License-Identifier: Apache-2.0
"""An occupancy as the voxel grids of other projects, whose viewers and tools draw them."""

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.occupancy import SemanticOccupancy

FOXGLOVE_TYPE, NAV2_TYPE = "foxglove_msgs/msg/VoxelGrid", "nav2_msgs/msg/VoxelGrid"
VOXEL_GRIDS = {"foxglove": FOXGLOVE_TYPE, "nav2": NAV2_TYPE}
"""What a user calls each -> its message type."""

FOXGLOVE_CELL = np.dtype([(name, np.uint8) for name in ("red", "green", "blue", "alpha", "label")])
"""One voxel, 5 bytes. Foxglove colours by the first four; alpha is 0 where it is free."""
NAV2_LEVELS = 16


def check_voxel_grids(names: tuple[str, ...], what: str) -> None:
    """Raise InputError unless every name is one of ``VOXEL_GRIDS``.

    Args:
        names: What the user wants.
        what: What the error calls it.
    """
    unknown = [name for name in names if name not in VOXEL_GRIDS]
    if unknown:
        raise InputError(
            what,
            found=", ".join(unknown),
            expected=f"some of {', '.join(VOXEL_GRIDS)}",
            reason="bad_parameter",
        )


def foxglove_cells(occupancy: SemanticOccupancy) -> NDArray[np.void]:
    """Return the voxels as Foxglove lays them out, (Z, Y, X) ``FOXGLOVE_CELL``: x runs fastest."""
    classes = occupancy.classes
    table = np.zeros(256, FOXGLOVE_CELL)
    for channel, values in zip(("red", "green", "blue"), classes.palette().T, strict=True):
        table[channel][: len(values)] = values
    table["alpha"] = 255
    table["label"] = np.arange(256)
    table["alpha"][classes.free] = 0
    return table[occupancy.labels.transpose(2, 1, 0)]


def nav2_columns(occupancy: SemanticOccupancy) -> NDArray[np.uint32]:
    """Return the voxels as Nav2's voxel layer does, (Y, X) uint32: a bit pair for each level.

    Level z is occupied where bits z and z + 16 are set, and free where neither is. Nothing is
    unknown: the network says something of every voxel.

    Raises:
        InputError: The grid has more levels than fit.
    """
    levels = occupancy.labels.shape[2]
    if levels > NAV2_LEVELS:
        raise InputError(
            f"{NAV2_TYPE} of {occupancy.model}",
            found=f"a grid of {levels} levels",
            expected=f"at most {NAV2_LEVELS}, as many as it has bits for",
            do="Leave nav2 out",
            reason="too_many_levels",
        )
    pair = np.uint32(1 << NAV2_LEVELS | 1)
    bits = pair << np.arange(levels, dtype=np.uint32)
    columns = (occupancy.occupied * bits).sum(axis=2, dtype=np.uint32)
    return np.ascontiguousarray(columns.T)
