# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: weights and a model card in one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from effocc_ros.checkpoints_header import Header, read_header
from effocc_ros.checkpoints_values import check_values
from effocc_ros.classes import class_list
from effocc_ros.errors import LONGEST_NAME, InputError, shown, some
from effocc_ros.files import whole_file
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.plain_files import parse_json
from effocc_ros.presets import config_from_mapping, config_to_mapping
from effocc_ros.resources import resource_path

CARD_KEY = "effocc_card"
"""Where the card stands in the metadata of the safetensors file."""

LONGEST_CARD = 1 << 20
"""Characters of a card; most have 3,000."""
TORCH_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin")


def make_card(
    config: ModelConfig,
    *,
    trained: bool,
    source: str = "",
    training_data: str = "",
    licence: str = "",
    notes: str = "",
) -> dict[str, Any]:
    """Return a model card: what a reader of a checkpoint must know, as JSON values.

    Args:
        config: What the network looks like.
        trained: False when the weights are random.
        source: Where the weights come from.
        training_data: What they were trained on.
        licence: Under which terms they may be used.
        notes: Whatever else is worth knowing.
    """
    classes = class_list(config.classes)
    return {
        "preset": config.name,
        "config": config_to_mapping(config),
        "classes": list(classes.names),
        "free_label": classes.free,
        "grid": {"frame": config.frame, **asdict(config.grid)},
        "image": {"channels": "BGR", "mean": config.image_mean, "std": config.image_std},
        "trained": trained,
        "source": source,
        "training_data": training_data,
        "licence": licence,
        "notes": notes,
    }


