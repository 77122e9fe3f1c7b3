# SPDX-License-Identifier: Apache-2.0
"""What the node costs beside its network, and what the network costs inside the node.

A car of nuScenes' rates (six JPEG cameras at 12 Hz with their CameraInfo, a LiDAR at 20 Hz, tf at
100 Hz) is sent over DDS to the real node, whose network is replaced by one that costs nothing. It
runs twice: once it makes no frames, which gives the CPU that a message costs, once it makes two a
second, which gives what a frame costs on top. With --against, the node of a former commit takes
turns with today's, in the same minutes:

    python benchmarks/node.py --against b188854 --seconds 20 --rounds 2

With --raw images come as they are, 4.3 MB each and 311 MB a second.

With --network, a real network runs in the node under the same load, and then alone on a frame that
it had there:

    python benchmarks/node.py --network lidar_tiny --seconds 30
"""

import argparse
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from car import Car

REPOSITORY = Path(__file__).resolve().parents[1]
NOTES = "EFFOCC_BENCHMARK_NOTES"
"""Environment variable: where a node writes how long its network took."""

FRAMES_TO_WARM = 2

INTERVALS = {"no frames": 3600.0, "2 frames a second": 0.5}
"""``trigger_interval`` of the two runs."""


def stub() -> int:
    """Run occ_node with a network that costs nothing; works for former commits as well."""
    from types import SimpleNamespace

    from effocc_ros.nodes.executables import occ_node
    from effocc_ros.occupancy import SemanticOccupancy
    from effocc_ros.predictor import Predictor, usable_inputs

    def predict(self, frame):
        self.timings = {"preprocess": 0.0, "network": 0.0, "output": 0.0}
        return SemanticOccupancy(
            stamp=frame.stamp,
            frame_id=frame.frame_id,
            grid=self.config.grid,
            labels=np.full(self.config.grid.shape, self.classes.free, np.uint8),
            classes=self.classes,
            model=self.name,
            trained=self.trained,
            mode=self.config.modality,
            inputs=usable_inputs(frame, self.config),
        )

    Predictor.predict = predict
    Predictor.prepare = lambda self, frame: SimpleNamespace(frame=frame)
    Predictor.run = lambda self, prepared: predict(self, prepared.frame)
    sys.argv.remove("--stub")
    return occ_node()


def measured() -> int:
    """Run occ_node as it is; note how long its network takes, and keep a frame."""
    from effocc_ros.nodes.executables import occ_node
    from effocc_ros.predictor import Predictor

    notes, run, taken = Path(os.environ[NOTES]), Predictor.run, []

    def timed(self, prepared):
        wall, cpu = time.perf_counter(), time.thread_time()
        result = run(self, prepared)
        taken.append((time.perf_counter() - wall, time.thread_time() - cpu))
        if len(taken) == FRAMES_TO_WARM:
            notes.with_suffix(".frame").write_bytes(pickle.dumps(prepared.frame))
        notes.write_text(json.dumps(taken))
        return result

    Predictor.run = timed
    sys.argv.remove("--measured")
    return occ_node()


def alone(model: str, notes: Path, repeat: int = 8) -> list[tuple[float, float]]:
    """Run the network in this process on the frame that the node kept; seconds and CPU seconds."""
    import torch

    from effocc_ros.predictor import Predictor

    torch.set_num_threads(1)
    frame, taken = pickle.loads(notes.with_suffix(".frame").read_bytes()), []
    with Predictor(model, "cpu") as predictor:
        for _ in range(repeat):
            prepared = predictor.prepare(frame)
            wall, cpu = time.perf_counter(), time.thread_time()
            predictor.run(prepared)
            taken.append((time.perf_counter() - wall, time.thread_time() - cpu))
    return taken


def checkout(commit: str, folder: Path) -> Path:
    """Unpack a commit's package into a folder."""
    archive = ["git", "-C", str(REPOSITORY), "archive", commit]
    with subprocess.Popen(archive, stdout=subprocess.PIPE) as git:
        subprocess.run(["tar", "-x", "-C", str(folder)], stdin=git.stdout, check=True)
    return folder


