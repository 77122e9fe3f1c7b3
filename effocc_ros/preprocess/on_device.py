# SPDX-License-Identifier: Apache-2.0
"""A Frame's own pixels and points to a network's inputs, on the device on which they lie.

What :func:`effocc_ros.preprocess.preprocess` does; here no size depends on the data and the host
is not waited for.
"""

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.constants import constant
from effocc_ros.networks.static_network import StaticInputs
from effocc_ros.preprocess.depth import static_depth_images
from effocc_ros.preprocess.images import fit_image
from effocc_ros.preprocess.raw import RawInputs


def static_inputs(raw: RawInputs, config: ModelConfig) -> StaticInputs:
    """Make a network's inputs.

    Args:
        raw: Tensors on any device.
        config: The network's preset.
    """
    images = points = depth = None
    if raw.camera_mask is not None:
        images = _images(raw, config)
    if raw.points is not None:
        points = moved_points(raw.points, raw.ego2points, config.tanh_columns)
    if raw.points2pixel is not None:
        depth = static_depth_images(
            points[:, :3], raw.points2pixel, config.image_size, config.depth_range[:2]
        )
    return StaticInputs(images, raw.camera_mask, raw.rays, depth, points)


def moved_points(points: Tensor, transform: Tensor, tanh_columns: tuple[int, ...]) -> Tensor:
    """Move points (M, 5) by a transform (3, 4) float64; NaN where anything is not finite."""
    # Zero, or NaN for a row that holds something that is not finite.
    mark = (points * 0.0).sum(dim=1, keepdim=True)
    place = points[:, :3].double() @ transform[:, :3].T + transform[:, 3]
    columns = [points[:, column : column + 1] for column in range(3, 5)]
    columns = [x.tanh() if n in tanh_columns else x for n, x in enumerate(columns, 3)]
    return torch.cat([place.float(), *columns], dim=1) + mark


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (bicubic, antialiased) as on uint8, along rows first, rounded after each direction.

    Args:
        images: (K, 3, H, W) float32, whole numbers of 0 to 255.
        size: (height, width) to reach.

    Returns:
        (K, 3, height, width) float32, whole numbers of 0 to 255; within 1 of the same on
        uint8, within 2 where noise is enlarged.
    """
    for step in ((images.shape[2], size[1]), size):
        if images.shape[2:] != step:
            images = functional.interpolate(
                images, size=step, mode="bicubic", align_corners=False, antialias=True
            )
            images = images.round().clamp_(0.0, 255.0)
    return images


def _images(raw: RawInputs, config: ModelConfig) -> Tensor:
    """(N, 3, h, w) normalised, channels B, G, R; zeros for a silent camera."""
    placed = {}
    for places, pixels in zip(raw.places, raw.images, strict=True):
        group = _normalised(_laid_in(pixels, config.image_size), config)
        if len(places) == len(config.cameras):
            return group
        placed |= zip(places, group, strict=True)
    silent = raw.camera_mask.new_zeros(3, *config.image_size, dtype=torch.float32)
    return torch.stack([placed.get(place, silent) for place in range(len(config.cameras))])


def _laid_in(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """(K, H, W, 3) uint8 to (K, 3, h, w) float32 as :func:`lay_in` does without variation."""
    fit = fit_image(pixels.shape[1:3], size)
    canvases = resized(pixels.permute(0, 3, 1, 2).float(), fit.resized)
    # Padding with negative numbers cuts.
    return functional.pad(canvases, (0, 0, -fit.top, 0))


def _normalised(canvases: Tensor, config: ModelConfig) -> Tensor:
    mean, std = (
        constant(values, canvases)[:, None, None]
        for values in (config.image_mean, config.image_std)
    )
    return canvases.flip(1).sub_(mean).div_(std)
