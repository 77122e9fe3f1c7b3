# SPDX-License-Identifier: Apache-2.0
"""Read a training's config: config/train/<name>.yaml and key=value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml

from effocc_ros.errors import InputError
from effocc_ros.resources import resource_path
from effocc_ros.training.config import TrainConfig
from effocc_ros.typed_values import bad_field, build, finite, read_mapping

FOLDER = "config/train"
_CHOICES = {
    "schedule": ("constant", "step", "cosine"),
    "precision": ("32-true", "bf16-mixed"),
    "inherit": ("none", "head", "all"),
    "loss": ("cross_entropy", "ohem", "openoccupancy"),
    "class_weights": ("none", "inverse_sqrt", "waymo"),
}
_AT_LEAST_1 = ("batch_size", "accumulate", "devices", "num_nodes", "log_every", "val_limit")
_POSITIVE = ("lr", "clip", "warmup_ratio", "ema_ramp", "labeled_fraction", "columns")
_SHARES = (
    "labeled_fraction",
    "columns",
    "warmup_ratio",
    "ema_decay",
    "unseen_weight",
    "logit_adjustment",
)
"""Fields of 0 to 1."""


def config_names() -> tuple[str, ...]:
    """Return the names of all shipped trainings, sorted."""
    return tuple(sorted(file.stem for file in resource_path(FOLDER).glob("*.yaml")))


def load_config(name: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training's config.

    Args:
        name: One of :func:`config_names`, or the path of a YAML file.
        overrides: ``key=value``; values are YAML, dots lead into nested fields.

    Raises:
        InputError: There is no such config, a field is unknown, or a value does not fit.
    """
    path = resource_path(FOLDER) / f"{name}.yaml" if name in config_names() else Path(name)
    if not path.is_file():
        raise InputError(
            "training config",
            found=repr(name),
            expected=f"a YAML file, or one of {', '.join(config_names())}",
            reason="unknown_config",
        )
    values = read_mapping(path, f"training config {name}")
    values = {"name": path.stem, **values}
    for override in overrides:
        _override(values, override)
    return config_from_mapping(values, what=f"training config {name}")


def config_from_mapping(values: Mapping[str, Any], what: str) -> TrainConfig:
    """Build a TrainConfig from plain values.

    Args:
        values: Field names and values; lists stand for tuples, mappings for nested fields.
        what: What an error shall call the source.

    Raises:
        InputError: A field is missing or unknown, or a value does not fit its field.
    """
    config = build(TrainConfig, _numbers(values), what)
    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices:
            raise bad_field(what, name, getattr(config, name), f"one of {', '.join(choices)}")
    for name, value in _flat_numbers(config):
        _check_number(name, value, what)
    if not (config.max_steps or config.epochs or config.max_minutes):
        raise bad_field(what, "max_steps", 0, "an end: max_steps, epochs or max_minutes")
    if config.batch_size % config.accumulate:
        expected = f"a divisor of batch_size {config.batch_size}"
        raise bad_field(what, "accumulate", config.accumulate, expected)
    if config.init and config.image_weights:
        raise bad_field(what, "image_weights", config.image_weights, "nothing, for init has all")
    if config.logit_adjustment > 0 and config.class_weights == "none":
        expected = "0, for there are no class_weights to take back"
        raise bad_field(what, "logit_adjustment", config.logit_adjustment, expected)
    if config.lovasz_weight > 0 and config.loss == "openoccupancy":
        expected = "0, for openoccupancy has such a term"
        raise bad_field(what, "lovasz_weight", config.lovasz_weight, expected)
    if not config.root:
        raise bad_field(what, "root", "", "the folder of the data set: root=FOLDER")
    if not config.teacher:
        for name in ("unlabeled", "pseudo_labels", "teacher_train_mode"):
            if getattr(config, name):
                raise bad_field(what, name, True, "false, for there is no teacher=CHECKPOINT")
    if config.unlabeled and not config.asks_teacher:
        expected = (
            "false, or something to learn there: pseudo_labels=true, or stage_weights above 0"
        )
        raise bad_field(what, "unlabeled", True, expected)
    return config


def config_to_mapping(config: TrainConfig) -> dict[str, Any]:
    """Return plain values such that config_from_mapping gives the config back."""
    return _lists(asdict(config))


def _check_number(name: str, value: float, what: str) -> None:
    if not finite(value) or value < 0:
        raise bad_field(what, name, value, "a finite number, 0 or more")
    if name in _AT_LEAST_1 and value < 1:
        raise bad_field(what, name, value, "1 or more")
    if name in _POSITIVE and value <= 0:
        raise bad_field(what, name, value, "a number greater than 0")
    if name == "seed" and value >= 2**63:
        raise bad_field(what, name, value, "less than 2^63")
    if name in _SHARES and value > 1:
        raise bad_field(what, name, value, "at most 1")


def _flat_numbers(config: TrainConfig) -> list[tuple[str, float]]:
    found = [(entry.name, getattr(config, entry.name)) for entry in fields(config)]
    found += [
        (f"stage_weights.{key}", value) for key, value in asdict(config.stage_weights).items()
    ]
    found += [("milestones", value) for value in config.milestones]
    return [(n, v) for n, v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def _override(values: dict[str, Any], override: str) -> None:
    """Put ``key=value`` into a mapping; ``a.b=1`` goes into the mapping of ``a``."""
    key, equals, text = override.partition("=")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    *path, last = key.strip().split(".")
    if not equals or not last:
        raise InputError(
            "override", found=repr(override), expected="key=value", reason="bad_override"
        )
    for part in path:
        inner = values.get(part)
        values[part] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[part]
    # `init=` takes a text away; a null would not fit it.
    values[last] = "" if text == "" else value


def _numbers(value: Any) -> Any:
    """Turn what YAML 1.1 takes for a text, such as 4e-4, into the number that it is."""
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, str) and value[:1] in "0123456789.+-":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, tuple) else value
