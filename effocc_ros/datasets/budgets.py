"""Label budgets: the few scenes whose labels a network may learn from."""

import random
from collections.abc import Iterable

from effocc_ros.errors import InputError

SEED = 42
"""Seed of EFFOcc's draw, the same for teacher and student: both know the same labels."""


def labeled_scenes(tokens: Iterable[str], fraction: float) -> frozenset[str]:
    """Draw the scenes that count as labeled, as EFFOcc draws them.

    Of the 700 training scenes, 5 % are 35, 10 % are 70, and so on; at least one.

    Args:
        tokens: Tokens of all training scenes; their order does not matter.
        fraction: Part of them, above 0 and up to 1.

    Raises:
        InputError: The fraction is outside of this.
    """
    if not 0.0 < fraction <= 1.0:
        raise InputError(
            "labeled_fraction",
            found=str(fraction),
            expected="a number above 0 and up to 1, such as 0.05 for 5 % of the scenes",
            reason="bad_fraction",
        )
    ordered = sorted(set(tokens))
    count = min(max(round(fraction * len(ordered)), 1), len(ordered))
    return frozenset(random.Random(SEED).sample(ordered, count))
