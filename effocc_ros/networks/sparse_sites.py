# SPDX-License-Identifier: Apache-2.0
"""Which sites of a sparse 3-D tensor are active, and who their neighbours are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from effocc_ros.networks.found_once import found_once
from effocc_ros.networks.rulebook import Pairs, Rulebook

Triple = tuple[int, int, int]

POSSIBLE_PER_KEY = 4
"""Up to this many possible keys per key it is faster to tick them off than to sort, on a CPU."""


@dataclass(frozen=True)
class Sites:
    """The active sites of a batch, as sorted linear keys.

    A key numbers the sites with z running fastest, then x, y and the sample. Every row, column and
    pillar has one cell more than the shape says, which is never active: so key + offset is a
    neighbour's key without a look at borders, and sites of one pillar are neighbours in memory.

    Attributes:
        keys: (M,) int64, sorted, all different.
        batch: Number of samples.
        shape: Number of cells along (z, y, x).
    """

    keys: Tensor
    batch: int
    shape: Triple

    @staticmethod
    def empty(batch: int, shape: Triple, device: torch.device | str = "cpu") -> "Sites":
        """Return sites of which none is active."""
        return Sites(torch.zeros(0, dtype=torch.int64, device=device), batch, shape)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def keys_per_sample(self) -> int:
        """Distance between the keys of one place in two consecutive samples."""
        depth, height, width = self.shape
        return (height + 1) * (width + 1) * (depth + 1)

    def key(
        self, sample: Tensor | int, z: Tensor | int, y: Tensor | int, x: Tensor | int
    ) -> Tensor | int:
        """Return the key of a place, or, of a displacement, the difference of keys."""
        depth, height, width = self.shape
        return ((sample * (height + 1) + y) * (width + 1) + x) * (depth + 1) + z

    def coordinates(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return sample, z, y, x of every site, (M,) int64 each."""
        depth, height, width = self.shape
        pillar = self.keys.div(depth + 1, rounding_mode="floor")
        row = pillar.div(width + 1, rounding_mode="floor")
        sample = row.div(height + 1, rounding_mode="floor")
        return (
            sample,
            self.keys - pillar * (depth + 1),
            row - sample * (height + 1),
            pillar - row * (width + 1),
        )

    @found_once
    def submanifold(self) -> Rulebook:
        """The 3x3x3 neighbours among these sites, found once for all convolutions of a stage.

        If site j is the neighbour of i at some offset, i is that of j at the opposite offset: half
        of the 26 offsets are searched. One binary search per (y, x) column finds the lowest of its
        three neighbours; the other two, if active, follow it in memory.
        """
        count = len(self)
        # Nothing equals the sentinel, so that a search may end behind the last key.
        keys = torch.cat([self.keys, self.keys.new_full((2,), torch.iinfo(torch.int64).max)])
        found: dict[Triple, tuple[Tensor, Tensor]] = {}
        above = (keys[1 : count + 1] == self.keys + 1).nonzero().squeeze(1)
        found[1, 0, 0] = (above, above + 1)
        for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
            target = self.keys + self.key(0, -1, dy, dx)
            place = torch.searchsorted(keys, target)
            for dz in (-1, 0, 1):
                active = keys.index_select(0, place) == target
                site = active.nonzero().squeeze(1)
                found[dz, dy, dx] = (site, place.index_select(0, site))
                place = place + active
                target = target + 1
        pairs: list[Pairs] = []
        for offset in _offsets((3, 3, 3)):
            dz, dy, dx = (component - 1 for component in offset)
            if (dz, dy, dx) == (0, 0, 0):
                pairs.append(None)
            elif (dz, dy, dx) in found:
                pairs.append(found[dz, dy, dx])
            else:
                pairs.append(found[-dz, -dy, -dx][::-1])
        return Rulebook(tuple(pairs), count, count, mirrored=True)

    def strided(self, kernel: Triple, stride: Triple, padding: Triple) -> tuple["Sites", Rulebook]:
        """Find the sites that a strided convolution reaches from these sites.

        A site is active in the output if its receptive field holds at least one active site.

        Args:
            kernel: Kernel size along (z, y, x).
            stride: Stride along (z, y, x).
            padding: Padding along (z, y, x).

        Returns:
            The output's sites, and the pairs of output and input sites per kernel offset.
        """
        shape = tuple(
            (size + 2 * pad - width) // step + 1
            for size, width, step, pad in zip(self.shape, kernel, stride, padding, strict=True)
        )
        output = Sites.empty(self.batch, shape, self.keys.device)
        sample, *place = self.coordinates()
        # Per axis and kernel offset: which sites feed an output, and its share of the key.
        z_reach, y_reach, x_reach = (
            [_reach(place[axis], offset, axis, output, stride, padding) for offset in range(width)]
            for axis, width in enumerate(kernel)
        )
        base = output.key(sample, 0, 0, 0)
        found: dict[Triple, tuple[Tensor, Tensor]] = {}
        for _, dy, dx in _offsets((1, *kernel[1:])):
            # The sites of a column once for all of its heights.
            column = (y_reach[dy][0] & x_reach[dx][0]).nonzero().squeeze(1)
            parts = (base, y_reach[dy][1], x_reach[dx][1])
            key = sum(part.index_select(0, column) for part in parts)
            for dz, (fits, share) in enumerate(z_reach):
                chosen = fits.index_select(0, column).nonzero().squeeze(1)
                site = column.index_select(0, chosen)
                found[dz, dy, dx] = site, key.index_select(0, chosen) + share.index_select(0, site)
        inputs, keys = zip(*(found[offset] for offset in _offsets(kernel)), strict=True)
        unique, outputs = _unique(torch.cat(keys), output.batch * output.keys_per_sample)
        split = outputs.split([len(site) for site in inputs])
        pairs = tuple(zip(split, inputs, strict=True))
        return Sites(unique, self.batch, shape), Rulebook(pairs, len(unique), len(self))


def _offsets(kernel: Triple) -> list[Triple]:
    """Kernel offsets (z, y, x) in the order in which weights are stored."""
    depth, height, width = kernel
    return [(z, y, x) for z in range(depth) for y in range(height) for x in range(width)]


def _reach(
    place: Tensor, offset: int, axis: int, output: Sites, stride: Triple, padding: Triple
) -> tuple[Tensor, Tensor]:
    """Along one axis: sites that feed an output through a kernel offset, and its share of the key.

    Args:
        place: (M,) coordinate of the sites along the axis.
        offset: Position in the kernel.
        axis: 0 for z, 1 for y, 2 for x.
        output: Layout of the output's keys.
        stride: Stride along (z, y, x).
        padding: Padding along (z, y, x).
    """
    shifted = place + (padding[axis] - offset)
    reached = shifted.div(stride[axis], rounding_mode="floor")
    fits = (reached * stride[axis] == shifted) & (reached >= 0) & (reached < output.shape[axis])
    unit = output.key(0, *(int(axis == other) for other in range(3)))
    return fits, reached * unit


def _unique(keys: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Return the different keys, sorted, and where each of the keys is among them.

    Args:
        keys: (N,) int64.
        limit: All keys are less.
    """
    if keys.device.type != "cpu" or limit > POSSIBLE_PER_KEY * len(keys):
        return torch.unique(keys, return_inverse=True)
    seen = torch.zeros(limit, dtype=torch.bool, device=keys.device)
    seen[keys] = True
    number = seen.cumsum(0, dtype=torch.int32).sub_(1)
    return seen.nonzero().squeeze(1), number.index_select(0, keys).long()
