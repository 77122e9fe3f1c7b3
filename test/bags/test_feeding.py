"""A bag's topics and the model decide how the stream reads sensors."""

from effocc_ros.bags.feeding import Feeding
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
