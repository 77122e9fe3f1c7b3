# SPDX-License-Identifier: Apache-2.0
"""Networks of the real architecture and the real grid, small enough for a test."""

from dataclasses import replace
from pathlib import Path

import torch

from effocc_ros.checkpoints import make_card, save_checkpoint
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.presets import load_preset

SMALL = {
    "image_size": (64, 176),
    "image_width": 8,
    "image_channels": 16,
    "bev_channels": 8,
    "voxel_widths": (8, 8, 16, 16),
    "voxel_blocks": 1,
    "fused_channels": 16,
    "trunk_widths": (16, 16),
    "trunk_layers": 1,
    "trunk_channels": 16,
    "encoder_widths": (16, 16, 16),
    "encoder_channels": 16,
    "head_channels": 16,
    "head_hidden": 32,
    "sweeps": 2,
}

FREE = 17
MOSTLY = 20.0


def tiny_config(modality: str = "fusion") -> ModelConfig:
    """Return a small network of a modality: the fusion preset, thinned out."""
    config = replace(load_preset("fusion_r18"), name=f"tiny_{modality}", **SMALL)
    if modality == "vision":
        return replace(
            config,
            modality="vision",
            points_camera="",
            voxels=None,
            sweeps=0,
            bev_encoder="resnet",
        )
    if modality == "lidar":
        return replace(config, modality="lidar", cameras=(), key_camera="", points_camera="")
    return config


def make_tiny_checkpoint(
    path: Path, modality: str = "fusion", seed: int = 0, trained: bool = True
) -> Path:
    """Write a checkpoint with random weights that calls itself trained, or says that it is not."""
    config = tiny_config(modality)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = EffOcc(config)
        for parameter in network.parameters():
            # torch's own start is so faint that biases decide every voxel; the inputs shall.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=2.0 / parameter[0].numel() ** 0.5)
        # Mostly free, as the world is: a cloud of every voxel is more than best effort can carry.
        last = network.occ_head.predicter[-1]
        last.bias.data.view(config.grid.shape[2], config.class_count)[:, FREE] += MOSTLY
    save_checkpoint(path, config, network.state_dict(), make_card(config, trained=trained))
    return path