@contextmanager
def node(tree: Path, log: Path, wrapper: str, *arguments: str, **variables: str):
    """Run a node of a tree; gives its process."""
    command = [sys.executable, str(Path(__file__)), wrapper, "--ros-args", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", **variables}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=environment, stdout=sink, stderr=sink, cwd=log.parent
        )
    try:
        yield process
    except Exception:
        print(log.read_text(errors="replace"), file=sys.stderr)
        raise
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def compare(car: Car, trees: dict[str, Path], options, arguments: list[str], folder: Path) -> None:
    """Let the nodes of several trees take turns, and print what each costs."""
    row = "{:<10} {:>15} {:>13} {:>10} {:>10} {:>6} {:>9}  {}"
    head = ("node", "CPU ms/message", "CPU ms/frame", "frames", "median ms", "p95", "car CPU")
    print(row.format(*head, "drops"))
    for _ in range(options.rounds):
        for name, tree in trees.items():
            runs = []
            for interval in INTERVALS.values():
                more = ("-p", f"model:={options.model}", "-p", f"trigger_interval:={interval}")
                with node(tree, folder / f"{name}.log", "--stub", *arguments, *more) as process:
                    runs.append(car.drive(options.seconds, process.pid))
            idle, busy = runs
            message = idle.cpu_seconds / idle.messages
            made, wanted = len(busy.latencies), options.seconds / INTERVALS["2 frames a second"]
            frame = (busy.cpu_seconds - message * busy.messages) / max(made, 1)
            drops = ", ".join(f"{n} {why}" for why, n in sorted(busy.drops.items())) or "-"
            cells = (
                name,
                f"{1e3 * message:.2f}",
                f"{1e3 * frame:.0f}",
                f"{made} of {wanted:.0f}",
                f"{busy.latency(0.5):.0f}",
                f"{busy.latency(0.95):.0f}",
                f"{busy.car_share:.0%}",
                drops,
            )
            print(row.format(*cells), flush=True)


def network_inside(car: Car, options, arguments: list[str], folder: Path) -> None:
    """Print how long a network takes inside the node under load, and alone."""
    notes = folder / "times.json"
    more = ("-p", f"model:={options.network}")
    log = folder / "network.log"
    with node(REPOSITORY, log, "--measured", *arguments, *more, **{NOTES: str(notes)}) as process:
        run = car.drive(options.seconds, process.pid)
    inside = json.loads(notes.read_text())[FRAMES_TO_WARM:]
    outside = alone(options.network, notes)[FRAMES_TO_WARM:]
    print(
        f"{len(inside)} frames of {options.network} in {options.seconds:.0f} s; drops {run.drops}"
    )
    print(f"{'network':<10} {'wall ms':>9} {'CPU ms':>9}")
    rows = {
        name: [1e3 * median(column) for column in zip(*taken, strict=True)]
        for name, taken in (("inside", inside), ("alone", outside))
    }
    for name, (wall, cpu) in rows.items():
        print(f"{name:<10} {wall:>9.0f} {cpu:>9.0f}")
    ratios = [within / without for within, without in zip(*rows.values(), strict=True)]
    print(f"{'ratio':<10} {ratios[0]:>9.2f} {ratios[1]:>9.2f}")


def main() -> None:
    """Compare nodes, or a network inside and outside of one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", default="", help="a former commit")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", default="fusion_tiny", help="whose inputs are subscribed to")
    parser.add_argument("--raw", action="store_true", help="send images as they are")
    parser.add_argument("--network", default="", help="a network to run inside and outside")
    options = parser.parse_args()
    from effocc_ros.nodes.rig_parameters import rig_arguments

    with tempfile.TemporaryDirectory() as name:
        folder, car = Path(name), Car(options.raw)
        arguments = [*rig_arguments(car.rig), "-p", "threads:=1", "-p", "device:=cpu"]
        arguments += ["-p", "reliability:=reliable"]  # former nodes know no other that is fair
        if options.raw:
            arguments += ["-p", "image_transport:=raw"]
        try:
            if options.network:
                network_inside(car, options, arguments, folder)
                return
            trees = {"today": REPOSITORY}
            if options.against:
                (folder / "tree").mkdir()
                former = checkout(options.against, folder / "tree")
                trees = {options.against: former, **trees}
            compare(car, trees, options, arguments, folder)
        finally:
            car.close()


if __name__ == "__main__":
    wrappers = {"--stub": stub, "--measured": measured}
    sys.exit(next((run for flag, run in wrappers.items() if flag in sys.argv), main)())
