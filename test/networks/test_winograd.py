# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from effocc_ros.networks.winograd import WIDE, WinogradConv2d, use_winograd


@pytest.mark.parametrize("size", [(8, 8), (5, 11), (1, 1), (37, 4)])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_convolution_for_every_size_of_map(size, bias):
    torch.manual_seed(0)
    plain = nn.Conv2d(16, 24, 3, padding=1, bias=bias).requires_grad_(False)
    x = torch.randn(2, 16, *size)
    expected = plain.double()(x.double())
    found = WinogradConv2d(plain.float())(x)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_map_of_many_blocks_of_tiles_and_any_layout_gives_the_same(monkeypatch):
    plain = nn.Conv2d(8, 8, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 8, 30, 26)
    whole = WinogradConv2d(plain)(x)
    monkeypatch.setattr("effocc_ros.networks.winograd.BLOCK", 1)
    blocks = WinogradConv2d(plain)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(blocks, whole, atol=1e-5, rtol=1e-5)


def test_of_small_maps_several_make_a_block_and_the_last_one_may_have_fewer(monkeypatch):
    monkeypatch.setattr("effocc_ros.networks.winograd.TILES", 8)  # two maps of 2x2 tiles
    plain = nn.Conv2d(8, 6, 3, padding=1).requires_grad_(False)
    x = torch.randn(3, 8, 5, 7)
    torch.testing.assert_close(WinogradConv2d(plain)(x), plain(x), atol=1e-5, rtol=1e-5)


def test_only_wide_plain_3x3_convolutions_are_replaced():
    wide = {"in_channels": WIDE, "out_channels": WIDE, "kernel_size": 3, "padding": 1}
    kept = [
        nn.Conv2d(**wide | {"in_channels": WIDE - 1}),
        nn.Conv2d(**wide | {"kernel_size": 1, "padding": 0}),
        nn.Conv2d(**wide, stride=2),
        nn.Conv2d(**wide, groups=2),
        nn.Conv2d(**wide | {"padding": 2}, dilation=2),
        nn.Conv2d(**wide | {"padding": 0}),
        nn.ConvTranspose2d(**wide),
    ]
    module = nn.Sequential(nn.Sequential(nn.Conv2d(**wide), nn.ReLU()), *kept)
    use_winograd(module)
    assert isinstance(module[0][0], WinogradConv2d)
    assert list(module)[1:] == kept
