# SPDX-License-Identifier: Apache-2.0
"""`effocc export`: a model's dense halves as ONNX files."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from effocc_ros.errors import InputError
from effocc_ros.export.check import Comparison
from effocc_ros.export.onnx_files import OPSET, export_network, require_packages
from effocc_ros.export.sides import Side, sides_of
from effocc_ros.loaded_model import load_model


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb `export`."""
    parser = subparsers.add_parser(
        "export",
        help="write the dense halves of a model as ONNX, checked",
        description="Write the dense halves of a model as ONNX files: MODEL_camera.onnx, from "
        "images (and LiDAR depth) to depth probabilities and context features, and "
        "MODEL_bev.onnx, from camera and LiDAR BEV to labels. The splat and the sparse encoder "
        "between them stay in torch. Files appear when onnxruntime labels every voxel of a test "
        "frame as torch does.",
    )
    parser.add_argument("model", metavar="MODEL", help="a preset or a checkpoint")
    parser.add_argument("folder", metavar="OUT_FOLDER", type=Path, help="where the files go")
    parser.add_argument(
        "--check",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare with torch before the files appear",
    )
    parser.add_argument(
        "--logits", action="store_true", help="give the logits that the labels come from, too"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="write into OUT_FOLDER even if it is not empty"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Export a model and say what came out."""
    require_packages(arguments.check)
    _check_folder(arguments.folder, arguments.overwrite)
    model = load_model(arguments.model)
    network = model.network.requires_grad_(False).fuse_for_inference()
    sides = sides_of(network, arguments.logits)
    files = {side.name: arguments.folder / f"{model.name}_{side.name}.onnx" for side in sides}
    comparison = export_network(
        network, model.card, files, logits=arguments.logits, check=arguments.check
    )
    kind, weights = network.config.modality, "trained" if model.trained else "random"
    print(f"{model.name}: {kind} network, {weights} weights, opset {OPSET}, batch 1")
    for side in sides:
        _print_file(side, files[side.name], comparison)
    if comparison is None:
        print("not checked")
    else:
        _print_check(comparison)


def _check_folder(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        found, expected = "a file", "a folder, or nothing yet"
    elif folder.is_dir() and any(folder.iterdir()) and not overwrite:
        found, expected = "a folder that is not empty", "an empty one, or none yet"
    else:
        return
    raise InputError(
        f"output folder {folder}",
        found=found,
        expected=expected,
        do="Choose another name, or give --overwrite" if folder.is_dir() else "",
        reason="output_exists",
    )


def _print_file(side: Side, file: Path, comparison: Comparison | None) -> None:
    time = ""
    if comparison is not None:
        threads = f"{comparison.threads} CPU thread" + "s" * (comparison.threads > 1)
        time = f", {comparison.timings[side.name]:.0f} ms on {threads}"
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB{time}")
    _print_tensors("in ", side.inputs)
    _print_tensors("out", side.outputs)


def _print_tensors(title: str, tensors: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in tensors.items():
        kind = "uint8" if name == "labels" else "float32"
        print(f"  {title} {name:<18}{kind:<8} {' x '.join(map(str, shape))}")


def _print_check(comparison: Comparison) -> None:
    print(
        f"check: {comparison.differing:,} of {comparison.voxels:,} voxels differ from torch "
        f"({comparison.classes} classes in the test frame)"
    )
    if comparison.tied:
        print(f"  {comparison.tied:,} of them ties: logits equal within float32 rounding")
    for name, difference in comparison.differences.items():
        print(f"  max |diff| of {name}: {difference:.1e}")
