# SPDX-License-Identifier: Apache-2.0
"""Which topic of a bag feeds which input of the stream, for a rig and a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.foreign_types import CLOUD, IMAGE, advice, conversion, foreign_topics
from effocc_ros.networks.config import ModelConfig
from effocc_ros.rig import CameraTopics, LidarTopics, Rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import (
    LONGEST_WAIT,
    Remark,
    Stream,
    StreamConfig,
    SyncConfig,
    rectified_cameras,
    stream_config,
)

IMAGE_TYPES = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
INFO_TYPES = ("sensor_msgs/msg/CameraInfo",)
CLOUD_TYPES = ("sensor_msgs/msg/PointCloud2",)
TF_TYPES = ("tf2_msgs/msg/TFMessage",)
ODOMETRY_TYPES = ("nav_msgs/msg/Odometry",)

Feeder = Callable[..., Any]
"""Takes a decoded message, the time in seconds and, if it is another, when it was recorded."""


@dataclass(frozen=True)
class Feeding:
    """What of a bag a model uses.

    Attributes:
        cameras: The rig's cameras that the model has a place for and the bag has images of.
        lidars: LiDARs that the model uses and the bag has; the first makes the frames.
        absent: Image and LiDAR topics that the model would use and the bag does not have.
        rig: The vehicle.
        hints: What the bag has in place of what is absent, and what makes it usable.
        unknown: Cameras of the rig whose names the model does not know.
        other_tf: Topics of transforms that the rig does not name, where its own are not there.
    """

    cameras: tuple[CameraTopics, ...]
    lidars: tuple[LidarTopics, ...]
    absent: tuple[str, ...]
    rig: Rig
    hints: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    other_tf: tuple[str, ...] = ()

    def stream_config(self, model: ModelConfig, interval_s: float) -> StreamConfig:
        """Return the stream's settings: as the node's, but offline nothing is late.

        Messages come by their stamps, so a moment waits for its images until no nearer one can
        come, however late they were recorded.

        Args:
            model: The network.
            interval_s: Seconds between frames, at least.
        """
        rig = self.rig
        offsets = {camera.name: camera.offset_s for camera in self.cameras}
        first = "CAM_FRONT" if "CAM_FRONT" in offsets else next(iter(offsets), "")
        sync = SyncConfig(
            cameras=tuple(offsets),
            offsets=offsets,
            max_wait=LONGEST_WAIT + max(0.0, *offsets.values(), 0.0),
            trigger_interval=interval_s,
        )
        return stream_config(
            model,
            sync,
            lidars=[each.name for each in self.lidars],
            anchor="" if self.lidars else first,
            first_camera=first,
            calibration=rig.calibration,
            sensors=[each.name for each in (*rig.cameras, *rig.all_lidars)],
            lidar=rig.lidar,
            look_back=True,
            clock_offsets=rig.clock_offsets,
            base_frame=rig.base_frame,
            fixed_frame=rig.fixed_frame,
            max_extrapolation=rig.max_extrapolation_s,
            intensity_scale=rig.intensity_scale,
            rectified=rectified_cameras({each.name: each.image for each in self.cameras}),
        )

    def feeders(self, stream: Stream) -> dict[str, Feeder]:
        """Return for every topic that is used what takes its messages."""
        rig = self.rig
        feeders: dict[str, Feeder] = {
            rig.tf: _transforms_feeder(stream, static=False),
            rig.tf_static: _transforms_feeder(stream, static=True),
        }
        if rig.odometry:
            feeders[rig.odometry] = stream.add_odometry
        if self.other_tf:
            stream.remark("tf", _other_tf(self.other_tf, rig))
        for camera in self.cameras:
            feeders[camera.image] = _image_feeder(stream, camera.name)
            if camera.camera_info:
                feeders[camera.camera_info] = _info_feeder(stream, camera.name)
        for lidar in self.lidars:
            feeders[lidar.points] = _points_feeder(stream, lidar.name)
        return feeders


def feeding(bag: BagReader, rig: Rig, model: ModelConfig) -> Feeding:
    """Find out what of a bag a model can use, and tell the bag by which clocks its stamps are.

    Args:
        bag: The bag.
        rig: Which topics are which sensors.
        model: The network.

    Raises:
        InputError: The bag has none of the sensors, the model knows none of the rig's cameras, or
            a topic has a type of another kind.
    """
    wanted = [camera for camera in rig.cameras if camera.name in model.cameras]
    unknown = [each.name for each in rig.cameras if model.cameras and each not in wanted]
    if unknown and not wanted:
        raise InputError(
            f"cameras of rig {rig.name}",
            found=", ".join(unknown),
            expected=f"names that {model.name} knows: {', '.join(model.cameras)}",
            do="Name the cameras in the rig file so",
            reason="unknown_cameras",
        )
    lidars = () if model.modality == "vision" else rig.all_lidars
    sensors = [camera.image for camera in wanted] + [lidar.points for lidar in lidars]
    absent = tuple(topic for topic in sensors if topic not in bag.topics)
    known = {name: topic.msgtype for name, topic in bag.topics.items()}
    if len(absent) == len(sensors):
        targets = dict.fromkeys(IMAGE_TYPES, IMAGE) if wanted else {}
        targets |= dict.fromkeys(CLOUD_TYPES, CLOUD) if lidars else {}
        found, do = advice(known, targets, str(bag.path))
        raise InputError(
            f"bag {bag.path}",
            found=found or f"topics {', '.join(bag.topics) or '(none)'}",
            expected=f"sensors of rig {rig.name} for model {model.name}: "
            + (", ".join(sensors) or "the rig has none that the model uses"),
            do=do,
            reason="wrong_rig",
        )
    own_tf = (rig.tf, rig.tf_static)
    types = dict.fromkeys(own_tf, TF_TYPES)
    if rig.odometry:
        types[rig.odometry] = ODOMETRY_TYPES
    for camera in wanted:
        types |= {camera.image: IMAGE_TYPES, camera.camera_info: INFO_TYPES}
    types |= dict.fromkeys((lidar.points for lidar in lidars), CLOUD_TYPES)
    _check_types(bag, types)
    bag.clock_offsets = _clock_offsets(rig)
    return Feeding(
        cameras=tuple(camera for camera in wanted if camera.image in bag.topics),
        lidars=tuple(lidar for lidar in lidars if lidar.points in bag.topics),
        absent=absent,
        hints=_hints(known, absent, {camera.image for camera in wanted}, str(bag.path))
        + _unnamed_odometry(known, rig),
        rig=rig,
        unknown=tuple(unknown),
        other_tf=_unnamed_tf(bag, own_tf),
    )


def _clock_offsets(rig: Rig) -> dict[str, int]:
    """Return, topic by topic, the nanoseconds that the rig adds to stamps."""
    sources = {rig.tf: "tf", rig.odometry: "tf"}
    for camera in rig.cameras:
        sources |= {camera.image: camera.name, camera.camera_info: camera.name}
    sources |= {lidar.points: lidar.name for lidar in rig.all_lidars}
    offsets = rig.clock_offsets
    return {
        topic: round(offsets[source] * NANOSECONDS)
        for topic, source in sources.items()
        if topic and source in offsets
    }


def _unnamed_tf(bag: BagReader, own: tuple[str, str]) -> tuple[str, ...]:
    """Return the bag's topics of transforms if those that the rig names are not all there."""
    if all(topic in bag.topics for topic in own):
        return ()
    return tuple(
        sorted(
            name
            for name, topic in bag.topics.items()
            if topic.msgtype in TF_TYPES and name not in own
        )
    )