def save_checkpoint(
    path: Path | str,
    config: ModelConfig,
    state: Mapping[str, Tensor],
    card: Mapping[str, Any],
    *,
    half: bool = False,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: The file, ``.safetensors``.
        config: What the network looks like.
        state: Its state dict, with all keys.
        card: From :func:`make_card`.
        half: Store weights as float16, which halves the file. Vectors stay float32: they are
            small, and among them are variances, which float16 may not hold.

    Raises:
        InputError: The state dict does not fit the config, the card calls weights trained that
            are no numbers, a weight is too large for float16, or the file cannot be written.
    """
    check_state(state, config, what=f"state dict for {path}")
    if card.get("trained"):
        check_values(state, what=f"state dict for {path}")
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    if half:
        tensors = {name: _halved(name, value) for name, value in tensors.items()}
    with whole_file(path) as partial:
        partial.write_bytes(save(tensors, {CARD_KEY: json.dumps(card), "format": "pt"}))


def load_checkpoint(path: Path | str) -> tuple[ModelConfig, dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint.

    Args:
        path: A file written by :func:`save_checkpoint`.

    Returns:
        Config, state dict on the CPU, and card. The state dict fits the config; what is stored
        as float16 comes as float32.

    Raises:
        InputError: There is no such file, it is no whole safetensors file with a card, keys or
            shapes of its weights or its classes do not fit its config, or a weight is no number.
    """
    path = Path(path)
    header = _header(path)
    config, card = _card(path, header)
    # The card is not believed: nothing is made or read before the shapes are seen to fit.
    _check_shapes(header.shapes, config, what=f"checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: _whole(file.get_tensor(name)) for name in header.shapes}
    except (SafetensorError, OSError, RuntimeError) as error:
        raise _bad_checkpoint(path, f"no whole safetensors file ({error})") from error
    check_values(state, what=f"checkpoint {path}")
    return config, state, card


def read_card(path: Path | str) -> tuple[ModelConfig, dict[str, Any]]:
    """Read what a checkpoint looks like, and its card, without its weights.

    Raises:
        InputError: As :func:`load_checkpoint` says, as far as the card goes.
    """
    path = Path(path)
    return _card(path, _header(path))


def shipped_checkpoint(preset: str) -> Path | None:
    """Return the checkpoint of a preset that ships with the package, or None."""
    path = resource_path("models") / f"{preset}.safetensors"
    return path if path.is_file() else None


def check_state(state: Mapping[str, Tensor], config: ModelConfig, what: str) -> None:
    """Compare keys and shapes of a state dict with those of the network it is for.

    Raises:
        InputError: They differ; the message names missing, unexpected and misshapen keys.
    """
    _check_shapes({name: tuple(value.shape) for name, value in state.items()}, config, what)


def _check_shapes(state: Mapping[str, tuple[int, ...]], config: ModelConfig, what: str) -> None:
    expected = state_shapes(config)
    missing = [name for name in expected if name not in state]
    extra = [shown(name, LONGEST_NAME) for name in state if name not in expected]
    misshapen = [
        f"{name} {state[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in state and state[name] != shape
    ]
    if missing or extra or misshapen:
        lists = {"missing": missing, "unexpected": extra, "wrong shape": misshapen}
        raise InputError(
            what,
            found="; ".join(f"{some(names)} {kind}" for kind, names in lists.items() if names),
            expected=f"the {len(expected)} keys and shapes of {config.name}",
            do="Take the preset that the weights were trained with",
            reason="bad_checkpoint",
        )


@cache
def state_shapes(config: ModelConfig) -> Mapping[str, tuple[int, ...]]:
    """Return name and shape of every entry of a network's state dict; no memory is needed."""
    with torch.device("meta"):
        network = EffOcc(config)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return MappingProxyType(shapes)


def _header(path: Path) -> Header:
    if not path.is_file():
        raise InputError(
            f"checkpoint {path}",
            found="no such file",
            expected="a .safetensors file",
            do="See `effocc models` for presets that need no file",
            reason="no_checkpoint",
        )
    if path.suffix in TORCH_SUFFIXES:
        raise _bad_checkpoint(path, f"a {path.suffix} file")
    try:
        return read_header(path)
    except (OSError, ValueError) as error:
        raise _bad_checkpoint(path, f"no whole safetensors file ({error})") from error


def _card(path: Path, header: Header) -> tuple[ModelConfig, dict[str, Any]]:
    text = header.metadata.get(CARD_KEY, "")
    try:
        card = parse_json(text) if len(text) <= LONGEST_CARD else None
    except ValueError as error:
        raise _bad_checkpoint(path, "no model card in its metadata") from error
    if not isinstance(card, dict) or not isinstance(card.get("config"), dict):
        raise _bad_checkpoint(path, "a card without a config")
    if not isinstance(card.get("trained"), bool):
        raise _bad_checkpoint(path, f"a card that says trained: {card.get('trained')!r}")
    config = config_from_mapping(card["config"], what=f"card of {path}")
    _check_classes(card, config, what=f"card of {path}")
    return config, card


def _halved(name: str, value: Tensor) -> Tensor:
    if value.ndim < 2 or not value.is_floating_point():
        return value
    half = value.half()
    if not half.isfinite().all():
        raise InputError(
            f"weight {name}",
            found=f"values up to {value.abs().max():g}",
            expected=f"at most {torch.finfo(torch.float16).max:g}, for it is stored in float16",
            do="Store the checkpoint in float32, or see why training gave such a weight",
            reason="bad_checkpoint",
        )
    return half


def _whole(value: Tensor) -> Tensor:
    return value.float() if value.dtype == torch.float16 else value


def _check_classes(card: Mapping[str, Any], config: ModelConfig, what: str) -> None:
    """Refuse a card whose classes are not those of the list that it names."""
    classes = class_list(config.classes)
    if len(classes.names) != config.class_count:
        raise InputError(
            what,
            found=f"{config.class_count} classes in the network",
            expected=f"the {len(classes.names)} classes of the list {classes.name}",
            reason="bad_checkpoint",
        )
    names, free = card.get("classes"), card.get("free_label")
    if names != list(classes.names) or free != classes.free:
        said = ", ".join(map(str, names)) if isinstance(names, list) else repr(names)
        count = len(names) if isinstance(names, list) else "no list of"
        raise InputError(
            what,
            found=f"{count} classes ({said}) with free label {free!r}",
            expected=f"the {len(classes.names)} classes of the list {classes.name} "
            f"({', '.join(classes.names)}) with free label {classes.free}",
            do="Convert the checkpoint again, or correct its card",
            reason="bad_checkpoint",
        )


def _bad_checkpoint(path: Path, found: str) -> InputError:
    return InputError(
        f"checkpoint {path}",
        found=found,
        expected="a .safetensors file with a model card",
        do="Official .pth files are read by `effocc checkpoint convert`",
        reason="bad_checkpoint",
    )
