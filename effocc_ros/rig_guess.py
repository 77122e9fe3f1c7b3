# SPDX-License-Identifier: Apache-2.0
"""Rig, kind of input and model for a bag, guessed from what it has, each with its reason."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from effocc_ros.errors import InputError
from effocc_ros.foreign_types import CLOUD, IMAGE, conversion, foreign_topics
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.rig import CameraTopics, LidarTopics, Rig, load_rig, rig_from_values, rig_names
from effocc_ros.rig_check import CAMERA_INFO, POINTS, BagContents, problems
from effocc_ros.rig_draft import NO_LIDAR, draft_rig, rival_images

MODELS = {"fusion": "fusion_tiny", "vision": "vision_tiny", "lidar": "lidar_tiny"}
"""Modality -> the network that ships with weights."""

DRAFTED = "drafted"
"""Name of a rig that is none of the presets."""

KINDS = {"fusion": "cameras and LiDAR", "vision": "cameras only", "lidar": "LiDAR only"}


@dataclass(frozen=True)
class Guess:
    """What to run a bag with.

    Attributes:
        rig: Which topics are which sensors.
        modality: What of them there is: ``fusion``, ``vision`` or ``lidar``.
        model: The network of that modality that ships with weights.
        lines: Each thing that was guessed, in one line with the reason.
    """

    rig: Rig
    modality: str
    model: str
    lines: tuple[str, ...]


def guess(
    contents: BagContents, bag: Path | str, *, rig: Rig | None = None, modality: str = ""
) -> Guess:
    """Find out what to run a bag with.

    Args:
        contents: What the bag has.
        bag: Its path, for what is said.
        rig: The rig, where it is known.
        modality: That of the network, where it is known: sensors that it does not use are not
            asked for.

    Raises:
        InputError: Nothing of use is in the bag, or more than one guess is as good.
    """
    command = f"effocc rig check {shlex.quote(str(bag))} --out rig.yaml"
    lines = []
    if rig is None:
        rig, line = _preset(contents, bag, modality) or _drafted(contents, bag, modality, command)
        lines.append(line)
    there = present(rig, contents, modality)
    cameras = [camera for camera in there.cameras if _calibrated(rig, camera, contents)]
    if not cameras and not there.points:
        raise InputError(
            f"bag {bag} for rig {rig.name}",
            found="; ".join(problems(rig, contents)) or "none of its sensors",
            expected="a LiDAR, or cameras with CameraInfo",
            do="Leave out --rig, or name one with this bag's topics",
            reason="wrong_rig",
        )
    kind = "lidar" if not cameras else "fusion" if there.points else "vision"
    left_out = [camera.name for camera in there.cameras if camera not in cameras]
    notes = [f"{', '.join(left_out)} without CameraInfo"] if left_out else []
    notes += foreign_sensors(contents, there, modality, str(bag), advice=False)
    who = f"for a {modality} model the bag has" if modality else "the bag has"
    reasons = [
        f"{who} {_counted(cameras, there.points)}",
        *(f"not used: {note}" for note in notes),
    ]
    lines.append(f"input {KINDS[kind]}: {'; '.join(reasons)}")
    if not modality:
        lines.append(
            f"model {MODELS[kind]}: made for {KINDS[kind]}, and ships with trained weights; "
            "larger ones can be named with --model (see `effocc models`)"
        )
    return Guess(rig, kind, MODELS[kind], tuple(lines))


def present(rig: Rig, contents: BagContents, modality: str = "") -> Rig:
    """Return a rig without the sensors that a bag has no messages of or a network does not use."""
    types = contents.types
    found = [each for each in rig.all_lidars if each.points in types and modality != "vision"]
    first = found[0] if found else LidarTopics(rig.lidar, "")
    return replace(
        rig,
        cameras=tuple(each for each in rig.cameras if each.image in types and modality != "lidar"),
        lidar=first.name,
        points=first.points,
        points_clock_offset_s=first.clock_offset_s,
        lidars=tuple(found[1:]),
    )


def _preset(contents: BagContents, bag: Path | str, modality: str) -> tuple[Rig, str] | None:
    """Return the preset whose sensors are all there, else one that has all that are there."""
    every, some = [], []
    for rig in map(load_rig, rig_names()):
        there = present(rig, contents, modality)
        if not there.topics or problems(there, contents):
            continue
        wanted = (0 if modality == "lidar" else len(rig.cameras)) + (modality != "vision")
        if _sensors(there) == wanted:
            every.append((rig, there))
        elif not _strangers(there, contents, bag, modality):
            some.append((rig, there))
    fits = every or some
    if not fits:
        return None
    most = max(_sensors(there) for _, there in fits)
    fits = [(rig, there) for rig, there in fits if _sensors(there) == most]
    # Those that differ in how far a pose is carried on alone are not two guesses.
    alike = {replace(there, name="", max_extrapolation_s=0.0) for _, there in fits}
    if len(alike) > 1:
        raise InputError(
            f"rig of bag {bag}",
            found=f"{' and '.join(rig.name for rig, _ in fits)}, which fit alike",
            expected="one rig that fits",
            do=f"Name the right one, such as --rig {fits[0][0].name}",
            reason="unsure_rig",
        )
    rig, there = min(fits, key=lambda fit: fit[0].max_extrapolation_s)
    uncalibrated = [each for each in there.cameras if not _calibrated(rig, each, contents)]
    if uncalibrated:
        raise _no_camera_info(bag, uncalibrated, there.points)
    what = _counted(there.cameras, there.points)
    if every:
        return rig, f"rig {rig.name}: all its topics and frames are in the bag ({what})"
    return rig, f"rig {rig.name}: it has all sensors of the bag ({what}), and its frames"


def _drafted(
    contents: BagContents, bag: Path | str, modality: str, command: str
) -> tuple[Rig, str]:
    """Return a rig of the bag's own topics, if each of them is sure."""
    rig = _draft(contents, bag)
    there = present(rig, contents, modality)
    if not there.topics:
        raise InputError(
            f"bag {bag}",
            found=_counted(rig.cameras, rig.points),
            expected="images for a vision network" if modality == "vision" else "a LiDAR",
            do="Leave out --model, or name one for what the bag has",
            reason="wrong_model",
        )
    placed = tuple(camera for camera in there.cameras if camera.name in NUSCENES_CAMERAS)
    unplaced = [camera.image for camera in there.cameras if camera not in placed]
    edit = f"Draft a rig by `{command}`, correct it, and name it: --rig rig.yaml"
    if unplaced and not placed:
        raise _unsure(
            bag,
            f"images on {', '.join(unplaced)}, whose names do not tell where the cameras look",
            f"names with front, front_left, back_right or so, as {', '.join(NUSCENES_CAMERAS)}",
            edit + _alone("lidar", there.points),
        )
    uncalibrated = [camera for camera in placed if not _calibrated(rig, camera, contents)]
    if uncalibrated:
        raise _no_camera_info(bag, uncalibrated, there.points)
    for name, topics in rival_images(contents.types).items():
        if any(name == camera.name for camera in placed):
            raise _unsure(bag, f"{' and '.join(topics)} for {name}", "one camera", edit)
    if there.points:
        _check_lidar(contents, bag, there.points, edit + _alone("vision", placed))
    there = replace(there, cameras=placed)
    wrong = problems(there, contents) or _loose_frames(there, contents)
    if wrong:
        raise _unsure(
            bag,
            "; ".join(wrong),
            "transforms from each sensor to the vehicle, whose frame is base_link or so",
            f"Record /tf and /tf_static with it, or give a calibration file in a rig. {edit}",
        )
    without = f"; without {', '.join(unplaced)}, whose place is not known" if unplaced else ""
    return there, (
        f"rig drafted from the bag's topics and tf, for no preset fits "
        f"({_counted(placed, there.points)}, {there.fixed_frame or 'no ego motion'}{without}); "
        f"to keep it: {command}"
    )


