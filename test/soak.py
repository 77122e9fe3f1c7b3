# SPDX-License-Identifier: Apache-2.0
"""The node under load and under faults for minutes: what was injected, and what it answered.

The first part drives at nuScenes rates with a real network; the second lets everything fail, in
rounds with other seeds, with a network that costs nothing. The exit code is 1 where an answer was
not as it should be:

    python test/soak.py --minutes 10

Drivers have Fast DDS's default transports unless --drivers-transports says otherwise. Whoever
listens to them has UDP, or what FASTDDS_BUILTIN_TRANSPORTS says: if somebody listens over shared
memory, drivers stop now and then.
"""

import argparse
import math
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from helpers import faults
from helpers.bench import Bench
from helpers.faults import Outcome
from helpers.feeder import NUSCENES, SOURCES
from helpers.ros_processes import ros_stage
from helpers.tiny_model import make_tiny_checkpoint
from helpers.toy_drive import TOPICS, make_toy_bag

from effocc_ros.nodes.transport import TRANSPORTS

SECOND = 1_000_000_000
WIDTHS = (34, 30, 60)

CORRUPTED_SECONDS = 165.0
"""For 20,000 corrupt messages: half of the 264 a second that the car sends."""


def main() -> int:
    """Run both parts; return 0 when all answers were as they should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="lidar_tiny", help="network of the first part")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument("--only", default="", help="part of the name of the faults to inject")
    for who, transports in (("node", ""), ("drivers", "DEFAULT")):
        parser.add_argument(
            f"--{who}-transports",
            default=transports,
            metavar="NAME",
            help=f"{TRANSPORTS} of the {who} while faults are injected",
        )
    options = parser.parse_args()
    os.environ.setdefault(TRANSPORTS, "UDPv4")
    print(f"seed {options.seed}")
    show("fault", "injected", "answer", "")
    outcomes: list[Outcome] = []
    transports = {"node": options.node_transports, "drivers": options.drivers_transports}
    parts = {
        "steady drive": lambda seconds: steady_drive(options.model, seconds, transports),
        ", ".join(cases(0)): lambda seconds: fault_rounds(
            seconds, options.seed, options.only, transports
        ),
    }
    wanted = [part for names, part in parts.items() if options.only in names]
    for part in wanted:
        outcomes += told(part(60.0 * options.minutes / len(wanted)))
    bad = [each for each in outcomes if not each.good]
    print(f"{len(outcomes)} faults injected, {len(bad)} not answered as they should be")
    return 1 if bad else 0


def told(outcomes: Iterator[Outcome]) -> list[Outcome]:
    """Print outcomes as they come, and keep them."""
    kept = []
    for each in outcomes:
        show(each.fault, each.injected, each.answer, "ok" if each.good else "FAULT")
        kept.append(each)
    return kept


def show(*cells: str) -> None:
    """Print a row of the table."""
    padded = [text.ljust(width) for text, width in zip(cells, WIDTHS, strict=False)]
    print("  ".join([*padded, cells[-1]]).rstrip(), flush=True)


@contextmanager
def bench(model: str | None, **settings) -> Iterator[Bench]:
    """Give a node and a car at nuScenes rates; None: a network that costs nothing."""
    with tempfile.TemporaryDirectory() as name, ros_stage(Path(name), quiet=True) as stage:
        quick = model is None
        path = make_tiny_checkpoint(Path(name) / "tiny.safetensors") if quick else model
        yield Bench(stage, Path(name), path, quick=quick, rates=NUSCENES, **settings)


def _between_frames(node: Bench, seconds: float) -> float:
    """Return the least memory, MiB, held within some time: a frame takes some 30 besides."""
    end, least = time.monotonic() + seconds, math.inf
    while time.monotonic() < end:
        time.sleep(0.1)
        least = min(least, node.resident())
    return least


def steady_drive(model: str, seconds: float, transports: dict[str, str]) -> Iterator[Outcome]:
    """Drive without a fault: memory, stamps, and where every input went."""
    with bench(model, transports=transports, diagnostics_period=1.0) as node:
        memory, started = [], time.monotonic()
        while time.monotonic() - started < seconds:
            memory.append(_between_frames(node, min(5.0, seconds / 20)))
        ended = time.monotonic()
        minutes = (ended - started) / 60 / max(len(memory) - 1, 1)
        slope = faults.growth(memory[len(memory) // 3 :]) / minutes
        stamps = node.frames(started, ended)
        rising = stamps == sorted(set(stamps))
        time.sleep(1.5)
        taken, out, waiting = (
            int(node.told(key)) for key in ("frames_in", "frames_out", "frames_waiting")
        )
        drops = node.total("drop.")
        drive = f"{model}, {seconds:.0f} s"
        answer = f"{slope:+.2f} MiB a minute, {memory[-1]:.0f} MiB"
        yield Outcome("steady drive: memory", drive, answer, slope < 1.0)
        answer = f"{len(stamps)} frames, stamps unique and rising: {rising}"
        yield Outcome("steady drive: stamps", drive, answer, rising and len(stamps) > 0)
        under_way = taken - out - drops - waiting
        answer = f"{taken} sweeps = {out} frames + {drops} drops + {waiting + under_way} under way"
        yield Outcome("steady drive: account", drive, answer, 0 <= under_way <= 4)


def fault_rounds(
    seconds: float, seed: int, only: str, transports: dict[str, str]
) -> Iterator[Outcome]:
    """Inject every fault again and again."""
    end = time.monotonic() + seconds
    number = seed
    with bench(None, separate=True, transports=transports, diagnostics_period=0.2) as node:
        while True:
            node.measure(5.0)
            for name, inject in cases(number).items():
                if only in name:
                    yield attempt(node, name, inject)
            number += 1
            if time.monotonic() > end:
                break


def attempt(node: Bench, name: str, inject: Callable[[Bench], Outcome]) -> Outcome:
    """Inject a fault; what raises is a bad answer, shown with where the node's threads are."""
    try:
        return inject(node)
    except Exception as error:
        if node.node.process.poll() is None:
            node.node.process.send_signal(signal.SIGUSR1)
            time.sleep(1.0)
        print(node.node.text[-5000:])
        node.node.kill()
        node.node = node.start_node()
        node.node.wait_for_text("active:")
        return Outcome(name, "", f"{type(error).__name__}: {str(error)[:100]}", False)


