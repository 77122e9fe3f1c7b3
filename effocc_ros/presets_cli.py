# SPDX-License-Identifier: Apache-2.0
"""`effocc models`: the presets and what they cost."""

import argparse
import json
from dataclasses import asdict, dataclass

import torch

from effocc_ros.checkpoints import shipped_checkpoint
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.macs import dense_macs
from effocc_ros.presets import load_preset, preset_names


@dataclass(frozen=True)
class ModelFacts:
    """What `effocc models` tells of a preset.

    Attributes:
        name: The preset's name.
        modality: ``fusion``, ``vision`` or ``lidar``.
        backbone: Image backbone, empty for LiDAR networks.
        image_size: Height and width of the input images, None for LiDAR networks.
        cameras: Number of cameras.
        classes: Name of the class list.
        class_count: Number of classes.
        grid: Number of voxels along x, y, z.
        parameters: Number of trained numbers.
        dense_gmacs: Multiplications of the dense layers for one frame, in 10**9.
        trained: True when trained weights ship, as models/<name>.safetensors.
    """

    name: str
    modality: str
    backbone: str
    image_size: tuple[int, int] | None
    cameras: int
    classes: str
    class_count: int
    grid: tuple[int, int, int]
    parameters: int
    dense_gmacs: float
    trained: bool


def model_facts(config: ModelConfig) -> ModelFacts:
    """Measure a preset without making its weights."""
    with torch.device("meta"):
        network = EffOcc(config).eval().requires_grad_(False)
        gmacs = sum(dense_macs(network).values()) * 1e-9
    has_cameras = config.modality != "lidar"
    return ModelFacts(
        name=config.name,
        modality=config.modality,
        backbone=config.image_backbone if has_cameras else "",
        image_size=config.image_size if has_cameras else None,
        cameras=len(config.cameras),
        classes=config.classes,
        class_count=config.class_count,
        grid=config.grid.shape,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        dense_gmacs=round(gmacs, 1),
        trained=shipped_checkpoint(config.name) is not None,
    )


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb `models`."""
    parser = subparsers.add_parser(
        "models",
        help="list the model presets and their parameter counts",
        description="List the model presets. A preset by its name has random weights; trained "
        "weights come as a checkpoint file (see models/README.md).",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the presets."""
    facts = [model_facts(load_preset(name)) for name in preset_names()]
    if arguments.json:
        print(json.dumps([asdict(fact) for fact in facts], indent=1))
        return
    titles = (
        "preset",
        "mode",
        "image",
        "classes",
        "voxels",
        "trained",
        "parameters",
        "dense GMAC",
    )
    rows = [titles, *map(_row, facts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:6], widths[:6], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(row[6:], widths[6:], strict=True)]
        print("  ".join(cells).rstrip())


def _row(fact: ModelFacts) -> tuple[str, ...]:
    image = ""
    if fact.image_size is not None:
        height, width = fact.image_size
        image = f"{fact.cameras} x {height}x{width} {fact.backbone}"
    return (
        fact.name,
        fact.modality,
        image,
        f"{fact.classes} ({fact.class_count})",
        "x".join(map(str, fact.grid)),
        "yes" if fact.trained else "no",
        f"{fact.parameters:,}",
        f"{fact.dense_gmacs:.1f}",
    )
