# SPDX-License-Identifier: Apache-2.0
"""Run a model over a bag without ROS: the node's stream and network, in bag time."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from effocc_ros.bags.feeding import feeding
from effocc_ros.bags.messages import occupancy_message, point_cloud_message
from effocc_ros.bags.no_frames import no_frames
from effocc_ros.bags.order import AHEAD
from effocc_ros.bags.process_result import ProcessResult
from effocc_ros.bags.reader import BagMessage, BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.errors import InputError
from effocc_ros.loaded_model import LoadedModel
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import labelled_points
from effocc_ros.predictor import Predictor
from effocc_ros.progress import with_progress
from effocc_ros.rig import Rig, load_rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Problem, Stream

logger = logging.getLogger(__name__)

OCCUPANCY_TOPIC = "/effocc/occupancy"
POINTS_TOPIC = "/effocc/points"


@dataclass(frozen=True)
class ProcessOptions:
    """How to process a bag.

    Attributes:
        model: Preset or checkpoint, a model that was loaded, or a Predictor, which stays open
            and has its own device, precision and confidence.
        rig: Rig preset or file, or a rig: which topics are which sensors.
        interval_s: Seconds between frames, at least; 0 for every reference stamp.
        device: Where the network runs: ``auto``, ``cpu``, ``cuda``.
        precision: ``float32``; on a GPU also ``bfloat16`` or ``float16``.
        confidence: Also write the probability of each voxel's class.
        copy_inputs: Also copy the sensors' messages.
        overwrite: Replace a bag that is there.
    """

    model: str | LoadedModel | Predictor = "fusion_r18"
    rig: str | Rig = "nuscenes"
    interval_s: float = 0.5
    device: str = "auto"
    precision: str = "float32"
    confidence: bool = False
    copy_inputs: bool = False
    overwrite: bool = False

    def predictor(self) -> AbstractContextManager[Predictor]:
        """Return the network for the length of a block."""
        if isinstance(self.model, Predictor):
            return nullcontext(self.model)
        return Predictor(self.model, self.device, self.precision, self.confidence)


def process_bag(
    source: Path | str,
    target: Path | str,
    options: ProcessOptions,
    *,
    progress: bool = False,
    beside: Callable[[Path, ProcessResult], None] | None = None,
) -> ProcessResult:
    """Write a bag of what a model sees in another bag.

    The new bag holds ``/effocc/occupancy``, ``/effocc/points`` and the input's tf; a result is
    logged at the time of the message that completed its frame, and never before the result of an
    earlier moment: played back, results come in order. Same input, same output.

    Args:
        source: Bag to read.
        target: rosbag2 folder that shall appear.
        options: How.
        progress: Show a progress bar on stderr.
        beside: Called at the end with the folder in which the bag grows and the result; files
            that it puts there appear together with the bag.

    Returns:
        Counts, drops and times.

    Raises:
        InputError: A bag, the rig or the model cannot be used, or no frame came out; then there
            is no bag. A bad message is counted and logged, and the run goes on.
    """
    start = time.perf_counter()
    _check_apart(Path(source), Path(target))
    rig = options.rig if isinstance(options.rig, Rig) else load_rig(options.rig)
    with (
        BagReader(source) as bag,
        BagWriter(target, overwrite=options.overwrite) as writer,
        options.predictor() as predictor,
    ):
        run = _Run(bag, writer, predictor, rig, options)
        run.messages(progress)
        statistics = run.stream.statistics()
        rejected = {**statistics.rejected, **run.undecodable}
        if OCCUPANCY_TOPIC not in writer.counts:
            raise no_frames(bag, run.fed, statistics, rejected, run.said)
        result = ProcessResult(
            bag=Path(target),
            model=predictor.name,
            trained=predictor.trained,
            messages_in=run.count,
            duration_s=(bag.end_time - bag.start_time) / NANOSECONDS,
            elapsed_s=time.perf_counter() - start,
            frames_in=statistics.frames_in,
            frames_out=writer.counts.get(OCCUPANCY_TOPIC, 0),
            drops=statistics.drops,
            rejected=rejected,
            noted=statistics.noted,
            milliseconds={name: median(values) for name, values in run.milliseconds.items()},
        )
        if beside is not None:
            beside(writer.folder, result)
        return result


class _Run:
    """One pass over a bag: messages into the stream, frames through the network, results out.

    In memory are an index of the bag (30 bytes a message), and what the stream keeps: 15 images of
    each camera as they were recorded, the sweeps of the last seconds, 10 s of poses.
    """

    def __init__(
        self,
        bag: BagReader,
        writer: BagWriter,
        predictor: Predictor,
        rig: Rig,
        options: ProcessOptions,
    ):
        self.bag, self.writer, self.predictor = bag, writer, predictor
        self.fed = fed = feeding(bag, rig, predictor.config)
        for topic in fed.absent:
            logger.warning("%s is not in bag %s: going on without it", topic, bag.path)
        if fed.unknown:
            logger.warning(
                "cameras %s of rig %s: %s does not know these names and does without them",
                ", ".join(fed.unknown),
                rig.name,
                predictor.name,
            )
        for hint in fed.hints:
            logger.warning("%s", hint)
        config = fed.stream_config(predictor.config, options.interval_s)
        self.stream = Stream(config, self._on_problem)
        self.count = 0
        self.undecodable: Counter[str] = Counter()
        self.milliseconds: dict[str, list[float]] = defaultdict(list)
        self.said: dict[tuple[str, str], str] = {}
        self._feeders = fed.feeders(self.stream)
        copied = self._feeders if options.copy_inputs else (rig.tf, rig.tf_static)
        self._copied = tuple(topic for topic in copied if topic in bag.topics)
        for topic in self._copied:
            known = bag.topics[topic]
            writer.add_topic(topic, known.msgtype, qos=known.qos, typestore=bag.typestore)

    def messages(self, progress: bool) -> None:
        """Take the whole bag, and what still waits at its end."""
        topics = [topic for topic in self._feeders if topic in self.bag.topics]
        total = sum(self.bag.topics[topic].count for topic in topics)
        logged = self.bag.start_time
        for message in with_progress(self.bag.messages(topics), total, shown=progress):
            if message.msgtype not in AHEAD:
                logged = max(logged, message.log_time)
            self.count += 1
            self._take(message)
            self._frames(self.stream.poll(message.moment / NANOSECONDS), logged)
        self._frames(self.stream.flush(), logged)

    def _take(self, message: BagMessage) -> None:
        if message.topic in self._copied:
            self.writer.write_raw(message.topic, message.msgtype, message.raw, message.log_time)
        try:
            decoded = message.decode()
        except InputError as error:
            self.undecodable[f"{message.topic}.{error.reason}"] += 1
            self._on_problem(Problem(message.topic, error.reason, str(error)))
        else:
            arrived = message.arrival / NANOSECONDS
            self._feeders[message.topic](decoded, message.moment / NANOSECONDS, arrived)

    def _frames(self, triggers: list, logged: int) -> None:
        for trigger in triggers:
            start = time.perf_counter()
            frame = self.stream.assemble(trigger)
            if frame is None:
                continue
            assembled = time.perf_counter()
            try:
                occupancy = self.predictor.predict(frame)
            except InputError as error:
                self.stream.drop(trigger, error.reason)
                self._on_problem(Problem(self.predictor.name, error.reason, str(error)))
                continue
            predicted = time.perf_counter()
            self._write(occupancy, logged)
            self._remember("assemble", assembled - start)
            for stage, value in self.predictor.timings.items():
                self._remember(stage, value / 1e3)
            self._remember("write", time.perf_counter() - predicted)
            self._remember("total", time.perf_counter() - start)

    def _write(self, occupancy: SemanticOccupancy, logged: int) -> None:
        points = labelled_points(occupancy)
        cloud = point_cloud_message(occupancy.stamp, occupancy.frame_id, points)
        self.writer.write(OCCUPANCY_TOPIC, occupancy_message(occupancy), logged)
        self.writer.write(POINTS_TOPIC, cloud, logged)

    def _remember(self, stage: str, seconds: float) -> None:
        self.milliseconds[stage].append(1e3 * seconds)

    def _on_problem(self, problem: Problem) -> None:
        # Once for each kind: a camera that is broken is broken twelve times a second.
        if (problem.source, problem.reason) not in self.said:
            self.said[problem.source, problem.reason] = problem.text
            logger.warning("%s", problem.text)


def _check_apart(source: Path, target: Path) -> None:
    inside, outside = source.resolve(), target.resolve()
    if inside == outside or outside in inside.parents or inside in outside.parents:
        raise InputError(
            f"output bag {target}",
            found="a place in or around the input bag",
            expected="a folder of its own",
            do="Choose another name",
            reason="bad_output",
        )
