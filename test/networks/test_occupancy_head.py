# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector

from effocc_ros.networks.occupancy_head import ROWS, OccupancyHead


def official_head(height=16, class_count=18, flow=False):
    return fill(OccupancyHead(512, 256, 512, height, class_count, flow), "occ_head.")


@torch.inference_mode()
def test_vector_a5_head():
    vector = load_vector("a5_fuser_head")
    head, bev = official_head(), uniform("a5.head", (1, 512, 10, 12), 0, 2)
    cells = head.cells(bev).permute(0, 3, 2, 1)
    torch.testing.assert_close(cells, vector["head_final_conv"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(head(bev)[0], vector["logits"], atol=1e-4, rtol=1e-4)
    labels, _, _ = head.labels(bev)
    assert labels.dtype == torch.uint8
    assert torch.equal(labels, vector["labels"])


@torch.inference_mode()
def test_vector_a7_flow_and_openoccupancy_heads():
    vector = load_vector("a7_other_heads")
    bev = uniform("a7.head", (1, 512, 6, 8), 0, 2)
    head = official_head(flow=True)
    logits, flow = head(bev)
    torch.testing.assert_close(logits, vector["flow_occ_logits"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(flow, vector["flow"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(head.labels(bev)[2], flow, atol=1e-5, rtol=1e-5)
    logits, flow = official_head(height=40, class_count=17)(bev)
    assert flow is None
    torch.testing.assert_close(logits, vector["openoccupancy_logits"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(2, 3), (70, 65)])
@torch.inference_mode()
def test_labels_and_confidence_equal_argmax_and_softmax_of_the_logits(size):
    assert ROWS < 70 * 65, "the second size must need two chunks"
    head = fill(OccupancyHead(4, 8, 16, 3, 5), "occ_head.")
    bev = uniform("head.bev", (2, 4, *size), 0, 2)
    probability, expected = head(bev)[0].softmax(dim=-1).max(dim=-1)
    labels, confidence, _ = head.labels(bev, confidence=True)
    assert torch.equal(labels.long(), expected)
    assert (confidence.int() - (probability * 255).round().int()).abs().max() <= 1
    assert confidence.dtype == torch.uint8
    assert torch.equal(head.labels(bev.to(memory_format=torch.channels_last))[0], labels)


@torch.inference_mode()
def test_the_first_of_equal_classes_wins():
    head = OccupancyHead(4, 8, 16, 3, 5).eval()
    for parameter in head.predicter[2].parameters():
        parameter.zero_()
    labels, confidence, _ = head.labels(torch.rand(1, 4, 2, 2), confidence=True)
    assert not labels.any()
    assert (confidence == 51).all()


@torch.inference_mode()
def test_columns_are_those_of_all_voxels():
    head = fill(OccupancyHead(4, 8, 16, 3, 5, flow=True), "occ_head.")
    bev = uniform("head.bev", (2, 4, 6, 7), 0, 2)
    columns = torch.tensor([80, 0, 17])
    for some, every in zip(head(bev, columns), head(bev), strict=True):
        torch.testing.assert_close(some, every.flatten(0, 2)[columns])
