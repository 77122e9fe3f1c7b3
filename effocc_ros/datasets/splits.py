# SPDX-License-Identifier: Apache-2.0
"""Which scenes train, which scenes judge."""

from functools import cache
from pathlib import Path

import yaml

from effocc_ros.errors import InputError
from effocc_ros.plain_files import read_json
from effocc_ros.resources import resource_path

ALL = "all"
"""The split that every scene is in."""
CUSTOM_FILE = "splits.json"
"""In a folder of tables: splits of its own, as nuscenes-devkit reads them."""


@cache
def official_splits() -> dict[str, frozenset[str]]:
    """Return the scene names of nuScenes' train, val, test, mini_train and mini_val."""
    text = resource_path("config/splits/nuscenes.yaml").read_text(encoding="utf-8")
    return {
        split: frozenset(f"scene-{number:04d}" for number in _numbers(ranges))
        for split, ranges in yaml.safe_load(text).items()
    }


def scenes_of_split(split: str, tables: Path) -> frozenset[str] | None:
    """Return the names of a split's scenes.

    Args:
        split: An official split, one of the folder's own (``splits.json``), or ``all``.
        tables: Folder of the nuScenes tables.

    Returns:
        The names; None for ``all``.

    Raises:
        InputError: No such split, or the folder's own file is broken.
    """
    if split == ALL:
        return None
    known = official_splits() | custom_splits(tables)
    if split not in known:
        raise InputError(
            f"split {split}",
            found="no such split",
            expected=f"one of {', '.join([*known, ALL])}",
            do=f"Choose one of these, or write your own to {tables / CUSTOM_FILE}",
            reason="unknown_split",
        )
    return known[split]


def custom_splits(tables: Path) -> dict[str, frozenset[str]]:
    """Return the splits that a folder of tables brings; they go before the official ones.

    Raises:
        InputError: The file is no JSON object of lists of scene names.
    """
    path = tables / CUSTOM_FILE
    if not path.is_file():
        return {}
    try:
        splits = read_json(path)
        if not isinstance(splits, dict):
            raise ValueError(f"a {type(splits).__name__}")
        for split, names in splits.items():
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError(f"no list of scene names in split {split}")
        return {split: frozenset(names) for split, names in splits.items()}
    except (OSError, ValueError) as error:
        raise InputError(
            f"splits {path}",
            found=f"{error}",
            expected='a JSON object such as {"train": ["scene-0001"], "val": ["scene-0002"]}',
            reason="bad_splits",
        ) from error


def official_version(split: str) -> str:
    """Return the folder of tables that an official split belongs to."""
    return {"test": "v1.0-test", "mini_train": "v1.0-mini", "mini_val": "v1.0-mini"}.get(
        split, "v1.0-trainval"
    )


def _numbers(ranges: str) -> list[int]:
    """ "1-3 7" is 1, 2, 3, 7."""
    numbers = []
    for part in str(ranges).split():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
