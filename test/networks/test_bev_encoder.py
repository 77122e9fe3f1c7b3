# SPDX-License-Identifier: Apache-2.0
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector

from effocc_ros.networks.necks import ConcatNeck
from effocc_ros.networks.resnet import BevResNet


@torch.inference_mode()
def test_vector_a6_camera_bev_backbone_and_neck():
    vector = load_vector("a6_bev_encoder_flashocc256")
    backbone = fill(BevResNet(64, (128, 256, 512)), "img_bev_encoder_backbone.")
    neck = fill(ConcatNeck(128, 512, 256, scale=4, upsample=True), "img_bev_encoder_neck.")
    features = backbone(uniform("a6.x", (1, 64, 24, 16), -2, 2))
    for level, feature in enumerate(features):
        torch.testing.assert_close(feature, vector[f"layer{level}"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(neck(features), vector["out"], atol=1e-4, rtol=1e-4)
