"""The worker thread: newest first, failures survived, networks swapped between frames."""

import threading
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from helpers.waiting import wait_until

from effocc_ros.errors import InputError
from effocc_ros.nodes.worker import Worker


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

    def reconfigure(self, config):
        self.configs.append(config)
        return self.dropped_at_change


class Network:
    """Stands for a predictor: fails on the stamps that it is told to."""

    def __init__(self, name="first", failures=None):
        self.name, self.failures = name, failures or {}
        self.timings = {"network": 2.0}
        self.closed = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def predict(self, frame):
        assert not self.closed
        self.may_go_on.wait(10)
        if frame.stamp in self.failures:
            raise self.failures[frame.stamp]
        return frame.stamp, self.name

    def close(self):
        self.closed = True


@pytest.fixture
def scene():
    """Yield a running worker with everything around it."""
    scene = SimpleNamespace(street=Street(), network=Network(), out=[], failed=[], dropped=[])
    scene.worker = Worker(
        scene.street,
        scene.network,
        publish=scene.out.append,
        on_failure=lambda reason, failure: scene.failed.append((reason, str(failure))),
        on_drop=lambda: scene.dropped.append(scene.worker.report().handled_until),
    )
    scene.worker.start()
    yield scene
    scene.network.may_go_on.set()
    scene.worker.stop()


def send(scene, *stamps):
    scene.street.waiting = [Moment(stamp) for stamp in stamps]
    scene.worker.wake()


def test_of_several_triggers_the_newest_is_taken_and_the_others_are_counted(scene):
    send(scene, 1, 2, 3)
    wait_until(lambda: scene.out, "a frame")
    assert scene.out == [(3, "first")]
    assert scene.street.dropped == [(1, "superseded"), (2, "superseded")]
    wait_until(lambda: scene.worker.report().frames_out == 1, "the count")
    report = scene.worker.report()
    assert (report.handled_until, report.consecutive_overruns) == (3, 1)


def test_a_frame_in_time_ends_a_row_of_overruns(scene):
    for stamps in ((1, 2), (3, 4), (5,)):
        send(scene, *stamps)
        wait_until(lambda: scene.worker.report().handled_until == stamps[-1], "the frame")  # noqa: B023
    assert scene.worker.report().consecutive_overruns == 0


def test_the_stages_are_told_in_milliseconds(scene):
    send(scene, 1)
    wait_until(lambda: scene.worker.report().frames_out == 1, "the count")
    stages = scene.worker.report().stages
    assert stages["network"] == 2.0
    assert set(stages) == {"assemble", "network", "publish", "total"}


def test_out_of_memory_costs_one_frame_and_is_counted(scene):
    scene.network.failures[1] = RuntimeError("CUDA out of memory")
    send(scene, 1)
    wait_until(lambda: scene.dropped, "the drop")
    assert scene.street.dropped == [(1, "predict_failed")]
    assert scene.failed == [("predict_failed", "CUDA out of memory")]
    assert scene.dropped == [1], "handled before it is told"
    assert "CUDA out of memory" in scene.worker.report().last_failure
    send(scene, 2)
    wait_until(lambda: scene.out, "the next frame")
    assert scene.out == [(2, "first")]
    wait_until(lambda: not scene.worker.report().last_failure, "the failure to be forgotten")


def test_bad_input_is_counted_under_its_own_reason(scene):
    scene.network.failures[1] = InputError("Frame", found="a", expected="b", reason="no_input")
    send(scene, 1)
    wait_until(lambda: scene.dropped, "the drop")
    assert scene.street.dropped == [(1, "no_input")]


def test_a_frame_that_cannot_be_assembled_was_counted_by_the_stream(scene):
    send(scene, -5)
    wait_until(lambda: scene.dropped, "the drop")
    assert scene.street.dropped == []
    assert scene.worker.report().handled_until == -5


def test_a_new_network_takes_over_after_the_frame_in_hand(scene):
    scene.network.may_go_on.clear()
    send(scene, 1)
    wait_until(lambda: not scene.street.waiting, "the frame in hand")
    second = Network("second")
    scene.worker.swap(second, "its config")
    assert not scene.network.closed
    assert scene.worker.predictor is second
    scene.network.may_go_on.set()
    wait_until(lambda: scene.network.closed, "the old network to be closed")
    send(scene, 2)
    wait_until(lambda: len(scene.out) == 2, "the second frame")
    assert scene.out == [(1, "first"), (2, "second")]
    assert scene.street.configs == ["its config"]


def test_of_two_networks_that_wait_the_overtaken_one_is_closed(scene):
    scene.network.may_go_on.clear()
    send(scene, 1)
    wait_until(lambda: not scene.street.waiting, "the frame in hand")
    second, third = Network("second"), Network("third")
    scene.worker.swap(second, "second's")
    scene.worker.swap(third, "third's")
    assert second.closed
    scene.network.may_go_on.set()
    wait_until(lambda: scene.street.configs, "the change")
    assert scene.street.configs == ["third's"]


def test_what_a_change_of_sensors_drops_is_told(scene):
    scene.street.dropped_at_change = 7
    scene.worker.swap(Network("second"), "its config")
    wait_until(lambda: scene.dropped, "the drop")
    assert scene.dropped == [7]


def test_stopping_waits_for_the_frame_in_hand():
    out = []
    street, network = Street(), Network()
    worker = Worker(street, network, out.append, lambda *_: None, lambda: None)
    worker.start()
    network.may_go_on.clear()
    street.waiting = [Moment(1)]
    worker.wake()
    wait_until(lambda: not street.waiting, "the frame in hand")
    threading.Timer(0.1, network.may_go_on.set).start()
    worker.stop()
    assert out == [(1, "first")]
