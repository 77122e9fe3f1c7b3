# SPDX-License-Identifier: Apache-2.0
"""Rigs: the shipped ones are right, and a broken one says what is wrong with it."""

import pytest
import yaml

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.rig import CameraTopics, Rig, load_rig, rig_names

SMALL = {
    "cameras": {"FRONT": {"image": "/front/image", "camera_info": "/front/info"}},
    "points": "/lidar",
}


def rig_file(folder, content) -> str:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def test_the_shipped_rigs_are_those_of_the_known_converters():
    assert rig_names() == (
        "chris7462",
        "clynamen",
        "nuscenes",
        "owen_liuyuxuan",
        "watonomous",
        "wj_costumer",
    )


@pytest.mark.parametrize("name", rig_names())
def test_a_shipped_rig_has_the_cameras_in_the_networks_order(name):
    rig = load_rig(name)
    assert rig.name == name
    assert tuple(camera.name for camera in rig.cameras) == NUSCENES_CAMERAS
    assert rig.lidar == "LIDAR_TOP"
    assert all(topic.startswith("/") for topic in rig.topics)
    for camera in rig.cameras:
        # Each topic is that of its camera and not of a neighbour.
        parts = camera.image.lower().split("/")
        assert camera.name.lower() in parts
        if camera.camera_info:
            assert camera.camera_info.lower().split("/")[:-1] == parts[:-1]


def test_the_rig_of_our_own_bags_has_our_converters_topics():
    rig = load_rig("nuscenes")
    assert rig.cameras[1] == CameraTopics(
        "CAM_FRONT", "/CAM_FRONT/image_rect_compressed", "/CAM_FRONT/camera_info", True, -0.035
    )
    assert (rig.points, rig.base_frame, rig.fixed_frame) == ("/LIDAR_TOP", "base_link", "map")
    assert rig.calibration is None


@pytest.mark.parametrize("name", rig_names())
def test_offsets_are_those_of_a_recorded_frame(name, data_dir):
    folder = data_dir / "mmdetection3d_scene0061_frame"
    stamps = {}
    for file in folder.glob("*__*__*"):
        _, channel, rest = file.name.split("__")
        stamps[channel] = int(rest.split(".")[0])
    for camera in load_rig(name).cameras:
        recorded = (stamps[camera.name] - stamps["LIDAR_TOP"]) / 1e6
        assert camera.offset_s == pytest.approx(recorded, abs=0.002)


def test_topics_are_all_that_the_sensors_have():
    rig = Rig("r", (CameraTopics("A", "/a", "/a/info"), CameraTopics("B", "/b")), points="/p")
    assert rig.topics == ("/a", "/a/info", "/b", "/p")


def test_a_rig_file_of_ones_own_is_read(tmp_path):
    rig = load_rig(rig_file(tmp_path, {**SMALL, "base_frame": "car", "intensity_scale": 255}))
    front = CameraTopics("FRONT", "/front/image", "/front/info")
    assert rig == Rig("mine", (front,), "/lidar", base_frame="car", intensity_scale=255)


def test_a_relative_calibration_lies_beside_the_rig_file(tmp_path):
    rig = load_rig(rig_file(tmp_path, {**SMALL, "calibration": "car.yaml"}))
    assert rig.calibration == tmp_path / "car.yaml"
    rig = load_rig(rig_file(tmp_path, {**SMALL, "calibration": "/etc/car.yaml"}))
    assert str(rig.calibration) == "/etc/car.yaml"


def test_a_lidar_alone_is_a_rig(tmp_path):
    assert load_rig(rig_file(tmp_path, {"points": "/lidar"})).cameras == ()


def test_a_rig_may_have_several_lidars_and_clocks_of_their_own(tmp_path):
    values = {
        "cameras": {"FRONT": {"image": "/front", "clock_offset_s": -0.5}},
        "points": "/lidar",
        "points_clock_offset_s": 37.0,
        "tf_clock_offset_s": 1.5,
        "lidars": {"REAR": {"points": "/rear", "clock_offset_s": 2.0}, "LEFT": {"points": "/l"}},
    }
    rig = load_rig(rig_file(tmp_path, values))
    assert {lidar.name: lidar.points for lidar in rig.lidars} == {"REAR": "/rear", "LEFT": "/l"}
    assert set(rig.topics) == {"/front", "/lidar", "/rear", "/l"}
    assert rig.clock_offsets == {"FRONT": -0.5, "REAR": 2.0, "LIDAR_TOP": 37.0, "tf": 1.5}


def test_an_unknown_rig_names_the_known_ones():
    with pytest.raises(InputError, match=r"found 'nuscene'; expected one of .*nuscenes") as caught:
        load_rig("nuscene")
    assert caught.value.reason == "unknown_rig"