def cases(seed: int) -> dict[str, Callable[[Bench], Outcome]]:
    """Return the faults of a round by name."""
    draw = random.Random(seed)
    killed = {
        f"{source}'s driver killed": partial(faults.driver_killed, source=source)
        for source in SOURCES
    }
    signals = {
        number.name: partial(faults.signalled, number=number, delay=draw.uniform(0.3, 8.0))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    }
    return {
        **killed,
        "messages lost": lambda node: faults.messages_lost(node, seed, 10.0),
        "messages shuffled": lambda node: faults.messages_shuffled(node, seed, 10.0),
        "sweeps twice": lambda node: faults.sweeps_twice(node, seed, 10.0),
        "corrupted": lambda node: faults.fields_corrupted(node, seed, CORRUPTED_SECONDS),
        "parameters": lambda node: faults.parameters_at_random(node, seed, 100),
        "out of memory": lambda node: faults.device_out_of_memory(node, 5.0),
        "clock": lambda node: faults.clock_pauses(node, 5.0),
        "lifecycle": lambda node: faults.lifecycle_loops(node, 50, 0.2),
        "bag": bag_in_a_loop,
        **signals,
    }


def bag_in_a_loop(node: Bench) -> Outcome:
    """Play a bag over and over into a second node."""
    with tempfile.TemporaryDirectory() as name, ros_stage(Path(name), quiet=True) as stage:
        moments = 12
        bag = make_toy_bag(Path(name) / "drive", moments)
        model = make_tiny_checkpoint(Path(name) / "tiny.safetensors", "lidar")
        second = Bench(stage, Path(name), model, fed=False)
        player = stage.start(
            "bag_player", bag=bag, loop=True, lockstep=True, rate=100.0, wait_for=TOPICS
        )
        second.wait_for_frames(5 * moments)
        code = player.signal(signal.SIGTERM)
        said = re.search(r"(\d+) keyframes: (\d+) frames, (\d+) dropped, (\d+)", player.text)
        keyframes, frames, dropped, unanswered = map(int, said.groups())
        whole = keyframes - frames <= 1 and not dropped and not unanswered
        answer = f"{said[0]} without an answer; the player ended with {code}"
        return Outcome("a bag in a loop", "5 rounds in lockstep", answer, whole and code == 0)


if __name__ == "__main__":
    sys.exit(main())
