# SPDX-License-Identifier: Apache-2.0
"""Which points of a cloud are returns, and which are a driver's way to say that none came back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.stream.report import Remark

AT_SENSOR, OUT_OF_RANGE = 1e-6, 1e3
"""Metres. What lies nearer or further in x, y and z is no return, but a code for none.

Points of nuScenes come as near as 7e-6 m, and networks saw them in training.
"""

SAMPLED = 512
"""Points by which a cloud is looked at for codes of a kind that is not known."""

FEW = 10
"""Times that a place occurs among them by chance, at most."""

SHELL = 0.05, 0.9
"""Part of the points at the very same, largest distance from which, and up to which, simulated
rays without a return are put there."""

SHELL_METRES, SHELL_DEPTH = 20.0, 1e-4
"""How far such a shell is at least, and its thickness as part of that."""

NEAR, NEAR_SHARE = 0.1, 0.02
"""Metres: no LiDAR measures nearer than that. Where more than this part of the points lies there,
they are rays without a return that a driver moved by the place of the lens."""

VEHICLE = 1.0
"""Metres: a vehicle reaches further than a cloud that lies within, unless its unit is another."""


@dataclass(frozen=True)
class Returns:
    """Which points of a cloud can be used.

    Attributes:
        kept: Their places; None for all.
        not_finite: How many points have a coordinate that is not finite.
        no_return: How many are no returns, for another reason.
        remarks: What is to be said of it.
    """

    kept: NDArray[np.intp] | None = None
    not_finite: int = 0
    no_return: int = 0
    remarks: tuple[Remark, ...] = ()


def find_returns(points: NDArray[np.float32], source: str, near_are_codes: bool = True) -> Returns:
    """Tell returns from all else.

    Args:
        points: (N, 3 or more) x, y, z in metres; N is at least 1.
        source: The LiDAR's name, for errors.
        near_are_codes: Whether many points next to the sensor are codes, too. Some keyframes of
            nuScenes have a tenth of their points there, with which networks were trained.

    Raises:
        InputError: None is a return, or the unit is not metres.
    """
    x, y, z = np.abs(points[:, :3].T)
    furthest = np.maximum(np.maximum(x, y, out=x), z, out=x)  # keeps NaN
    kept = (furthest > AT_SENSOR) & (furthest < OUT_OF_RANGE)
    count, plain = len(points), int(np.count_nonzero(kept))
    not_finite = 0 if plain == count else count - int(np.count_nonzero(np.isfinite(furthest)))
    if not_finite < count:
        _check_unit(points, furthest, source)
    _leave_out_codes(points, furthest, kept, near_are_codes)
    used = int(np.count_nonzero(kept))
    if not used:
        raise _nothing(source, count, not_finite)
    remarks = _remarks(source, count, not_finite, count - used - not_finite)
    if used > SAMPLED and not (furthest[kept] > VEHICLE).any():
        text = (
            f"cloud of {source}: found all points within {VEHICLE:g} m; expected metres. They are "
            "used so: look whether the LiDAR is covered, or the unit is another."
        )
        remarks.append(Remark("near_points", text))
    where = None if used == count else np.flatnonzero(kept)
    return Returns(where, not_finite, count - used - not_finite, tuple(remarks))


def _check_unit(points: NDArray[np.float32], furthest: NDArray, source: str) -> None:
    """Refuse a cloud most of which lies kilometres away, each point in a place of its own."""
    step = max(len(furthest) // SAMPLED, 1)
    some = furthest[::step]
    chosen = np.isfinite(some) & (some >= OUT_OF_RANGE)
    far, places = some[chosen], np.ascontiguousarray(points[::step, :3][chosen])
    if len(far) < FEW or 2 * len(far) < len(some):
        return
    if 2 * len(np.unique(places.view("V12"))) < len(far):
        return
    raise InputError(
        f"cloud of {source}",
        found=f"points {np.median(far):.0f} m away",
        expected="metres",
        do="Look at the driver: are these millimetres or centimetres? The cloud is left out",
        reason="bad_unit",
    )


def _leave_out_codes(
    points: NDArray[np.float32],
    furthest: NDArray[np.float32],
    kept: NDArray[np.bool_],
    near_are_codes: bool,
) -> None:
    """Take out of ``kept`` the place that occurs again and again, and shells at both ends."""
    some = slice(None, None, max(len(points) // SAMPLED, 1))
    distances = furthest[some][kept[some]]
    near = np.count_nonzero(distances < NEAR) if near_are_codes else 0
    if near > max(FEW, NEAR_SHARE * len(distances)) and (distances > VEHICLE).any():
        kept &= furthest >= NEAR
    places = np.ascontiguousarray(points[some, :3][kept[some]])
    if len(places) <= FEW:
        return
    rows, counts = np.unique(places.view("V12"), return_counts=True)
    often = rows[counts > max(FEW, 0.02 * len(places))]
    for place in often.view("<f4").reshape(-1, 3):
        kept &= ~(points[:, :3] == place).all(axis=1)
    distances = np.linalg.norm(places, axis=1)
    top = distances.max()
    share = np.count_nonzero(distances > top * (1 - SHELL_DEPTH)) / len(places)
    if top > SHELL_METRES and SHELL[0] < share < SHELL[1]:
        kept &= np.linalg.norm(points[:, :3], axis=1) < top * (1 - SHELL_DEPTH)


def _nothing(source: str, count: int, not_finite: int) -> InputError:
    found, expected, reason = (
        (f"{count} points, none of them finite", "finite x, y, z", "nan_cloud")
        if not_finite == count
        else (
            f"{count} points, all at one place, out of range or not finite",
            "at least one return",
            "no_returns",
        )
    )
    return InputError(
        f"cloud of {source}",
        found=found,
        expected=expected,
        do="Look at the driver or the bag; this cloud is left out",
        reason=reason,
    )


def _remarks(source: str, count: int, not_finite: int, no_return: int) -> list[Remark]:
    remarks = []
    if not_finite:
        text = (
            f"cloud of {source}: found {not_finite} points that are not finite; expected numbers. "
            "They are left out, the others are used."
        )
        remarks.append(Remark("nan_points", text))
    if no_return:
        text = (
            f"cloud of {source}: found {no_return} of {count} points at the sensor itself, more "
            f"than {OUT_OF_RANGE:g} m away, or all at one place or distance, as rays without a "
            "return; expected points on things. They are left out, the others are used."
        )
        remarks.append(Remark("no_return", text))
    return remarks