BAD = {
    "not a mapping": ("- a\n- b\n", "a mapping with cameras by name"),
    "empty": ("", "a mapping with cameras by name"),
    "not yaml": ("cameras: {FRONT: [", "expected YAML"),
    "cameras as a list": ({"cameras": ["FRONT"]}, "a mapping with cameras by name"),
    "unknown key": ({**SMALL, "pionts": "/lidar"}, "unknown key pionts; expected name, cameras"),
    "unknown camera key": (
        {"cameras": {"FRONT": {"image": "/f", "offset": 1}}},
        "unknown key offset; expected name, image",
    ),
    "lidars as a list": ({**SMALL, "lidars": ["/rear"]}, "a mapping of further LiDARs by name"),
    "lidar without points": ({**SMALL, "lidars": {"REAR": {}}}, "lidar REAR"),
    "lidars without the first": (
        {"cameras": {"F": {"image": "/f"}}, "lidars": {"REAR": {"points": "/r"}}},
        "beside the points of the first",
    ),
    "camera without image": ({"cameras": {"FRONT": {"camera_info": "/f"}}}, "camera FRONT"),
    "camera without topics": ({"cameras": {"FRONT": None}}, "camera FRONT: None"),
    "no sensor": ({"cameras": {}}, "no camera and no points"),
    "reliability": ({**SMALL, "reliability": "fast"}, "expected auto, reliable or best_effort"),
    "offset in words": (
        {"cameras": {"FRONT": {"image": "/f", "offset_s": "late"}}},
        "offset_s: 'late'; expected a value of type float",
    ),
    "offset as yes": ({"cameras": {"FRONT": {"image": "/f", "offset_s": True}}}, "type float"),
    "compressed in words": ({"cameras": {"FRONT": {"image": "/f", "compressed": "jpeg"}}}, "bool"),
    "an offset that is no number": (
        {"cameras": {"FRONT": {"image": "/f", "offset_s": float("nan")}}},
        "offset_s: nan; expected a number of -10 to 10",
    ),
    "an offset in milliseconds": ({"cameras": {"A": {"image": "/f", "offset_s": 35.0}}}, "35.0"),
    "an endless limit": ({**SMALL, "max_extrapolation_s": float("inf")}, "number of 0 to 3600"),
    "no scale": ({**SMALL, "intensity_scale": 0}, "intensity_scale: 0; expected a number"),
    "a scale beyond floats": ({**SMALL, "intensity_scale": 10**60}, "expected a number"),
    "a camera's name as a number": (
        {"cameras": {1: {"image": "/f"}}},
        "sensor 1; expected a name",
    ),
    "a topic of two lines": ({"points": "/a\nb"}, "a name without control characters"),
    "topic as a number": ({"points": 5}, "points: 5; expected a value of type str"),
    "empty fixed frame": ({**SMALL, "fixed_frame": None}, "fixed_frame: None"),
    "a topic twice": (
        {"cameras": {"A": {"image": "/f"}, "B": {"image": "/f"}}},
        "/f more than once",
    ),
    "transforms of both kinds on one topic": (
        {**SMALL, "tf": "/tf_static"},
        "/tf_static more than",
    ),
    "odometry on the topic of transforms": ({**SMALL, "odometry": "/tf"}, "/tf more than once"),
    "two LiDARs of one name": (
        {**SMALL, "lidar": "TOP", "lidars": {"TOP": {"points": "/rear"}}},
        "two sensors TOP",
    ),
    "camera and LiDAR of one name": (
        {"points": "/p", "lidar": "A", "cameras": {"A": {"image": "/f"}}},
        "two sensors A",
    ),
    "a vehicle without a frame": ({**SMALL, "base_frame": "/"}, "the tf frame of the vehicle"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_broken_rig_file_says_what_is_wrong(kind, tmp_path):
    content, said = BAD[kind]
    with pytest.raises(InputError, match=r"rig file .*mine\.yaml") as caught:
        load_rig(rig_file(tmp_path, content))
    assert said in str(caught.value)
    assert caught.value.reason == "bad_rig"


def test_a_key_that_comes_twice_is_named(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("points: /a\nlidar: TOP\npoints: /b\n")
    with pytest.raises(InputError, match="'points' twice"):
        load_rig(file)


@pytest.mark.parametrize("written", ["5e-1", "0.5", "50.0e-2", "5E-1"])
def test_numbers_may_be_written_as_people_write_them(tmp_path, written):
    file = tmp_path / "mine.yaml"
    file.write_text(f"points: /a\nmax_extrapolation_s: {written}\n")
    assert load_rig(file).max_extrapolation_s == 0.5
