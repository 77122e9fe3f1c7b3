# SPDX-License-Identifier: Apache-2.0
"""Active sites of a sparse 3-D tensor and their neighbours, in tensors whose sizes never change.

What :mod:`effocc_ros.networks.sparse_sites` finds, for a device that must not wait for its host:
no size depends on the data, so that a frame is one unbroken queue of operations.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from effocc_ros.networks.constants import constant
from effocc_ros.networks.sparse_sites import Sites, Triple

ABSENT = torch.iinfo(torch.int64).max
"""The key of a row that holds no site."""
NOWHERE = -10
"""What is searched for in place of a neighbour of such a row; no key is near."""


@dataclass(frozen=True)
class StaticSites:
    """The active sites of one sample, in a table that may hold more.

    Attributes:
        keys: (capacity,) int64, sorted, all different but for ABSENT, which fills the end. Keys
            are those of :class:`~effocc_ros.networks.sparse_sites.Sites`.
        shape: Number of cells along (z, y, x).
    """

    keys: Tensor
    shape: Triple

    @cached_property
    def active(self) -> Tensor:
        """(capacity,) bool: which rows hold a site."""
        return self.keys != ABSENT

    def key(self, z: Tensor | int, y: Tensor | int, x: Tensor | int) -> Tensor | int:
        """Return the key of a place, or, of a displacement, the difference of keys."""
        return Sites(self.keys, 1, self.shape).key(0, z, y, x)

    @cached_property
    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """z, y and x of every row's site, (capacity,) int64 each; of no site, anything."""
        return Sites(self.keys, 1, self.shape).coordinates()[1:]


def submanifold_table(sites: StaticSites) -> Tensor:
    """Find the 3x3x3 neighbours of each site among these sites.

    Returns:
        (capacity, 27) int32 rows, offsets in the order (z, y, x), x fastest; the capacity where
        there is no neighbour.
    """
    columns = [(-1, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    shifts = constant(tuple(sites.key(*place) for place in columns), sites.keys)
    lowest = torch.where(sites.active[:, None], sites.keys[:, None] + shifts, NOWHERE)
    return _pillars(sites.keys, lowest, 3)


def strided_sites(
    sites: StaticSites, kernel: Triple, stride: Triple, padding: Triple, capacity: int
) -> tuple[StaticSites, Tensor]:
    """Find the sites that a strided convolution of size 3 and stride 2 reaches from these sites.

    Args:
        sites: Its input.
        kernel: Kernel size along (z, y, x).
        stride: Stride along (z, y, x).
        padding: Padding along (z, y, x).
        capacity: Rows of the output.

    Returns:
        The output's sites, and () int64 how many found no row: those with the highest keys.
    """
    if kernel != (3, 3, 3) or stride != (2, 2, 2):
        raise ValueError(f"kernel {kernel}, stride {stride}: only 3x3x3 with stride 2 is known")
    shape = _strided_shape(sites.shape, kernel, stride, padding)
    output = StaticSites(sites.keys[:0], shape)
    units = [output.key(*(int(axis == other) for other in range(3))) for axis in range(3)]
    reached = map(_reached, sites.places, padding, shape, units)
    shares, fits = zip(*reached, strict=True)
    share = shares[0][:, None, None] + shares[1][None, :, None] + shares[2][None, None]
    fit = fits[0][:, None, None] & fits[1][None, :, None] & fits[2][None, None] & sites.active
    keys = torch.where(fit, share, ABSENT).flatten().sort()[0]
    return _first_keys(keys, shape, capacity)


def strided_table(
    output: StaticSites, sites: StaticSites, kernel: Triple, stride: Triple, padding: Triple
) -> Tensor:
    """Find the inputs of each site of a strided convolution.

    Args:
        output: Its output's sites.
        sites: Its input's sites; a kernel reaches at most one cell beyond their shape.
        kernel: Kernel size along (z, y, x).
        stride: Stride along (z, y, x).
        padding: Padding along (z, y, x).

    Returns:
        (rows of the output, kz * ky * kx) int32 rows of the input, or its capacity.
    """
    # Of a row without a site the numbers mean nothing; they are not used.
    corner = [
        place * step - pad if step > 1 else place
        for place, step, pad in zip(output.places, stride, padding, strict=True)
    ]
    columns = [(0, y, x) for y in range(kernel[1]) for x in range(kernel[2])]
    shifts = constant(tuple(sites.key(*column) for column in columns), sites.keys)
    lowest = sites.key(*corner)[:, None] + shifts
    lowest = torch.where(output.active[:, None], lowest, NOWHERE)
    return _pillars(sites.keys, lowest, kernel[0])


def all_sites(shape: Triple, like: Tensor) -> StaticSites:
    """Return every cell as a site, on the device of another tensor."""
    depth, height, width = shape
    cells = torch.arange(depth * height * width, device=like.device)
    z, pillar = cells % depth, cells // depth
    keys = Sites(cells, 1, shape).key(0, z, pillar // width, pillar % width)
    return StaticSites(keys, shape)


def _strided_shape(shape: Triple, kernel: Triple, stride: Triple, padding: Triple) -> Triple:
    return tuple(
        (size + 2 * pad - width) // step + 1
        for size, width, step, pad in zip(shape, kernel, stride, padding, strict=True)
    )


def _reached(place: Tensor, padding: int, size: int, unit: int) -> tuple[Tensor, Tensor]:
    """Along one axis: the one or two outputs of size 3 and stride 2 that read a place.

    Args:
        place: (M,) coordinate.
        padding: Cells before the first one.
        size: Outputs along the axis.
        unit: What one of them adds to a key.

    Returns:
        Their shares of the key, and whether they are there, (2, M) each.
    """
    shifted = place + padding if padding else place
    half = shifted.div(2, rounding_mode="floor")
    # The second one is there for even places.
    fits = torch.stack([half < size, (half * 2 == shifted) & (half > 0) & (half <= size)])
    return torch.stack([half, half - 1]) * unit, fits


def _first_keys(keys: Tensor, shape: Triple, capacity: int) -> tuple[StaticSites, Tensor]:
    """Keep sorted keys (N,) once each, the lowest ``capacity`` of them, and count the others."""
    first = keys != torch.cat([keys.new_full((1,), -1), keys[:-1]])
    first &= keys != ABSENT
    number = first.cumsum(0)
    # One row more takes all that is not wanted.
    row = torch.where(first & (number <= capacity), number - 1, capacity)
    kept = keys.new_full((capacity + 1,), ABSENT).scatter_(0, row, keys)
    return StaticSites(kept[:-1], shape), (number[-1] - capacity).clamp(min=0)


def _pillars(keys: Tensor, lowest: Tensor, height: int) -> Tensor:
    """Find rows of ``height`` sites one over the other.

    Args:
        keys: (M,) of the sites.
        lowest: (R, columns) key of the lowest place of each pillar.
        height: Places in a pillar.

    Returns:
        (R, height * columns) int32 row of each place's site, M where there is none.
    """
    count = len(keys)
    # A search may end behind the last key.
    padded = torch.cat([keys, keys.new_full((height,), ABSENT)])
    row = torch.searchsorted(keys, lowest, out_int32=True)
    found = []
    for step in range(height):
        hit = padded.index_select(0, row.flatten()).view_as(lowest) == lowest
        found.append(torch.where(hit, row, count))
        if step + 1 < height:
            # If this place is active, the next one is in the next row or nowhere.
            row, lowest = row + hit, lowest + 1
    return torch.cat(found, dim=1).int()
