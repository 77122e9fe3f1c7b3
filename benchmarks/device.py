# SPDX-License-Identifier: Apache-2.0
"""Measure the Predictor's way on a GPU: time, parity with the CPU, memory, stages, a profile.

    python benchmarks/device.py --models fusion_r18 fusion_tiny --clouds 1 10 --out session
    python benchmarks/device.py --tiny                  # on a CPU: to see that this works

A row is one model, number of sweeps and precision. ``prepare`` is what the host does, ``launched``
the rest with each operation launched by itself, ``recorded`` the same replayed as a CUDA graph;
milliseconds, medians. ``differ`` is the share of voxels whose class is not that of the CPU in
float32: beyond 0.1 % a precision does not count. With spconv-triton installed its convolutions are
timed beside ours, on the same sites with the same weights.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from network import cpu_name, make_frame
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))
from helpers.deterministic_fill import fill
from helpers.small_networks import SMALL
from spconv_peer import spconv_encoder

from effocc_ros.frame import Frame
from effocc_ros.loaded_model import load_model
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.static_network import StaticNetwork
from effocc_ros.networks.static_voxels import static_voxels
from effocc_ros.pipelines import DevicePipeline, HostPipeline, without_tf32
from effocc_ros.precisions import PRECISIONS
from effocc_ros.predictor import choose_device
from effocc_ros.preprocess.on_device import static_inputs

DTYPES = {"cuda": tuple(PRECISIONS), "cpu": ("float32",)}
PROFILED = 20
"""Rows of a profile."""


def network_of(model: str) -> EffOcc:
    """Return a network whose classes depend on its inputs: shipped weights, or filled ones."""
    if model == "tiny":
        return _for_inference(fill(EffOcc(SMALL)))
    loaded = load_model(model)
    return _for_inference(loaded.network if loaded.trained else fill(loaded.network))


def _for_inference(network: EffOcc) -> EffOcc:
    return network.requires_grad_(False).fuse_for_inference()


def milliseconds(work: Callable[[], object], repeat: int) -> float:
    """Return the median of what a piece of work takes, the device's part included."""
    spent = []
    for _ in range(repeat):
        synchronize()
        started = time.perf_counter()
        work()
        synchronize()
        spent.append(1e3 * (time.perf_counter() - started))
    return median(spent)


def synchronize() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure(
    network: EffOcc, frame: Frame, precision: str, expected: Tensor, repeat: int
) -> dict[str, float]:
    """Return a row: milliseconds, share of voxels that differ, sites without room, memory."""
    gpu = next(network.parameters()).is_cuda
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    pipeline = DevicePipeline(network, PRECISIONS[precision])
    raw = pipeline.prepare(frame)
    labels, *_ = pipeline.run(raw)
    row = {
        "prepare": milliseconds(lambda: pipeline.prepare(frame), repeat),
        "launched": milliseconds(lambda: pipeline.compute(raw), repeat),
    }
    pipeline.run(raw)  # The second run with these shapes records them.
    row["recorded"] = milliseconds(lambda: pipeline.run(raw), repeat)
    again, *_ = pipeline.run(raw)
    row["differ"] = (labels != expected).double().mean().item()
    row["replay differs"] = (again != labels).double().mean().item()
    row["dropped"] = pipeline.dropped_sites
    row["MiB"] = torch.cuda.max_memory_allocated() / 2**20 if gpu else float("nan")
    return row


def stages(network: EffOcc, frame: Frame, dtype: torch.dtype, repeat: int) -> dict[str, float]:
    """Return milliseconds of the parts of a frame, each launched and awaited by itself."""
    config, static = network.config, StaticNetwork(network, dtype)
    raw = DevicePipeline(network).prepare(frame)
    spent = {}

    def clock(stage: str, work: Callable, *arguments):
        spent[stage] = milliseconds(lambda: work(*arguments), repeat)
        return work(*arguments)

    inputs = clock("inputs", static_inputs, raw, config)
    camera_bev = lidar_bev = None
    if config.modality != "lidar":
        table = clock("splat table", static._splat.table, inputs.camera_mask, inputs.rays)
    if config.modality != "vision":
        limits = config.voxels, config.max_voxels, config.max_points_per_voxel
        voxels = clock("voxels", static_voxels, inputs.points, *limits)
        lidar_bev, _ = clock("sparse encoder", static._encoder, *voxels)
        lidar_bev = clock("point grid", network.with_points, lidar_bev, [inputs.points])
    with static._arithmetic():
        if config.modality != "lidar":
            camera_bev = clock("images and splat", static._camera_bev, inputs, table)
        bev = clock("bev trunk", network.merge, camera_bev, lidar_bev)
        clock("head and labels", lambda: network.occ_head(bev)[0].argmax(-1).to(torch.uint8))
    return spent


