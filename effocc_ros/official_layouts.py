# SPDX-License-Identifier: Apache-2.0
"""What official weights are called, and how they lie: prefixes of names, layouts of weights."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import Tensor

FAMILY = (
    "img_backbone.",
    "img_neck.",
    "img_view_transformer.",
    "img_bev_encoder_backbone.",
    "img_bev_encoder_neck.",
    "occ_fuser.",
    "pts_middle_encoder.",
    "pts_backbone.",
    "pts_neck.",
    "occ_head.",
)
"""Parts that the networks of the family are made of; other heads of a file are left out."""

WANTED = "(out, k, k, k, in)"
LAYOUTS = {
    WANTED: (0, 1, 2, 3, 4),
    "(k, k, k, in, out)": (4, 0, 1, 2, 3),
    "(out, in, k, k, k)": (0, 2, 3, 4, 1),
    "(in, out, k, k, k)": (1, 2, 3, 4, 0),
    "(k, k, k, out, in)": (3, 0, 1, 2, 4),
    "(in, k, k, k, out)": (4, 1, 2, 3, 0),
}
"""How a sparse weight lies -> its axes in the order of ours.

The first is that of spconv 2, which this package has, the second that of spconv 1, the next two
are those of dense convolutions and of their transposes. The kernel's axes are z, y, x in all.
"""

FLAT = {layout.replace("k, k, k", "k*k*k"): layout for layout in LAYOUTS}
"""The same with the kernel's axes as one, z slowest -> how they lie apart."""

Shapes = Mapping[str, tuple[int, ...]]

_PART = re.compile("(?:^|(?<=[.]))(?:" + "|".join(part[:-1] for part in FAMILY) + ")[.]")
_SAME = 0.9
"""Part of the names of the largest network that another one in a file has at least."""


@dataclass(frozen=True)
class Network:
    """The weights of one network of a file.

    Attributes:
        prefix: What all names of it begin with in the file; empty, or ending in a dot.
        state: The weights without the prefix, and what belongs to no network.
        others: Prefix of each other network in the file -> number of its entries.
    """

    prefix: str
    state: dict[str, Tensor]
    others: dict[str, int]


def find_network(state: Mapping[str, Tensor]) -> Network:
    """Find the network in a state dict, whatever prefix its names have.

    Wrappers of trainers put all names below ``module.``, ``model.`` and the like. Where there are
    several networks, averaged weights (EMA) go first, then names without a prefix; teachers of a
    distillation are none.
    """
    found = {name: _PART.search(name) for name in state}
    counts = Counter(name[: part.start()] for name, part in found.items() if part)
    students = {prefix: count for prefix, count in counts.items() if "teacher" not in prefix}
    most = max(students.values(), default=0)
    same = [prefix for prefix, count in students.items() if count >= _SAME * most]
    averaged = [prefix for prefix in same if "ema" in re.split("[._]", prefix)]
    prefix = min(averaged or same, key=lambda each: (-students[each], len(each)), default="")
    if "" in same and not averaged:
        prefix = ""
    own, others = {}, Counter()
    for name, value in state.items():
        part = found[name]
        belongs = name[: part.start()] if part else _longest(name, counts)
        if belongs in (prefix, None):
            own[name.removeprefix(prefix)] = value
        else:
            others[belongs] += 1
    return Network(prefix, own, dict(others))


def find_layout(state: Shapes, wanted: Shapes) -> str:
    """Return how the sparse weights of a file lie; the wanted layout where none fits better.

    One weight with as many inputs as outputs does not tell, all together do.

    Args:
        state: Name -> shape in the file.
        wanted: Name -> shape in the network.
    """
    sparse = {name: state[name] for name in wanted if len(wanted[name]) == 5 and name in state}

    def fitting(layout: str) -> int:
        return sum(
            laid_out(shape, layout, wanted[name]) == wanted[name] for name, shape in sparse.items()
        )

    return max((*LAYOUTS, *FLAT), key=fitting)


def laid_out(shape: tuple[int, ...], layout: str, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that a weight has after :func:`to_layout`."""
    apart = _apart(shape, layout, wanted)
    return shape if apart is None else tuple(apart[axis] for axis in _axes(layout))


def to_layout(value: Tensor, layout: str, wanted: tuple[int, ...]) -> Tensor:
    """Bring a sparse weight from a layout of the file to ours; leave all else alone.

    Args:
        value: The weight.
        layout: How it lies.
        wanted: Its shape in the network.
    """
    apart = _apart(tuple(value.shape), layout, wanted)
    if apart is None or layout == WANTED:
        return value
    return value.reshape(apart).permute(_axes(layout)).contiguous()


def _axes(layout: str) -> tuple[int, ...]:
    return LAYOUTS[FLAT.get(layout, layout)]


def _apart(shape: tuple[int, ...], layout: str, wanted: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of a sparse weight with three axes of the kernel; None of all else."""
    if len(wanted) != 5 or len(shape) != (3 if layout in FLAT else 5):
        return None
    if layout not in FLAT:
        return shape
    kernel, place = wanted[1:4], layout.strip("()").split(", ").index("k*k*k")
    return (*shape[:place], *kernel, *shape[place + 1 :]) if shape[place] == prod(kernel) else None


def _longest(name: str, prefixes: Mapping[str, int]) -> str | None:
    """Return the longest prefix that a name of no part has; None where it has none."""
    return max((each for each in prefixes if name.startswith(each)), key=len, default=None)
