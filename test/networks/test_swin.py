# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector

from effocc_ros.networks.necks import ConcatNeck
from effocc_ros.networks.swin import PatchMerging, Swin, swin_b


@pytest.fixture(scope="module", name="run_a8")
def _run_a8():
    with torch.device("meta"):
        backbone = swin_b((2, 3))
    index = Swin(12, (1,), (1,), 12, (0,)).stages[0].blocks[0].attn.w_msa.relative_position_index
    backbone = backbone.to_empty(device="cpu")
    for name, buffer in backbone.named_buffers():
        assert name.endswith("relative_position_index")
        buffer.copy_(index)
    fill(backbone, "img_backbone.")
    neck = fill(ConcatNeck(512, 1024, 512, scale=2, upsample=False), "img_neck.")
    with torch.inference_mode():
        stages = backbone(uniform("a8.img", (1, 3, 128, 192), -2, 2))
        return {"stage2": stages[0], "stage3": stages[1], "neck": neck(stages)}


@pytest.mark.parametrize("output", ["stage2", "stage3", "neck"])
def test_vector_a8_swin_b_and_neck(run_a8, output):
    expected = load_vector("a8_swinb")[output]
    torch.testing.assert_close(run_a8[output], expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_one_image_of_a_batch_does_not_see_the_others():
    backbone = fill(Swin(8, (2, 2), (2, 2), 4, (0, 1)), "img_backbone.")
    images = uniform("swin.images", (2, 3, 44, 52), -1, 1)
    alone = backbone(images[1:])
    for both, one in zip(backbone(images), alone, strict=True):
        torch.testing.assert_close(both[1:], one, atol=1e-5, rtol=0)


def test_patch_merging_orders_channels_before_places():
    merging = PatchMerging(2)
    tokens = torch.arange(8.0).view(1, 2, 2, 2)
    seen = []
    merging.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    merging(tokens)
    assert seen[0].flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
