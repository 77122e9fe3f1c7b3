# SPDX-License-Identifier: Apache-2.0
"""Use a machine with a GPU for M minutes: simulate, train, compare, measure.

    python benchmarks/gpu_session.py --minutes 30 --out session
    python benchmarks/gpu_session.py --minutes 9 --out session --only simulate fusion_r18
    python benchmarks/gpu_session.py --dry-run
    python benchmarks/gpu_session.py --tiny --minutes 30    # on a CPU: to see that it works

Stages run one after another and share the time; what one leaves over goes to those after it. A
stage that fails or whose time is over is noted in session.json, and the next one starts. The same
command goes on where it stopped, and leaves finished stages out; so a machine that is lent for ten
minutes at a time is used by calling again with other stages. Checkpoints lie in runs/, what the
stages said in logs/.

The machine needs no network. What it lacks of the packages below is downloaded elsewhere and taken
along with this folder (for Python 3.12; of the first four embreex alone is not pure Python):

    pip download --no-deps --only-binary=:all: --python-version 3.12 --dest wheels \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        embreex transforms3d lightning-fabric tensorboardX
    # Where there is torch, numpy and safetensors alone, these too, 63 MB:
    #   opencv-python-headless PyYAML tqdm threadpoolctl lightning-utilities packaging protobuf
    pip install --no-index --no-deps --target site wheels/*.whl           # there
    PYTHONPATH=site:. python benchmarks/gpu_session.py --minutes 30 --out session
"""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stages import Stage, plan, run_stages

PACKAGES = {
    "effocc_ros": "this folder, on PYTHONPATH",
    "torch": "torch",
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "safetensors": "safetensors",
    "tqdm": "tqdm",
    "transforms3d": "transforms3d",
    "threadpoolctl": "threadpoolctl",
    "embreex": "embreex",
    "lightning_fabric": "lightning-fabric",
    "lightning_utilities": "lightning-utilities",
    "fsspec": "fsspec",
    "packaging": "packaging",
    "tensorboardX": "tensorboardX",
    "google.protobuf": "protobuf",
}
"""Module -> what brings it."""
KEYFRAMES, FEWEST_SCENES, MOST_SCENES = 4, 10, 1000
EXPERIMENTS_OWN = ("val_every", "max_steps", "epochs")
"""Fields that the experiment sets itself, and refuses."""

COMMON = ("val_every=0", "val_limit=100", "checkpoint_minutes=2", "half_weights=true")
SMALL = ("batch_size=8", "max_steps=1000000")
"""The small trainings, which ship for two CPU cores: time ends them."""
FULL = (
    "batch_size=8",
    "epochs=1000",
    "schedule=cosine",
    "warmup_steps=100",
    "ema_start=0",
    "class_weights=inverse_sqrt",
    "unseen_weight=0.5",
    "columns=0.5",
)
"""The official trainings for minutes on one device in place of days on eight: time ends them."""
ONE_STEP = ("batch_size=1", "max_steps=1", "workers=1", "val_limit=1")
"""With --tiny, after all other values."""
TAUGHT = ("teacher_train_mode=false", "official_orientation=false")
MEASURED = (
    "lidar_tiny",
    "fusion_tiny",
    "vision_tiny",
    "effocc_fusion_r18",
    "effocc_student_r50",
)


@dataclass(frozen=True)
class Setup:
    """What all stages need to know.

    Attributes:
        out: Folder of the results.
        root: Folder of the data set.
        cores: Processes that simulate, or that load data.
        gpu: Whether there is one.
        full: The experiment with the networks of the paper in place of the small ones.
        tiny: One step of each training, of small networks alone, and a measurement of no worth:
            all that can be seen is whether it works.
    """

    out: Path
    root: Path
    cores: int
    gpu: bool
    full: bool = False
    tiny: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """``key=value`` of all trainings."""
        precision = "bf16-mixed" if self.gpu else "32-true"
        return (*COMMON, f"workers={max(self.cores - 2, 1)}", f"precision={precision}")


