# SPDX-License-Identifier: Apache-2.0
"""Three stages: newest first, losses counted by name, failures survived, networks swapped."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from helpers.waiting import wait_until

from effocc_ros.errors import InputError
from effocc_ros.nodes.pipeline import Pipeline

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Moment:
    """Stands for a trigger."""

    stamp: int


class Street:
    """Stands for the stream: gives what the test lays out, and remembers drops and settings."""

    def __init__(self):
        self.waiting: list[Moment] = []
        self.dropped: list[tuple[int, str]] = []
        self.configs: list[str] = []
        self.dropped_at_change = 0

    def poll(self, now):
        taken, self.waiting = self.waiting, []
        return taken

    def assemble(self, trigger):
        return None if trigger.stamp < 0 else trigger

    def drop(self, trigger, reason):
        self.dropped.append((trigger.stamp, reason))

    def sent_stamp(self, trigger):
        return trigger.stamp

    def reconfigure(self, config):
        self.configs.append(config)
        return self.dropped_at_change


@dataclass
class Network:
    """Stands for a predictor: fails on the stamps that it is told to."""

    name: str = "first"
    failures: dict = field(default_factory=dict)
    timings: dict = field(default_factory=lambda: {"preprocess": 1.0, "network": 2.0})
    closed: bool = False
    started: list = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.may_go_on.set()

    def prepare(self, frame):
        return frame.stamp

    def run(self, stamp):
        assert not self.closed
        self.started.append(stamp)
        self.may_go_on.wait(10)
        if stamp in self.failures:
            raise self.failures[stamp]
        return stamp, self.name

    def close(self):
        self.closed = True


class Screen:
    """Stands for the publishers."""

    def __init__(self):
        self.shown = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def publish(self, occupancy):
        self.may_go_on.wait(10)
        self.shown.append(occupancy)


@pytest.fixture
def scene():
    """Yield a running pipeline with everything around it."""
    scene = SimpleNamespace(
        street=Street(), network=Network(), screen=Screen(), failed=[], ended=[], clock=0.0
    )
    scene.out = scene.screen.shown
    scene.pipeline = Pipeline(
        scene.street,
        scene.network,
        publish=scene.screen.publish,
        now=lambda: scene.clock,
        on_failure=lambda reason, failure: scene.failed.append((reason, str(failure))),
        on_end=lambda stamp, published: scene.ended.append((stamp, published)),
    )
    scene.pipeline.start()
    yield scene
    scene.network.may_go_on.set()
    scene.screen.may_go_on.set()
    scene.pipeline.stop()


def send(scene, *stamps):
    scene.street.waiting = [Moment(stamp) for stamp in stamps]
    scene.pipeline.poll(0.0)


def test_of_several_triggers_the_newest_is_taken_and_the_others_are_counted(scene):
    scene.network.may_go_on.clear()
    send(scene, 1)
    wait_until(lambda: scene.network.started, "the network")
    send(scene, 2, 3, 4)
    scene.network.may_go_on.set()
    wait_until(lambda: len(scene.ended) == 4, "the end")
    assert scene.out[-1] == (4, "first")
    assert len(scene.out) + len(scene.street.dropped) == 4
    reasons = {reason for _, reason in scene.street.dropped}
    assert "superseded" in reasons
    assert reasons <= {"superseded", "network_busy", "publisher_busy"}


def test_a_slow_subscriber_delays_no_network_and_loses_frames_by_name(scene):
    scene.screen.may_go_on.clear()
    for stamp in (1, 2, 3):
        send(scene, stamp)
        wait_until(lambda: len(scene.network.started) == stamp, "the network")  # noqa: B023
    wait_until(lambda: scene.street.dropped, "the loss")
    assert scene.street.dropped == [(2, "publisher_busy")]
    assert scene.ended == [(2, False)], "the first one is still being published"
    scene.screen.may_go_on.set()
    wait_until(lambda: len(scene.out) == 2, "the frames")
    assert scene.out == [(1, "first"), (3, "first")]
    wait_until(lambda: len(scene.ended) == 3, "the end")
    assert scene.ended[1:] == [(1, True), (3, True)]


def test_stages_and_latency_are_told_in_milliseconds(scene):
    scene.clock = 10.25
    send(scene, 10 * SECOND)
    wait_until(lambda: scene.pipeline.report().frames_out == 1, "the count")
    report = scene.pipeline.report()
    assert report.stages["network"] == 2.0
    assert set(report.stages) == {"assemble", "preprocess", "network", "publish", "total"}
    assert report.latency_p50 == report.latency_p95 == pytest.approx(250.0)
    assert report.last_published == 10.25


def test_out_of_memory_costs_one_frame_and_is_counted(scene):
    scene.network.failures[1] = RuntimeError("CUDA out of memory")
    send(scene, 1)
    wait_until(lambda: scene.ended, "the drop")
    assert scene.street.dropped == [(1, "predict_failed")]
    assert scene.failed == [("predict_failed", "CUDA out of memory")]
    assert scene.ended == [(1, False)]
    assert "CUDA out of memory" in scene.pipeline.report().last_failure
    send(scene, 2)
    wait_until(lambda: scene.out, "the next frame")
    assert scene.out == [(2, "first")]
    wait_until(lambda: not scene.pipeline.report().last_failure, "the failure to be forgotten")


def test_bad_input_is_counted_under_its_own_reason(scene):
    scene.network.failures[1] = InputError("Frame", found="a", expected="b", reason="no_input")
    send(scene, 1)
    wait_until(lambda: scene.ended, "the drop")
    assert scene.street.dropped == [(1, "no_input")]


def test_a_frame_that_cannot_be_assembled_was_counted_by_the_stream(scene):
    send(scene, -5)
    wait_until(lambda: scene.ended, "the drop")
    assert scene.street.dropped == []
    assert scene.ended == [(-5, False)]


def test_a_new_network_takes_over_after_the_frame_in_hand(scene):
    scene.network.may_go_on.clear()
    send(scene, 1)
    wait_until(lambda: scene.network.started, "the frame in hand")
    second, changed = Network("second"), threading.Event()
    scene.pipeline.swap(second, "its config", changed.set)
    assert not scene.network.closed
    assert scene.pipeline.predictor is second
    send(scene, 2)
    assert not changed.is_set()
    scene.network.may_go_on.set()
    wait_until(changed.is_set, "the change")
    assert scene.network.closed
    wait_until(lambda: len(scene.out) == 2, "the second frame")
    assert scene.out == [(1, "first"), (2, "second")]
    assert scene.street.configs == ["its config"]


def test_of_two_networks_that_wait_the_overtaken_one_is_closed(scene):
    scene.network.may_go_on.clear()
    send(scene, 1)
    wait_until(lambda: scene.network.started, "the frame in hand")
    second, third = Network("second"), Network("third")
    scene.pipeline.swap(second, "second's")
    scene.pipeline.swap(third, "third's")
    assert second.closed
    scene.network.may_go_on.set()
    wait_until(lambda: scene.street.configs, "the change")
    assert scene.street.configs == ["third's"]


def test_what_a_change_of_sensors_drops_is_told(scene):
    scene.street.dropped_at_change = 7
    scene.pipeline.swap(Network("second"), "its config")
    wait_until(lambda: scene.ended, "the drop")
    assert scene.ended == [(7, False)]


def test_stopping_waits_for_the_frame_in_hand():
    out, street, network = [], Street(), Network()
    pipeline = Pipeline(street, network, out.append, lambda: 0.0, print, print)
    pipeline.start()
    network.may_go_on.clear()
    street.waiting = [Moment(1)]
    pipeline.poll(0.0)
    wait_until(lambda: network.started, "the frame in hand")
    threading.Timer(0.1, network.may_go_on.set).start()
    pipeline.stop()
    assert out == [(1, "first")]


def test_a_network_that_waits_takes_over_where_the_pipeline_stops_first(scene):
    scene.network.may_go_on.clear()
    send(scene, 1)
    wait_until(lambda: scene.network.started, "the frame in hand")
    second = Network("second")
    scene.pipeline.swap(second, "its config")
    threading.Timer(0.1, scene.network.may_go_on.set).start()
    scene.pipeline.stop()
    assert scene.out == [(1, "first")]
    assert scene.failed == []
    assert scene.pipeline.predictor is second
    assert scene.network.closed
