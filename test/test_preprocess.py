# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import torch

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS, Camera, Frame, PointCloud
from effocc_ros.geometry import rigid
from effocc_ros.preprocess import preprocess
from effocc_ros.preprocess.images import fit_image, lay_in
from effocc_ros.presets import load_preset

FUSION = load_preset("fusion_r18")


VISION = replace(FUSION, modality="vision")


# Optical axes: x right, y down, z forward; the ego frame: x forward, y left, z up.
FORWARD = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])


INTRINSICS = np.array([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]])


def camera(name="CAM_FRONT", shape=(900, 1600, 3), pose=None, image=None):
    if image is None:
        image = np.full(shape, 100, np.uint8)
    return Camera(name, image, INTRINSICS, FORWARD, np.eye(4) if pose is None else pose, 0)


def frame(cameras=(), points=None, pose=None):
    cloud = None
    if points is not None:
        cloud = PointCloud(np.array(points, np.float32).reshape(-1, 5), np.eye(4))
    return Frame(0, "base_link", tuple(cameras), cloud, np.eye(4) if pose is None else pose)


def moved(x, y=0.0):
    return rigid((1, 0, 0, 0), (x, y, 0))


def test_width_decides_the_scale_and_the_bottom_is_kept():
    for source, resized, top in (
        ((900, 1600), (396, 704), 140),
        ((720, 1280), (396, 704), 140),
        ((450, 800), (396, 704), 140),
        ((886, 1920), (324, 704), 68),
    ):
        fit = fit_image(source, (256, 704))
        assert (fit.resized, fit.top) == (resized, top)
        assert fit.scale == 704 / source[1]
        np.testing.assert_array_equal(fit.post_trans, (0, -top, 0))


def test_a_flat_image_keeps_its_bottom_under_black_rows():
    fit = fit_image((200, 1408), (256, 704))
    laid = lay_in(np.full((200, 1408, 3), 90, np.uint8), fit)
    assert laid.shape == (3, 256, 704)
    assert (laid[:, :156] == 0).all()
    assert (laid[:, 156:] == 90).all()
    assert fit.post_trans[1] == 156


def test_resizing_is_pillows_bicubic_to_one_step():
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, (180, 320, 3), np.uint8)
    theirs = np.asarray(image.fromarray(pixels).resize((141, 79), image.Resampling.BICUBIC))
    ours = lay_in(pixels, fit_image((180, 320), (79, 141))).permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_rgb_becomes_normalised_bgr_with_the_means_of_rgb():
    image = np.zeros((900, 1600, 3), np.uint8)
    image[...] = (10, 20, 30)
    pixel = preprocess(frame([camera(image=image)]), VISION).images[0, 1, :, 100, 100]
    expected = [(30 - 123.675) / 58.395, (20 - 116.28) / 57.12, (10 - 103.53) / 57.375]
    np.testing.assert_allclose(pixel, expected, rtol=1e-6)


def test_strided_and_read_only_images_are_read_right():
    pixels = np.random.default_rng(2).integers(0, 256, (450, 800, 3), np.uint8)
    frozen = pixels.copy()
    frozen.flags.writeable = False
    wide = np.zeros((450, 1600, 6), np.uint8)
    wide[:, ::2, ::2] = pixels
    expected = preprocess(frame([camera(image=pixels)]), VISION).images
    for image in (frozen, wide[:, ::2, ::2], pixels[..., ::-1].copy()[..., ::-1]):
        assert torch.equal(preprocess(frame([camera(image=image)]), VISION).images, expected)


def test_a_silent_camera_is_masked_and_black_and_its_matrices_can_be_inverted():
    inputs = preprocess(frame([camera("CAM_BACK"), camera("CAM_FRONT")]), FUSION)
    assert inputs.camera_mask.tolist() == [[False, True, False, False, True, False]]
    silent = ~inputs.camera_mask
    assert (inputs.images[silent] == 0).all()
    assert (inputs.depth[silent] == 0).all()
    for matrices in (inputs.sensor2keyego, inputs.intrinsics, inputs.post_rots):
        assert (torch.linalg.det(matrices) != 0).all()


def test_the_preset_orders_the_cameras_and_ignores_unknown_ones():
    shades = dict(zip(NUSCENES_CAMERAS, range(0, 240, 40), strict=True))
    cameras = [
        camera(name, image=np.full((90, 160, 3), shade, np.uint8))
        for name, shade in shades.items()
    ]
    cameras.insert(2, camera("CAM_DRIVER"))
    forth, back = (preprocess(frame(order), VISION) for order in (cameras, cameras[::-1]))
    assert torch.equal(forth.images, back.images)
    assert torch.equal(forth.camera_mask, torch.ones(1, 6, dtype=torch.bool))
    assert forth.images[0, :, 0, 50, 50].diff().min() > 0