def _draft(contents: BagContents, bag: Path | str) -> Rig:
    return rig_from_values(Path(DRAFTED), yaml.safe_load(draft_rig(contents, str(bag))))


def _strangers(there: Rig, contents: BagContents, bag: Path | str, modality: str) -> set[str]:
    """Return the sensors of a bag that a rig does not have."""
    drafted = present(_draft(contents, bag), contents, modality)
    topics = {camera.image for camera in drafted.cameras}
    if modality != "vision":
        topics |= {topic for topic, kind in contents.types.items() if kind == POINTS}
    return topics - set(there.topics)


def _check_lidar(contents: BagContents, bag: Path | str, chosen: str, do: str) -> None:
    """Refuse a cloud of which it is not sure that it is the LiDAR's."""
    clouds = [topic for topic, kind in contents.types.items() if kind == POINTS]
    # What stands below a topic was made of it.
    others = [each for each in clouds if each != chosen and not each.startswith(f"{chosen}/")]
    if re.search(NO_LIDAR, chosen):
        found = f"points on {chosen}, whose name is not that of a LiDAR"
    elif others := [each for each in others if not re.search(NO_LIDAR, each)]:
        found = f"points on {', '.join(sorted([chosen, *others]))}"
    else:
        return
    raise _unsure(bag, found, "one LiDAR", do)


