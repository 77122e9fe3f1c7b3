# SPDX-License-Identifier: Apache-2.0
"""A plain training loop against `effocc train`, side by side; time and wait of the loader.

    python benchmarks/training.py
    python benchmarks/training.py --root street --models fusion_tiny --pairs 5
    python benchmarks/training.py --throughput --device cuda --models effocc_fusion_r18
    python benchmarks/training.py --memory

Four sides take turns on one thread. "former" is a plain loop, one sample at a time, over the
network as it was: its trunk works at 200x200 cells, and its BEV lies in memory as the sparse
encoder leaves it, channels last, which a CPU is slow to go back through. "layout" has the BEV
contiguous, "plain" is the same loop over the network of today. "ours" is the loop of
`effocc train` with the shipped config; it reads and prepares its samples itself here, so that all
sides are charged for the same work. The camera network learns without a teacher, for the plain
loop has none either. How long the loop waits for its worker processes is measured after that,
alone. With --throughput that is all, on any device, for any config of `effocc train`.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median

import torch
from network import cpu_name, make_frame
from torch.nn.functional import cross_entropy

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.voxelize import voxelize
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset
from effocc_ros.simulation.nuscenes_tree import TreeConfig, simulate_tree
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.config_files import load_config
from effocc_ros.training.ema import Ema
from effocc_ros.training.learner import Learner
from effocc_ros.training.loader import PREFETCHED
from effocc_ros.training.preparation import prepare
from effocc_ros.training.processes import start_fabric
from effocc_ros.training.run_folder import RunFolder
from effocc_ros.training.splits import open_training_split, sensors_of

MODELS = ("lidar_tiny", "fusion_tiny", "vision_tiny")
FORMER_BEV = VoxelGrid((-40.0, -40.0, -1.0), (0.4, 0.4, 6.4), (200, 200, 1))
VOXELS = 90_000


@dataclass(frozen=True)
class Spent:
    """Seconds: wall, and CPU of this process's threads."""

    wall: float
    cpu: float


