# SPDX-License-Identifier: Apache-2.0
"""An image and a matrix belong together by their sizes, or are refused with both sides."""

import numpy as np
import pytest

from effocc_ros.errors import InputError
from effocc_ros.intrinsics import ImageArea, check_pinhole, intrinsics_of_image, place_image

K = np.array([[800.0, 0, 511.5], [0, 820.0, 383.5], [0, 0, 1]])
SIZE = (1024, 768)


def placed(area, image, matrix=K):
    placement = place_image(area, image, matrix, "CAM")
    return placement.matrix @ matrix, placement.remark


def test_an_image_of_its_size_keeps_its_matrix_to_the_bit():
    assert np.array_equal(intrinsics_of_image(K, SIZE, SIZE, "CAM"), K)


@pytest.mark.parametrize("image", [(512, 384), (256, 192), (333, 250), (2048, 1536)])
def test_an_image_shrunk_or_enlarged_alike_scales_the_matrix_about_its_corner(image):
    scaled = intrinsics_of_image(K, SIZE, image, "CAM")
    assert np.isclose(scaled[0, 0], 800 * image[0] / 1024)
    corner, other = [-0.5, -0.5, 1.0], [*np.array(SIZE) - 0.5, 1.0]
    for before, after in ((corner, corner), (other, [image[0] - 0.5, image[1] - 0.5, 1.0])):
        assert np.allclose(scaled @ np.linalg.inv(K) @ before, after)


def test_without_a_size_the_matrix_is_taken_as_it_is():
    assert np.array_equal(intrinsics_of_image(K, (0, 0), SIZE, "CAM"), K)


@pytest.mark.parametrize("image", [(1024, 576), (640, 640), (1280, 720)])
def test_another_aspect_ratio_is_refused_with_both_sizes(image):
    with pytest.raises(InputError, match=f"{image[0]}x{image[1]} beside .* 1024x768") as caught:
        intrinsics_of_image(K, SIZE, image, "CAM")
    assert caught.value.reason == "size_mismatch"


def test_binning_may_differ_across_and_down():
    seen, remark = placed(ImageArea(SIZE, binning=(2, 1)), (512, 768))
    assert (np.diag(seen)[:2] == [400, 820]).all()
    assert not remark


def test_a_region_is_cut_out_and_its_middle_need_not_be_the_cameras():
    seen, remark = placed(ImageArea(SIZE, (600, 500, 400, 200)), (200, 100))
    assert np.allclose(seen[:2, 2], [(511.5 - 600 + 0.5) / 2 - 0.5, (383.5 - 500 + 0.5) / 2 - 0.5])
    assert not remark


def test_a_whole_image_beside_a_region_is_taken_as_whole_and_said():
    seen, remark = placed(ImageArea(SIZE, (600, 500, 400, 200)), (512, 384))
    assert np.isclose(seen[0, 2], 255.5)
    assert "region of interest of 400x200 beside 512x384 images" in remark


def test_a_region_of_the_same_shape_as_the_sensor_is_told_by_its_size():
    area = ImageArea(SIZE, (512, 384, 512, 384))
    seen, remark = placed(area, SIZE)
    assert np.array_equal(seen, K)
    assert "region of interest of 512x384 beside 1024x768" in remark
    seen, remark = placed(area, (512, 384))
    assert np.allclose(seen[:2, 2], [-0.5, -0.5])
    assert not remark


def test_binning_tells_a_whole_binned_image_from_a_region_that_is_said_in_its_pixels():
    seen, remark = placed(ImageArea(SIZE, (0, 0, 512, 384), (2, 2)), (512, 384))
    assert np.isclose(seen[0, 2], 255.5)
    assert "the whole image is taken" in remark


def test_a_matrix_of_the_small_image_beside_the_size_of_the_large_one_is_not_scaled_again():
    small = np.array([[200.0, 0, 127.5], [0, 200.0, 95.5], [0, 0, 1]])
    seen, remark = placed(ImageArea(SIZE, binning=(4, 4)), (256, 192), small)
    assert np.array_equal(seen, small)
    assert "a matrix of 256x192 images beside a size of 1024x768" in remark


def test_a_size_with_width_and_height_exchanged_is_overruled_by_the_principal_point():
    seen, remark = placed(ImageArea((768, 1024)), SIZE)
    assert np.array_equal(seen, K)
    assert "a size of 768x1024 beside 1024x768 images" in remark


def test_a_principal_point_outside_of_the_image_is_refused():
    large = np.array([[3200.0, 0, 2047.5], [0, 3200.0, 1535.5], [0, 0, 1]])
    with pytest.raises(InputError, match=r"\(2047\.5, 1535\.5\) of images of 1024x768"):
        intrinsics_of_image(large, SIZE, SIZE, "CAM")


def test_a_principal_point_far_from_the_middle_is_used_and_said():
    small = np.array([[500.0, 0, 159.5], [0, 500.0, 119.5], [0, 0, 1]])
    seen, remark = placed(ImageArea(SIZE), SIZE, small)
    assert np.array_equal(seen, small)
    assert "principal point at (159.5, 119.5) of 1024x768" in remark


@pytest.mark.parametrize("focal", [1.0, 500_000.0])
def test_focal_lengths_that_no_camera_has_are_refused(focal):
    matrix = np.array([[focal, 0, 511.5], [0, focal, 383.5], [0, 0, 1]])
    with pytest.raises(InputError, match=r"which sees .* degrees") as caught:
        intrinsics_of_image(matrix, SIZE, SIZE, "CAM")
    assert caught.value.reason == "no_intrinsics"


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((3, 3)),
        K.T,
        np.where(K == 820, 80.0, K),
        np.where(K == 820, -820.0, K),
        np.where(K == 820, np.nan, K),
        np.where(K == 1, 0.0, K),
    ],
    ids=["empty", "transposed", "flat", "negative", "nan", "no_one"],
)
def test_a_matrix_of_no_camera_is_refused(matrix):
    with pytest.raises(InputError, match=r"found K = \[.*focal lengths above 0"):
        check_pinhole(matrix, "CAM")
