# SPDX-License-Identifier: Apache-2.0
"""What pixels see: classes of the voxels that returns hit."""

from dataclasses import replace

import torch

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.effocc import Outputs
from effocc_ros.preprocess import Inputs
from effocc_ros.presets import load_preset
from effocc_ros.training.batch import Batch
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.losses import IGNORE
from effocc_ros.training.objective import Objective
from effocc_ros.training.pixel_loss import pixel_classes

GRID = VoxelGrid((-4.0, -4.0, -1.0), (1.0, 1.0, 1.0), (8, 8, 4))
CONFIG = replace(load_preset("vision_tiny"), image_size=(16, 24), grid=GRID)
FREE, CAR, ROAD = 17, 4, 11


def matrices(bda: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
    """One camera at the origin that looks along x, 10 pixels of focal length, centre (12, 8)."""
    sensor2ego = torch.eye(4)
    sensor2ego[:3, :3] = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    intrinsics = torch.tensor([[10.0, 0, 12], [0, 10, 8], [0, 0, 1]])
    bda = torch.eye(4) if bda is None else bda
    parts = sensor2ego, intrinsics, torch.eye(3), torch.zeros(3)
    return (*(part[None, None] for part in parts), bda[None])


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """Depth image and labels: a car 3 m ahead at the image's centre, road below it."""
    depth = torch.zeros(1, 1, 16, 24)
    depth[0, 0, 8, 12] = 3.2  # (3.2, 0, 0): voxel (7, 4, 1)
    depth[0, 0, 9, 13] = 3.9  # the same cell, farther: does not count
    depth[0, 0, 15, 3] = 2.0  # (2, 1.8, -1.4): below the grid
    depth[0, 0, 8, 7] = 2.5  # (2.5, 1.25, 0): voxel (6, 5, 1), free
    depth[0, 0, 11, 20] = 2.0  # (2, -1.6, -0.6): voxel (6, 2, 0)
    labels = torch.full((1, 8, 8, 4), FREE, dtype=torch.uint8)
    labels[0, 7, 4, 1], labels[0, 6, 2, 0] = CAR, ROAD
    return depth, labels


def test_a_cell_sees_the_class_of_the_voxel_that_its_nearest_return_is_in():
    depth, labels = scene()
    found = pixel_classes(depth, labels, matrices(), CONFIG, FREE)
    expected = torch.full((1, 2, 3), IGNORE, dtype=torch.uint8)
    expected[0, 1, 1], expected[0, 1, 2] = CAR, ROAD
    assert torch.equal(found, expected)


def test_mirrored_labels_and_matrices_give_the_same_classes():
    depth, labels = scene()
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0, 1.0]))
    labels = labels.flip(2)
    labels[0, 7, 4, 1] = labels[0, 7, 3, 1]  # y = 0 lies on a border of voxels
    found = pixel_classes(depth, labels, matrices(mirror), CONFIG, FREE)
    assert found[0, 1].tolist() == [IGNORE, CAR, ROAD]


def test_without_returns_or_labels_nothing_is_asked():
    depth, labels = scene()
    for nothing in ((torch.zeros_like(depth), labels), (depth, torch.full_like(labels, IGNORE))):
        found = pixel_classes(*nothing, matrices(), CONFIG, FREE)
        assert (found == IGNORE).all()


def test_the_loss_is_the_cross_entropy_of_these_cells():
    depth, labels = scene()
    config = TrainConfig(name="a", preset="vision_tiny", unseen_weight=1.0, pixel_weight=0.5)
    objective = Objective(config, OCC3D_NUSCENES, network=CONFIG)
    inputs = Inputs(None, None, *matrices(), depth, None)
    batch = Batch(
        ("a",), inputs, labels, torch.ones_like(labels).bool(), torch.ones(1).bool(), None, None
    )
    task = objective.task(batch, None)
    scores = torch.zeros(1, 18, 2, 3)
    scores[0, CAR, 1, 1] = 5.0
    scores[0, :, 0, 0] = 1e6 * torch.rand(18)  # no return there
    scores.requires_grad_()
    outputs = Outputs(None, None, None, torch.zeros(*labels.shape, 18), context=scores)
    term = objective.terms(outputs, task)["pixels"] / objective.amounts(task, False)["pixels"]
    right = torch.log(torch.tensor(18.0))  # the road's scores are all equal
    likely = torch.log1p(17 * torch.exp(torch.tensor(-5.0)))
    torch.testing.assert_close(term, 0.5 * (right + likely) / 2)
    term.backward()
    assert scores.grad[0, CAR, 1, 1] < 0
    assert not scores.grad[:, :, 0].any()
