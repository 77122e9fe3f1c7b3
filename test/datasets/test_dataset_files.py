# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from effocc_ros.datasets.files import read_image, read_npy, read_npz, read_points
from effocc_ros.errors import InputError

IMAGE = np.zeros((20, 30, 3), np.uint8)
IMAGE[:, :10] = (250, 10, 10)


def encoded(suffix: str, image=IMAGE) -> bytes:
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes()


def refused(path, read) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.what == f"file {path}"
    return caught.value


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_come_as_rgb(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(suffix))
    image = read_image(path)
    assert image.shape == (20, 30, 3)
    np.testing.assert_allclose(image[10, 3], (250, 10, 10), atol=4)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("left", [0, 2, 0.5, 0.9])
def test_a_truncated_image_is_named_and_not_filled_with_grey(tmp_path, suffix, left):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    data = encoded(suffix, noise)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data[: left if isinstance(left, int) else int(left * len(data))])
    assert refused(path, read_image).reason == "bad_file"


def test_an_image_that_is_something_else_is_named(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"<html>not found</html>")
    assert "22 bytes" in refused(path, read_image).found


@pytest.mark.parametrize("read", [read_image, lambda path: read_points(path, 5)])
def test_an_absent_file_is_named(tmp_path, read):
    assert refused(tmp_path / "absent", read).reason == "missing_file"


def test_points_are_rows_of_five(tmp_path):
    path = tmp_path / "a.pcd.bin"
    path.write_bytes(np.arange(15, dtype="<f4").tobytes())
    assert read_points(path, 5)[2].tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("size", [0, 4, 59, 61])
def test_points_cut_off_within_a_row_are_named(tmp_path, size):
    path = tmp_path / "a.pcd.bin"
    path.write_bytes(bytes(size))
    assert refused(path, lambda p: read_points(p, 5)).found == f"{size} bytes"


def test_arrays_are_read_by_name_and_shape(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros((2, 3)), b=np.ones(4))
    assert set(read_npz(path, {"a": (2, None)})) == {"a"}


@pytest.mark.parametrize(
    ("shapes", "found"),
    [
        ({"c": (2, 3)}, "arrays a, b"),
        ({"a": (3, 2)}, "a of shape (2, 3)"),
        ({"a": (2, 3, 1)}, "a of shape (2, 3)"),
    ],
)
def test_other_arrays_or_shapes_are_named(tmp_path, shapes, found):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros((2, 3)), b=np.ones(4))
    assert refused(path, lambda p: read_npz(p, shapes)).found == found


@pytest.mark.parametrize("left", [0, 10, 0.3, 0.98])
def test_a_truncated_npz_is_named(tmp_path, left):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.random.default_rng(0).random((50, 50)))
    data = path.read_bytes()
    path.write_bytes(data[: left if isinstance(left, int) else int(left * len(data))])
    refused(path, lambda p: read_npz(p, {"a": (50, 50)}))


def test_an_npz_whose_bytes_flipped_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.random.default_rng(0).random((50, 50)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    refused(path, lambda p: read_npz(p, {"a": (50, 50)}))


def test_pickles_are_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"run": "me"}], object))
    np.savez(tmp_path / "a.npz", a=np.array([{"run": "me"}], object))
    refused(tmp_path / "a.npy", lambda p: read_npy(p, (None,)))
    refused(tmp_path / "a.npz", lambda p: read_npz(p, {"a": (1,)}))