def test_cameras_stand_in_the_ego_frame_of_the_key_camera():
    cameras = [camera("CAM_FRONT_LEFT", pose=moved(1e6)), camera("CAM_BACK", pose=moved(1e6 + 2))]
    inputs = preprocess(frame(cameras, pose=moved(1e6 + 5)), VISION)
    assert inputs.sensor2keyego[0, 4, :3, 3].tolist() == [2, 0, 0]
    assert inputs.sensor2keyego[0, 0, :3, 3].tolist() == [0, 0, 0]


def test_a_silent_key_camera_is_replaced_by_the_frames_own_pose():
    inputs = preprocess(frame([camera("CAM_BACK", pose=moved(2))], pose=moved(5)), VISION)
    assert inputs.sensor2keyego[0, 4, :3, 3].tolist() == [-3, 0, 0]


def test_points_go_to_the_ego_frame_at_the_points_camera():
    point = [10, 1, 2, 50, 0.1]
    with_camera = frame([camera("CAM_FRONT", pose=moved(101))], [point], pose=moved(100))
    without = frame([camera("CAM_BACK", pose=moved(101))], [point], pose=moved(100))
    np.testing.assert_allclose(preprocess(with_camera, FUSION).points[0][0], [9, 1, 2, 50, 0.1])
    np.testing.assert_allclose(preprocess(without, FUSION).points[0][0], point)


def test_a_network_in_the_lidar_frame_gets_points_and_cameras_there():
    config = replace(FUSION, frame="lidar")
    cloud = PointCloud(np.array([[10, 0, 2, 0, 0]], np.float32), rigid((1, 0, 0, 0), (1, 0, 2)))
    front = camera("CAM_FRONT", pose=moved(99))
    inputs = preprocess(Frame(0, "base_link", (front,), cloud, moved(100)), config)
    np.testing.assert_allclose(inputs.points[0][0, :3], [9, 0, 0])
    np.testing.assert_allclose(inputs.sensor2keyego[0, 1, :3, 3], [-2, 0, -2])
    # Seen from where the camera was, the point is 11 m away; 0.44 * 450 - 140 = 58 is the centre
    # row, and the point is 2 m above the camera: 58 - 440 * 2 / 11 = -22, out of the picture.
    assert (inputs.depth == 0).all()
    with pytest.raises(InputError, match="no LiDAR"):
        preprocess(frame([front]), config)


def test_without_a_key_camera_all_stand_in_the_ego_frame_of_the_frame():
    """8 m/s for 50 ms: the camera was 0.4 m behind where the LiDAR took its turn."""
    config = replace(FUSION, key_camera="", points_camera="")
    front = camera("CAM_FRONT", pose=moved(1e6 - 0.4))
    point = [[10, 1, 0, 50, 0.1]]
    inputs = preprocess(frame([front], point, pose=moved(1e6)), config)
    assert inputs.points[0].tolist() == preprocess(frame([], point), config).points[0].tolist()
    np.testing.assert_allclose(inputs.sensor2keyego[0, 1, :3, 3], [-0.4, 0, 0], atol=1e-9)
    # Seen from there, the point is 10.4 m away: u = 0.44 * (800 - 1000 / 10.4), rounded.
    assert inputs.depth[0, 1].nonzero().tolist() == [[58, round(0.44 * (800 - 1000 / 10.4))]]
    assert inputs.depth[0, 1].max() == np.float32(10.4)
    # EFFOcc's own presets leave the motion in.
    quirk = preprocess(frame([front], point, pose=moved(1e6)), replace(FUSION, points_camera=""))
    assert quirk.depth[0, 1].nonzero().tolist() == [[58, round(0.44 * (800 - 1000 / 10))]]


def test_a_turn_between_camera_and_lidar_is_taken_out():
    config = replace(FUSION, key_camera="", points_camera="")
    # Since the image was taken the car turned left by 90 degrees: what was ahead is on its right.
    turned = rigid((0.5**0.5, 0, 0, 0.5**0.5), (0, 0, 0))
    inputs = preprocess(frame([camera()], [[0, -10, 0, 1, 0]], pose=turned), config)
    assert inputs.depth[0, 1].nonzero().tolist() == [[58, 352]]
    ahead = inputs.sensor2keyego[0, 1].numpy() @ [0, 0, 10, 1]
    np.testing.assert_allclose(ahead, [0, -10, 0, 1], atol=1e-5)


