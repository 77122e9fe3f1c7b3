# SPDX-License-Identifier: Apache-2.0
"""The moments of a bag: a model runs over its sensors, or they go beside recorded occupancy."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.frames import read_frames
from effocc_ros.bags.guessing import guess_for
from effocc_ros.bags.messages import read_occupancy
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.run import BagRun
from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.loaded_model import load_model
from effocc_ros.messages import OCCUPANCY_TYPE
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor
from effocc_ros.presets import load_preset
from effocc_ros.rig import load_rig
from effocc_ros.rig_check import TRANSFORMS, bag_contents
from effocc_ros.rig_guess import guess
from effocc_ros.simulation.bag import load_truth, truth_stamps
from effocc_ros.stream.transform import read_transform
from effocc_ros.stream.transform_buffer import TransformBuffer
from effocc_ros.visualization.scene import Moment

POSE_REACH = 1.0
"""Seconds by which an ego pose may be carried on: only a picture depends on it."""


@dataclass(frozen=True)
class Choice:
    """What the user named; what is empty is found from the data.

    Attributes:
        model: Preset or checkpoint.
        rig: Rig preset or file.
        interval_s: Seconds between moments, at least; 0 for every reference stamp.
        device: Where the network runs: ``auto``, ``cpu``, ``cuda``.
        scene: Name of a scene of a data set.
        say: Takes each thing that was found, in one line.
    """

    model: str = ""
    rig: str = ""
    interval_s: float = 0.5
    device: str = "auto"
    scene: str = ""
    say: Callable[[str], Any] = print


def occupancy_topic(bag: Path) -> str:
    """Return the topic of a bag that holds occupancy; empty where there is none.

    Raises:
        InputError: There are several.
    """
    with BagReader(bag) as reader:
        found = [
            name
            for name, topic in reader.topics.items()
            if topic.msgtype == OCCUPANCY_TYPE and topic.count
        ]
    if len(found) > 1:
        raise InputError(
            f"bag {bag}",
            found=f"occupancy on {', '.join(found)}",
            expected="one topic of it",
            do="Record one of them alone",
            reason="unsure_topic",
        )
    return found[0] if found else ""


def predicted_moments(bag: Path, choice: Choice) -> Iterator[Moment]:
    """Run a model over a bag of sensors, as `effocc process` does.

    Args:
        bag: The bag.
        choice: Rig and model, or what to find.

    Raises:
        InputError: The bag, the rig or the model cannot be used, or no frame comes out.
    """
    rig = load_rig(choice.rig) if choice.rig else None
    model = load_model(choice.model) if choice.model else None
    if rig is None or model is None:
        found = guess_for(bag, rig, model.config.modality if model else "")
        _say_all(choice, found.lines)
        rig, model = found.rig, model or found.model
    with BagReader(bag) as reader, Predictor(model, choice.device) as predictor:
        run = BagRun(reader, predictor, rig, choice.interval_s)
        for result in run.results():
            yield Moment(result.frame, result.occupancy, _truth(bag, result.occupancy))


def recorded_moments(bag: Path, sensors: Path, choice: Choice) -> Iterator[Moment]:
    """Show occupancy that a bag holds beside what the sensors of a bag saw at the same stamps.

    Args:
        bag: The bag of occupancy.
        sensors: The bag of sensors; may be the same. Where it has none, or none of a rig that can
            be found, moments come without them.
        choice: The rig, or none to find it.

    Raises:
        InputError: A bag is damaged, or the rig that was named does not fit.
    """
    topic = occupancy_topic(bag)
    frames = _FramesAt(_sensor_frames(bag, topic, sensors, choice))
    for occupancy, ego2global in _recorded(bag, topic):
        frame = frames.at(occupancy.stamp)
        if frame is None:
            frame = Frame(occupancy.stamp, occupancy.frame_id, (), None, ego2global)
        yield Moment(frame, occupancy, _truth(sensors, occupancy))


def _say_all(choice: Choice, lines: Sequence[str]) -> None:
    for line in lines:
        choice.say(line)


def _truth(bag: Path, occupancy: SemanticOccupancy) -> SemanticOccupancy | None:
    """Return the truth beside a simulated bag, if it has the grid and classes of a prediction."""
    if occupancy.stamp not in truth_stamps(bag):
        return None
    truth = load_truth(bag, occupancy.stamp)
    fits = (truth.grid, truth.classes.names) == (occupancy.grid, occupancy.classes.names)
    return truth if fits else None


def _sensor_frames(bag: Path, topic: str, sensors: Path, choice: Choice) -> Iterator[Frame]:
    """Yield the Frames of the stamps of recorded occupancy; none where there are no sensors."""
    named = load_rig(choice.rig) if choice.rig else None
    with BagReader(sensors) as reader:
        contents = bag_contents(reader)
    try:
        found = guess(contents, sensors, rig=named)
    except InputError as error:
        if named is not None:
            raise
        choice.say(f"no images and sweeps are shown: {error}")
        return
    _say_all(choice, found.lines[: 1 if named is None else 0])
    with BagReader(bag) as reader:
        headers = (message.decode().header.stamp for message in reader.messages([topic]))
        stamps = [stamp.sec * 10**9 + stamp.nanosec for stamp in headers]
    try:
        yield from read_frames(sensors, found.rig, load_preset(found.model), stamps)
    except InputError as error:
        if error.reason != "no_such_frame":
            raise


class _FramesAt:
    """Takes the Frame of a stamp from an iterator in which some stamps are missing."""

    def __init__(self, frames: Iterator[Frame]):
        self._frames = frames
        self._next = next(frames, None)

    def at(self, stamp: int) -> Frame | None:
        """Return the Frame of a stamp, or None; stamps must be asked for in rising order."""
        while self._next is not None and self._next.stamp < stamp:
            self._next = next(self._frames, None)
        found = self._next
        return found if found is not None and found.stamp == stamp else None


def _recorded(bag: Path, topic: str) -> Iterator[tuple[SemanticOccupancy, NDArray[np.float64]]]:
    """Yield every occupancy of a bag with the ego pose of its stamp, (4, 4) to the root of tf."""
    buffer = TransformBuffer(max_extrapolation_s=POSE_REACH)
    with BagReader(bag) as reader:
        contents = bag_contents(reader)
        tf = [name for name, kind in contents.types.items() if kind == TRANSFORMS]
        with closing(reader.messages([topic, *tf])) as messages:
            for message in messages:
                if message.topic != topic:
                    _add_transforms(buffer, message.decode(), "static" in message.topic)
                    continue
                occupancy = read_occupancy(message.decode())
                root = contents.chain(occupancy.frame_id)[-1]
                yield occupancy, _pose(buffer, root, occupancy)


def _add_transforms(buffer: TransformBuffer, message: Any, static: bool) -> None:
    for transform in message.transforms:
        try:
            buffer.add(*read_transform(transform), static=static)
        except InputError:
            continue  # what is shown then stands still


def _pose(buffer: TransformBuffer, root: str, occupancy: SemanticOccupancy) -> NDArray[np.float64]:
    if root == occupancy.frame_id:
        return np.eye(4)
    try:
        return buffer.lookup(root, occupancy.frame_id, occupancy.stamp)
    except InputError:
        return np.eye(4)
