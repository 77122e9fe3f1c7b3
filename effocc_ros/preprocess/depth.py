# SPDX-License-Identifier: Apache-2.0
"""The LiDAR cloud as each camera sees it: sparse metric depth images."""

import torch
from torch import Tensor

MARGIN = 0.01
"""Slack of the first, float32 look, relative to depth and image size; far above its error."""


def depth_images(
    points: Tensor,
    points2pixel: Tensor,
    size: tuple[int, int],
    depth_range: tuple[float, float],
) -> Tensor:
    """Project points into cameras and keep the nearest depth of each pixel.

    A point belongs to the pixel whose number its coordinate rounds to (halves go to the even one).
    All cameras are first looked at together in float32, which is fast and tells which points each
    may see; those few are then projected in float64.

    Args:
        points: (M, 3) metres, on any device.
        points2pixel: (N, 3, 4) float64 from the frame of ``points`` to column and row of the input
            times depth, and to depth.
        size: (h, w) of the input.
        depth_range: Nearest depth kept and first depth not kept, metres.

    Returns:
        (N, h, w) float32 depth along the optical axis in metres, 0 where no point fell.
    """
    height, width = size
    projection = points2pixel.to(points.device)
    place = torch.cat([points.T, points.new_ones(1, len(points))])
    coarse = (projection.float().flatten(0, 1) @ place.float()).unflatten(0, (-1, 3))
    images = torch.zeros(len(projection), height * width, device=points.device)
    for camera, matrix in enumerate(projection):
        seen = _may_see(coarse[camera], size, depth_range)
        column, row, depth = matrix @ place[:, seen].double()
        # Half-even rounding, and the minimum below, leave nothing to the order of the points.
        column, row = (column / depth).round(), (row / depth).round()
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        inside &= (depth >= depth_range[0]) & (depth < depth_range[1])
        pixel = (row * width + column)[inside].long()
        nearest = images[camera].fill_(torch.inf)
        nearest.scatter_reduce_(0, pixel, depth[inside].float(), "amin")
        nearest.masked_fill_(nearest.isinf(), 0.0)
    return images.view(-1, height, width)


def _may_see(coarse: Tensor, size: tuple[int, int], depth_range: tuple[float, float]) -> Tensor:
    """Indices of points (3, M) that are in a camera's view, or nearly so."""
    column, row, depth = coarse
    height, width = size
    slack = MARGIN * (height + width)
    may = (depth > depth_range[0] * (1 - MARGIN)) & (depth < depth_range[1] * (1 + MARGIN))
    may &= (column > -slack * depth) & (column < (width + slack) * depth)
    may &= (row > -slack * depth) & (row < (height + slack) * depth)
    return may.nonzero().squeeze(1)


def static_depth_images(
    points: Tensor, points2pixel: Tensor, size: tuple[int, int], depth_range: tuple[float, float]
) -> Tensor:
    """Do what :func:`depth_images` does in tensors whose sizes do not depend on the points.

    Every point is projected into every camera in float64, for which a GPU need not wait.

    Args:
        points: (M, 3) metres; those that are NaN are seen by no camera.
        points2pixel: As for :func:`depth_images`, on the same device; zeros for a camera that
            shall see nothing.
        size: (h, w) of the input.
        depth_range: As for :func:`depth_images`, above zero.
    """
    (height, width), count = size, len(points)
    place = torch.cat([points.double(), points.new_ones(count, 1, dtype=torch.float64)], dim=1)
    column, row, depth = (points2pixel.transpose(0, 1).flatten(0, 1) @ place.T).chunk(3)
    column, row = (column / depth).round(), (row / depth).round()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside &= (depth >= depth_range[0]) & (depth < depth_range[1])
    cameras = torch.arange(len(points2pixel), device=points.device)[:, None]
    pixel = (cameras * height + row) * width + column
    # What is not seen goes behind the images, each point to a place of its own: many points in
    # one place would wait for each other.
    behind = torch.arange(count, device=points.device) + len(points2pixel) * height * width
    pixel = torch.where(inside, pixel, behind).long().flatten()
    nearest = points.new_full((len(points2pixel) * height * width + count,), torch.inf)
    nearest.scatter_reduce_(0, pixel, depth.float().flatten(), "amin")
    images = nearest[: len(nearest) - count]
    return torch.where(images.isinf(), 0.0, images).view(-1, height, width)
