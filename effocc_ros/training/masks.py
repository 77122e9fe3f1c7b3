# SPDX-License-Identifier: Apache-2.0
"""Foreground, background and empty: where a student listens to its teacher, part by part."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.errors import InputError
from effocc_ros.occupancy import ClassList
from effocc_ros.training.foreground import foreground_labels
from effocc_ros.training.losses import IGNORE

PARTS = ("fg", "bg", "empty")


class Parts(NamedTuple):
    """Three boolean masks of the same shape.

    Attributes:
        fg: True where there is a foreground class.
        bg: True where there is another class.
        empty: True where there is nothing.
    """

    fg: Tensor
    bg: Tensor
    empty: Tensor


def voxel_parts(source: Tensor, classes: ClassList) -> Parts:
    """Divide voxels; one whose label is unknown belongs to no part.

    Args:
        source: (...) uint8 labels.
        classes: What they mean.
    """
    kinds = torch.full((256,), 1, dtype=torch.uint8, device=source.device)
    kinds[list(foreground_labels(classes))] = 0
    kinds[classes.free] = 2
    kinds[IGNORE] = 3
    kind = kinds[source.long()]
    return Parts(kind == 0, kind == 1, kind == 2)


def bev_parts(
    source: Tensor,
    classes: ClassList,
    size: tuple[int, int],
    *,
    official_orientation: bool = False,
) -> Parts:
    """Divide the cells of a BEV map by what stands in their columns.

    fg: a foreground voxel. bg: a voxel that is not foreground, which may be a free one, and a
    voxel that is not free; so nearly every column with something in it is background, too. empty:
    free from top to bottom. All three as in EFFOcc. Where a cell of the map covers several
    columns of the grid, they count as one wide column.

    Args:
        source: (B, Dx, Dy, Dz) uint8 labels.
        classes: What they mean.
        size: (Hy, Hx) cells of the map, which divide (Dy, Dx).
        official_orientation: Read (x, y) as (y, x), as EFFOcc does: its masks are mirrored at the
            diagonal. Needs a square grid.

    Returns:
        Masks (B, Hy, Hx).

    Raises:
        InputError: The map does not fit the grid.
    """
    fg, bg, free = voxel_parts(source, classes)
    has_fg, has_bg, has_free = fg.any(-1), bg.any(-1), free.any(-1)
    columns = torch.stack((has_fg, has_bg, has_free, ~free.all(-1)), dim=1)
    if not official_orientation:
        columns = columns.transpose(2, 3)
    has_fg, has_bg, has_free, not_empty = _pool_any(columns, size).unbind(1)
    return Parts(has_fg, (has_bg | has_free) & (has_fg | has_bg), ~not_empty)


def _pool_any(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, M, Y, X) boolean to (B, M, Hy, Hx): true where any cell of a block is."""
    rows, columns = maps.shape[2:]
    if rows % size[0] or columns % size[1] or rows // size[0] != columns // size[1]:
        raise InputError(
            "BEV features",
            found=f"{size[1]} x {size[0]} cells for a grid of {columns} x {rows} columns",
            expected="as many cells as columns along x and y, or the same whole part of them",
            do="Give student and teacher a BEV that divides the voxel grid",
            reason="bad_shape",
        )
    ratio = rows // size[0]
    if ratio == 1:
        return maps
    return functional.max_pool2d(maps.float(), ratio) > 0
