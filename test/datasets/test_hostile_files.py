# SPDX-License-Identifier: Apache-2.0
"""Small files that claim to be large, and what is no file at all."""

import io
import os
import zipfile

import cv2
import numpy as np
import pytest

from effocc_ros.datasets import occ3d_nuscenes, openocc_flow, openoccupancy
from effocc_ros.datasets.budgets import read_budget
from effocc_ros.datasets.files import MOST_BYTES, read_image, read_npy, read_npz, read_points
from effocc_ros.datasets.splits import custom_splits
from effocc_ros.errors import InputError

READERS = {
    "image": read_image,
    "points": lambda path: read_points(path, 5),
    "npz": lambda path: read_npz(path, {"a": (None,)}),
    "npy": lambda path: read_npy(path, (None,)),
    "budget": read_budget,
}


@pytest.mark.parametrize("kind", READERS)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        READERS[kind](tmp_path / "pipe")


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("place", ["/dev/zero", "/dev/stdin", "folder"])
def test_a_device_or_a_folder_is_refused(tmp_path, kind, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError):
        READERS[kind](tmp_path / place)


@pytest.mark.parametrize("kind", READERS)
def test_a_hole_of_many_gigabytes_is_not_read(tmp_path, kind):
    path = tmp_path / "hole"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY")
        file.truncate(40 * MOST_BYTES)
    with pytest.raises(InputError):
        READERS[kind](path)


def claiming(suffix, width, height):
    """A picture of few bytes whose header claims a size."""
    data = bytearray(cv2.imencode(suffix, np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    if suffix == ".jpg":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    else:
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("size", [(30_000, 30_000), (65_500, 300), (9000, 9000)])
def test_a_size_that_no_camera_has_is_refused_by_the_header(tmp_path, suffix, size, monkeypatch):
    monkeypatch.setattr("effocc_ros.datasets.files.decode_bytes", None)  # nothing is decoded
    (tmp_path / "a").write_bytes(claiming(suffix, *size))
    with pytest.raises(InputError, match=f"claim {size[0]}x{size[1]} pixels"):
        read_image(tmp_path / "a")


def array_header(shape, kind="|u1"):
    file = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def test_labels_that_unpack_to_more_than_the_limit_are_refused(tmp_path, monkeypatch):
    shape = (200, 200, 16)
    monkeypatch.setattr("effocc_ros.datasets.files.MOST_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in occ3d_nuscenes.KEYS:
            archive.writestr(f"{name}.npy", array_header(shape, "<u8") + bytes(8 * 640_000))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    with pytest.raises(InputError, match="expected at most 1048576"):
        occ3d_nuscenes.read_labels(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6, 10**6), (-5,), (2**63,)])
@pytest.mark.parametrize("kind", ["|u1", "<f8", "<U9"])
def test_an_array_that_claims_more_than_its_file_is_refused(tmp_path, shape, kind):
    (tmp_path / "a.npy").write_bytes(array_header(shape, kind) + bytes(100))
    with pytest.raises(InputError):
        openoccupancy.read_labels(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "rows", [np.full((3, 4), np.nan), np.full((3, 4), "a"), np.ones((3, 4), complex)]
)
def test_voxels_that_are_no_numbers_are_refused(tmp_path, rows):
    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(InputError):
        openoccupancy.read_labels(tmp_path / "a.npy")


def test_a_flow_that_is_not_finite_is_refused(tmp_path):
    shape = (200, 200, 16)
    flow = np.zeros((*shape, 2), np.float32)
    flow[5, 5, 5] = np.nan
    np.savez(tmp_path / "a.npz", semantics=np.zeros(shape, np.uint8), flow=flow)
    with pytest.raises(InputError, match="flow with numbers that are not finite"):
        openocc_flow.read_labels(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", '{"train": "scene-0001"}', '{"train": [1]}', '{"train": null}', "7", ""],
)
def test_splits_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(InputError, match=r"splits\.json"):
        custom_splits(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"kind": "voxels", "voxels": {"a": [-1e400]}}',
        '{"kind": "voxels", "voxels": {"a": [-100000000000000000000]}}',
        '{"kind": "voxels", "voxels": {"a": [99999999999999]}}',
        '{"kind": "frames", "frames": ["a"], "about": 7}',
        '{"kind": "frames", "frames": "abc"}',
    ],
)
def test_budgets_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "budget.json").write_text(text)
    with pytest.raises(InputError, match=r"budget\.json"):
        read_budget(tmp_path / "budget.json")
