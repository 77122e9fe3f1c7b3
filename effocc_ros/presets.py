# SPDX-License-Identifier: Apache-2.0
"""Model presets: config/model/<name>.yaml, read into ModelConfig."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.config import (
    BEV_ENCODERS,
    IMAGE_BACKBONES,
    IMAGE_NECKS,
    MODALITIES,
    ModelConfig,
)
from effocc_ros.presets_limits import check_limits
from effocc_ros.resources import resource_path
from effocc_ros.typed_values import (
    as_tuple,
    bad_field,
    check_field,
    check_names,
    finite,
    fits,
    read_mapping,
)

FOLDER = "config/model"
_GRIDS = ("grid", "bev", "voxels")
_CHOICES = {
    "modality": MODALITIES,
    "frame": ("ego", "lidar"),
    "image_backbone": IMAGE_BACKBONES,
    "image_neck": IMAGE_NECKS,
    "bev_encoder": BEV_ENCODERS,
}
_POSITIVE = (
    "class_count",
    "image_size",
    "image_std",
    "image_width",
    "image_channels",
    "image_downsample",
    "bev_channels",
    "max_voxels",
    "max_points_per_voxel",
    "voxel_widths",
    "voxel_blocks",
    "fused_channels",
    "trunk_widths",
    "trunk_layers",
    "trunk_channels",
    "encoder_widths",
    "encoder_channels",
    "head_channels",
    "head_hidden",
)
"""Fields whose numbers are greater than zero."""

_NOT_NEGATIVE = ("sweeps", "upsample_channels", "tanh_columns", "image_stages")
_LAST_STAGE = 3
_NEEDED = {
    "fusion": ("cameras", "bev", "voxels"),
    "vision": ("cameras", "bev"),
    "lidar": ("voxels",),
}
"""Fields that a modality cannot do without."""


def preset_names() -> tuple[str, ...]:
    """Return the names of all shipped presets, sorted."""
    return tuple(sorted(file.stem for file in resource_path(FOLDER).glob("*.yaml")))


def load_preset(name: str) -> ModelConfig:
    """Read a preset.

    Args:
        name: One of :func:`preset_names`, or the path of a YAML file of one's own, ``.yaml``.

    Raises:
        InputError: There is no such preset, or the file is none.
    """
    names = preset_names()
    own = Path(name)
    if own.suffix == ".yaml" and own.is_file():
        return _read_preset(own)
    if name not in names:
        raise InputError(
            "model preset",
            found=repr(name),
            expected=f"one of {', '.join(names)}",
            do="See `effocc models`",
            reason="unknown_preset",
        )
    return _read_preset(resource_path(f"{FOLDER}/{name}.yaml"))


def config_from_mapping(values: Mapping[str, Any], what: str) -> ModelConfig:
    """Build a ModelConfig from plain values, as YAML and JSON give them.

    Args:
        values: Field names and values; lists stand for tuples, mappings for grids.
        what: What an error shall call the source.

    Raises:
        InputError: A field is missing or unknown, a value does not fit its field or is beyond the
            limits of :mod:`effocc_ros.presets_limits`.
    """
    check_names(ModelConfig, values, what)
    values = {name: as_tuple(value) for name, value in values.items()}
    for name in _GRIDS:
        if values.get(name) is not None:
            values[name] = _grid(values[name], f"{what}, field {name}")
    for name, hint in get_type_hints(ModelConfig).items():
        if name in values:
            check_field(values[name], hint, what, name)
    config = ModelConfig(**values)
    _check_numbers(config, what)
    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices:
            raise bad_field(what, name, getattr(config, name), f"one of {', '.join(choices)}")
    for name in _NEEDED[config.modality]:
        if not getattr(config, name):
            expected = f"a value, for this is a {config.modality} network"
            raise bad_field(what, name, getattr(config, name), expected)
    if config.bev_encoder == "resnet" and config.modality != "vision":
        raise bad_field(what, "bev_encoder", "resnet", "second: only cameras have the other one")
    if config.point_grid and config.modality == "vision":
        raise bad_field(what, "point_grid", True, "false, for this is a vision network")
    check_limits(config, what)
    return config


def config_to_mapping(config: ModelConfig) -> dict[str, Any]:
    """Return the plain values of a ModelConfig, such that config_from_mapping gives it back."""
    return asdict(config)


def _read_preset(path: Path) -> ModelConfig:
    values = read_mapping(path, f"preset {path.stem}")
    return config_from_mapping({"name": path.stem, **values}, what=f"preset {path.stem}")


def _check_numbers(config: ModelConfig, what: str) -> None:
    """Refuse numbers that no network can be built of."""
    for name in (field.name for field in fields(ModelConfig)):
        value = getattr(config, name)
        numbers = [
            number
            for number in (value if isinstance(value, tuple) else (value,))
            if isinstance(number, (int, float))
        ]
        if not all(map(finite, numbers)):
            raise bad_field(what, name, value, "finite numbers")
        if name in _POSITIVE and not (numbers and min(numbers) > 0):
            raise bad_field(what, name, value, "numbers greater than 0")
        if name in _NOT_NEGATIVE and numbers and min(numbers) < 0:
            raise bad_field(what, name, value, "numbers of 0 or more")
    start, end, step = config.depth_range
    if not (0 <= start < end and step > 0):
        raise bad_field(what, "depth_range", config.depth_range, "0 <= start < end, step > 0")
    stages = config.image_stages
    if not stages or max(stages) > _LAST_STAGE:
        raise bad_field(what, "image_stages", stages, f"stages of 0 to {_LAST_STAGE}")


def _grid(values: Any, what: str) -> VoxelGrid:
    hints = get_type_hints(VoxelGrid)
    expected = f"a mapping of {', '.join(hints)}, three numbers each"
    if not isinstance(values, Mapping) or {*values} != {*hints}:
        raise InputError(what, found=repr(values), expected=expected, reason="bad_config")
    triples = {name: as_tuple(values[name]) for name in hints}
    for name, triple in triples.items():
        if not fits(triple, hints[name]) or not all(map(finite, triple)):
            kind = "whole" if name == "shape" else "finite"
            raise bad_field(what, name, triple, f"three {kind} numbers")
        if name != "lower" and min(triple) <= 0:
            raise bad_field(what, name, triple, "three numbers greater than 0")
    return VoxelGrid(**triples)
