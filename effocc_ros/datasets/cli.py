# SPDX-License-Identifier: Apache-2.0
"""The verb `effocc dataset`."""

import argparse
from collections.abc import Iterator
from pathlib import Path


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of ``dataset`` and its own verbs."""
    parser = subparsers.add_parser("dataset", help="look at the data set of a benchmark")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="tell what is complete and what is missing, and show one sample",
        description="Tell what of nuScenes (with Occ3D, OpenOccupancy or OpenOcc labels) or of "
        "Occ3D-Waymo is there and what is missing; read one sample and draw it. Exit code 1 "
        "where something needed is missing.",
    )
    check.add_argument(
        "root",
        type=Path,
        metavar="ROOT",
        help="folder of the data set: with samples/ and v1.0-*/, or with voxel04/",
    )
    check.add_argument("--version", default="", help="one folder of tables; all when left out")
    check.add_argument(
        "--picture",
        type=Path,
        default=Path("dataset_check.png"),
        metavar="FILE",
        help="where the sample's picture goes (%(default)s)",
    )
    check.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Run `effocc dataset check`."""
    from effocc_ros.datasets.check import check_nuscenes, check_waymo
    from effocc_ros.datasets.nuscenes_tables import versions
    from effocc_ros.datasets.places import tables_advice
    from effocc_ros.errors import InputError

    root = arguments.root
    chosen = (arguments.version,) if arguments.version else versions(root)
    if not chosen and not (root / "voxel04").is_dir():
        raise InputError(
            f"data set {root}",
            found="neither a folder v1.0-* of tables nor voxel04"
            if root.is_dir()
            else "no folder",
            expected="the folder of nuScenes or of Occ3D-Waymo",
            do=tables_advice(root) if root.is_dir() else "",
            reason="no_dataset",
        )
    complete = True
    for version in chosen:
        for finding in check_nuscenes(root, version, progress=True):
            print(finding, flush=True)
            complete &= finding.complete or not finding.needed
    if (root / "voxel04").is_dir():
        for finding in check_waymo(root):
            print(finding, flush=True)
            complete &= finding.complete or not finding.needed
    shown = _show_sample(root, chosen, arguments.picture)
    return 0 if complete and shown else 1


def _show_sample(root: Path, chosen: tuple[str, ...], picture: Path) -> bool:
    """Read the first sample that has labels, and draw it; say what keeps it from being read."""
    from effocc_ros.errors import InputError
    from effocc_ros.visualization import write_overview

    try:
        candidate = next(_candidates(root, chosen), None)
        if candidate is None:
            print("no sample has labels: there is nothing to draw")
            return False
        dataset, index = candidate
        sample = dataset[index]
        labels = sample.occupancy()
        write_overview(picture, sample.frame, labels, labels)
    except InputError as error:
        print(f"a sample cannot be read: {error}")
        return False
    print(f"sample {sample.token} of {sample.scene} is drawn in {picture}")
    return True


def _candidates(root: Path, chosen: tuple[str, ...]) -> Iterator[tuple]:
    from effocc_ros.datasets.benchmarks import NUSCENES_BENCHMARKS, open_dataset
    from effocc_ros.datasets.files import is_there
    from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset

    for version in chosen:
        for benchmark in NUSCENES_BENCHMARKS.values():
            dataset = NuscenesDataset(benchmark, root, "all", version=version)
            labeled = [i for i in range(len(dataset)) if is_there(dataset.labels_file(i))]
            whole = (i for i in labeled if all(is_there(file) for file in dataset.files_of(i)))
            chosen = next(whole, next(iter(labeled), None))
            if chosen is not None:
                yield dataset, chosen
    if (root / "voxel04" / "training").is_dir():
        yield open_dataset("occ3d_waymo", root, "train"), 0
