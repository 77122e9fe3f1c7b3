# SPDX-License-Identifier: Apache-2.0
"""Time each stage of a network and its peak memory, on one real or made-up frame.

    python benchmarks/network.py --model fusion_r18 --clouds 10

With the recorded nuScenes frame at hand (folder in EFFOCC_SHARED, or ../shared) its calibration
and LiDAR sweep are used, else a made-up vehicle. More than one cloud: the sweep again and again
while the vehicle drives at 10 m/s, which is more voxels than a real street gives.

With --against, a former commit takes turns with this build on the CPU, with the same weights, and
the labels of both are compared voxel by voxel:

    python benchmarks/network.py --clouds 10 --against 56799a1 --repeat 5
"""

import argparse
import json
import os
import platform
import resource
import time
from pathlib import Path

import numpy as np
import torch
from against import compare

from effocc_ros.frame import NUSCENES_CAMERAS, Camera, Frame, PointCloud
from effocc_ros.geometry import rigid
from effocc_ros.memory import keep_freed_memory
from effocc_ros.networks import half_precision
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.on_cpu import use_cpu_layers
from effocc_ros.networks.voxelize import voxelize
from effocc_ros.pipelines import without_tf32
from effocc_ros.predictor import choose_device
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset
from effocc_ros.sweeps import Sweep, aggregate_sweeps

RECORDED = "data/mmdetection3d_scene0061_frame"
SWEEP_SECONDS, SPEED = 0.05, 10.0


