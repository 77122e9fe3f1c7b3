# SPDX-License-Identifier: Apache-2.0
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector

from effocc_ros.networks.bev_trunk import BevFuser, Second, SecondNeck


@torch.inference_mode()
def test_vector_a4_second_and_its_neck():
    vector = load_vector("a4_second_fpn")
    backbone = fill(Second(256, (128, 256), layers=6), "pts_backbone.")
    neck = fill(SecondNeck((128, 256), 256), "pts_neck.")
    features = backbone(uniform("a4.x", (1, 256, 16, 20), 0, 1))
    for level, feature in enumerate(features):
        torch.testing.assert_close(feature, vector[f"block{level}"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(neck(features), vector["out"], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_vector_a5_fuser():
    fuser = fill(BevFuser(320, 256), "occ_fuser.")
    camera = uniform("a5.img", (1, 64, 10, 12), -1, 1)
    lidar = uniform("a5.pts", (1, 256, 10, 12), 0, 1)
    fused = fuser([camera, lidar])
    torch.testing.assert_close(fused, load_vector("a5_fuser_head")["fused"], atol=1e-4, rtol=1e-4)