def timed(work: Callable[[], int]) -> Spent:
    """Return what a sample costs, of a piece of work that says how many it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    samples = work()
    return Spent((time.perf_counter() - wall) / samples, (time.process_time() - cpu) / samples)


def former(config: ModelConfig) -> ModelConfig:
    """Return a small network as it was, with the trunk at the size of the grid."""
    changes = {"upsample_channels": 0}
    if config.modality != "lidar":
        changes["bev"] = FORMER_BEV
    if config.modality != "vision":
        changes["voxel_widths"] = (16, 32)
    else:
        changes |= {"bev_encoder": "resnet", "encoder_widths": (32, 64, 128)}
        changes["encoder_channels"] = 64
    return replace(config, **changes)


class AsItComes(EffOcc):
    """A network that leaves its BEV in the layout in which it comes."""

    def _laid_out(self, bev: torch.Tensor) -> torch.Tensor:
        return bev


class PlainLoop:
    """What one writes first: read, prepare, forward, masked cross-entropy, backward, AdamW."""

    def __init__(self, training: TrainConfig, network: EffOcc):
        self.config, self.network = network.config, network.train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), training.lr)
        self.dataset = open_training_split(training, sensors_of(network.config))
        self.numbers = count()

    def turn(self) -> int:
        """Take one optimizer step, of one sample; return its samples."""
        sample = self.dataset[next(self.numbers) % len(self.dataset)]
        outputs = self.network(**preprocess(sample.frame, self.config).keywords())
        seen = torch.from_numpy(sample.truth.mask_camera)
        labels = torch.from_numpy(sample.truth.semantics)[seen].long()
        loss = cross_entropy(outputs.logits[0][seen], labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return 1


class OurLoop:
    """The steps of `effocc train`, without its evaluations and checkpoints."""

    def __init__(self, config: TrainConfig):
        fabric = start_fabric(config)
        parts = prepare(config, fabric, RunFolder(config.folder))
        optimizer = torch.optim.AdamW(
            parts.student.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.network, self.loader, self.config = parts.student.network, parts.loader, config
        self.device = fabric.device
        self.ema = Ema(self.network, start=config.ema_start)
        student, optimizer = fabric.setup(parts.student, optimizer)
        self.learner = Learner(fabric, student, optimizer, parts.objective, config, parts.network)
        self.batches, self.steps = self._batches(), count()

    def _batches(self) -> Iterator:
        for epoch in count():
            yield from self.loader.batches(epoch)

    def turn(self) -> int:
        """Take one optimizer step; return its samples."""
        batch = next(self.batches)
        self.learner.step([batch.to(self.device)], next(self.steps), self.config.lr)
        self.ema.update(self.network)
        return self.config.batch_size

    def steady(self, steps: int) -> tuple[float, float]:
        """Take steps once the queue of the loader is used up.

        Returns:
            Samples a second, and the share of the time that was waited for data.
        """
        batches, waited = self.batches, [0.0]

        def measured():
            while True:
                started = time.perf_counter()
                batch = next(batches)
                waited[0] += time.perf_counter() - started
                yield batch

        self.batches = measured()
        for _ in range(1 + PREFETCHED * self.config.workers):  # The first waits for all to start.
            self.turn()
        waited[0], started = 0.0, time.perf_counter()
        for _ in range(steps):
            self.turn()
        seconds = time.perf_counter() - started
        return steps * self.config.batch_size / seconds, waited[0] / seconds


def compare(config: TrainConfig, pairs: int, wait_steps: int) -> None:
    """Print the three sides of one network."""
    preset = load_preset(config.preset)
    sides = {
        "former": PlainLoop(config, AsItComes(former(preset))),
        "layout": PlainLoop(config, EffOcc(former(preset))),
        "plain": PlainLoop(config, EffOcc(preset)),
        "ours": OurLoop(replace(config, workers=0)),
    }
    for side in sides.values():
        side.turn()
    spent = {name: [] for name in sides}
    for _ in range(pairs):
        for name, side in sides.items():
            spent[name].append(timed(side.turn))
    print(f"\n{config.preset}, ours in batches of {config.batch_size}, {pairs} turns of each side")
    print(f"{'':8}{'wall a sample':>15}{'CPU a sample':>15}{'CPU of former':>15}{'of plain':>10}")
    for name, seconds in spent.items():
        wall, cpu = (median(getattr(s, what) for s in seconds) for what in ("wall", "cpu"))
        of_former, of_plain = (ratio(seconds, spent[other]) for other in ("former", "plain"))
        print(f"{name:8}{wall:13.2f} s{cpu:13.2f} s{of_former:15.2f}{of_plain:10.2f}")
    say_speed(config, wait_steps)


def say_speed(config: TrainConfig, steps: int) -> None:
    """Print how fast the loop is with its workers, and what it keeps on a GPU."""
    rate, wait = OurLoop(config).steady(steps)
    print(
        f"{config.preset}: {rate:.2f} samples a second, waits for data {wait:.1%} of {steps} "
        f"steps of {config.batch_size}, {config.workers} worker(s), {config.precision}"
    )
    if torch.cuda.is_available():
        print(f"{config.preset}: peak {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB on GPU")
        torch.cuda.reset_peak_memory_stats()


def ratio(ours: list[Spent], theirs: list[Spent]) -> float:
    """Return the median over the turns of our CPU seconds by theirs."""
    return median(a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True))


def measure_memory() -> None:
    """Print what a training step of fusion_r18's sparse encoder keeps."""
    config = load_preset("fusion_r18")
    encoder = EffOcc(config).pts_middle_encoder.train()
    frame, origin = make_frame(clouds=10)
    inputs = preprocess(frame, config)
    voxels = voxelize(inputs.points, config.voxels, VOXELS, config.max_points_per_voxel)
    del inputs, frame
    start, began, kept = resident(), time.process_time(), set()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.add((tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = encoder(voxels.features, voxels.sites)
    forward, after = time.process_time() - began, resident()
    output.square().mean().backward()
    backward = time.process_time() - began - forward
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"sparse encoder of fusion_r18, {origin}, {len(voxels.sites)} voxels, one sample")
    print(f"forward {forward:.1f} s, backward {backward:.1f} s CPU")
    print(f"resident before {start:.2f}, after forward {after:.2f}, peak {peak:.2f} GiB")
    print(f"kept for backward {sum(size for _, size in kept) / 2**30:.2f} GiB")


def resident() -> float:
    """Return this process's memory in GiB, as Linux counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**30


@contextmanager
def data_set(root: Path | None) -> Iterator[Path]:
    """Give the folder of a data set: the one named, or a small one that is simulated."""
    if root is not None:
        yield root
        return
    with tempfile.TemporaryDirectory() as folder:
        # The third of nuScenes' scenes judges, so three make a training and a validation split.
        yield simulate_tree(Path(folder) / "street", TreeConfig(3, 4, 7), progress=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="a data set; default: simulates a small one")
    parser.add_argument("--models", nargs="+", default=MODELS, help="(%(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="turns of each side (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=4, help="of our loop (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="of our loader (%(default)s)")
    parser.add_argument("--wait-steps", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--memory", action="store_true", help="the sparse encoder's memory alone")
    parser.add_argument("--device", default="cpu", help="of --throughput (%(default)s)")
    parser.add_argument("--throughput", action="store_true", help="speed and wait of ours alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{cpu_name()}, 1 thread, torch {torch.__version__}")
    if arguments.memory:
        measure_memory()
        return
    with data_set(arguments.root) as root, tempfile.TemporaryDirectory() as runs:
        for model in arguments.models:
            values = {
                "root": root,
                "out": Path(runs) / "run",  # The same labels are counted once.
                "teacher": "",
                "teacher_train_mode": "false",
                "device": arguments.device if arguments.throughput else "cpu",
                "batch_size": arguments.batch_size,
                "workers": arguments.workers,
                "val_split": "",
            }
            config = load_config(model, [f"{key}={value}" for key, value in values.items()])
            if arguments.throughput:
                say_speed(config, arguments.wait_steps)
            else:
                compare(config, arguments.pairs, arguments.wait_steps)


if __name__ == "__main__":
    main()
