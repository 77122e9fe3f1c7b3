"""A bag's topics and the model decide how the stream reads sensors."""

import pytest
from helpers.toy_drive import IMAGE, make_toy_bag

from effocc_ros.bags.feeding import Feeding, feeding
from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.presets import load_preset
from effocc_ros.rig import CameraTopics, Rig

CAMERAS = (
    CameraTopics("CAM_FRONT", "/front/image_rect/compressed"),
    CameraTopics("CAM_BACK", "/back/image_raw/compressed"),
)


def config(model: str):
    feeding = Feeding(CAMERAS, "/points", (), Rig("rig", CAMERAS, "/points"))
    return feeding.stream_config(load_preset(model), 0.5)


def test_images_are_rectified_where_their_topic_says_so():
    assert config("fusion_tiny").rectified == {"CAM_FRONT"}


def test_a_network_that_squashes_intensity_gets_it_as_the_lidar_gives_it():
    assert config("lidar").learn_intensity
    assert not config("waymo_lidar").learn_intensity


def test_cameras_of_names_that_the_model_does_not_know_are_told_and_all_of_them_refused(tmp_path):
    front = CameraTopics("CAM_FRONT", f"/CAM_FRONT/{IMAGE}")
    lower = CameraTopics("cam_back", f"/CAM_BACK/{IMAGE}")
    with BagReader(make_toy_bag(tmp_path / "drive", 1)) as bag:
        some = feeding(bag, Rig("some", (front, lower), "/LIDAR_TOP"), load_preset("fusion_tiny"))
        assert (some.cameras, some.unknown) == ((front,), ("cam_back",))
        none = Rig("none", (lower,), "/LIDAR_TOP")
        with pytest.raises(InputError, match="cameras of rig none: found cam_back") as caught:
            feeding(bag, none, load_preset("fusion_tiny"))
        assert caught.value.reason == "unknown_cameras"
        assert feeding(bag, none, load_preset("lidar_tiny")).unknown == ()
