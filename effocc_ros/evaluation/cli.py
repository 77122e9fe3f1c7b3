# SPDX-License-Identifier: Apache-2.0
"""The verb `effocc evaluate`."""

import argparse
from pathlib import Path

from effocc_ros.fleet.options import add_crew_options

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
        "JSON and as a chart. OpenOccupancy gets SC and SSC, the others mIoU and geometric IoU.",
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--dataset", choices=DATASETS, default=DATASETS[0], help="(%(default)s)")
    parser.add_argument("--split", default="val", help="for example val, mini_val (%(default)s)")
    parser.add_argument("--model", default="fusion_tiny", help="preset or file (%(default)s)")
    parser.add_argument("--version", default="", help="folder of nuScenes tables; the split's")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N samples, evenly spaced over the split"
    )
    parser.add_argument(
        "--mask",
        choices=("camera", "lidar", "none"),
        help="which voxels count: seen by a camera, by the LiDAR, or all; the benchmark's own "
        "choice when left out",
    )
    parser.add_argument("--rayiou", action="store_true", help="also score along LiDAR rays")
    parser.add_argument(
        "--corrupt",
        default="",
        metavar="NAME[,NAME...]",
        help="also score with sensors that fail: all, or one_camera_gone, three_cameras_gone, "
        "six_cameras_gone, lidar_gone, night, fog, blur, images_late, extrinsics_off, "
        "half_the_beams",
    )
    parser.add_argument(
        "--no-baseline",
        action="store_true",
        help="do not score a guess without sensors beside the model; it is made from the labels "
        "of the training split",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that read samples and count rays for one network; by default one core is "
        "left to the network, 0 starts none",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.add_argument(
        "--precision",
        default="float32",
        help="float32; bfloat16 where the device is fast in it; float16 on a GPU (%(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("evaluation"),
        metavar="FOLDER",
        help="where the scores go (%(default)s)",
    )
    add_crew_options(parser, workers="--predictors")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace) -> None:
    """Run `effocc evaluate`."""
    _check(arguments)
    # Imported only now: it brings torch.
    from effocc_ros.evaluation.run import evaluate_split

    evaluate_split(arguments)


def _check(arguments: argparse.Namespace) -> None:
    from effocc_ros.errors import InputError

    def refuse(option: str, found: str, expected: str) -> None:
        raise InputError(option, found=found, expected=expected, reason="bad_option")

    if arguments.limit is not None and arguments.limit < 1:
        refuse("--limit", str(arguments.limit), "at least 1")
    if arguments.workers is not None and arguments.workers < 0:
        refuse("--workers", str(arguments.workers), "0 or more")
    many = "--predictors" if arguments.predictors else "--ray" if arguments.ray else ""
    if many and arguments.workers is not None:
        refuse("--workers", f"{arguments.workers} with {many}", "one of both: there each reads")
    if arguments.threads and not many:
        refuse("--threads", str(arguments.threads), "--predictors or --ray with it")
    if arguments.mask in ("camera", "lidar") and arguments.dataset not in MASKED:
        refuse("--mask", f"{arguments.mask} on {arguments.dataset}", "none: it has no masks")
    if arguments.rayiou and arguments.dataset not in RAY_SCORED:
        refuse("--rayiou", arguments.dataset, f"one of {', '.join(RAY_SCORED)}")
    if arguments.version and arguments.dataset == "occ3d_waymo":
        refuse("--version", f"{arguments.version} on occ3d_waymo", "nothing: it has no tables")