def _unnamed_odometry(known: Mapping[str, str], rig: Rig) -> tuple[str, ...]:
    """Say that odometry may tell the ego motion, where no transforms can."""
    topics = sorted(name for name, msgtype in known.items() if msgtype in ODOMETRY_TYPES)
    if not topics or rig.odometry in topics or rig.tf in known or not rig.fixed_frame:
        return ()
    text = (
        f"ego motion: found no {rig.tf} but odometry on {', '.join(topics)}. If it is this "
        "vehicle's, name one in the rig file (odometry)."
    )
    return (text,)


def _other_tf(topics: tuple[str, ...], rig: Rig) -> Remark:
    text = (
        f"tf: found transforms on {', '.join(topics)}; expected them on {rig.tf} and "
        f"{rig.tf_static}, as rig {rig.name} says. If they are this vehicle's, name them in the "
        "rig file (tf, tf_static)."
    )
    return Remark("other_tf_topics", text)


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
    known: Mapping[str, str], absent: tuple[str, ...], images: set[str], bag: str
) -> tuple[str, ...]:
    """Say what a bag has in place of topics that it does not have."""
    targets = {IMAGE if topic in images else CLOUD for topic in absent}
    topics = [topic for target in targets for topic in foreign_topics(known, target)]
    return tuple(". ".join(conversion(topic, known[topic], bag)) for topic in topics)


def _transforms_feeder(stream: Stream, static: bool) -> Feeder:
    return lambda message, now, arrived=None: stream.add_transforms(message, static, now, arrived)


def _image_feeder(stream: Stream, camera: str) -> Feeder:
    return lambda message, now, arrived=None: stream.add_image(camera, message, now, arrived)


def _points_feeder(stream: Stream, lidar: str) -> Feeder:
    return lambda message, now, arrived=None: stream.add_points(message, now, lidar, arrived)


def _info_feeder(stream: Stream, camera: str) -> Feeder:
    return lambda message, now, arrived=None: stream.add_camera_info(camera, message)
