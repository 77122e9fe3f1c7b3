# SPDX-License-Identifier: Apache-2.0
"""Size and CPU time of an .rrd file: `.venv-view/bin/python benchmarks/view.py output/demo`.

The moments of a demo are written over and over, under later stamps, until there are enough.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from effocc_ros.visualization.bag_moments import Choice
from effocc_ros.visualization.rerun_sinks import save
from effocc_ros.visualization.scene import Moment
from effocc_ros.visualization.sources import open_moments

STEP = 500_000_000
"""Nanoseconds between two moments."""


def repeated(moments: list[Moment]) -> Iterator[Moment]:
    start = moments[0].frame.stamp
    for number in count():
        moment = moments[number % len(moments)]
        yield replace(moment, frame=replace(moment.frame, stamp=start + number * STEP))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder of `effocc demo`")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--moments", type=int, default=10, help="different ones")
    arguments = parser.parse_args()
    found = open_moments(arguments.demo, Choice(say=lambda line: None))
    moments = list(islice(found, arguments.moments))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demo.rrd"
        cpu, wall = time.process_time(), time.perf_counter()
        frames = save(islice(repeated(moments), arguments.frames), file)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        size = file.stat().st_size
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{frames} frames: {size / 1e6:.1f} MB, {cpu:.1f} s of CPU, {wall:.1f} s on the clock")
    print(f"{cpu / frames:.2f} s of CPU a frame; memory grew by {grown / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
