# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector

from effocc_ros.networks.necks import FeaturePyramid
from effocc_ros.networks.resnet import ResNet


@pytest.mark.parametrize(
    ("name", "stages", "channels", "images", "outputs", "neck_output"),
    [
        ("resnet18", (1, 2, 3), 128, ("a1.img", 2), ("r18_c3", "r18_c4", "r18_c5"), "r18_neck"),
        ("resnet50", (2, 3), 256, ("a1.img50", 1), ("r50_c4", "r50_c5"), "r50_neck"),
    ],
)
@torch.inference_mode()
def test_vector_a1_backbone_and_neck(name, stages, channels, images, outputs, neck_output):
    vector = load_vector("a1_image_encoder")
    backbone = fill(ResNet(name, stages), "img_backbone.")
    neck = fill(FeaturePyramid(backbone.channels, channels), "img_neck.")
    image = uniform(images[0], (images[1], 3, 64, 96), -2, 2)
    features = backbone(image)
    for feature, output in zip(features, outputs, strict=True):
        torch.testing.assert_close(feature, vector[output], atol=1e-4, rtol=0)
    torch.testing.assert_close(neck(features), vector[neck_output], atol=1e-4, rtol=0)


def test_a_narrow_backbone_has_the_same_layout():
    wide, narrow = ResNet("resnet18", (3,)), ResNet("resnet18", (3,), width=16)
    assert list(wide.state_dict()) == list(narrow.state_dict())
    assert narrow.channels == (128,)
    assert narrow(torch.zeros(1, 3, 64, 96))[0].shape == (1, 128, 2, 3)
