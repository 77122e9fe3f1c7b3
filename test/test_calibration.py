# SPDX-License-Identifier: Apache-2.0
"""Calibration files give intrinsics and poses; a broken one says what is wrong with it."""

import numpy as np
import pytest
import yaml

from effocc_ros.calibration import load_calibration, strangers
from effocc_ros.errors import InputError

WHOLE = {
    "intrinsics": [[1266.4, 0, 816.2], [0, 1266.4, 491.5], [0, 0, 1]],
    "size": [1600, 900],
    "translation": [1.7, 0.0, 1.5],
    "rotation": [0.5, -0.5, 0.5, -0.5],
}


def calibration_file(folder, content):
    path = folder / "car.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_camera_is_read_whole(tmp_path):
    (camera,) = load_calibration(calibration_file(tmp_path, {"CAM": WHOLE})).values()
    assert np.array_equal(camera.intrinsics, WHOLE["intrinsics"])
    assert camera.size == (1600, 900)
    # What lies ahead of the camera (z) lies ahead of the car (x).
    assert np.allclose(camera.sensor2base @ [0, 0, 10, 1], [11.7, 0, 1.5, 1])
    # What lies right of it (x) lies right of the car (-y).
    assert np.allclose(camera.sensor2base @ [1, 0, 0, 1], [1.7, -1, 1.5, 1])


def test_each_part_may_be_absent(tmp_path):
    pose = {key: WHOLE[key] for key in ("translation", "rotation")}
    content = {"LIDAR": pose, "CAM": {"intrinsics": WHOLE["intrinsics"]}, "OTHER": {}}
    known = load_calibration(calibration_file(tmp_path, content))
    assert known["LIDAR"].intrinsics is None
    assert known["LIDAR"].sensor2base is not None
    assert (known["CAM"].size, known["CAM"].sensor2base) == (None, None)
    assert known["OTHER"].intrinsics is None


BAD = {
    "a list": ("[1, 2]", "found list; expected a mapping of sensor names"),
    "empty": ("", "found NoneType"),
    "not yaml": ("CAM: {", "a YAML file that can be read"),
    "binary": ("CAM: \x00", "a YAML file that can be read"),
    "a sensor that is a number": ({"CAM": 5}, "CAM: 5; expected keys out of intrinsics"),
    "an unknown key": ({"CAM": {"K": [1]}}, "keys out of intrinsics, size"),
    "a short matrix": ({"CAM": {"intrinsics": [1, 2, 3]}}, "numbers of shape (3, 3)"),
    "a ragged matrix": ({"CAM": {"intrinsics": [[1, 2], [3]]}}, "numbers of shape (3, 3)"),
    "words": ({"CAM": {"size": ["wide", "high"]}}, "CAM.size = ['wide', 'high']"),
    "not a number": ({"CAM": {"size": [float("nan"), 5]}}, "numbers of shape (2,)"),
    "a size of zero": ({"CAM": {"size": [0, 5]}}, "a size above 0"),
    "beyond floats": ({"CAM": {"size": [10**360, 5]}}, "a number of 361 characters"),
    "half a pixel": ({"CAM": {"size": [1.5, 5]}}, "a size above 0"),
    "millimetres": ({"CAM": {**WHOLE, "translation": [1700, 0, 1500]}}, "a translation in metres"),
    "a name that is a number": ({7: {}}, "sensor 7; expected a name"),
    "no focal length": ({"CAM": {"intrinsics": np.zeros((3, 3)).tolist()}}, "focal lengths"),
    "half a pose": ({"CAM": {"rotation": [1, 0, 0, 0]}}, "translation and rotation together"),
    "a long quaternion": (
        {"CAM": {**WHOLE, "rotation": [1, 1, 0, 0]}},
        "CAM.rotation of length other than 1; expected a unit quaternion",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_broken_file_says_what_is_wrong(kind, tmp_path):
    content, said = BAD[kind]
    with pytest.raises(InputError, match=r"calibration file .*car\.yaml") as caught:
        load_calibration(calibration_file(tmp_path, content))
    assert said in str(caught.value)
    assert caught.value.reason == "bad_calibration"


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: found .*No such file"):
        load_calibration(tmp_path / "none.yaml")


def test_names_that_no_sensor_has_are_said_and_where_none_fits_refused(tmp_path):
    path = calibration_file(tmp_path, {"CAM_FRONT": WHOLE, "CAM_BAKC": WHOLE})
    known = load_calibration(path)
    assert strangers(path, known, ("CAM_FRONT", "CAM_BAKC", "LIDAR_TOP")) == ""
    said = strangers(path, known, ("CAM_FRONT", "CAM_BACK"))
    assert "found CAM_BAKC; expected names of the vehicle's sensors: CAM_FRONT, CAM_BACK" in said
    with pytest.raises(InputError, match="found CAM_BAKC, CAM_FRONT; expected names"):
        strangers(path, known, ("front", "back"))
