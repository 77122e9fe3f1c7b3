# SPDX-License-Identifier: Apache-2.0
"""A real frame gives what the official pipeline makes of it."""

import json
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from effocc_ros.frame import NUSCENES_CAMERAS, Camera, Frame, PointCloud
from effocc_ros.geometry import inverse_rigid, rigid
from effocc_ros.networks.voxelize import voxelize
from effocc_ros.preprocess import preprocess
from effocc_ros.preprocess.images import fit_image, lay_in
from effocc_ros.presets import load_preset
from effocc_ros.sweeps import Sweep, aggregate_sweeps

FUSION = load_preset("fusion_r18")


@pytest.fixture(scope="module")
def vector_f(reference_dir):
    return np.load(reference_dir / "parity" / "f_preprocess.npz")


@pytest.fixture(scope="module")
def sweep(data_dir, vector_f):
    folder = data_dir / "mmdetection3d_scene0061_frame"
    calibration = json.loads((folder / "calib.json").read_text())
    rows = np.fromfile(folder / calibration["lidar"]["file"], np.float32).reshape(-1, 5)
    mount = rigid(vector_f["lidar2ego_q"], vector_f["lidar2ego_t"])
    pose = rigid(vector_f["ego2global_q"], vector_f["ego2global_t"])
    return Sweep(rows, mount, pose, calibration["lidar"]["timestamp_us"] * 1000)


@pytest.fixture(scope="module")
def real(data_dir, vector_f, sweep):
    folder = data_dir / "mmdetection3d_scene0061_frame"
    calibration = json.loads((folder / "calib.json").read_text())["cameras"]
    front = rigid(vector_f["cam_front_ego2global_q"], vector_f["cam_front_ego2global_t"])
    cameras = []
    for number, name in enumerate(NUSCENES_CAMERAS):
        image = cv2.imread(str(folder / calibration[name]["file"]))[..., ::-1]
        poses = (vector_f[key][number].astype(np.float64) for key in ("sensor2ego", "ego2global"))
        sensor2ego, ego2global = poses
        ego2global = front if name == "CAM_FRONT" else ego2global
        intrinsics = vector_f["intrins"][number].astype(np.float64)
        cameras.append(Camera(name, image, intrinsics, sensor2ego, ego2global, 0))
    between = np.eye(4)
    between[:3, :3], between[:3, 3] = vector_f["sweep_rotation"], vector_f["sweep_translation"]
    lidar2global = sweep.ego2global @ sweep.sensor2ego
    pose = lidar2global @ between @ inverse_rigid(sweep.sensor2ego)
    lag = int(vector_f["sweep_dt"] * 1e9)
    earlier = replace(sweep, ego2global=pose, stamp=sweep.stamp - lag)
    cloud = PointCloud(aggregate_sweeps(sweep, [earlier]), sweep.sensor2ego)
    return Frame(sweep.stamp, "base_link", tuple(cameras), cloud, sweep.ego2global)


@pytest.fixture(scope="module")
def inputs(real):
    return preprocess(real, FUSION)


def test_the_cloud_has_as_many_points(real, sweep, vector_f):
    assert len(real.cloud.points) == vector_f["n_points"]
    assert len(aggregate_sweeps(sweep)) == vector_f["n_after_pad_empty"]


def test_the_pixels_agree_to_one_step(real, vector_f):
    for number, item in enumerate(real.cameras):
        assert zlib.crc32(item.image.tobytes()) == vector_f["decoded_crc32"][number]
    canvases = [lay_in(item.image, fit_image((900, 1600), (256, 704))) for item in real.cameras]
    ours = torch.stack(canvases).permute(0, 2, 3, 1).reshape(-1, 3)[vector_f["pixel_index"]]
    difference = np.abs(ours.numpy().astype(int) - vector_f["canvas_rgb_at_pixel"])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_the_normalised_values_agree(inputs, vector_f):
    ours = inputs.images[0].permute(0, 2, 3, 1).reshape(-1, 3)[vector_f["pixel_index"]].numpy()
    difference = np.abs(ours - vector_f["img_norm_at_pixel"])
    assert (difference > 1e-6).mean() < 1e-3
    assert difference.max() < 1.001 / 57.12
    channels = inputs.images[0].double().transpose(0, 1).flatten(1)
    np.testing.assert_allclose(channels.mean(1), vector_f["img_channel_mean"], atol=2e-5)
    np.testing.assert_allclose(channels.std(1), vector_f["img_channel_std"], atol=2e-5)


def test_the_matrices_agree(inputs, vector_f):
    np.testing.assert_array_equal(inputs.post_rots[0], vector_f["post_rots"])
    np.testing.assert_array_equal(inputs.post_trans[0], vector_f["post_trans"])
    np.testing.assert_array_equal(inputs.intrinsics[0], vector_f["intrins"])


def test_the_points_agree(inputs, vector_f):
    ours = inputs.points[0].numpy()[vector_f["point_index"]]
    np.testing.assert_allclose(ours, vector_f["points_ego"], atol=2e-4)


def test_the_depth_images_agree(inputs, vector_f):
    theirs = np.zeros(6 * 256 * 704, np.float32)
    theirs[vector_f["depth_index"]] = vector_f["depth_value"]
    ours = inputs.depth.numpy().ravel()
    counts = (inputs.depth[0] > 0).sum(dim=(1, 2)).numpy()
    np.testing.assert_allclose(counts, vector_f["depth_count_per_cam"], atol=3)
    # Poses in float32 move theirs by 0.1 mm: one point in a hundred rounds to the next pixel.
    both = (ours > 0) & (theirs > 0)
    assert both.sum() > 0.985 * len(vector_f["depth_index"])
    # Where several points hit a pixel, theirs may be any within 1.6 m, ours is the nearest.
    assert (np.abs(ours - theirs)[both] > 1e-3).mean() < 0.02
    assert ((ours - theirs)[both] > 2e-3).mean() < 0.005


def test_the_voxels_agree(inputs, vector_f):
    voxels = voxelize(inputs.points, FUSION.voxels, FUSION.max_voxels)
    assert abs(len(voxels.points) - int(vector_f["num_voxels"])) < 0.002 * vector_f["num_voxels"]
    histogram = np.bincount(voxels.points.numpy(), minlength=11)
    np.testing.assert_allclose(histogram, vector_f["num_points_hist"], atol=60)
