# SPDX-License-Identifier: Apache-2.0
"""Two builds in turns on the same frame with the same weights, and the voxels that differ.

What `network.py --against COMMIT` runs: either build is a process of its own, which makes the
frame and times the stages by the `network.py` of its own tree.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
GAINS = {"img_backbone.": 2.0, "img_neck.": 2.0, "img_view_transformer.depth_net.": 3.0}
"""Of the variance that weights keep; elsewhere 6. All classes appear in what comes out."""
WHOLE = "all"


class Clock:
    """Wall and CPU seconds per stage of one pass, and what the last stage gave."""

    def __init__(self, device: Any):
        self.device, self.seconds, self.last = device, {}, None

    def __call__(self, stage: str, function, *arguments, **keywords):
        """Call ``function`` and note its times under ``stage``."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.last = function(*arguments, **keywords)
        self.seconds[stage] = (time.perf_counter() - wall, time.process_time() - cpu)
        return self.last


def fill(network: Any) -> None:
    """Give a network weights that depend on their names alone."""
    import torch

    def value(name: str, old: torch.Tensor) -> torch.Tensor:
        draw = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        random = 2.0 * torch.rand(old.shape, generator=draw) - 1.0
        if not old.is_floating_point():
            return old
        if name.endswith((".running_mean", ".bias")):
            return 0.1 * random
        if old.dim() == 1:
            return 1.0 + 0.25 * random
        gain = next((gain for prefix, gain in GAINS.items() if name.startswith(prefix)), 6.0)
        return (gain * len(old) / old.numel()) ** 0.5 * random

    state = network.state_dict()
    network.load_state_dict({name: value(name, old) for name, old in state.items()})


def serve(tree: str, model: str, clouds: str, threads: str, precision: str) -> None:
    """Be one build: say what it is, then run once for every line on stdin."""
    sys.path.insert(0, str(Path(tree) / "benchmarks"))
    with suppress(ImportError):  # Former builds have no such module.
        from effocc_ros.memory import keep_freed_memory

        keep_freed_memory()
    import network as own
    import torch

    torch.set_num_threads(int(threads))
    network = own.EffOcc(own.load_preset(model)).requires_grad_(False)
    shapes = [(name, list(value.shape)) for name, value in network.state_dict().items()]
    fill(network)
    network = network.fuse_for_inference()
    if precision == "bfloat16":
        from effocc_ros.networks import half_precision

        half_precision.encode_in(network, torch.bfloat16)
    _use_cpu_layers(network)
    frame, origin = own.make_frame(int(clouds))
    seen = [frame.cloud.points, *(camera.image for camera in frame.cameras)]
    print(json.dumps([shapes, [zlib.crc32(np.ascontiguousarray(part)) for part in seen], origin]))
    for line in sys.stdin:
        clock = Clock(torch.device("cpu"))
        with torch.inference_mode():
            own.run_once(network, frame, clock)
        labels = clock.last[0] if isinstance(clock.last, tuple) else clock.last
        np.save(line.strip(), labels.numpy())
        print(json.dumps([clock.seconds, _peak()]), flush=True)


def _use_cpu_layers(network: Any) -> None:
    """Replace what a build replaces on a CPU, whenever it was made."""
    with suppress(ImportError):
        from effocc_ros.networks.on_cpu import use_cpu_layers

        use_cpu_layers(network)
        return
    with suppress(ImportError):
        from effocc_ros.networks import winograd

        if winograd.pays():
            winograd.use_winograd(network)


