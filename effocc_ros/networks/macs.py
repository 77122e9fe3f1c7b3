# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate operations of a network's dense layers."""

import torch
from torch import Tensor, nn

from effocc_ros.networks.effocc import EffOcc


def dense_macs(network: EffOcc) -> dict[str, int]:
    """Count the multiplications of all convolutions and linear layers for one frame.

    The sparse encoder and the splat are left out: their work depends on the frame. Products of
    attention are left out too, and so is the flow head, which labels do not need.

    Args:
        network: On the meta device, so that nothing is really computed.

    Returns:
        Multiply-accumulates by the name of the network's child modules, in no particular order.
    """
    config, counts = network.config, {}
    handles = [
        module.register_forward_hook(_counter(counts, name.split(".")[0]))
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    ]
    try:
        camera_bev = lidar_bev = None
        if config.modality != "lidar":
            camera_bev = _camera_side(network)
        if config.modality != "vision":
            shape = (1, config.lidar_channels, *config.trunk_size)
            lidar_bev = torch.empty(shape, device="meta")
        network.occ_head(network.merge(camera_bev, lidar_bev))
    finally:
        for handle in handles:
            handle.remove()
    return counts


def _camera_side(network: EffOcc) -> Tensor:
    """Run the camera branch without the splat; return an empty camera BEV."""
    config, view = network.config, network.img_view_transformer
    cameras = len(config.cameras)
    images = torch.empty(1, cameras, 3, *config.image_size, device="meta")
    depth = torch.empty(cameras, 1, *config.image_size, device="meta")
    view.depth_and_context(network.image_features(images).flatten(0, 1), depth)
    width, height, layers = config.bev.shape
    return torch.empty(1, config.bev_channels * layers, height, width, device="meta")


def _counter(counts: dict[str, int], name: str):
    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear):
            macs = output.numel() * module.in_features
        elif isinstance(module, nn.ConvTranspose2d):
            macs = inputs[0].numel() * module.weight[0].numel()
        else:
            macs = output.numel() * module.weight[0].numel()
        counts[name] = counts.get(name, 0) + macs

    return count
