# SPDX-License-Identifier: Apache-2.0
"""A rig file for a bag that no known rig fits: what can be read off its topics and its tf."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import yaml

from effocc_ros.errors import InputError
from effocc_ros.foreign_types import CLOUD, advice
from effocc_ros.foreign_types import IMAGE as PIXELS
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.messages import OCCUPANCY_TYPE
from effocc_ros.rig_check import (
    CAMERA_INFO,
    COMPRESSED,
    IMAGE,
    POINTS,
    TRANSFORMS,
    BagContents,
)

BASE_FRAMES = ("base_link", "base_footprint", "base", "ego_vehicle", "ego", "vehicle")
FIXED_FRAMES = ("map", "odom", "world", "earth")
NO_LIDAR = "radar|sonar|depth|disparity"
"""Regular expression that is found in the names of clouds of other sensors."""

HEADER = """# Drafted from {bag}. Look through it before use:
# - names of cameras and the LiDAR are those of the networks (CAM_FRONT, ..., LIDAR_TOP)
# - offset_s: by how much a camera's stamps lie after the LiDAR's, in seconds
# - intensity_scale brings the LiDAR's intensity to 0..255
"""


def draft_rig(contents: BagContents, bag: str) -> str:
    """Return the text of a rig file.

    Args:
        contents: What the bag has.
        bag: Its name, for the comment.

    Raises:
        InputError: The bag has neither images nor points.
    """
    cameras = _cameras(contents.types)
    clouds = [topic for topic, kind in contents.types.items() if kind == POINTS]
    if not cameras and not clouds:
        raise _no_sensor(contents, bag)
    values: dict = {"cameras": cameras}
    if clouds:
        # The shortest name is the driver's; what processing made of it is below that name.
        first = min(clouds, key=lambda name: (bool(re.search(NO_LIDAR, name)), len(name), name))
        values |= {"points": first, "lidar": "LIDAR_TOP"}
    for name in ("tf", "tf_static"):
        named = [topic for topic in _transforms(contents.types) if topic.endswith(f"/{name}")]
        if named and f"/{name}" not in named:
            values[name] = min(named, key=lambda topic: (len(topic), topic))
    sensors = [values["points"]] if clouds else []
    sensors += [camera["image"] for camera in cameras.values()]
    base = _base_frame(contents, sensors)
    above = contents.chain(base)[1:]
    fixed = _named(FIXED_FRAMES, above) or (above[-1] if above else "")
    moving = contents.chain(base)[: above.index(fixed) + 1] if fixed else []
    slowest = max((contents.periods.get(frame, 0.0) for frame in moving), default=0.0)
    values |= {
        "base_frame": base,
        "fixed_frame": fixed,
        "max_extrapolation_s": round(max(0.1, 1.2 * slowest), 2),
    }
    return HEADER.format(bag=bag) + yaml.safe_dump(values, sort_keys=False)


def _no_sensor(contents: BagContents, bag: str) -> InputError:
    targets = {IMAGE: PIXELS, COMPRESSED: PIXELS, POINTS: CLOUD}
    what, do = advice(contents.types, targets, bag)
    if not what and OCCUPANCY_TYPE in contents.types.values():
        what = "occupancy, as `effocc process` writes it, and no sensors"
        do = f"Give the bag that it was made of; `effocc view {bag}` shows this one"
    kinds = ", ".join(sorted(set(contents.types.values()))) or "nothing"
    return InputError(
        f"bag {bag}",
        found=what or f"topics of {kinds}",
        expected=f"some of {', '.join(targets)}",
        do=do,
        reason="no_sensor",
    )


def _base_frame(contents: BagContents, sensors: list[str]) -> str:
    """Return the vehicle's frame: one with its usual name, above the sensors if there is one."""
    frames = dict.fromkeys([*contents.parents, *contents.parents.values()])
    above = [name for topic in sensors for name in contents.chain(contents.frames.get(topic, ""))]
    own = _named(BASE_FRAMES, [name for name in above if name in frames])
    return own or _named(BASE_FRAMES, frames) or "base_link"


def _named(usual: tuple[str, ...], frames: Iterable[str]) -> str:
    """Return the frame with the first of some names, as it is or behind the prefix of a robot."""
    known = [*frames]
    exact = [name for name in usual if name in known]
    prefixed = [frame for name in usual for frame in known if frame.endswith(f"/{name}")]
    return next(iter([*exact, *prefixed]), "")


def _transforms(types: dict[str, str]) -> list[str]:
    return [topic for topic, kind in types.items() if kind == TRANSFORMS]


def _cameras(types: dict[str, str]) -> dict[str, dict]:
    """Return the cameras of a rig file; of several topics of one camera the first."""
    cameras: dict[str, dict] = {}
    for topic in _images(types):
        info = _camera_info(topic, types)
        jpeg = types[topic] == COMPRESSED
        camera = {"image": topic, **({"camera_info": info} if info else {})}
        cameras.setdefault(_camera_name(topic), camera | {"compressed": jpeg, "offset_s": 0.0})
    order = {name: number for number, name in enumerate(NUSCENES_CAMERAS)}
    return dict(sorted(cameras.items(), key=lambda item: (order.get(item[0], 99), item[0])))


def rival_images(types: dict[str, str]) -> dict[str, list[str]]:
    """Return for each camera name that several cameras could have their image topics.

    Topics that share a CameraInfo are one camera's.
    """
    topics: dict[str, dict[str, str]] = {}
    for topic in _images(types):
        info = _camera_info(topic, types)
        topics.setdefault(_camera_name(topic), {}).setdefault(info or topic, topic)
    return {name: [*rivals.values()] for name, rivals in topics.items() if len(rivals) > 1}


def _images(types: dict[str, str]) -> list[str]:
    """Return the topics of images, sorted; of one camera those of the transport that most have."""
    images = {topic for topic, kind in types.items() if kind in (IMAGE, COMPRESSED)}
    images = {topic for topic in images if not re.search("depth|disparity|label|mask", topic)}
    compressed = [topic for topic in images if types[topic] == COMPRESSED]
    usual = COMPRESSED if 2 * len(compressed) >= len(images) else IMAGE
    served = {_camera_name(topic) for topic in images if types[topic] == usual}
    return sorted(
        topic for topic in images if types[topic] == usual or _camera_name(topic) not in served
    )


def _camera_info(topic: str, types: dict[str, str]) -> str:
    """Return the topic of the CameraInfo that lies nearest to an image's, or nothing."""
    folders = PurePosixPath(topic).parents
    infos = [f"{folder}/camera_info" for folder in folders if str(folder) != "/"]
    return next((name for name in infos if types.get(name) == CAMERA_INFO), "")


def _camera_name(topic: str) -> str:
    """Return the network's name of a camera whose topic tells its place, else one of the topic."""
    words = re.sub(r"[^a-z]+", "_", topic.lower().replace("rear", "back"))
    for name in sorted(NUSCENES_CAMERAS, key=len, reverse=True):
        if re.search(rf"(^|_){name.removeprefix('CAM_').lower()}(_|$)", words):
            return name
    parts = [part for part in topic.split("/") if part]
    return parts[0 if len(parts) < 3 else -2].upper()