def profile(network: EffOcc, frame: Frame, file: Path) -> None:
    """Write which operations take the most time."""
    pipeline = DevicePipeline(network)
    raw = pipeline.prepare(frame)
    pipeline.compute(raw)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if next(network.parameters()).is_cuda:
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as found:
        pipeline.compute(raw)
        synchronize()
    order = "self_cuda_time_total" if len(kinds) > 1 else "self_cpu_time_total"
    table = found.key_averages().table(sort_by=order, row_limit=PROFILED)
    file.write_text(table + "\n")
    print(f"profile: {file}")


def peer(network: EffOcc, frame: Frame, config: ModelConfig, repeat: int) -> dict[str, float]:
    """Return milliseconds of the sparse encoder, ours and spconv-triton's, and their distance."""
    import spconv_triton.pytorch as spconv

    raw = DevicePipeline(network).prepare(frame)
    points = static_inputs(raw, config).points
    limits = config.voxels, config.max_voxels, config.max_points_per_voxel
    features, sites = static_voxels(points, *limits)
    ours = StaticNetwork(network)._encoder
    theirs = spconv_encoder(spconv, network.pts_middle_encoder)
    expected, got = ours(features, sites)[0], theirs(features, sites)
    return {
        "ours": milliseconds(lambda: ours(features, sites), repeat),
        "spconv-triton": milliseconds(lambda: theirs(features, sites), repeat),
        "largest difference": (expected - got).abs().max().item(),
        "largest value": expected.abs().max().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["fusion_r18", "fusion_tiny"])
    parser.add_argument("--clouds", nargs="+", type=int, default=[1, 10], help="sweeps in a cloud")
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="a network of milliseconds, one sweep")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of profile and table")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    models, clouds, repeat = arguments.models, arguments.clouds, arguments.repeat
    if arguments.tiny:
        models, clouds, repeat = ["tiny"], [1], 2
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    print(f"{name}, torch {torch.__version__}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with torch.inference_mode(), without_tf32():
        for model in models:
            for count in clouds:
                rows += run(model, count, device, repeat, arguments.out)
    (arguments.out / "device.json").write_text(json.dumps(rows, indent=1) + "\n")


def run(model: str, clouds: int, device: torch.device, repeat: int, out: Path) -> list[dict]:
    """Print and return the rows of one model and number of sweeps."""
    frame, origin = make_frame(clouds)
    network = network_of(model)
    host = HostPipeline(network)
    expected, *_ = host.run(host.prepare(frame))
    network = network.to(device)
    about = {"model": model, "clouds": clouds, "frame": origin}
    print(f"\n{model}, {origin}, {clouds} sweep(s)")
    rows = []
    for precision in DTYPES[device.type]:
        row = measure(network, frame, precision, expected, repeat)
        parts = stages(network, frame, PRECISIONS[precision], repeat)
        rows.append(about | {"precision": precision, "row": row, "stages": parts})
        print(f"{precision:10}", *(f"{name} {value:.4g}" for name, value in row.items()), sep="  ")
        print(f"{'':10}", *(f"{name} {value:.3g}" for name, value in parts.items()), sep="  ")
    profile(network, frame, out / f"profile-{model}-{clouds}.txt")
    if device.type == "cuda" and network.config.modality != "vision":
        try:
            rows.append(about | {"peer": peer(network, frame, network.config, repeat)})
            print("peer", rows[-1]["peer"])
        except ImportError as error:
            print(f"no peer: {error}")
    return rows


if __name__ == "__main__":
    main()
