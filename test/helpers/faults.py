# SPDX-License-Identifier: Apache-2.0
"""Faults: what is done to a node and its car, and what it answers."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

from helpers.bench import Bench
from helpers.feeder import NONE
from helpers.ros_processes import set_parameter
from helpers.waiting import wait_until
from lifecycle_msgs.msg import Transition

PERIODS = 3.0
"""How long the output may pause because of a fault."""

BUSY_SECONDS = 0.5
"""How long a busy machine may take on top."""

LENIENT_SECONDS = 10.0
"""The same where it is not asked how fast the machine is."""

QUIET_SECONDS = 0.5
"""When a node that gets nothing more has handled what was under way."""

NOTICED_SECONDS = 1.0
"""How long after a process has appeared others may still stand still because of it."""

DISCOVERY_SECONDS = 1.0
"""How long DDS may take to join publishers and subscribers on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """What was injected, and what came of it."""

    fault: str
    injected: str
    answer: str
    good: bool


@contextmanager
def alive(bench: Bench) -> Iterator[None]:
    """Check that the node lives through something without a traceback."""
    yield
    assert bench.node.process.poll() is None, bench.node.text[-3000:]
    assert "Traceback" not in bench.node.text, bench.node.text[-3000:]


def in_time(bench: Bench) -> float:
    """Return the seconds that the output may pause because of a fault."""
    return PERIODS * bench.period + (BUSY_SECONDS if bench.strict else LENIENT_SECONDS)


def enough(bench: Bench, count: int, share: float, seconds: float) -> bool:
    """Return whether so many frames are a share of those that come without a fault."""
    return count >= (share * seconds / bench.period if bench.strict else 1)


def paused(bench: Bench, pause: float, back: float) -> str:
    """Say how long the output paused, and how soon frames came once all was well again."""
    return f"pause {pause / bench.period:.1f} periods, back in {back / bench.period:.1f}"


def sensor_dies(bench: Bench, source: str, mode: str, seconds: float = 1.5) -> Outcome:
    """Let a sensor's publisher go, until frames are of a mode, and come back."""
    begin = time.monotonic()
    bench.set(replace(NONE, dead=(source,)))
    time.sleep(seconds)
    wait_until(lambda: bench.told("mode") == mode, f"mode {mode} without {source}", 30)
    bench.set(NONE)
    end = time.monotonic()
    back = bench.first_frame(end)
    pause = bench.gap(begin, end)
    good = back <= in_time(bench) + DISCOVERY_SECONDS and pause <= in_time(bench)
    good &= bool(bench.frames((begin + end) / 2, end))
    answer = f"mode {mode}, {paused(bench, pause, back)}"
    return Outcome(f"{source} dies", f"{end - begin:.1f} s", answer, good)


def driver_killed(bench: Bench, source: str, seconds: float = 3.0) -> Outcome:
    """Kill a sensor's process and start it again."""
    begin = time.monotonic()
    bench.kill(source)
    time.sleep(seconds)
    mode = bench.told("mode")
    end = time.monotonic()
    bench.revive(source)
    started = time.monotonic()
    back = bench.first_frame(started)
    time.sleep(NOTICED_SECONDS)
    pause, later = bench.gap(begin, end), bench.gap(end, time.monotonic())
    longest = PERIODS * bench.slowest if bench.strict else in_time(bench)
    good = back <= in_time(bench) + DISCOVERY_SECONDS and pause <= longest
    good &= later <= in_time(bench) + DISCOVERY_SECONDS
    answer = f"mode {mode}, {paused(bench, pause, back)}, {later / bench.period:.1f} meanwhile"
    if pause > PERIODS * bench.period:
        # Tells whether the node or the remaining drivers stood still.
        others = bench.witnessed_gap(begin, end) / bench.period
        answer += f"; another subscriber heard nothing for {others:.1f}"
    return Outcome(f"{source}'s driver killed", f"{seconds:.1f} s", answer, good)


def messages_lost(bench: Bench, seed: int, seconds: float = 2.0) -> Outcome:
    """Lose 30 percent of the messages."""
    window = bench.fail(seconds, loss=0.3, seed=seed)
    expected = seconds / bench.period
    count = len(bench.frames(*window))
    return Outcome(
        "30 % of messages lost",
        f"{seconds:.1f} s, seed {seed}",
        f"{count} of {expected:.0f} frames",
        enough(bench, count, 0.4, seconds),
    )


def messages_shuffled(bench: Bench, seed: int, seconds: float = 2.0) -> Outcome:
    """Delay each message by a random time, so that they overtake each other."""
    window = bench.fail(seconds, shuffled=1.5 * bench.period, seed=seed)
    stamps = bench.frames(*window)
    rising = stamps == sorted(set(stamps))
    answer = f"{len(stamps)} of {seconds / bench.period:.0f} frames, stamps rising: {rising}"
    good = rising and enough(bench, len(stamps), 0.3, seconds)
    return Outcome("messages overtake each other", f"{seconds:.1f} s, seed {seed}", answer, good)


def sweeps_twice(bench: Bench, seed: int, seconds: float = 2.0) -> Outcome:
    """Send every sweep again 150 ms later."""
    window = bench.fail(seconds, twice=1.0, late=0.15, sources=("LIDAR_TOP",), seed=seed)
    stamps = bench.frames(*window)
    once = stamps == sorted(set(stamps))
    answer = f"{len(stamps)} of {seconds / bench.period:.0f} frames, one a stamp: {once}"
    good = once and enough(bench, len(stamps), 0.5, seconds)
    return Outcome("sweeps again 150 ms late", f"{seconds:.1f} s", answer, good)


