# SPDX-License-Identifier: Apache-2.0
"""Inputs made on the device are those that are made on the CPU."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from helpers.small_networks import CONFIGS, SMALL, frame

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS, PointCloud
from effocc_ros.preprocess import preprocess
from effocc_ros.preprocess.images import fit_image, lay_in
from effocc_ros.preprocess.on_device import resized, static_inputs
from effocc_ros.preprocess.raw import raw_inputs

STEP = 1.001 / 57.12
"""A step of a pixel's value after normalisation."""


def both(given, config):
    """The ordinary inputs, and those made on the device."""
    return preprocess(given, config), static_inputs(
        raw_inputs(given, config, point_step=512), config
    )


def assert_same_images(got, expected):
    difference = (got - expected[0]).abs()
    # Noise, some of it enlarged, is the hardest picture; see the recorded one below.
    assert difference.max() < 2 * STEP
    assert (difference > 1e-5).float().mean() < 0.02


@pytest.mark.parametrize("modality", CONFIGS)
def test_a_frame_gives_the_same_inputs(modality):
    expected, got = both(frame(), CONFIGS[modality])
    if modality != "lidar":
        assert_same_images(got.images, expected.images)
        assert torch.equal(got.camera_mask, expected.camera_mask[0])
    if modality != "vision":
        assert got.points.shape == (3072, 5)
        assert torch.equal(got.points[:3000], expected.points[0])
        assert got.points[3000:].isnan().all()
    if modality == "fusion":
        assert (expected.depth > 0).sum() > 100
        assert torch.equal(got.depth, expected.depth[0])
    absent = {"vision": (got.depth, got.points), "lidar": (got.images, got.rays, got.depth)}
    assert all(each is None for each in absent.get(modality, ()))


@pytest.mark.parametrize(
    "cameras", [(), NUSCENES_CAMERAS[2:4], (*NUSCENES_CAMERAS[::-1], "CAM_X")]
)
@pytest.mark.parametrize("lidar", [True, False])
def test_silent_sensors_and_any_order_of_cameras(cameras, lidar):
    expected, got = both(frame(cameras, lidar), SMALL)
    assert_same_images(got.images, expected.images)
    assert torch.equal(got.camera_mask, expected.camera_mask[0])
    assert torch.equal(got.depth, expected.depth[0])
    assert int(got.points.isfinite().all(1).sum()) == len(expected.points[0])


def test_images_of_several_sizes_each_go_to_their_camera():
    given = frame()
    shapes = [(72, 160), (40, 176), (72, 160), (20, 160), (130, 400), (40, 176)]
    rng = np.random.default_rng(1)
    cameras = tuple(
        replace(camera, image=rng.integers(0, 256, (*shape, 3), np.uint8))
        for camera, shape in zip(given.cameras, shapes, strict=True)
    )
    raw = raw_inputs(replace(given, cameras=cameras), SMALL)
    assert raw.places == ((0, 2), (1, 5), (3,), (4,))
    expected, got = both(replace(given, cameras=cameras), SMALL)
    assert_same_images(got.images, expected.images)
    assert torch.equal(got.depth, expected.depth[0])


def test_points_are_moved_squashed_and_left_out_as_on_the_cpu():
    given = frame()
    points = given.cloud.points.copy()
    points[[3, 700, 2000], [0, 3, 4]] = np.nan, np.inf, -np.inf
    front = replace(given.camera("CAM_FRONT"), ego2global=np.diag([-1.0, -1, 1, 1]))
    cameras = tuple(front if each.name == front.name else each for each in given.cameras)
    given = replace(given, cameras=cameras, cloud=replace(given.cloud, points=points))
    config = replace(SMALL, tanh_columns=(3, 4))
    expected, got = both(given, config)
    whole = got.points.isfinite().all(dim=1)
    assert torch.equal(got.points[whole], expected.points[0])
    assert got.points[~whole, :3].isnan().all()
    assert torch.equal(got.depth, expected.depth[0])


def test_the_nearest_of_many_points_in_a_pixel_wins():
    given = frame()
    # A line of sight of the first camera, walked along in random order.
    pose = given.cameras[0].sensor2ego
    reach = np.random.default_rng(2).permutation(np.linspace(2.0, 40.0, 400))
    points = np.zeros((400, 5), np.float32)
    points[:, :3] = pose[:3, 3] + reach[:, None] * pose[:3, 2]
    given = replace(given, cloud=PointCloud(points, np.eye(4)))
    expected, got = both(given, SMALL)
    assert 0 < int((expected.depth[0, 0] > 0).sum()) < 20
    assert torch.equal(got.depth, expected.depth[0])


def test_room_for_points_grows_in_steps():
    for count, room in ((0, 512), (512, 512), (513, 1024)):
        cloud = PointCloud(np.ones((count, 5), np.float32), np.eye(4))
        raw = raw_inputs(replace(frame(), cloud=cloud), SMALL, point_step=512)
        assert raw.points.shape == (room, 5)
        assert raw.points[count:].isnan().all()


def test_tensors_can_be_taken_out_and_put_back():
    for config in CONFIGS.values():
        raw = raw_inputs(frame(NUSCENES_CAMERAS[:4]), config)
        doubled = raw.with_tensors(tuple(torch.cat([each, each]) for each in raw.tensors()))
        for one, two in zip(raw.tensors(), doubled.tensors(), strict=True):
            assert len(two) == 2 * len(one)
        assert doubled.places == raw.places
        assert (doubled.points is None) == (config.modality == "vision")


def test_what_is_no_image_and_no_cloud_is_refused():
    given = frame()
    gray = replace(given.cameras[0], image=np.zeros((9, 9), np.uint8))
    with pytest.raises(InputError, match="image of CAM_FRONT_LEFT"):
        raw_inputs(replace(given, cameras=(gray,)), SMALL)
    with pytest.raises(InputError, match="points of LIDAR_TOP"):
        raw_inputs(replace(given, cloud=PointCloud(np.zeros((3, 4)), np.eye(4))), SMALL)


def test_a_recorded_picture_is_resized_to_one_step(data_dir):
    (file,) = (data_dir / "mmdetection3d_scene0061_frame").glob("*__CAM_FRONT__*.jpg")
    image = cv2.imread(str(file))[..., ::-1]
    for size in ((256, 704), (128, 352)):
        fit = fit_image(image.shape[:2], size)
        expected = lay_in(image, fit)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
        got = resized(pixels, fit.resized)[0, :, fit.top :]
        difference = (got - expected).abs()
        assert difference.max() <= 1
        assert (difference > 0).float().mean() < 2e-3