def test_depth_lands_on_the_rounded_pixel_and_the_nearest_wins():
    # Pixel of (x, y, z): 0.44 * (800 - 1000 y/x), 0.44 * (450 - 1000 z/x) - 140.
    points = [[20, 0, 0, 0, 0], [10, 0, 0, 0, 0], [10, 1.0, -1.0, 0, 0]]
    depth = preprocess(frame([camera()], points), FUSION).depth[0, 1]
    assert depth.nonzero().tolist() == [[58, 352], [102, 308]]
    assert depth[58, 352] == 10
    assert depth[102, 308] == 10


def test_depth_keeps_its_range():
    for x, seen in ((0.999, False), (1.0, True), (44.99, True), (45.0, False), (-10.0, False)):
        depth = preprocess(frame([camera()], [[x, 0, 0, 0, 0]]), FUSION).depth
        assert bool(depth[0, 1, 58, 352] > 0) == seen
        assert int((depth > 0).sum()) == seen


def test_half_pixels_round_to_the_even_one():
    # An image of the input's own size, and 1000 / 64 m away: u = 800 - 64 y, v = 450 - 64 z.
    for u, pixel in ((-0.5, [0]), (0.5, [0]), (1.5, [2]), (703.5, []), (703.25, [703])):
        point = [15.625, (800 - u) / 64, (450 - 100) / 64, 0, 0]
        depth = preprocess(frame([camera(shape=(256, 704, 3))], [point]), FUSION).depth
        assert depth[0, 1, 100].nonzero().flatten().tolist() == pixel


def test_points_that_are_not_finite_are_left_out():
    rows = [[10, 0, 0, 1, 0], [np.nan, 0, 0, 1, 0], [5, 0, np.inf, 1, 0], [7, 0, 0, np.nan, 0]]
    inputs = preprocess(frame([camera()], rows), FUSION)
    assert inputs.points[0].tolist() == [[10, 0, 0, 1, 0]]
    assert inputs.depth.isfinite().all()


def test_each_modality_gets_what_it_needs():
    everything = frame([camera()], [[10, 0, 0, 1, 0]])
    vision, lidar = (
        preprocess(everything, replace(FUSION, modality=m)) for m in ("vision", "lidar")
    )
    assert vision.points is None
    assert vision.depth is None
    assert lidar.images is None
    assert lidar.camera_mask is None
    assert len(lidar.points[0]) == 1
    bare = preprocess(frame(), FUSION)
    assert bare.points[0].shape == (0, 5)
    assert not bare.camera_mask.any()


def test_columns_are_squashed_where_the_preset_says_so():
    config = replace(FUSION, tanh_columns=(3, 4))
    row = preprocess(frame([], [[10, 0, 0, 2.0, 0.5]]), config).points[0][0]
    np.testing.assert_allclose(row, [10, 0, 0, np.tanh(2), np.tanh(0.5)], rtol=1e-6)


def test_the_frame_is_not_changed():
    points = np.array([[10, 1, 2, 50, 0.1]], np.float32)
    cloud = PointCloud(points, np.eye(4))
    front = camera("CAM_FRONT", pose=moved(101))
    preprocess(Frame(0, "base_link", (front,), cloud, moved(100)), FUSION)
    assert points[0, 0] == 10


@pytest.mark.parametrize(
    "image",
    [np.zeros((90, 160), np.uint8), np.zeros((90, 160, 3)), np.zeros((0, 160, 3), np.uint8)],
)
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(InputError, match="image of CAM_FRONT"):
        preprocess(frame([camera(image=image)]), VISION)


def test_points_without_a_lag_are_refused():
    cloud = PointCloud(np.zeros((3, 4), np.float32), np.eye(4), "LIDAR_TOP")
    with pytest.raises(InputError, match=r"LIDAR_TOP: found shape \(3, 4\)"):
        preprocess(Frame(0, "base_link", (), cloud, np.eye(4)), FUSION)


def test_the_key_frame_of_vector_a2_is_met_to_a_micrometre(reference_dir):
    vector = np.load(reference_dir / "parity" / "a2_geometry_full.npz")
    image = np.zeros((9, 16, 3), np.uint8)
    cameras = [
        Camera(name, image, INTRINSICS, *(vector[k][n].astype(float) for k in keys), 0)
        for n, name in enumerate(NUSCENES_CAMERAS)
        for keys in [("sensor2ego", "ego2global")]
    ]
    ours = preprocess(frame(cameras), VISION).sensor2keyego[0]
    np.testing.assert_allclose(ours, vector["sensor2keyego"], atol=1e-6)
