# SPDX-License-Identifier: Apache-2.0
"""CameraInfo says how an image's pixels see."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.sensor_messages import INTRINSICS, SECOND, START, camera_info, picture

from effocc_ros.bags.messages import header_message
from effocc_ros.calibration import SensorCalibration
from effocc_ros.errors import InputError
from effocc_ros.lenses import Lens
from effocc_ros.stream.camera_history import CameraModels
from effocc_ros.stream.camera_models import camera_model
from effocc_ros.stream.camera_view import filed_model
from effocc_ros.stream.config import StreamConfig, rectified_cameras
from effocc_ros.stream.sync_config import SyncConfig

NO_P = np.zeros(12)
BARREL = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
TURN = cv2.Rodrigues(np.array([0.0, 0.05, 0.0]))[0]


def p_of(fx=90.0, cx=30.0, shift=0.0):
    return np.array([fx, 0, cx, shift, 0, 95.0, 20.0, 0, 0, 0, 1, 0])


def view(model, size=(48, 64)):
    return model.view(picture(size=size), "CAM")


def reasons(model):
    return [remark.reason for remark in model.remarks]


def test_k_is_the_matrix_of_a_camera_without_distortion():
    model = camera_model(camera_info(), "CAM")
    assert np.array_equal(view(model).intrinsics, INTRINSICS)
    assert (model.frame_id, model.lens, model.remarks) == ("camera", None, ())


def test_p_and_r_are_of_images_that_are_called_rectified():
    info = camera_info(d=BARREL, p=p_of(), r=TURN.ravel())
    model = camera_model(info, "CAM", rectified=True)
    assert model.lens is None
    assert view(model).intrinsics[0].tolist() == [90.0, 0, 30.0]
    # The image's axes are turned by R against those of the frame.
    assert np.allclose(model.pose()[:3, :3], TURN.T)
    assert not model.remarks


def test_a_raw_image_is_rectified_to_what_the_rectified_topic_shows():
    raw, rectified = (
        camera_model(camera_info(d=BARREL, p=p_of(), r=TURN.ravel()), "CAM", each)
        for each in (False, True)
    )
    assert np.array_equal(view(raw).intrinsics, view(rectified).intrinsics)
    assert np.array_equal(raw.pose(), rectified.pose())
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    image = cv2.blur(image, (5, 5))
    maps = cv2.initUndistortRectifyMap(
        INTRINSICS, BARREL, TURN, p_of().reshape(3, 4)[:, :3], (64, 48), cv2.CV_16SC2
    )
    wanted = cv2.remap(image, *maps, cv2.INTER_LINEAR)
    found = raw.view(image, "CAM").image
    assert np.abs(found[2:-2, 2:-2].astype(int) - wanted[2:-2, 2:-2]).max() <= 2
    assert reasons(raw) == ["lens_undone"]


def test_a_shrunk_raw_image_is_rectified_alike():
    model = camera_model(camera_info(d=BARREL, p=NO_P), "CAM")
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, :320] = 200
    large = camera_model(
        camera_info(
            d=BARREL,
            p=NO_P,
            k=np.array([1000, 0, 324.5, 0, 1100, 244.5, 0, 0, 1.0]),
            width=640,
            height=480,
        ),
        "CAM",
    )
    shrunk = cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA)
    small, whole = model.view(shrunk, "CAM"), large.view(image, "CAM")
    expected = cv2.resize(whole.image, (64, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(small.image.astype(int) - expected).mean() < 3
    assert np.allclose(small.intrinsics, INTRINSICS)
    assert np.allclose(whole.intrinsics[:2, :2], 10 * INTRINSICS[:2, :2])


@pytest.mark.parametrize("k", [np.zeros(9), np.eye(3).ravel()])
def test_a_stream_with_p_alone_is_a_rectified_one(k):
    model = camera_model(camera_info(k=k, d=np.zeros(0), p=p_of()), "CAM")
    assert view(model).intrinsics[0].tolist() == [90.0, 0, 30.0]


def test_k_serves_where_p_is_empty():
    model = camera_model(camera_info(d=BARREL, p=NO_P), "CAM", rectified=True)
    assert np.array_equal(view(model).intrinsics, INTRINSICS)


def test_a_fisheye_is_undone_though_its_coefficients_are_zero():
    info = camera_info(distortion_model="equidistant", d=np.zeros(4), p=NO_P)
    model = camera_model(info, "CAM")
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 52:] = 255
    seen = model.view(image, "CAM").image[24, :, 0]
    # 20 pixels from the middle are 0.2 radians; the pinhole sees them at tan(0.2) = 0.2027.
    angles = np.arctan((np.arange(64) - 32) / 100)
    assert (seen[angles > 0.205] > 200).all()
    assert (seen[angles < 0.19] == 0).all()


def test_a_rectified_fisheye_without_p_is_refused():
    info = camera_info(distortion_model="fisheye", d=np.zeros(0), p=NO_P)
    with pytest.raises(InputError, match=r"fisheye.* no P that can be, beside images that are"):
        camera_model(info, "CAM", rectified=True)


def test_an_unknown_lens_does_no_harm_to_rectified_images():
    info = camera_info(distortion_model="mei", d=np.ones(5), p=p_of())
    assert view(camera_model(info, "CAM", rectified=True)).intrinsics[0, 0] == 90.0
    with pytest.raises(InputError, match="found distortion_model 'mei'"):
        camera_model(info, "CAM")


def test_the_second_camera_of_a_pair_is_a_baseline_away_from_the_first():
    info = camera_info(p=p_of(shift=-90.0 * 0.3), r=TURN.ravel())
    model = camera_model(info, "CAM", rectified=True)
    seen = np.linalg.inv(model.pose()) @ [1.0, 2.0, 8.0, 1.0]
    pixel = p_of(shift=-90.0 * 0.3).reshape(3, 4) @ [*(TURN @ [1.0, 2.0, 8.0]), 1.0]
    again = model.intrinsics @ seen[:3]
    assert np.allclose(again / again[2], pixel / pixel[2])
    assert np.allclose(TURN @ model.pose()[:3, 3], [0.3, 0, 0])
    assert np.allclose(model.pose(shifted=False)[:3, 3], 0.0)


def test_a_mounting_pose_in_r_is_no_rectification():
    mounting = np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]])
    model = camera_model(camera_info(r=mounting.ravel()), "CAM", rectified=True)
    assert np.array_equal(model.pose(), np.eye(4))
    assert "found R = a turn of 120 degrees" in model.remarks[0].text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"r": np.full(9, 0.5)}, "found R = "),
        ({"p": p_of(fx=-90.0)}, "found the left of P = "),
        ({"p": p_of(cx=300.0)}, "found the principal point at (300.0, 20.0)"),
        ({"p": p_of(shift=4e4)}, "found P with a fourth column"),
    ],
)
def test_parts_that_cannot_be_are_said_and_left_out(changes, said):
    model = camera_model(camera_info(**changes), "CAM")
    assert any(said in remark.text for remark in model.remarks)
    assert np.array_equal(view(model).intrinsics, INTRINSICS)
    assert np.array_equal(model.pose(), np.eye(4))


def test_a_p_of_another_resolution_is_no_target_for_raw_images():
    model = camera_model(camera_info(d=BARREL, p=p_of(fx=900.0, cx=300.0)), "CAM")
    assert np.array_equal(view(model).intrinsics, INTRINSICS)
    assert reasons(model) == ["contradicting_camera_info", "lens_undone"]


@pytest.mark.parametrize("scale", [0.5, 0.75])
def test_a_p_that_is_k_times_a_factor_is_of_another_resolution(scale):
    matrix = np.eye(4)[:3] @ np.eye(4)
    matrix[:, :3] = np.diag([scale, scale, 1.0]) @ INTRINSICS
    model = camera_model(camera_info(d=BARREL, p=matrix.ravel()), "CAM")
    assert np.array_equal(view(model).intrinsics, INTRINSICS)
    assert f"found P that is {scale:g} times K" in model.remarks[0].text
    assert reasons(model) == ["contradicting_camera_info", "lens_undone"]


def test_a_driver_that_rectifies_and_says_p_as_k_means_r_too():
    model = camera_model(camera_info(r=TURN.ravel()), "CAM")
    assert np.allclose(model.pose()[:3, :3], TURN.T)
    assert not model.remarks


def test_p_other_than_k_without_distortion_is_said():
    model = camera_model(camera_info(p=p_of()), "CAM")
    assert np.array_equal(view(model).intrinsics, INTRINSICS)
    assert reasons(model) == ["projection_unused"]


def test_a_region_of_interest_moves_the_principal_point():
    info = camera_info()
    region = replace(info.roi, x_offset=10, y_offset=4, width=40, height=40)
    model = camera_model(replace(info, roi=region), "CAM")
    assert np.allclose(view(model, (40, 40)).intrinsics, [[100, 0, 22], [0, 110, 20], [0, 0, 1]])


def test_a_binned_region_is_recognised_by_its_size():
    info = camera_info(binning_x=2, binning_y=2)
    region = replace(info.roi, x_offset=10, y_offset=4, width=40, height=40)
    model = camera_model(replace(info, roi=region), "CAM")
    seen = view(model, (20, 20)).intrinsics
    assert np.allclose(seen, [[50.0, 0, 10.75], [0, 55.0, 9.75], [0, 0, 1]])


def test_a_region_beyond_the_sensor_is_refused():
    info = camera_info()
    region = replace(info.roi, x_offset=40, y_offset=4, width=40, height=40)
    with pytest.raises(InputError, match=r"region .*\(40, 4, 40, 40\) beside a size of 64x48"):
        camera_model(replace(info, roi=region), "CAM")


@pytest.mark.parametrize(
    "k",
    [
        np.zeros(9),
        np.diag([0.0, 100.0, 1.0]).ravel(),
        np.diag([-5.0, 100.0, 1.0]).ravel(),
        np.array([100.0, 0, np.nan, 0, 100, 24, 0, 0, 1]),
        np.diag([np.nan, 100.0, 1.0]).ravel(),
    ],
)
def test_a_camera_that_is_not_calibrated_is_refused(k):
    with pytest.raises(InputError, match=r"CameraInfo of CAM: found K = .* focal lengths") as no:
        camera_model(camera_info(k=k, p=NO_P), "CAM")
    assert no.value.reason == "no_intrinsics"


def test_a_calibration_file_may_give_the_lens():
    known = SensorCalibration(INTRINSICS, (64, 48), lens=Lens("equidistant"))
    assert filed_model(known, "CAM").lens == Lens("equidistant")
    assert filed_model(replace(known, rectified=True), "CAM").lens is None


def info_at(seconds, fx):
    k = INTRINSICS.copy()
    k[0, 0] = fx
    header = header_message(START + seconds * SECOND, "camera")
    return camera_info(header=header, k=k.ravel())


def test_intrinsics_that_change_hold_from_their_stamp_on():
    models = CameraModels()
    for seconds, fx in ((0, 100.0), (1, 100.0), (2, 120.0), (3, 120.0)):
        new = models.add("CAM", info_at(seconds, fx), rectified=False)
        assert (new is not None) == (seconds in (0, 2))
    focal = [models.at("CAM", START + s * SECOND).intrinsics[0, 0] for s in (-1, 0, 1, 2, 9)]
    assert focal == [100.0, 100.0, 100.0, 120.0, 120.0]


def test_after_a_jump_back_the_newest_message_holds():
    models = CameraModels()
    for seconds, fx in ((5, 100.0), (9, 120.0), (0, 80.0)):
        models.add("CAM", info_at(seconds, fx), rectified=False)
    assert models.at("CAM", START + 20 * SECOND).intrinsics[0, 0] == 80.0


def test_the_name_of_a_topic_tells_rectified_images():
    topics = {
        "A": "/CAM_FRONT/image_rect_compressed",
        "B": "/left/image_rect/compressed",
        "C": "/zed/left/undistorted",
        "D": "/cam/image_raw",
        "E": "/direct/rectangle/image",
    }
    assert rectified_cameras(topics) == {"A", "B", "C"}
    calibration = {"A": SensorCalibration(rectified=False), "D": SensorCalibration(rectified=True)}
    config = StreamConfig(SyncConfig(()), rectified=frozenset("AB"), calibration=calibration)
    assert [config.is_rectified(each) for each in "ABCD"] == [False, True, False, True]
