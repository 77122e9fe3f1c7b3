# SPDX-License-Identifier: Apache-2.0
"""One pass of a model over a bag: messages into the stream, frames through the network."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from effocc_ros.bags.feeding import feeding
from effocc_ros.bags.no_frames import no_frames
from effocc_ros.bags.order import AHEAD
from effocc_ros.bags.reader import BagMessage, BagReader
from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor
from effocc_ros.progress import with_progress
from effocc_ros.rig import Rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Problem, Stream

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What came of one moment of a bag.

    Attributes:
        frame: What the sensors saw.
        occupancy: What the model made of it.
        logged: Log time of the message that completed the frame, nanoseconds, and not before that
            of an earlier result.
    """

    frame: Frame
    occupancy: SemanticOccupancy
    logged: int


class BagRun:
    """One pass over a bag.

    In memory are an index of the bag (30 bytes a message), and what the stream keeps: 15 images of
    each camera as they were recorded, the sweeps of the last seconds, 10 s of poses.

    Args:
        bag: The open bag.
        predictor: The model.
        rig: Which topics are which sensors.
        interval_s: Seconds between frames, at least; 0 for every reference stamp.

    Attributes:
        fed: What of the bag is used.
        on_message: Called with each message before it is used.
        count: Messages so far.
        milliseconds: Stage -> its times so far, one a frame.

    Raises:
        InputError: The bag and the model have no sensor in common.
    """

    def __init__(self, bag: BagReader, predictor: Predictor, rig: Rig, interval_s: float):
        self.bag, self.predictor = bag, predictor
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
        # Not a method of this run: run and stream would hold each other, and with them images and
        # sweeps, until the collector of such circles comes by, many bags later.
        self._said = _SaidOnce()
        self.stream = Stream(fed.stream_config(predictor.config, interval_s), self._said)
        self.on_message: Callable[[BagMessage], None] = lambda message: None
        self.count = 0
        self.milliseconds: dict[str, list[float]] = defaultdict(list)
        self._undecodable: Counter[str] = Counter()
        self._feeders = fed.feeders(self.stream)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that are used, whether or not the bag has them."""
        return tuple(self._feeders)

    @property
    def rejected(self) -> dict[str, int]:
        """Messages that could not be used, by ``source.reason``."""
        return {**self.stream.statistics().rejected, **self._undecodable}

    def results(self, *, progress: bool = False) -> Iterator[Result]:
        """Take the whole bag, and what still waits at its end.

        Args:
            progress: Show a progress bar on stderr.

        Raises:
            InputError: At the end, where not a single frame came out.
        """
        topics = [topic for topic in self._feeders if topic in self.bag.topics]
        total = sum(self.bag.topics[topic].count for topic in topics)
        logged, frames = self.bag.start_time, 0
        for message in with_progress(self.bag.messages(topics), total, shown=progress):
            if message.msgtype not in AHEAD:
                logged = max(logged, message.log_time)
            self.count += 1
            self._take(message)
            for result in self._frames(self.stream.poll(message.moment / NANOSECONDS), logged):
                frames += 1
                yield result
        for result in self._frames(self.stream.flush(), logged):
            frames += 1
            yield result
        if not frames:
            statistics = self.stream.statistics()
            raise no_frames(self.bag, self.fed, statistics, self.rejected, self._said.texts)

    def _take(self, message: BagMessage) -> None:
        self.on_message(message)
        try:
            decoded = message.decode()
        except InputError as error:
            self._undecodable[f"{message.topic}.{error.reason}"] += 1
            self._said(Problem(message.topic, error.reason, str(error)))
        else:
            arrived = message.arrival / NANOSECONDS
            self._feeders[message.topic](decoded, message.moment / NANOSECONDS, arrived)

    def _frames(self, triggers: list, logged: int) -> Iterator[Result]:
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
                self._said(Problem(self.predictor.name, error.reason, str(error)))
                continue
            predicted = time.perf_counter()
            yield Result(frame, occupancy, logged)
            self._remember("assemble", assembled - start)
            for stage, value in self.predictor.timings.items():
                self._remember(stage, value / 1e3)
            self._remember("write", time.perf_counter() - predicted)
            self._remember("total", time.perf_counter() - start)

    def _remember(self, stage: str, seconds: float) -> None:
        self.milliseconds[stage].append(1e3 * seconds)


class _SaidOnce:
    """Logs problems, once for each kind: a camera that is broken is broken twelve times a second.

    Attributes:
        texts: What was said, by source and reason.
    """

    def __init__(self):
        self.texts: dict[tuple[str, str], str] = {}

    def __call__(self, problem: Problem) -> None:
        if (problem.source, problem.reason) not in self.texts:
            self.texts[problem.source, problem.reason] = problem.text
            logger.warning("%s", problem.text)