def _loose_frames(rig: Rig, contents: BagContents) -> list[str]:
    """Say which sensors' frames have no way to the vehicle's in tf."""
    topics = [camera.image for camera in rig.cameras] + ([rig.points] if rig.points else [])
    frames = {topic: contents.frames.get(topic, "") for topic in topics}
    return [
        f"{topic}: tf does not connect its frame {frame} with {rig.base_frame}"
        for topic, frame in frames.items()
        if frame and not contents.way(frame, rig.base_frame)
    ]


def _calibrated(rig: Rig, camera: CameraTopics, contents: BagContents) -> bool:
    info = contents.types.get(camera.camera_info) == CAMERA_INFO
    return info or rig.calibration is not None


def foreign_sensors(
    contents: BagContents, there: Rig, modality: str = "", bag: str = "BAG", advice: bool = True
) -> list[str]:
    """Say what a bag has in the place of a kind of sensor that is not there.

    Args:
        contents: What the bag has.
        there: The rig, with the sensors that are there.
        modality: That of the network, where it is known.
        bag: The bag's path.
        advice: Whether to say what makes it usable.
    """
    targets = [IMAGE] if not there.cameras and modality != "lidar" else []
    targets += [CLOUD] if not there.points and modality != "vision" else []
    topics = [topic for target in targets for topic in foreign_topics(contents.types, target)]
    said = [conversion(topic, contents.types[topic], bag) for topic in topics]
    return [". ".join(each) if advice else each[0] for each in said]


def _sensors(rig: Rig) -> int:
    return len(rig.cameras) + bool(rig.points)


def _counted(cameras: Sequence[CameraTopics], points: str) -> str:
    number = len(cameras)
    named = [f"{number} camera{'s' if number > 1 else ''}"] if number else []
    return " and ".join([*named, *(["LiDAR"] if points else [])])


def _alone(modality: str, others: object) -> str:
    """Return how to do without the sensors that are not sure, where there are others."""
    if not others:
        return ""
    who = "the LiDAR" if modality == "lidar" else "the cameras"
    return f". For {who} alone: --model {MODELS[modality]}"


def _no_camera_info(bag: Path | str, cameras: Sequence[CameraTopics], points: str) -> InputError:
    return _unsure(
        bag,
        f"images of {', '.join(camera.name for camera in cameras)} without CameraInfo",
        "CameraInfo of each camera",
        "Name a rig file with a calibration (--rig)" + _alone("lidar", points),
    )


def _unsure(bag: Path | str, found: str, expected: str, do: str) -> InputError:
    return InputError(
        f"sensors of bag {bag}", found=found, expected=expected, do=do, reason="unsure_rig"
    )
