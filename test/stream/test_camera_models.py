"""CameraInfo says how an image's pixels see."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.sensor_messages import INTRINSICS, camera_info, picture

from effocc_ros.errors import InputError
from effocc_ros.stream.camera_models import camera_model


def test_k_is_the_matrix_of_a_camera_without_distortion():
    model = camera_model(camera_info(p=np.arange(12.0)), "CAM")
    assert np.array_equal(model.intrinsics_for(picture(size=(48, 64))), INTRINSICS)
    assert (model.frame_id, model.distorted) == ("camera", False)


def test_p_is_the_matrix_of_rectified_images_of_a_lens_that_distorts():
    projection = np.zeros((3, 4))
    projection[:, :3] = [[90.0, 0, 30.0], [0, 95.0, 20.0], [0, 0, 1]]
    info = camera_info(d=np.array([-0.3, 0.1, 0, 0, 0]), p=projection.ravel())
    model = camera_model(info, "CAM")
    assert model.distorted
    assert np.array_equal(model.intrinsics, projection[:, :3])


def test_k_serves_where_p_is_empty():
    model = camera_model(camera_info(d=np.array([0.1]), p=np.zeros(12)), "CAM")
    assert np.array_equal(model.intrinsics, INTRINSICS)


def test_a_scaled_image_has_scaled_intrinsics():
    model = camera_model(camera_info(), "CAM")
    scaled = model.intrinsics_for(picture(size=(24, 32)))
    assert np.allclose(scaled, [[50.0, 0, 15.75], [0, 55.0, 11.75], [0, 0, 1]])
    # The corner of the image is the corner of the image: -1/2 in both.
    corner = np.linalg.inv(INTRINSICS) @ [-0.5, -0.5, 1.0]
    assert np.allclose(scaled @ corner, [-0.5, -0.5, 1.0])


def test_a_camera_info_without_a_size_is_for_the_image_as_it_is():
    model = camera_model(camera_info(width=0, height=0), "CAM")
    assert np.array_equal(model.intrinsics_for(picture(size=(24, 32))), INTRINSICS)


def test_a_region_of_interest_moves_the_principal_point():
    info = camera_info()
    region = replace(info.roi, x_offset=10, y_offset=4, width=40, height=40)
    model = camera_model(replace(info, roi=region), "CAM")
    seen = model.intrinsics_for(picture(size=(40, 40)))
    assert np.array_equal(seen, [[100.0, 0, 22.0], [0, 110.0, 20.0], [0, 0, 1]])


def test_a_binned_region_is_recognised_by_its_size():
    info = camera_info(binning_x=2, binning_y=2)
    region = replace(info.roi, x_offset=10, y_offset=4, width=40, height=40)
    model = camera_model(replace(info, roi=region), "CAM")
    seen = model.intrinsics_for(picture(size=(20, 20)))
    assert np.allclose(seen, [[50.0, 0, 10.75], [0, 55.0, 9.75], [0, 0, 1]])


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
    with pytest.raises(InputError, match=r"CameraInfo of CAM: found K = .*; expected focal") as no:
        camera_model(camera_info(k=k), "CAM")
    assert no.value.reason == "no_intrinsics"
