# SPDX-License-Identifier: Apache-2.0
"""Rigs: which topics and frames a vehicle's sensors have."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.plain_files import read_yaml
from effocc_ros.resources import resource_path

FOLDER = "config/rig"


_RANGES = {
    "offset_s": (-10.0, 10.0),
    "max_extrapolation_s": (0.0, 3600.0),
    "intensity_scale": (1e-6, 1e6),
}
_ANY = (-4e9, 4e9)
"""Least and most that a number may be, and that of all others; NaN lies outside of each range."""


@dataclass(frozen=True)
class CameraTopics:
    """Topics of one camera.

    Attributes:
        name: The camera's name in the model presets, for example ``CAM_FRONT``.
        image: Topic of its images.
        camera_info: Topic of its CameraInfo; empty where there is none.
        compressed: True for sensor_msgs/CompressedImage, False for sensor_msgs/Image.
        offset_s: Seconds by which its stamps lie after the LiDAR's.
        clock_offset_s: Seconds that are added to its stamps, where its clock is not the others'.
    """

    name: str
    image: str
    camera_info: str = ""
    compressed: bool = True
    offset_s: float = 0.0
    clock_offset_s: float = 0.0


@dataclass(frozen=True)
class LidarTopics:
    """Topic of one LiDAR.

    Attributes:
        name: The LiDAR's name.
        points: Topic of its PointCloud2.
        clock_offset_s: Seconds that are added to its stamps.
    """

    name: str
    points: str
    clock_offset_s: float = 0.0


@dataclass(frozen=True)
class Rig:
    """A vehicle, or the bags of one converter.

    Attributes:
        name: Preset or file name.
        cameras: Its cameras.
        points: Topic of the LiDAR's PointCloud2; empty where there is none.
        lidar: The LiDAR's name.
        points_clock_offset_s: Seconds that are added to its stamps.
        lidars: Further LiDARs, whose points are added to the first one's.
        tf: Topic of transforms that change.
        tf_static: Topic of transforms that hold at all times.
        tf_clock_offset_s: Seconds that are added to the stamps of transforms and odometry.
        odometry: Topic of a nav_msgs/Odometry that tells the ego motion; empty where tf does.
        base_frame: tf frame of the vehicle.
        fixed_frame: tf frame that does not move with it; empty where ego motion is unknown.
        reliability: ``auto``: as its publishers offer; or ``reliable`` or ``best_effort``.
        max_extrapolation_s: How far an ego pose may be carried on: bags with few poses need more.
        intensity_scale: Factor that brings the LiDAR's intensity to 0..255; 1 learns it.
        calibration: File with intrinsics or sensor poses, or None. A relative path counts from
            the rig file.
    """

    name: str
    cameras: tuple[CameraTopics, ...]
    points: str = ""
    lidar: str = "LIDAR_TOP"
    points_clock_offset_s: float = 0.0
    lidars: tuple[LidarTopics, ...] = ()
    tf: str = "/tf"
    tf_static: str = "/tf_static"
    tf_clock_offset_s: float = 0.0
    odometry: str = ""
    base_frame: str = "base_link"
    fixed_frame: str = "map"
    reliability: str = "auto"
    max_extrapolation_s: float = 0.1
    intensity_scale: float = 1.0
    calibration: Path | None = field(default=None)

    @property
    def all_lidars(self) -> tuple[LidarTopics, ...]:
        """Every LiDAR, the one whose sweeps make the frames first."""
        if not self.points:
            return ()
        return (LidarTopics(self.lidar, self.points, self.points_clock_offset_s), *self.lidars)

    @property
    def clock_offsets(self) -> dict[str, float]:
        """Sensor, or ``tf`` -> seconds that are added to its stamps, where there are any."""
        sensors = (*self.cameras, *self.all_lidars)
        offsets = {each.name: each.clock_offset_s for each in sensors}
        offsets["tf"] = self.tf_clock_offset_s
        return {name: seconds for name, seconds in offsets.items() if seconds}

    @property
    def topics(self) -> tuple[str, ...]:
        """Every sensor topic of the rig."""
        names = [topic for camera in self.cameras for topic in (camera.image, camera.camera_info)]
        clouds = (lidar.points for lidar in self.all_lidars)
        return tuple(name for name in (*names, *clouds) if name)


def rig_names() -> tuple[str, ...]:
    """Return the names of the shipped rigs, sorted."""
    return tuple(sorted(file.stem for file in resource_path(FOLDER).glob("*.yaml")))


def load_rig(name_or_path: str | Path) -> Rig:
    """Read a shipped rig by its name, or a rig file.

    Args:
        name_or_path: ``nuscenes``, for example, or the path of a YAML file with the same keys.

    Raises:
        InputError: There is no such rig, or its file is not of this form.
    """
    names = rig_names()
    shipped = str(name_or_path) in names
    path = resource_path(f"{FOLDER}/{name_or_path}.yaml") if shipped else Path(name_or_path)
    if not path.is_file():
        raise InputError(
            "rig",
            found=f"'{name_or_path}'",
            expected=f"one of {', '.join(names)}, or the path of a rig file",
            do="Copy one of config/rig to begin your own",
            reason="unknown_rig",
        )
    try:
        values = read_yaml(path)
    except (OSError, ValueError) as error:
        raise _bad(path, str(error), "YAML") from error
    return rig_from_values(path, values)


def rig_from_values(path: Path, values: Any) -> Rig:
    """Build a rig from what its file says.

    Args:
        path: The file: it names the rig, and relative paths count from it.
        values: Its content, as YAML gives it.

    Raises:
        InputError: It is not of this form.
    """
    if not isinstance(values, dict) or not isinstance(values.get("cameras", {}), dict):
        raise _bad(path, repr(values), "a mapping with cameras by name")
    if not isinstance(values.get("lidars", {}), dict):
        raise _bad(path, f"lidars: {values['lidars']!r}", "a mapping of further LiDARs by name")
    values = {"cameras": {}, "lidars": {}, **values}
    _check_keys(path, values, Rig)
    lidars = []
    for name in (*values["lidars"], *values["cameras"]):
        if not isinstance(name, str) or not name or not name.isprintable():
            raise _bad(path, f"sensor {name!r}", "a name, such as CAM_FRONT")
    for name, lidar in values.pop("lidars").items():
        if not isinstance(lidar, dict) or not lidar.get("points") or not values.get("points"):
            expected = "its topic: points, beside the points of the first LiDAR"
            raise _bad(path, f"lidar {name}: {lidar}", expected)
        _check_keys(path, lidar, LidarTopics)
        lidars.append(LidarTopics(**{"name": name, **lidar}))
    cameras = []
    for name, camera in values.pop("cameras").items():
        if not isinstance(camera, dict) or not camera.get("image"):
            raise _bad(path, f"camera {name}: {camera}", "its topics: image, camera_info")
        _check_keys(path, camera, CameraTopics)
        cameras.append(CameraTopics(**{"name": name, **camera}))
    sensors = {"cameras": tuple(cameras), "lidars": tuple(lidars)}
    # tf2 knows no leading slash, and finds frames without it.
    frames = {
        key: values[key].lstrip("/") for key in ("base_frame", "fixed_frame") if key in values
    }
    rig = Rig(**{"name": path.stem, **values, **frames, **sensors})
    if rig.reliability not in ("auto", "reliable", "best_effort"):
        raise _bad(path, f"reliability {rig.reliability}", "auto, reliable or best_effort")
    if not rig.topics:
        raise _bad(path, "no camera and no points", "at least one sensor")
    _check_names(path, rig)
    if rig.calibration is None:
        return rig
    return Rig(**{**vars(rig), "calibration": path.parent / rig.calibration})


def _check_names(path: Path, rig: Rig) -> None:
    """Refuse names that two inputs have, and a vehicle without a frame."""
    topics = [*rig.topics, *filter(None, (rig.tf, rig.tf_static, rig.odometry))]
    twice = sorted({topic for topic in topics if topics.count(topic) > 1})
    if twice:
        raise _bad(path, f"{', '.join(twice)} more than once", "a topic of its own for each input")
    names = [each.name for each in (*rig.cameras, *rig.all_lidars)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _bad(path, f"two sensors {', '.join(twice)}", "a name of its own for each")
    if not rig.base_frame.strip("/"):
        raise _bad(path, f"base_frame: {rig.base_frame!r}", "the tf frame of the vehicle")


def _check_keys(path: Path, values: dict, kind: type) -> None:
    """Refuse keys that the dataclass does not have, and values of another type than its own."""
    known = {each.name: each for each in fields(kind)}
    unknown = [key for key in values if key not in known]
    if unknown:
        raise _bad(path, f"unknown key {', '.join(map(str, unknown))}", ", ".join(known))
    for key, value in values.items():
        default = known[key].default
        wanted = type(default) if isinstance(default, (bool, float)) else str
        right = isinstance(value, (int, float) if wanted is float else wanted)
        if key not in ("cameras", "lidars") and (
            not right or (wanted is float and isinstance(value, bool))
        ):
            raise _bad(path, f"{key}: {value!r}", f"a value of type {wanted.__name__}")
        least, most = _RANGES.get(key, _ANY)
        if wanted is float and not least <= value <= most:
            raise _bad(path, f"{key}: {value!r}", f"a number of {least:g} to {most:g}")
        if isinstance(value, str) and not value.isprintable():
            raise _bad(path, f"{key}: {value!r}", "a name without control characters")


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(f"rig file {path}", found=found, expected=expected, reason="bad_rig")