def stages_of(setup: Setup) -> tuple[Stage, ...]:
    """Return all stages, in an order in which each finds what it needs."""
    train = partial(training, setup)
    fusion, student = (
        (("preset=fusion_tiny",), ("preset=vision_tiny",)) if setup.tiny else ((), ())
    )
    small, large = (
        f"teacher={setup.out}/runs/{name}/last.safetensors"
        for name in ("fusion_tiny", "fusion_r18")
    )
    return (
        Stage("simulate", 14, partial(simulation, setup)),
        Stage("measure", 5, partial(measurement, setup)),
        Stage("fusion_tiny", 9, partial(train, "fusion_tiny", "fusion_tiny", *SMALL)),
        Stage("vision_tiny", 8, partial(train, "vision_tiny", "vision_tiny", *SMALL, small)),
        Stage("lidar_tiny", 6, partial(train, "lidar_tiny", "lidar_tiny", *SMALL, small)),
        Stage("fusion_r18", 15, partial(train, "fusion_r18", "effocc_fusion_r18", *FULL, *fusion)),
        Stage(
            "student_r50",
            13,
            partial(train, "student_r50", "effocc_student_r50", *FULL, *TAUGHT, large, *student),
        ),
        Stage("experiment", 30, partial(experiment, setup)),
    )


def simulation(setup: Setup, minutes: float) -> Iterator[list[str]]:
    """One scene for each core, which tells how long that takes, then as many as there is time.

    Every fifth scene judges, so the first ones are a few at least.
    """
    if setup.tiny:
        sizes = ("--scenes", 5, "--keyframes", 2, "--image-size", "352x198")
        yield effocc("simulate", "--out", setup.root, *sizes, "--workers", setup.cores)
        return

    def command(scenes: int) -> list[str]:
        sizes = ["--scenes", str(scenes), "--keyframes", str(KEYFRAMES)]
        return effocc("simulate", "--out", setup.root, *sizes, "--workers", setup.cores)

    started, there = time.monotonic(), scenes_there(setup.root)
    wave = max(setup.cores, FEWEST_SCENES)
    first = there + wave
    yield command(first)
    seconds = time.monotonic() - started
    more = scenes_within(60.0 * minutes - seconds, seconds, wave)
    if more:
        yield command(min(first + more, max(first, MOST_SCENES)))


def scenes_there(root: Path) -> int:
    """Return how many scenes earlier calls finished."""
    return len(list((root / ".simulation").glob("scene-*.json")))


def scenes_within(seconds: float, before: float, wave: int) -> int:
    """Return how many more scenes are done in a time, with a tenth of it to spare.

    Args:
        seconds: The time.
        before: Seconds that a wave of scenes took.
        wave: Scenes of a wave.
    """
    return wave * max(int(0.9 * seconds / before), 0)


def training(
    setup: Setup, name: str, config: str, *values_and_minutes: Any
) -> Iterator[list[str]]:
    """One training; a sixth of its time is left for its start, evaluation and end."""
    *values, minutes = values_and_minutes
    places = (f"root={setup.root}", f"out={setup.out}/runs/{name}")
    limit = f"max_minutes={minutes * 5 / 6:.2f}"
    last = ONE_STEP if setup.tiny else ()
    yield effocc("train", config, *places, *setup.values, *values, limit, *last)


def experiment(setup: Setup, minutes: float) -> Iterator[list[str]]:
    """The label-efficiency experiment; it measures for two minutes before it divides its time."""
    hours = max(0.8 * (minutes - 2.0), 0.4 * minutes) / 60.0
    values = [*setup.values, *(FULL if setup.full else SMALL), *(ONE_STEP if setup.tiny else ())]
    values = [value for value in values if value.partition("=")[0] not in EXPERIMENTS_OWN]
    options = ["--root", setup.root, "--out", setup.out / "experiment"]
    if setup.tiny:
        options += ["--steps", 1, "--seeds", 1]
    else:
        options += ["--budget-hours", f"{hours:.4f}"]
    if minutes < 20:
        options += ["--arms", "A", "B", "C"]
    if setup.full:
        options += ["--teacher", "effocc_fusion_r18", "--student", "effocc_student_r50"]
        options += ["--taught", *TAUGHT]
    else:
        options += ["--start", "vision_tiny_unlabeled"]
    yield effocc("experiment", "label-efficiency", *values, *options)


