# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.moments import CONFIG, FREE, GRID, SPACE, frame_of, labels_of, moment

from effocc_ros.datasets.benchmarks import label_space
from effocc_ros.datasets.sample import Labels
from effocc_ros.errors import InputError
from effocc_ros.preprocess import preprocess
from effocc_ros.preprocess.variation import Variation
from effocc_ros.presets import load_preset
from effocc_ros.training.batch import IGNORE, check_even, check_space, collate, make_batch


def same(first, second) -> bool:
    """Whether two inputs are equal to the bit."""
    mine, theirs = first.keywords(), second.keywords()
    return all(
        value is theirs[name]
        or (isinstance(value, list) and all(map(torch.equal, value, theirs[name])))
        or (torch.is_tensor(value) and torch.equal(value, theirs[name]))
        for name, value in mine.items()
    )


def test_a_batch_of_one_is_what_the_node_would_feed_the_network():
    sample = moment(0, cameras=("CAM_BACK",))
    assert same(make_batch(sample, CONFIG).to("cpu").inputs, preprocess(sample.frame, CONFIG))


def test_a_batch_of_two_is_two_batches_of_one():
    samples = [moment(3), moment(5, labeled=False)]
    both = collate([make_batch(sample, CONFIG) for sample in samples]).to("cpu")
    assert both.tokens == ("token3", "token5")
    assert [shown.all() for shown in both.shown] == [True, False]
    assert not both.shown[1].any()
    assert [len(points) for points in both.inputs.points] == [83, 85]
    for place, sample in enumerate(samples):
        one = make_batch(sample, CONFIG).to("cpu")
        for name in ("labels", "mask_camera", "shown"):
            assert torch.equal(getattr(both, name)[place], getattr(one, name)[0])
        for name, value in one.inputs.keywords().items():
            assert torch.equal(getattr(both.inputs, name)[place], value[0])


def test_images_travel_as_bytes_and_arrive_normalised_once():
    batch = make_batch(moment(0, cameras=("CAM_FRONT",)), CONFIG)
    assert batch.inputs.images.dtype == torch.uint8
    arrived = batch.to("cpu")
    assert arrived.inputs.images.dtype == torch.float32
    assert (arrived.inputs.images[0, 1] == 0).all()
    assert torch.equal(arrived.to("cpu").inputs.images, arrived.inputs.images)


def test_without_labels_every_voxel_is_ignored_and_the_mask_is_open():
    batch = make_batch(moment(0, labeled=False), CONFIG)
    assert (batch.labels == IGNORE).all()
    assert batch.mask_camera.all()
    no_mask = replace(moment(0), truth=Labels(labels_of(0).semantics))
    assert make_batch(no_mask, CONFIG).mask_camera.all()


def test_ignored_and_hidden_voxels_are_255():
    semantics = np.full(GRID.shape, FREE, np.uint8)
    semantics[0, 0, 0] = 200
    shown = np.ones(GRID.shape, bool)
    shown[1, 2, 1] = False
    sample = replace(
        moment(0), truth=Labels(semantics, shown=shown), space=replace(SPACE, ignore=200)
    )
    labels = make_batch(sample, CONFIG).labels[0]
    assert (labels == IGNORE).nonzero().tolist() == [[0, 0, 0], [1, 2, 1]]
    assert (labels == FREE).sum() == labels.numel() - 2


@pytest.mark.parametrize(("flip_x", "flip_y"), [(True, False), (False, True), (True, True)])
def test_a_point_in_a_labeled_voxel_stays_in_it_when_the_bev_is_mirrored(flip_x, flip_y):
    sample = moment(7)
    variation = Variation(flip_x=flip_x, flip_y=flip_y)
    straight, mirrored = (
        make_batch(sample, CONFIG, variation=v) for v in (Variation(), variation)
    )

    def seen(batch):
        index, inside = GRID.index(batch.inputs.points[0][:, :3].numpy())
        index = index[inside].T
        return batch.labels[0][tuple(index)], batch.mask_camera[0][tuple(index)]

    labels, mask = seen(straight)
    assert len(set(labels.tolist())) > 5
    assert torch.equal(seen(mirrored)[0], labels)
    assert torch.equal(seen(mirrored)[1], mask)
    moved = straight.inputs.points[0][:, :3] @ mirrored.inputs.bda[0, :3, :3].T
    assert torch.equal(moved, mirrored.inputs.points[0][:, :3])
    assert torch.equal(straight.inputs.points[0][:, 3:], mirrored.inputs.points[0][:, 3:])
    assert straight.inputs.depth.any()
    assert torch.equal(straight.inputs.depth, mirrored.inputs.depth)


def test_a_mirrored_velocity_changes_its_sign_and_its_voxel():
    config = replace(CONFIG, flow=True)
    sample = replace(moment(0), truth=labels_of(0, flow=True))
    flow = make_batch(sample, config).flow[0]
    x = make_batch(sample, config, variation=Variation(flip_x=True)).flow[0]
    y = make_batch(sample, config, variation=Variation(flip_y=True)).flow[0]
    assert x[1, 2, 1].tolist() == [-flow[6, 2, 1, 0], flow[6, 2, 1, 1]]
    assert y[1, 2, 1].tolist() == [flow[1, 3, 1, 0], -flow[1, 3, 1, 1]]
    hidden = make_batch(moment(0, labeled=False), config)
    assert hidden.flow.shape == (1, *GRID.shape, 2)
    assert not hidden.flow.any()
    assert make_batch(sample, CONFIG).flow is None


def test_labels_without_flow_do_not_teach_it():
    with pytest.raises(InputError, match="token0 in occ3d_nuscenes: found no flow"):
        make_batch(moment(0), replace(CONFIG, flow=True))


def test_labels_of_another_benchmark_or_grid_are_refused_by_both_names():
    check_space(SPACE, CONFIG)
    with pytest.raises(InputError, match=r"model small: found the 18 classes of occ3d_nuscenes"):
        check_space(label_space("occ3d_waymo"), CONFIG)
    with pytest.raises(InputError, match=r"model fusion_tiny: found \(200, 200, 16\) voxels"):
        check_space(SPACE, load_preset("fusion_tiny"))
    with pytest.raises(InputError, match="model small, class_count: found 17"):
        check_space(SPACE, replace(CONFIG, class_count=17))


@pytest.mark.parametrize(
    ("semantics", "said"),
    [
        (np.zeros((8, 6, 3), np.uint8), r"sample token0: found a grid of \(8, 6, 3\)"),
        (np.full(GRID.shape, 18, np.uint8), "sample token0: found label 18; expected .* 0 to 17"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_name(semantics, said):
    with pytest.raises(InputError, match=said):
        make_batch(replace(moment(0), truth=Labels(semantics)), CONFIG)


def test_a_moment_without_a_sensor_for_the_network_is_refused():
    blind = replace(moment(0), frame=frame_of(0, cameras=()))
    with pytest.raises(InputError, match="at least one camera"):
        make_batch(blind, replace(CONFIG, modality="vision"))


def test_a_grid_that_is_not_even_cannot_be_mirrored():
    grid = replace(GRID, lower=(-4.0, -2.0, -1.0))
    check_even(replace(CONFIG, grid=grid), "x")
    with pytest.raises(InputError, match=r"flip_y: found a grid from -2.0 to 4.0 m along y"):
        check_even(replace(CONFIG, grid=grid), "xy")
