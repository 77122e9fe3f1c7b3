# SPDX-License-Identifier: Apache-2.0
"""Inputs and labels of the official fusion network, vector b of the reference."""

import torch
from helpers.deterministic_fill import uniform
from torch import Tensor


def inputs_of(vector: dict[str, Tensor]) -> dict:
    """The inputs of vector b, batch of one."""
    ego2global = vector["ego2global"].double()
    sensor2keyego = ego2global[0].inverse() @ ego2global @ vector["sensor2ego"].double()
    depth = torch.zeros(6 * 256 * 704)
    depth[vector["depth_index"].long()] = vector["depth_value"]
    return {
        "images": uniform("input.img", (6, 3, 256, 704), -2, 2)[None],
        "camera_mask": torch.ones(1, 6, dtype=torch.bool),
        "sensor2keyego": sensor2keyego.float()[None],
        "intrinsics": vector["intrins"][None],
        "post_rots": vector["post_rots"][None],
        "post_trans": vector["post_trans"][None],
        "bda": vector["bda"][None],
        "depth": depth.view(1, 6, 256, 704),
        "points": [vector["points"]],
    }


def agreement(labels: Tensor, expected: Tensor) -> float:
    """Share of voxels with the same label."""
    return (labels == expected).double().mean().item()
