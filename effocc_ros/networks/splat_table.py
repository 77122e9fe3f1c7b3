# SPDX-License-Identifier: Apache-2.0
"""Which feature cell, at which depth, falls into which BEV cell."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.geometry import VoxelGrid

SPLIT = 64
"""Longest run of points summed in one go: keeps threads busy and sums short."""


@dataclass(frozen=True)
class SplatTable:
    """Frustum points sorted by BEV cell.

    Attributes:
        pixels: (K,) int64 into (B, N, h, w).
        depths: (K,) int64 into (B, N, D, h, w).
        runs: (R,) int64 start of every run of at most SPLIT points of one cell.
        cells: (cells,) int64 first run of every BEV cell (B, layers, Dy, Dx).
    """

    pixels: Tensor
    depths: Tensor
    runs: Tensor
    cells: Tensor

    def pool(self, probability: Tensor, context: Tensor) -> Tensor:
        """Sum depth probability times feature over the points of each BEV cell.

        Args:
            probability: (B * N, D, h, w).
            context: (B * N, C, h, w).

        Returns:
            (cells, C), zero where no point fell.
        """
        features = context.permute(0, 2, 3, 1).reshape(-1, context.shape[1])
        features = features.to(probability.dtype)
        weights = probability.reshape(-1)[self.depths]
        sums = functional.embedding_bag(
            self.pixels, features, self.runs, mode="sum", per_sample_weights=weights
        )
        order = torch.arange(len(sums), device=sums.device)
        return functional.embedding_bag(order, sums, self.cells, mode="sum")


def depth_bins(depth_range: tuple[float, float, float]) -> Tensor:
    """Return the depths (D,) in metres that a feature can lie at."""
    # Not on the meta device: arange alone imports torch._dynamo there, seconds of a node's start.
    return torch.arange(*depth_range, dtype=torch.float32, device="cpu")


def frustum(
    image_size: tuple[int, int],
    feature_size: tuple[int, int],
    depth_range: tuple[float, float, float],
) -> Tensor:
    """Return u, v in pixels and depth in metres of every frustum point, (3, D, h, w) float32.

    The outer feature cells stand on the image's outermost pixels, not at the cells' centres.
    """
    v = torch.linspace(0, image_size[0] - 1, feature_size[0])
    u = torch.linspace(0, image_size[1] - 1, feature_size[1])
    depth, v, u = torch.meshgrid(depth_bins(depth_range), v, u, indexing="ij")
    return torch.stack([u, v, depth])


def pixels_in_ego(points: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Move pixels of known depth into the network's frame.

    Args:
        points: (3, P), or (B, N, 3, P): u, v in pixels of the input and depth in metres.
        matrices: sensor2keyego (B, N, 4, 4), intrinsics (B, N, 3, 3), post_rots (B, N, 3, 3),
            post_trans (B, N, 3), bda (B, 4, 4).

    Returns:
        (B, N, 3, P) metres.
    """
    sensor2ego, intrinsics, post_rots, post_trans, bda = matrices
    points = points.to(intrinsics.device) - post_trans[..., None]
    points = torch.inverse(post_rots) @ points
    points = torch.cat([points[..., :2, :] * points[..., 2:, :], points[..., 2:, :]], dim=-2)
    points = sensor2ego[..., :3, :3] @ torch.inverse(intrinsics) @ points
    points = points + sensor2ego[..., :3, 3:]
    return bda[:, None, :3, :3] @ points + bda[:, None, :3, 3:]


def build_splat_table(
    image_size: tuple[int, int],
    feature_size: tuple[int, int],
    depth_range: tuple[float, float, float],
    bev: VoxelGrid,
    camera_mask: Tensor,
    matrices: Sequence[Tensor],
) -> SplatTable:
    """Find the BEV cell of every frustum point and sort the points by it.

    Args:
        image_size: Height and width of the images in pixels.
        feature_size: Height and width of the feature maps.
        depth_range: Start, end (excluded) and step of the depth bins in metres.
        bev: Cells of the BEV.
        camera_mask: (B, N) bool; points of a camera that is False are left out.
        matrices: As in :func:`pixels_in_ego`.
    """
    points = frustum(image_size, feature_size, depth_range).flatten(1)
    points = pixels_in_ego(points, matrices)
    batch, count = len(points), points.shape[-1]
    lower, step, shape = (
        points.new_tensor(values)[:, None] for values in (bev.lower, bev.voxel_size, bev.shape)
    )
    # Truncation toward zero, not floor: points up to one cell below the lower border fall into
    # the first cell. Published weights were trained so.
    cell = ((points - lower) / step).trunc()
    kept = ((cell >= 0) & (cell < shape)).all(dim=2) & camera_mask[..., None]
    x, y, z = cell.int().unbind(dim=2)
    width, height, layers = bev.shape
    sample = torch.arange(batch, dtype=torch.int32, device=x.device)[:, None, None]
    cell = ((sample * layers + z) * height + y) * width + x
    depths = kept.flatten().nonzero().squeeze(1)
    cell, order = cell.flatten()[depths].sort(stable=True)
    depths = depths[order]
    area = feature_size[0] * feature_size[1]
    camera = depths.div(count, rounding_mode="floor")
    per_cell = torch.bincount(cell, minlength=batch * layers * height * width)
    runs, cells = _split_runs(per_cell)
    return SplatTable(camera * area + depths % area, depths, runs, cells)


def _split_runs(per_cell: Tensor) -> tuple[Tensor, Tensor]:
    """Cut the points of each cell into runs of at most SPLIT.

    Args:
        per_cell: (cells,) number of points.

    Returns:
        Start of every run, and the first run of every cell.
    """
    run_count = (per_cell + SPLIT - 1).div(SPLIT, rounding_mode="floor")
    first_run = run_count.cumsum(0) - run_count
    first_point = per_cell.cumsum(0) - per_cell
    cell_of_run = torch.repeat_interleave(run_count)
    place_in_cell = torch.arange(len(cell_of_run), device=per_cell.device) - first_run[cell_of_run]
    return first_point[cell_of_run] + place_in_cell * SPLIT, first_run