def recorded_folder() -> Path | None:
    root = os.environ.get("EFFOCC_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    folder = Path(root) / RECORDED
    return folder if folder.is_dir() else None


def recorded_sensors(folder: Path) -> tuple[list[Camera], np.ndarray, np.ndarray]:
    """Cameras with grey images, LiDAR points and the LiDAR's place of the recorded frame."""
    calibration = json.loads((folder / "calib.json").read_text())
    cameras = [
        Camera(
            name=name,
            image=np.random.default_rng(0).integers(0, 256, (900, 1600, 3), np.uint8),
            intrinsics=np.array(calibration["cameras"][name]["intrinsics"]),
            sensor2ego=np.array(calibration["cameras"][name]["cam2ego"]),
            ego2global=np.array(calibration["cameras"][name]["ego2global"]),
            stamp=calibration["cameras"][name]["timestamp_us"] * 1000,
        )
        for name in NUSCENES_CAMERAS
    ]
    lidar = calibration["lidar"]
    points = np.fromfile(folder / lidar["file"], np.float32).reshape(-1, 5)
    return cameras, points, np.array(lidar["lidar2ego"])


def made_up_sensors() -> tuple[list[Camera], np.ndarray, np.ndarray]:
    """Six cameras around a vehicle on a plane with some walls."""
    rng = np.random.default_rng(0)
    angles = np.deg2rad([55, 0, -55, 110, 180, -110])
    cameras = []
    for name, angle in zip(NUSCENES_CAMERAS, angles, strict=True):
        pose = rigid([np.cos(angle / 2), 0, 0, np.sin(angle / 2)], [0.0, 0.0, 1.6])
        pose[:3, :3] = pose[:3, :3] @ [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
        cameras.append(
            Camera(
                name=name,
                image=rng.integers(0, 256, (900, 1600, 3), np.uint8),
                intrinsics=np.array([[1260.0, 0, 800], [0, 1260.0, 450], [0, 0, 1]]),
                sensor2ego=pose,
                ego2global=np.eye(4),
                stamp=0,
            )
        )
    azimuth, pitch = np.meshgrid(np.linspace(0, 2 * np.pi, 1085), np.linspace(-0.53, 0.18, 32))
    azimuth, pitch = azimuth.ravel(), pitch.ravel()
    walls = 12 + 25 * np.abs(np.sin(3 * azimuth)) + 5 * np.cos(17 * azimuth)
    ground = np.where(pitch < 0, 1.84 / np.maximum(-np.tan(pitch), 1e-3), np.inf)
    reach = np.minimum(walls, ground) + rng.normal(0, 0.02, len(walls))
    points = np.stack(
        [reach * np.cos(azimuth), reach * np.sin(azimuth), reach * np.tan(pitch), 30 + 0 * reach],
        axis=1,
    )
    return cameras, points.astype(np.float32), rigid([1, 0, 0, 0], [0.94, 0, 1.84])


def make_frame(clouds: int) -> tuple[Frame, str]:
    """One frame with that many sweeps, and where it came from."""
    folder = recorded_folder()
    cameras, points, sensor2ego = recorded_sensors(folder) if folder else made_up_sensors()
    ego2global = cameras[1].ego2global
    sweeps = []
    for age in range(clouds):
        pose = ego2global @ rigid([1, 0, 0, 0], [-SPEED * SWEEP_SECONDS * age, 0, 0])
        stamp = cameras[1].stamp - int(SWEEP_SECONDS * 1e9) * age
        sweeps.append(Sweep(points, sensor2ego, pose, stamp))
    cloud = aggregate_sweeps(sweeps[0], sweeps[1:], count=clouds - 1)
    frame = Frame(
        stamp=sweeps[0].stamp,
        frame_id="base_link",
        cameras=tuple(cameras),
        cloud=PointCloud(cloud, sensor2ego),
        ego2global=ego2global,
    )
    return frame, "recorded frame" if folder else "made-up frame"


class Clock:
    """Wall and CPU seconds per stage, over repetitions."""

    def __init__(self, device: torch.device):
        self.device, self.seconds = device, {}

    def __call__(self, stage: str, function, *arguments, **keywords):
        """Call ``function`` and note its times under ``stage``."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = function(*arguments, **keywords)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        spent = (time.perf_counter() - wall, time.process_time() - cpu)
        self.seconds.setdefault(stage, []).append(spent)
        return result

    def rows(self) -> list[tuple[str, float, float]]:
        """Stage, median wall and median CPU milliseconds; the last row is the whole pass."""
        stages = {name: np.array(spent) for name, spent in self.seconds.items()}
        stages["all"] = sum(stages.values())
        return [(name, *(1e3 * np.median(spent, axis=0))) for name, spent in stages.items()]


def run_once(network: EffOcc, frame: Frame, clock: Clock) -> int:
    """One pass, stage by stage; returns the number of LiDAR voxels."""
    config, camera_bev, lidar_bev, voxel_count = network.config, None, None, 0
    inputs = clock("preprocess", preprocess, frame, config, clock.device)
    if config.modality != "lidar":
        features = clock("image encoder", network.image_features, inputs.images)
        view = network.img_view_transformer
        cameras = inputs.camera_mask, inputs.matrices
        view.forget_table()
        clock("splat table", view.table, *cameras)
        camera_bev, *_ = clock("lift and splat", view, features, inputs.depth, *cameras)
    if config.modality != "vision":
        voxels = clock(
            "voxelize",
            voxelize,
            inputs.points,
            config.voxels,
            config.max_voxels,
            config.max_points_per_voxel,
        )
        encoder = network.pts_middle_encoder
        sparse_bev = clock("sparse encoder", encoder, voxels.features, voxels.sites)
        lidar_bev = clock("point grid", network.with_points, sparse_bev, inputs.points)
        voxel_count = len(voxels.sites)
    bev = clock("bev trunk", network.merge, camera_bev, lidar_bev)
    clock("head and labels", network.occ_head.labels, bev)
    return voxel_count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fusion_r18")
    parser.add_argument("--clouds", type=int, default=1, help="sweeps in the cloud")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--against", default="", help="a former commit")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--plain-malloc", action="store_true", help="do not keep freed memory")
    arguments = parser.parse_args()
    if not arguments.plain_malloc:
        keep_freed_memory()
    if arguments.against:
        model, clouds, threads = arguments.model, arguments.clouds, arguments.threads
        repeat, precision = arguments.repeat, arguments.precision
        compare(arguments.against, model, clouds, threads, repeat, precision)
        return
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    torch.manual_seed(0)
    network = EffOcc(load_preset(arguments.model)).requires_grad_(False)
    network = network.fuse_for_inference()
    half = arguments.precision == "bfloat16"
    if device.type == "cpu" and half:
        half_precision.encode_in(network, torch.bfloat16)
    if device.type == "cpu":
        use_cpu_layers(network)
    network = network.to(device)
    frame, origin = make_frame(arguments.clouds)
    clock = Clock(device)
    autocast = torch.autocast("cuda", torch.bfloat16, enabled=half and device.type == "cuda")
    with torch.inference_mode(), without_tf32(), autocast:
        for _ in range(arguments.repeat):
            voxel_count = run_once(network, frame, clock)
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    print(f"{arguments.model} on {processor}, {arguments.threads} thread(s)", end=", ")
    print(f"torch {torch.__version__}")
    print(f"{origin}: {arguments.clouds} sweep(s), {len(frame.cloud.points)} points,", end=" ")
    print(f"{voxel_count} voxels; median of {arguments.repeat}")
    print(f"{'':16}{'wall':>12}{'CPU, all threads':>20}")
    for stage, wall, cpu in clock.rows():
        print(f"{stage:16}{wall:9.1f} ms{cpu:17.1f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'peak RSS':16}{peak:9.0f} MiB")
    if device.type == "cuda":
        print(f"{'peak GPU':16}{torch.cuda.max_memory_allocated(device) / 2**20:9.0f} MiB")


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()} ({os.cpu_count()} cores)"


if __name__ == "__main__":
    main()
