"""The verb `effocc evaluate`."""

import argparse
from pathlib import Path

DATASETS = ("occ3d_nuscenes", "openoccupancy", "openocc_flow", "occ3d_waymo")
MASKED = ("occ3d_nuscenes", "occ3d_waymo")
"""Those whose official scores count only what the cameras saw."""
RAY_SCORED = ("occ3d_nuscenes", "openocc_flow")
"""Those that RayIoU is defined on: their grid stands in the ego frame of a whole drive."""


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of ``evaluate``."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a model on a split of a benchmark",
        description="Run a model over a split, print the score of each class, and write it as "
        "JSON and as a chart. OpenOccupancy gets SC and SSC, the others mIoU.",
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", choices=DATASETS, default=DATASETS[0], help="(%(default)s)")
    parser.add_argument("--split", default="val", help="for example val, mini_val (%(default)s)")
    parser.add_argument("--model", default="fusion_tiny", help="preset or file (%(default)s)")
    parser.add_argument("--version", default="", help="folder of nuScenes tables; the split's")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N samples")
    parser.add_argument(
        "--mask",
        choices=("camera", "lidar", "none"),
        help="which voxels count: seen by a camera, by the LiDAR, or all; the benchmark's own "
        "choice when left out",
    )
    parser.add_argument("--rayiou", action="store_true", help="also score along LiDAR rays")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.add_argument(
        "--precision", default="float32", help="float32, on a GPU also bfloat16 or float16"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("evaluation"),
        metavar="FOLDER",
        help="where the scores go (%(default)s)",
    )
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Run `effocc evaluate`."""
    from tqdm import tqdm

    from effocc_ros.datasets.benchmarks import label_space
    from effocc_ros.evaluation import report
    from effocc_ros.evaluation.evaluate import check_fits, evaluate, lidar_origins
    from effocc_ros.predictor import Predictor

    _check(arguments)
    name, space = arguments.dataset, label_space(arguments.dataset)
    mask = arguments.mask or ("camera" if name in MASKED else "none")
    with Predictor(arguments.model, arguments.device, arguments.precision) as predictor:
        check_fits(predictor.name, predictor.classes, predictor.config.grid, space)
        dataset = _open(arguments, predictor.config)
        # Before hours of work, not after them.
        arguments.out.mkdir(parents=True, exist_ok=True)
        count = min(len(dataset), arguments.limit or len(dataset))
        samples = (dataset[i] for i in tqdm(range(count), unit="frame", desc=predictor.name))
        origins = lidar_origins(dataset) if arguments.rayiou else None
        confusion, rays = evaluate(samples, predictor.predict, space, mask=mask, origins=origins)
        weights = "" if predictor.trained else " (random weights)"
        title = f"{predictor.name}{weights}, {name} {arguments.split}"
    voxelwise = report.openoccupancy_report if name == "openoccupancy" else report.miou_report
    _publish(
        arguments.out / "scores", voxelwise(confusion, title + f", mask {mask}" * (mask != "none"))
    )
    if rays is not None:
        _publish(arguments.out / "rayiou", report.rayiou_report(rays, title))


def _open(arguments: argparse.Namespace, config):
    """Open the split with the sensors that the network uses, no others."""
    from effocc_ros.datasets.benchmarks import open_dataset
    from effocc_ros.datasets.nuscenes_frames import SweepChoice

    options = {"cameras": config.cameras, "lidar": config.modality != "vision"}
    if arguments.dataset != "occ3d_waymo":
        options |= {"version": arguments.version, "sweeps": SweepChoice(config.sweeps)}
    return open_dataset(arguments.dataset, arguments.root, arguments.split, **options)


def _publish(path: Path, scores) -> None:
    from effocc_ros.evaluation.chart import write_bar_chart
    from effocc_ros.evaluation.report import text_table, write_json

    print(text_table(scores), flush=True)
    write_json(path.with_suffix(".json"), scores)
    write_bar_chart(path.with_suffix(".png"), scores)
    print(f"written: {path}.json, {path}.png\n")


def _check(arguments: argparse.Namespace) -> None:
    from effocc_ros.errors import InputError

    def refuse(option: str, found: str, expected: str) -> None:
        raise InputError(option, found=found, expected=expected, reason="bad_option")

    if arguments.limit is not None and arguments.limit < 1:
        refuse("--limit", str(arguments.limit), "at least 1")
    if arguments.mask in ("camera", "lidar") and arguments.dataset not in MASKED:
        refuse("--mask", f"{arguments.mask} on {arguments.dataset}", "none: it has no masks")
    if arguments.rayiou and arguments.dataset not in RAY_SCORED:
        refuse("--rayiou", arguments.dataset, f"one of {', '.join(RAY_SCORED)}")
    if arguments.version and arguments.dataset == "occ3d_waymo":
        refuse("--version", f"{arguments.version} on occ3d_waymo", "nothing: it has no tables")
