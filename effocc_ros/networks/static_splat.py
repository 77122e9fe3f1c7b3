# SPDX-License-Identifier: Apache-2.0
"""Splat image features into a BEV in tensors of fixed sizes, for cameras that move every frame.

What :mod:`effocc_ros.networks.splat_table` does; frustum points that fall into no cell are sorted
to the end in place of being left out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.bags import with_rest
from effocc_ros.networks.constants import constant
from effocc_ros.networks.lift_splat import LiftSplat
from effocc_ros.networks.splat_table import SPLIT, frustum


class Rays(NamedTuple):
    """How pixels of N cameras lead into the network's frame.

    Attributes:
        shift: (N, 3, 1) float32, taken off pixels and depth.
        source: (N, 3, 3) float32, input pixels to source pixels.
        turn: (N, 3, 3) float32, source pixels times depth to the axes of the network's frame.
        origin: (N, 3, 1) float32 metres, where the cameras stand.
    """

    shift: Tensor
    source: Tensor
    turn: Tensor
    origin: Tensor


def rays_of(matrices: Sequence[Tensor]) -> Rays:
    """Invert what leads to pixels; on the CPU, for a GPU makes its host wait for an inverse.

    Args:
        matrices: sensor2keyego (N, 4, 4), intrinsics (N, 3, 3), post_rots (N, 3, 3) and
            post_trans (N, 3) of one sample.
    """
    sensor2ego, intrinsics, post_rots, post_trans = matrices
    turn = sensor2ego[:, :3, :3] @ torch.inverse(intrinsics)
    shift, origin = post_trans[:, :, None], sensor2ego[:, :3, 3:]
    return Rays(shift, torch.inverse(post_rots), turn, origin)


class StaticTable(NamedTuple):
    """Frustum points sorted by BEV cell; those of no cell at the end.

    Attributes:
        depths: (P,) int64 into (N, D, h, w).
        pixels: (P,) int32 into (N, h, w).
        runs: (R,) int32 start of every run of at most SPLIT points of one cell, or of none.
        cells: int32 first run of every BEV cell (layers, Dy, Dx), and of bags for the rest.
    """

    depths: Tensor
    pixels: Tensor
    runs: Tensor
    cells: Tensor


class StaticSplat:
    """Splats features of a fixed number of cameras, one sample at a time.

    Args:
        view: Whose images, depths and BEV it is.
        cameras: How many there are.
        device: Where to splat.
    """

    def __init__(self, view: LiftSplat, cameras: int, device: torch.device):
        height, width = (size // view.downsample for size in view.image_size)
        points = frustum(view.image_size, (height, width), view.depth_range).flatten(1)
        camera = torch.arange(cameras, dtype=torch.int32)[:, None, None]
        place = torch.arange(height * width, dtype=torch.int32)
        pixels = (camera * (height * width) + place).expand(-1, view.depth_count, -1)
        self._frustum = points.to(device)
        self._pixels = pixels.flatten().to(device)
        self._bev, self._channels = view.bev, view.out_channels

    def table(self, camera_mask: Tensor, rays: Rays) -> StaticTable:
        """Find the BEV cell of every frustum point and sort the points by it.

        Args:
            camera_mask: (N,) bool; a camera that is False gives nothing.
            rays: Where the cameras look.
        """
        cells, order = self._cells(camera_mask, rays).sort(stable=True)
        width, height, layers = self._bev.shape
        runs, first_runs = _runs(cells, layers * height * width)
        return StaticTable(order, self._pixels[order], runs, first_runs)

    def pool(self, table: StaticTable, probability: Tensor, context: Tensor) -> Tensor:
        """Sum context features, weighted by depth probability, over each BEV cell.

        Args:
            table: Which point falls where.
            probability: (N, D, h, w) depth probabilities.
            context: (N, out, h, w) context features.

        Returns:
            (1, out * layers, Dy, Dx).
        """
        features = context.permute(0, 2, 3, 1).reshape(-1, self._channels)
        sums = functional.embedding_bag(
            table.pixels,
            features.to(probability.dtype),
            table.runs,
            mode="sum",
            per_sample_weights=probability.flatten()[table.depths],
        )
        every = torch.arange(len(sums), dtype=torch.int32, device=sums.device)
        pooled = functional.embedding_bag(every, sums, table.cells, mode="sum")
        width, height, layers = self._bev.shape
        pooled = pooled[: layers * height * width].view(layers, height, width, self._channels)
        # Channels stay last in memory, as the convolutions after it want them.
        return pooled.permute(1, 2, 0, 3).flatten(2).permute(2, 0, 1)[None]

    def _cells(self, camera_mask: Tensor, rays: Rays) -> Tensor:
        """BEV cell of every frustum point of all cameras, (P,) int32; behind the last if none."""
        points = rays.source @ (self._frustum - rays.shift)
        points = torch.cat([points[:, :2] * points[:, 2:], points[:, 2:]], dim=1)
        points = rays.turn @ points + rays.origin
        lower, step, shape = (
            constant(values, points)[:, None]
            for values in (self._bev.lower, self._bev.voxel_size, self._bev.shape)
        )
        # Truncation toward zero, as in build_splat_table.
        cell = ((points - lower) / step).trunc()
        kept = ((cell >= 0) & (cell < shape)).all(dim=1) & camera_mask[:, None]
        x, y, z = torch.where(kept[:, None], cell, 0).int().unbind(dim=1)
        width, height, layers = self._bev.shape
        cell = (z * height + y) * width + x
        return torch.where(kept, cell, layers * height * width).flatten()


def _runs(cells: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Cut the points of each cell into runs of at most SPLIT, in as many runs as there can be.

    Args:
        cells: (P,) int32 sorted cell of each point; ``count`` for those of none.
        count: Number of cells.

    Returns:
        Start of every run, int32; those that are not needed are empty and stand behind the
        others. The first run of every cell, int32, and of bags for the rest.
    """
    points, room = len(cells), len(cells) // SPLIT + count + 1
    # The points of no cell are one cell more.
    every = torch.arange(count + 2, dtype=torch.int32, device=cells.device)
    first = torch.searchsorted(cells, every, out_int32=True)
    needed = (first.diff() + (SPLIT - 1)).div(SPLIT, rounding_mode="floor")
    ends = needed.cumsum(0, dtype=torch.int32)
    begins = ends - needed
    runs = torch.arange(room, dtype=torch.int32, device=cells.device)
    cell = torch.searchsorted(ends, runs, right=True, out_int32=True).clamp_(max=count)
    start = first.index_select(0, cell) + (runs - begins.index_select(0, cell)) * SPLIT
    return start.clamp_(max=points), with_rest(begins[:-1], begins[-1:], room)
