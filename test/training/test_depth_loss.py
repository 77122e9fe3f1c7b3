# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from helpers.vectors import load_vector

from effocc_ros.presets import load_preset
from effocc_ros.training.depth_loss import depth_bins_of, depth_sum

CONFIG = replace(load_preset("fusion_r18"), image_size=(64, 88))


def test_vector_of_the_official_depth_loss():
    vector = load_vector("d_misc_losses")
    bins = depth_bins_of(vector["depth_label"], CONFIG)
    loss = depth_sum(vector["depth_prob"].log(), bins) / (bins >= 0).sum()
    assert float(loss) == pytest.approx(float(vector["lss_depth_loss"]), rel=1e-5)


def test_the_nearest_return_of_a_cell_decides_and_what_is_out_of_range_does_not():
    depth = torch.zeros(1, 1, 64, 88)
    depth[0, 0, 3, 2], depth[0, 0, 7, 7] = 20.3, 4.6
    depth[0, 0, 8, 0], depth[0, 0, 8, 8], depth[0, 0, 8, 16] = 0.9, 45.0, 44.99
    bins = depth_bins_of(depth, CONFIG)
    assert bins.shape == (1, 8, 11)
    assert bins[0, 0, 0] == 7  # 4.5 to 5 m
    assert bins[0, 1, :3].tolist() == [-1, -1, 87]
    assert (bins >= 0).sum() == 2


def test_without_returns_there_is_no_loss_and_no_gradient():
    logits = torch.rand(1, 88, 8, 11, requires_grad=True)
    loss = depth_sum(logits, torch.full((1, 8, 11), -1))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("bin_number", [3, 4])
def test_however_sure_a_network_is_the_gradient_stays_small(bin_number):
    logits = torch.zeros(1, 88, 1, 1)
    logits[0, 3] = 200.0
    logits.requires_grad_()
    depth_sum(logits, torch.full((1, 1, 1), bin_number)).backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() < 5


def test_the_loss_falls_as_the_right_bin_gains():
    bins = torch.full((1, 1, 1), 3)
    right, wrong = torch.zeros(1, 88, 1, 1), torch.zeros(1, 88, 1, 1)
    right[0, 3], wrong[0, 4] = 9.0, 9.0
    assert depth_sum(right, bins) < 0.1 < 5 < depth_sum(wrong, bins)