def _peak() -> float:
    """Return the most memory that this process has held, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Build:
    """A build at work in another process.

    Args:
        tree: Its files.
        model: Name of a preset, or the path of one.
        clouds: Sweeps in the cloud.
        threads: Threads of torch.
        precision: float32 or bfloat16.
    """

    def __init__(
        self, tree: Path, model: str, clouds: int, threads: int, precision: str = "float32"
    ):
        options = (str(tree), model, str(clouds), str(threads), precision)
        command = [sys.executable, __file__, *options]
        environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
        environment.setdefault("EFFOCC_SHARED", str(REPOSITORY.parent / "shared"))
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.shapes, self.frame, self.origin = self._answer()

    def _answer(self) -> list:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a build ended before its answer; what it said stands above")
        return json.loads(line)

    def run(self, labels: Path) -> dict[str, np.ndarray]:
        """Run once; returns wall and CPU seconds per stage, and writes the labels to a file."""
        print(labels, file=self._process.stdin, flush=True)
        seconds, self.peak = self._answer()
        stages = {stage: np.array(spent) for stage, spent in seconds.items()}
        return stages | {WHOLE: sum(stages.values())}

    def close(self) -> None:
        """Let the process end."""
        self._process.stdin.close()
        self._process.wait()


def compare(
    commit: str, model: str, clouds: int, threads: int, pairs: int, precision: str
) -> None:
    """Run a former build in float32 and this one in turns, and print the medians of their ratios.

    Where the preset of that name was another network then, both builds run that one. The first
    pair counts only if it is the only one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tree").mkdir()
        archive = subprocess.run(
            ["git", "-C", REPOSITORY, "archive", commit], check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", folder / "tree"], input=archive.stdout, check=True)
        former = Build(folder / "tree", model, clouds, threads)
        this = Build(REPOSITORY, model, clouds, threads, precision)
        if this.shapes != former.shapes:
            this.close()
            then = folder / "tree" / "config" / "model" / f"{model}.yaml"
            this = Build(REPOSITORY, str(then), clouds, threads, precision)
            print(f"{model} as it was in {commit}")
        if (this.shapes, this.frame) != (former.shapes, former.frame):
            raise SystemExit("the builds make different networks or frames: nothing to compare")
        print(f"{model}, {this.origin}, {clouds} sweep(s), {threads} thread(s), now {precision}")
        both = {folder / "former.npy": former, folder / "this.npy": this}
        times = [[], []]
        for number in range(pairs):
            order = list(enumerate(both.items()))
            for side, (file, build) in order[:: 1 if number % 2 else -1]:
                times[side].append(build.run(file))
            spent = [f"{side[-1][WHOLE][1]:.2f}" for side in times]
            print(f"pair {number + 1}: {spent[0]} s of CPU, now {spent[1]}", flush=True)
        if pairs > 1:  # The first one warms up.
            times = [side[1:] for side in times]
        for build in both.values():
            build.close()
        _report(*times)
        labels, expected = np.load(folder / "this.npy"), np.load(folder / "former.npy")
        print(f"peak memory {former.peak:.0f} MiB, now {this.peak:.0f} MiB")
        differ = int((labels != expected).sum())
        print(
            f"{differ} of {labels.size} voxels differ ({100 * differ / labels.size:.4f} %),",
            end="",
        )
        print(f" {len(np.unique(expected))} classes appear")


def _report(former: list[dict[str, np.ndarray]], this: list[dict[str, np.ndarray]]) -> None:
    """Print CPU and wall milliseconds of each stage, and the medians of their ratios."""
    print(f"{'':16}{'CPU: former':>14}{'this':>10}{'ratio':>7}", end="")
    print(f"{'wall: former':>16}{'this':>10}{'ratio':>7}")
    for stage in this[0]:
        print(f"{stage:16}", end="")
        new = np.array([spent[stage] for spent in this])
        if stage not in former[0]:
            print(f"{'':14}{1e3 * np.median(new[:, 1]):10.0f}")
            continue
        old = np.array([spent[stage] for spent in former])
        ratio = np.median(new / old, axis=0)
        before, after = 1e3 * np.median(old, axis=0), 1e3 * np.median(new, axis=0)
        print(f"{before[1]:14.0f}{after[1]:10.0f}{ratio[1]:7.2f}", end="")
        print(f"{before[0]:16.0f}{after[0]:10.0f}{ratio[0]:7.2f}")


if __name__ == "__main__":
    serve(*sys.argv[1:])
