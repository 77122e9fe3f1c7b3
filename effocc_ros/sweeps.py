# SPDX-License-Identifier: Apache-2.0
"""Several LiDAR sweeps as one cloud: ego motion taken out, time lags written in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import inverse_rigid

CLOSE_METRES = 1.0
"""Earlier returns nearer than this to their sensor, in x and in y, are the vehicle itself."""


@dataclass(frozen=True)
class Sweep:
    """One turn of a LiDAR, and where the LiDAR was.

    Attributes:
        points: (N, 4 or more): x, y, z in metres in the LiDAR's own frame, intensity 0..255.
            Further columns (a ring number, for example) are ignored unless asked for.
        sensor2ego: (4, 4) float64, LiDAR frame to ego frame.
        ego2global: (4, 4) float64, ego pose at ``stamp``.
        stamp: Nanoseconds since the epoch.
    """

    points: NDArray
    sensor2ego: NDArray[np.float64]
    ego2global: NDArray[np.float64]
    stamp: int

    def __post_init__(self):
        if self.points.ndim != 2 or self.points.shape[1] < 4:
            raise InputError(
                "Sweep.points",
                found=f"shape {self.points.shape}",
                expected="(N, 4 or more): x, y, z, intensity",
                reason="bad_points",
            )


def aggregate_sweeps(
    reference: Sweep,
    earlier: Sequence[Sweep] = (),
    *,
    count: int = 9,
    pad_empty: bool = True,
    keep_fifth: bool = False,
    beside: Sequence[Sequence[Sweep]] = (),
) -> NDArray[np.float32]:
    """Put earlier sweeps into the reference sweep's ego frame and append them to it.

    The reference sweep keeps its close points and has lag 0. The others follow newest first,
    without close points, at most ``count`` of them. Where EFFOcc draws 9 of 10 sweeps at random,
    the newest are taken here, so that one scene always gives one cloud.

    Args:
        reference: The sweep that gives the Frame its stamp and its ego frame.
        earlier: Sweeps before it, in any order.
        count: How many earlier sweeps to use; 0 for models that see one sweep.
        pad_empty: Where there is no earlier sweep at all, append the reference ``count`` times
            without its close points, as the networks saw the first frame of a scene in training.
        keep_fifth: Keep the sweeps' own fifth column (Waymo's elongation) in place of the lag.
        beside: Sweeps of other LiDARs, each newest first: the first of each belongs to the
            reference and keeps its close points, the others are earlier ones.

    Returns:
        (N, 5) float32: x, y, z in metres in the ego frame at the reference stamp, intensity, and
        the lag in seconds (>= 0), or what the fifth column holds.

    Raises:
        InputError: A sweep in ``earlier`` is not older than the reference.
    """
    newest = sorted(earlier, key=lambda sweep: sweep.stamp, reverse=True)[: max(count, 0)]
    if newest and newest[0].stamp >= reference.stamp:
        raise InputError(
            "earlier sweeps",
            found=f"stamp {newest[0].stamp}",
            expected=f"stamps before the reference sweep's {reference.stamp}",
            do="Give only sweeps that are older than the reference",
            reason="sweep_not_earlier",
        )
    first = [reference, *(sweeps[0] for sweeps in beside if sweeps)]
    older = [sweep for sweeps in beside for sweep in sweeps[1:]] if count > 0 else []
    newest = sorted([*newest, *older], key=lambda sweep: sweep.stamp, reverse=True)
    global2ego = inverse_rigid(reference.ego2global)

    def part(sweep: Sweep, points: NDArray) -> tuple[NDArray, NDArray, float]:
        sensor2reference = sweep.sensor2ego
        if sweep is not reference:
            sensor2reference = global2ego @ sweep.ego2global @ sensor2reference
        return points, sensor2reference, (reference.stamp - sweep.stamp) * 1e-9

    parts = [part(sweep, sweep.points) for sweep in first]
    if not newest and pad_empty and count > 0:
        parts += [part(sweep, _without_close(sweep.points)) for sweep in first] * count
    parts += [part(sweep, _without_close(sweep.points)) for sweep in newest]
    cloud = np.empty((sum(len(points) for points, _, _ in parts), 5), np.float32)
    end = 0
    for points, sensor2reference, lag in parts:
        start, end = end, end + len(points)
        _move(points, sensor2reference, lag, cloud[start:end])
        if keep_fifth:
            cloud[start:end, 4] = points[:, 4]
    return cloud


def _without_close(points: NDArray) -> NDArray:
    far = (np.abs(points[:, 0]) >= CLOSE_METRES) | (np.abs(points[:, 1]) >= CLOSE_METRES)
    return points.take(np.flatnonzero(far), axis=0)  # five times as fast as points[far]


def _move(points: NDArray, sensor2ego: NDArray, lag: float, out: NDArray[np.float32]) -> None:
    """Fill ``out`` (N, 5) with points in the ego frame; in float64, for poses can be kilometres.

    Column by column: a product of matrices spends most of its time on large temporary arrays.
    """
    x, y, z = (points[:, column].astype(np.float64) for column in range(3))
    for row in range(3):
        a, b, c, shift = sensor2ego[row]
        out[:, row] = a * x + b * y + c * z + shift
    out[:, 3] = points[:, 3]
    out[:, 4] = lag