def fields_corrupted(bench: Bench, seed: int, seconds: float = 2.0) -> Outcome:
    """Change a field of half of all messages."""
    before, corrupted = bench.resident(), bench.corrupted()
    with alive(bench):
        _, end = bench.fail(seconds, corrupt=0.5, seed=seed)
        back = bench.first_frame(end)
    grown, corrupted = bench.resident() - before, bench.corrupted() - corrupted
    # A transform may stay wrong until it is sent again.
    good = back <= in_time(bench) + DISCOVERY_SECONDS + 1.0
    injected = f"{corrupted} in {seconds:.1f} s, seed {seed}"
    answer = f"back in {back / bench.period:.1f} periods, {grown:+.0f} MiB"
    return Outcome("half of the messages corrupted", injected, answer, good and corrupted > 0)


def parameters_at_random(bench: Bench, seed: int, count: int = 15) -> Outcome:
    """Set dynamic and other parameters to good and bad values."""
    draw, taken = random.Random(seed), 0
    choices = (
        ("grid_min_height", (-1.0, 0.5, 99.0, -200.0)),
        ("points_classes", (["car"], ["nonsense"], [""], ["car", "truck"])),
        ("min_confidence", (0.0, 0.5, 2.0)),
        ("markers_max_height", (3, 5.5, -300.0)),
        ("tolerance", (0.1, -1.0)),
        ("model", ("nonsense", str(bench.model))),
        ("no_such_parameter", (1,)),
    )
    begin = time.monotonic()
    with alive(bench):
        for _ in range(count):
            name, values = draw.choice(choices)
            taken += set_parameter(bench.stage, name, draw.choice(values)).successful
    for name, value in (("grid_min_height", 0.2), ("points_classes", [""])):
        set_parameter(bench.stage, name, value)
    end = time.monotonic()
    pause = bench.gap(begin, end)
    answer = f"{taken} taken, {count - taken} refused, pause {pause / bench.period:.1f} periods"
    good = pause <= in_time(bench) + DISCOVERY_SECONDS and 0 < taken < count
    return Outcome("parameters at random", f"{count} changes, seed {seed}", answer, good)


def lifecycle_loops(bench: Bench, count: int = 3, most: float = 10.0) -> Outcome:
    """Deactivate, clean up, configure and activate, again and again.

    Args:
        bench: The node.
        count: Loops.
        most: MiB by which its memory may grow in a loop, after the first third of them.
    """
    memory = []
    for _ in range(count):
        for name in ("DEACTIVATE", "CLEANUP", "CONFIGURE", "ACTIVATE"):
            assert bench.transition(getattr(Transition, f"TRANSITION_{name}")), name
        bench.first_frame(time.monotonic())
        memory.append(bench.resident())
    slope = growth(memory[len(memory) // 3 :])
    answer = f"frames after each; {slope:+.2f} MiB a loop, {memory[-1]:.0f} MiB"
    return Outcome("lifecycle loops", f"{count} loops", answer, slope < most)


def growth(values: list[float]) -> float:
    """Return how much values grow from one to the next, by the median of all pairs' slopes."""
    pairs = [
        (later - value) / distance
        for distance in range(1, len(values))
        for value, later in zip(values, values[distance:], strict=False)
    ]
    return median(pairs) if pairs else 0.0


def device_out_of_memory(bench: Bench, seconds: float = 1.0) -> Outcome:
    """Let every frame run out of memory for some time."""
    with alive(bench):
        bench.out_of_memory.touch()
        time.sleep(seconds)
        told = wait_until(lambda: bench.told("drop.predict_failed"), "the count", 5)
        bench.out_of_memory.unlink()
        back = bench.first_frame(time.monotonic())
    answer = f"{told} counted, back in {back / bench.period:.1f} periods"
    good = int(told) > 0 and back <= in_time(bench) + DISCOVERY_SECONDS
    return Outcome("device out of memory", f"{seconds:.1f} s", answer, good)


def clock_pauses(bench: Bench, seconds: float = 1.0) -> Outcome:
    """Let the simulator, its clock and all sensors, stand still."""
    assert set_parameter(bench.stage, "use_sim_time", True).successful
    bench.first_frame(time.monotonic() + 0.5)
    bench.set(replace(NONE, paused=True))
    bench.settle(QUIET_SECONDS if bench.strict else LENIENT_SECONDS)
    begin = time.monotonic()
    time.sleep(seconds)
    end = time.monotonic()
    bench.set(NONE)
    count = len(bench.frames(begin, end))
    back = bench.first_frame(end)
    assert set_parameter(bench.stage, "use_sim_time", False).successful
    answer = f"{count} frames while it stands, back in {back / bench.period:.1f} periods"
    good = back <= in_time(bench) + DISCOVERY_SECONDS and not count
    return Outcome("clock paused", f"{seconds:.1f} s", answer, good)


def signalled(bench: Bench, number: signal.Signals, delay: float) -> Outcome:
    """End the node by a signal at some moment of its life, and start another one."""
    code = {signal.SIGKILL: -9}.get(number, 0)
    time.sleep(delay)
    begin = time.monotonic()
    ended = bench.node.signal(number)
    took = time.monotonic() - begin
    traced = "Traceback" in bench.node.text
    bench.node = bench.start_node()
    answer = f"ended with {ended} after {took:.1f} s"
    good = ended == code and took < 3.0 and not traced
    return Outcome(f"{number.name} to the node", f"{delay:.1f} s after its start", answer, good)
