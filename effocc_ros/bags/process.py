# SPDX-License-Identifier: Apache-2.0
"""Run a model over a bag without ROS: the node's stream and network, in bag time."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from effocc_ros.bags.messages import (
    occupancy_message,
    point_cloud_message,
    voxel_grid_message,
)
from effocc_ros.bags.process_result import ProcessResult
from effocc_ros.bags.reader import BagMessage, BagReader
from effocc_ros.bags.run import BagRun
from effocc_ros.bags.writer import BagWriter
from effocc_ros.errors import InputError
from effocc_ros.loaded_model import LoadedModel
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import labelled_points
from effocc_ros.predictor import Predictor
from effocc_ros.rig import Rig, load_rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.voxel_grids import VOXEL_GRIDS, check_voxel_grids

OCCUPANCY_TOPIC = "/effocc/occupancy"
POINTS_TOPIC = "/effocc/points"
VOXEL_GRID_TOPICS = {name: f"/effocc/{name}_voxels" for name in VOXEL_GRIDS}


@dataclass(frozen=True)
class ProcessOptions:
    """How to process a bag.

    Attributes:
        model: Preset or checkpoint, a model that was loaded, or a Predictor, which stays open
            and has its own device, precision and confidence.
        rig: Rig preset or file, or a rig: which topics are which sensors.
        interval_s: Seconds between frames, at least; 0 for every reference stamp.
        device: Where the network runs: ``auto``, ``cpu``, ``cuda``.
        precision: As for the Predictor.
        confidence: Also write the probability of each voxel's class.
        copy_inputs: Also copy the sensors' messages.
        also: Voxel grids of other projects to write as well: see ``VOXEL_GRIDS``.
        overwrite: Replace a bag that is there.
    """

    model: str | LoadedModel | Predictor = "fusion_r18"
    rig: str | Rig = "nuscenes"
    interval_s: float = 0.5
    device: str = "auto"
    precision: str = "float32"
    confidence: bool = False
    copy_inputs: bool = False
    also: tuple[str, ...] = ()
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
    check_voxel_grids(options.also, "voxel grids to write")
    rig = options.rig if isinstance(options.rig, Rig) else load_rig(options.rig)
    with (
        BagReader(source) as bag,
        BagWriter(target, overwrite=options.overwrite) as writer,
        options.predictor() as predictor,
    ):
        run = BagRun(bag, predictor, rig, options.interval_s)
        run.on_message = _copier(run, writer, options.copy_inputs)
        for result in run.results(progress=progress):
            _write(writer, result.occupancy, result.logged, options.also)
        statistics = run.stream.statistics()
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
            rejected=run.rejected,
            noted=statistics.noted,
            milliseconds={name: median(values) for name, values in run.milliseconds.items()},
        )
        if beside is not None:
            beside(writer.folder, result)
        return result


def _copier(run: BagRun, writer: BagWriter, inputs: bool) -> Callable[[BagMessage], None]:
    """Announce the topics that are copied; return what copies a message of them."""
    bag, rig = run.bag, run.fed.rig
    chosen = run.topics if inputs else (rig.tf, rig.tf_static)
    copied = frozenset(topic for topic in chosen if topic in bag.topics)
    for topic in chosen:
        if topic in copied:
            known = bag.topics[topic]
            writer.add_topic(topic, known.msgtype, qos=known.qos, typestore=bag.typestore)

    def copy(message: BagMessage) -> None:
        if message.topic in copied:
            writer.write_raw(message.topic, message.msgtype, message.raw, message.log_time)

    return copy


def _write(
    writer: BagWriter, occupancy: SemanticOccupancy, logged: int, also: tuple[str, ...]
) -> None:
    points = labelled_points(occupancy)
    cloud = point_cloud_message(occupancy.stamp, occupancy.frame_id, points)
    writer.write(OCCUPANCY_TOPIC, occupancy_message(occupancy), logged)
    writer.write(POINTS_TOPIC, cloud, logged)
    for name in also:
        writer.write(VOXEL_GRID_TOPICS[name], voxel_grid_message(name, occupancy), logged)


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
