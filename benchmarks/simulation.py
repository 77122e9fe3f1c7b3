# SPDX-License-Identifier: Apache-2.0
"""Time and size of simulated keyframes: six pictures, ten sweeps, labels and masks each.

    python benchmarks/simulation.py
    python benchmarks/simulation.py --scenes 40 --keyframes 40 --workers 16

Scenes are simulated in parallel, so as many scenes as cores show what the machine can do. The time
includes what each scene and each process needs once, so longer scenes cost less a keyframe.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from effocc_ros.simulation.nuscenes_tree import TreeConfig, simulate_tree
from effocc_ros.simulation.processes import usable_cores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=usable_cores(), help="(%(default)s)")
    parser.add_argument("--keyframes", type=int, default=20, help="in each scene (%(default)s)")
    parser.add_argument("--workers", type=int, default=usable_cores(), help="(%(default)s)")
    parser.add_argument("--image-size", default="704x396", help="WIDTHxHEIGHT (%(default)s)")
    arguments = parser.parse_args()
    from network import cpu_name  # brings torch, which the processes do without

    width, height = (int(side) for side in arguments.image_size.split("x"))
    config = TreeConfig(arguments.scenes, arguments.keyframes, 7, (height, width))
    keyframes = config.scenes * config.keyframes
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        root = simulate_tree(Path(folder) / "data", config, workers=arguments.workers)
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    workers = min(arguments.workers, config.scenes)
    who = resource.RUSAGE_CHILDREN if workers > 1 else resource.RUSAGE_SELF
    peak = resource.getrusage(who).ru_maxrss / 2**10
    print(f"{cpu_name()}, {workers} processes")
    print(f"{config.scenes} scenes of {config.keyframes} keyframes at {width}x{height}")
    print(f"{seconds / keyframes:.2f} s a keyframe, {seconds:.0f} s in all")
    print(f"{size / keyframes / 1e6:.1f} MB a keyframe, peak RSS {peak:.0f} MiB a process")


if __name__ == "__main__":
    main()
