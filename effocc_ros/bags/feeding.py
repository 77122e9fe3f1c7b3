"""Which topic of a bag feeds which input of the stream, for a rig and a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from effocc_ros.bags.reader import BagReader
from effocc_ros.calibration import load_calibration
from effocc_ros.errors import InputError
from effocc_ros.foreign_types import CLOUD, IMAGE, advice, conversion, foreign_topics
from effocc_ros.networks.config import ModelConfig
from effocc_ros.rig import CameraTopics, Rig
from effocc_ros.stream import INTENSITY, Stream, StreamConfig, SyncConfig, rectified_cameras

IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
INFO_TYPES = ("sensor_msgs/msg/CameraInfo",)
CLOUD_TYPES = ("sensor_msgs/msg/PointCloud2",)
TF_TYPES = ("tf2_msgs/msg/TFMessage",)
TF_TOPICS = ("/tf", "/tf_static")

Feeder = Callable[[Any, float], None]
"""Takes a decoded message and the time in seconds."""


@dataclass(frozen=True)
class Feeding:
    """What of a bag a model uses.

    Attributes:
        cameras: The rig's cameras that the model has a place for and the bag has images of.
        points: Topic of the LiDAR; empty where the model or the bag has none.
        absent: Image and LiDAR topics that the model would use and the bag does not have.
        hints: What the bag has in their place, and what makes it usable.
        rig: The vehicle.
    """

    cameras: tuple[CameraTopics, ...]
    points: str
    absent: tuple[str, ...]
    hints: tuple[str, ...]
    rig: Rig

    def stream_config(self, model: ModelConfig, interval_s: float) -> StreamConfig:
        """Return the stream's settings: as the node's, but every frame is awaited in bag time.

        Args:
            model: The network.
            interval_s: Seconds between frames, at least.
        """
        rig = self.rig
        offsets = {camera.name: camera.offset_s for camera in self.cameras}
        anchor = ""
        if not self.points:
            anchor = "CAM_FRONT" if "CAM_FRONT" in offsets else self.cameras[0].name
            # Offsets count from the LiDAR's stamp; now they must count from the anchor's.
            offsets = {name: value - offsets[anchor] for name, value in offsets.items()}
        return StreamConfig(
            sync=SyncConfig(cameras=tuple(offsets), offsets=offsets, trigger_interval=interval_s),
            lidar=rig.lidar,
            anchor=anchor,
            base_frame=rig.base_frame,
            fixed_frame=rig.fixed_frame,
            sweeps=model.sweeps,
            max_extrapolation=rig.max_extrapolation_s,
            intensity_scale=rig.intensity_scale,
            learn_intensity=INTENSITY not in model.tanh_columns,
            calibration=load_calibration(rig.calibration) if rig.calibration else {},
            rectified=rectified_cameras({each.name: each.image for each in self.cameras}),
        )

    def feeders(self, stream: Stream) -> dict[str, Feeder]:
        """Return for every topic that is used what takes its messages."""
        feeders: dict[str, Feeder] = {
            "/tf": lambda message, now: stream.add_transforms(message, static=False),
            "/tf_static": lambda message, now: stream.add_transforms(message, static=True),
        }
        for camera in self.cameras:
            feeders[camera.image] = _image_feeder(stream, camera.name)
            if camera.camera_info:
                feeders[camera.camera_info] = _info_feeder(stream, camera.name)
        if self.points:
            feeders[self.points] = stream.add_points
        return feeders


def feeding(bag: BagReader, rig: Rig, model: ModelConfig) -> Feeding:
    """Find out what of a bag a model can use.

    Args:
        bag: The bag.
        rig: Which topics are which sensors.
        model: The network.

    Raises:
        InputError: The bag has none of the sensors, or a topic has a type of another kind.
    """
    wanted = [camera for camera in rig.cameras if camera.name in model.cameras]
    points = "" if model.modality == "vision" else rig.points
    sensors = [camera.image for camera in wanted] + ([points] if points else [])
    absent = tuple(topic for topic in sensors if topic not in bag.topics)
    known = {name: topic.msgtype for name, topic in bag.topics.items()}
    if len(absent) == len(sensors):
        targets = dict.fromkeys(IMAGE_TYPES, IMAGE) if wanted else {}
        targets |= dict.fromkeys(CLOUD_TYPES, CLOUD) if points else {}
        found, do = advice(known, targets, str(bag.path))
        raise InputError(
            f"bag {bag.path}",
            found=found or f"topics {', '.join(bag.topics) or '(none)'}",
            expected=f"sensors of rig {rig.name} for model {model.name}: "
            + (", ".join(sensors) or "the rig has none that the model uses"),
            do=do,
            reason="wrong_rig",
        )
    types = dict.fromkeys(TF_TOPICS, TF_TYPES)
    for camera in wanted:
        types |= {camera.image: IMAGE_TYPES, camera.camera_info: INFO_TYPES}
    if points:
        types[points] = CLOUD_TYPES
    _check_types(bag, types)
    return Feeding(
        cameras=tuple(camera for camera in wanted if camera.image in bag.topics),
        points=points if points in bag.topics else "",
        absent=absent,
        hints=_hints(known, absent, points, str(bag.path)),
        rig=rig,
    )


def _check_types(bag: BagReader, types: Mapping[str, tuple[str, ...]]) -> None:
    known = {name: topic.msgtype for name, topic in bag.topics.items()}
    for topic, expected in types.items():
        if topic not in known or known[topic] in expected:
            continue
        foreign = conversion(topic, known[topic], str(bag.path))
        _, do = foreign or advice(known, dict.fromkeys(expected, ""), str(bag.path))
        raise InputError(
            f"{topic} in bag {bag.path}",
            found=foreign[0] if foreign else known[topic],
            expected=" or ".join(expected),
            do=do,
            reason="wrong_rig",
        )


def _hints(
    known: Mapping[str, str], absent: tuple[str, ...], points: str, bag: str
) -> tuple[str, ...]:
    """Say what a bag has in place of topics that it does not have."""
    targets = {CLOUD if topic == points else IMAGE for topic in absent}
    topics = [topic for target in targets for topic in foreign_topics(known, target)]
    return tuple(". ".join(conversion(topic, known[topic], bag)) for topic in topics)


def _image_feeder(stream: Stream, camera: str) -> Feeder:
    return lambda message, now: stream.add_image(camera, message, now)


def _info_feeder(stream: Stream, camera: str) -> Feeder:
    return lambda message, now: stream.add_camera_info(camera, message)