def measurement(setup: Setup, minutes: float) -> Iterator[list[str]]:
    """Speed, memory and parity of prediction, beside the network that the CPU runs; training."""
    device, out = "cuda" if setup.gpu else "cpu", ("--out", setup.out / "device")
    if setup.tiny:
        yield benchmark("device", "--tiny", "--device", device, *out)
        yield benchmark("operations", "--only-static")
        return
    yield benchmark("operations", "--only-static")
    yield benchmark("device", "--device", device, *out)
    for model in ("fusion_tiny", "fusion_r18"):
        yield benchmark("network", "--model", model, "--clouds", "10", "--device", device)
    loading = ("--root", setup.root, "--workers", max(setup.cores - 2, 1), "--batch-size", "8")
    yield benchmark(
        "training", "--throughput", "--device", device, *loading, "--models", *MEASURED
    )


def benchmark(name: str, *arguments: Any) -> list[str]:
    """Return the command line of a file beside this one."""
    file = Path(__file__).parent / f"{name}.py"
    return [sys.executable, str(file), *(str(argument) for argument in arguments)]


def effocc(*arguments: Any) -> list[str]:
    """Return the command line of a verb."""
    return [sys.executable, "-m", "effocc_ros.cli", *(str(argument) for argument in arguments)]


def missing(packages: Sequence[str]) -> list[str]:
    """Return the modules that cannot be found here."""
    return [name for name in packages if not _is_there(name)]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help="for everything; without: says the plan")
    parser.add_argument("--out", type=Path, default=Path("session"), help="(%(default)s)")
    parser.add_argument("--root", type=Path, help="a data set that is there; OUT/street if none")
    parser.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="some stages")
    parser.add_argument("--skip", nargs="+", default=[], metavar="STAGE", help="not these")
    parser.add_argument("--full", action="store_true", help="experiment: the paper's networks")
    parser.add_argument("--tiny", action="store_true", help="see on a CPU that all of it works")
    parser.add_argument("--dry-run", action="store_true", help="say the plan, do nothing")
    arguments = parser.parse_args()
    lacking = missing([*PACKAGES])
    for name in lacking:
        print(f"not here: {name} ({PACKAGES[name]})")
    gpu, about = False, {}
    if not lacking:
        import torch

        from effocc_ros.training.experiment_report import machine

        gpu, about = torch.cuda.is_available(), {"machine": machine()}
        print(about["machine"], "" if gpu else "(no GPU: this takes long)")
    cores = len(os.sched_getaffinity(0))
    root = arguments.root or arguments.out / "street"
    stages = stages_of(Setup(arguments.out, root, cores, gpu, arguments.full, arguments.tiny))
    known = [stage.name for stage in stages]
    for name in {*arguments.only, *arguments.skip} - {*known}:
        parser.error(f"no stage {name}: choose from {', '.join(known)}")
    skipped = {*arguments.skip} | ({"simulate"} if arguments.root else set())
    wanted = arguments.only or known
    stages = tuple(s for s in stages if s.name in wanted and s.name not in skipped)
    minutes = arguments.minutes or 30.0
    for name, allotted in plan(minutes, stages).items():
        print(f"{name:12}{allotted:6.1f} of {minutes:g} minutes")
    if arguments.dry_run or arguments.minutes is None:
        return 0
    if lacking:
        return 1
    results = run_stages(stages, minutes, arguments.out, about)
    return int(any(results[stage.name]["state"] == "failed" for stage in stages))


if __name__ == "__main__":
    sys.exit(main())
