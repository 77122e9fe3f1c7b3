# SPDX-License-Identifier: Apache-2.0
"""How many numbers a point has in a file that does not say: its size alone decides too little.

1000 points of 4 numbers are as long as 800 points of 5. But numbers of one column are alike, and
of different ones differ: coordinates along x and z, intensities, rings. Read with the wrong number
of columns, each column holds all kinds.
"""

import math

import numpy as np
from numpy.typing import NDArray

KNOWN = (3, 4, 5, 6, 7, 8)
"""Numbers per point of known files: x, y, z and, but for the first, intensity; then all else."""
FEWEST = 100
"""Points of which columns can be told."""
MIXED = 0.7
"""Variance within columns over variance of all numbers, above which columns are none."""
CLEARLY = 0.9
"""How much smaller it must be for another number of columns to be believed."""
MOSTLY = 0.9
BLOCKS, BLOCK = 16, 120
"""Runs of points that are looked at, and points of each."""
FURTHEST = 1e4
"""Metres. Of numbers that are no coordinates many are larger."""


def point_layout(data: bytes, expected: int) -> tuple[str, int] | None:
    """Return of which numbers the points of a file are.

    Args:
        data: The file.
        expected: Numbers per point that the format says, float32.

    Returns:
        ``<f4`` or ``<f8``, and how many of it a point has; None where they are no whole points.
    """
    said = ("<f4", expected) if len(data) % (4 * expected) == 0 else None
    if len(data) < 4 * expected * FEWEST:
        return said
    alone = all(math.gcd(expected, columns) == 1 for columns in KNOWN if columns != expected)
    if said and alone and spread(np.frombuffer(data, "<f4"), expected) < MIXED:
        return said
    for kind in ("<f4", "<f8"):
        columns = _columns(data, kind, expected)
        if columns is not None:
            return kind, columns
    return said


def are_coordinates(points: NDArray) -> bool:
    """Return whether the first three numbers of points (N, C) are metres where they are finite."""
    places = np.abs(_sample(points)[:, :3])
    known = places[np.isfinite(places)]
    return bool(len(known) and (known < FURTHEST).mean() > MOSTLY)


def spread(values: NDArray, columns: int) -> float:
    """Return the variance within columns over the variance of all numbers, 0 to 1."""
    with np.errstate(all="ignore"):
        rows = np.arcsinh(_sample(values.reshape(-1, columns)).astype(np.float64))
    rows = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
    return min(_within(rows), _within(np.abs(rows)))


def _columns(data: bytes, kind: str, expected: int) -> int | None:
    """Return the number of columns in which the numbers are most alike; None for none."""
    size = np.dtype(kind).itemsize
    spreads = {
        columns: spread(np.frombuffer(data, kind), columns)
        for columns in {*KNOWN, expected}
        if len(data) % (columns * size) == 0
    }
    best = min(spreads.values(), default=1.0)
    if best >= MIXED:
        return None
    even = [columns for columns, found in spreads.items() if found * CLEARLY <= best]
    # Twice the columns are as even as they themselves.
    divided = any(expected % columns == 0 for columns in even if columns < expected)
    return expected if expected in even and not divided else min(even)


def _sample(rows: NDArray) -> NDArray:
    """Return runs of rows from all over a file."""
    starts = np.linspace(0, max(0, len(rows) - BLOCK), BLOCKS).astype(int)
    return np.concatenate([rows[start : start + BLOCK] for start in starts])


def _within(rows: NDArray[np.float64]) -> float:
    total = rows.var()
    return float(rows.var(axis=0).mean() / total) if total > 0 else 1.0
