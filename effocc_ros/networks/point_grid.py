# SPDX-License-Identifier: Apache-2.0
"""A way for the points past the trunk: the head sees which voxels of the output hold returns.

The trunk works on cells of several voxels and remembers single returns badly, but a return is the
surest sign that a voxel is occupied. EFFOcc has nothing like it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.constants import constant


def count_points(points: Sequence[Tensor], grid: VoxelGrid, step: int) -> Tensor:
    """Count points in voxels, laid out on the cells of the trunk.

    Args:
        points: One (M, F) float32 tensor per sample; x, y, z in metres come first.
        grid: The voxels of the output, (Dx, Dy, Dz) of them.
        step: Voxels to a cell of the trunk along x and along y.

    Returns:
        (B, Dz * step**2, Dy / step, Dx / step) float32: log(1 + count), a channel for each voxel
        of a cell.
    """
    width, height, layers = grid.shape
    counts = []
    for cloud in points:
        place = cloud[:, :3]
        lower, size = constant(grid.lower, place), constant(grid.voxel_size, place)
        index = ((place - lower) / size).floor()
        inside = ((index >= 0) & (index < constant(grid.shape, place))).all(dim=1)
        # What lies outside is counted in one voxel more, which is cut off: no host sync on a GPU.
        x, y, z = torch.where(inside[:, None], index, 0).long().unbind(dim=1)
        voxel = torch.where(inside, (z * height + y) * width + x, layers * height * width)
        total = cloud.new_zeros(layers * height * width + 1)
        total.index_add_(0, voxel, cloud.new_ones(len(cloud)))
        counts.append(total[:-1].view(layers, height, width))
    return pixel_unshuffle(torch.stack(counts).log1p(), step)


class PointGrid(nn.Sequential):
    """Adds what counted points say to the features that the head sees.

    Its normalisation starts at 0: a network begins as it would be without it.

    Args:
        channels: Channels of these features.
        layers: Voxels along z.
        step: Voxels to a cell of the trunk.
    """

    def __init__(self, channels: int, layers: int, step: int):
        super().__init__(
            nn.Conv2d(layers, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        nn.init.zeros_(self[1].weight)
        self.step, self.channels = step, layers * step**2

    def forward(self, bev: Tensor, counted: Tensor) -> Tensor:
        """(B, C, Dy, Dx) features and what :func:`count_points` gives to (B, C, Dy, Dx)."""
        return bev + super().forward(pixel_shuffle(counted, self.step))
