# SPDX-License-Identifier: Apache-2.0
"""The scale of a LiDAR's intensity, learned from its values."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effocc_ros.stream.report import Remark

WANTED = 255.0
"""Networks are trained on 0..255, as nuScenes stores the reflectivity of its LiDAR."""

TOPS = (1.0, WANTED, *(2.0**bits - 1 for bits in (10, 12, 14, 16)))
"""Scales in use: 0..1 of simulators, 0..255, and counts of photons of 10 to 16 bits."""

STRAY = 1e-3
"""Part of the points that may be brighter than the scale before it is widened."""


class IntensityRange:
    """Brings intensities to 0..255.

    The scale is the smallest of ``TOPS`` that all sweeps so far fit in, so it settles within the
    first sweeps; it never shrinks, for a dark place is no other LiDAR.

    Args:
        source: The LiDAR's name, for remarks.
        scale: Factor to use whatever the values are; 1 may be learned.
    """

    def __init__(self, source: str, scale: float = 1.0):
        self._source, self._fixed = source, scale
        self._top = TOPS[0]
        self._calibrated = False
        self._said = WANTED

    def scaled(
        self, columns: Sequence[NDArray], learn: bool = True
    ) -> tuple[NDArray[np.float32] | float, list[Remark]]:
        """Return (N,) intensities 0..255 and, where the scale is a new one, what to say of it.

        Args:
            columns: Fields with intensity of some kind, the preferred one first; may be empty.
            learn: Whether a scale of 1 is learned; otherwise values pass as they are.
        """
        if not columns:
            return 0.0, []
        chosen = columns[learn and self._calibrated and len(columns) > 1]
        if chosen.dtype == np.int8:
            chosen = chosen.view(np.uint8)  # 0..255 in a type of the wrong name
        with np.errstate(over="ignore", invalid="ignore"):  # bytes may be any number
            values = np.array(chosen, np.float32)
            finite = np.isfinite(values.sum())
        if not finite:
            np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        if not values.any():
            return values, [self._nothing(finite)]
        if not learn or self._fixed != 1.0:
            return values * np.float32(self._fixed), []
        if self._widen(values, integers=columns[0].dtype.kind in "iu"):
            other = columns[1] if len(columns) > 1 and not self._calibrated else None
            if self._top > WANTED and other is not None and _is_reflectivity(other):
                self._calibrated = True
                self._top = self._said = WANTED
                return other.astype(np.float32), [self._remark("reflectivity is used instead")]
        below = self._below_zero(values)
        if self._top != WANTED and values.any():
            np.clip(values, 0.0, self._top, out=values)
            values *= np.float32(WANTED / self._top)
        remarks = below
        if self._top != self._said and values.any():
            self._said = self._top
            remarks.append(self._remark(f"scaled by {WANTED / self._top:.4g}"))
        return values, remarks

    def _widen(self, values: NDArray, integers: bool) -> bool:
        """Take the values into account; return whether the scale has changed."""
        most = float(values.max(initial=0.0))
        before = self._top
        if before == TOPS[0] and most > 0 and (integers or not (values % 1).any()):
            self._top = WANTED  # whole numbers, however dark
        if most <= self._top:
            return self._top != before
        allowed = int(STRAY * len(values))
        if np.count_nonzero(values > self._top) <= allowed:
            return self._top != before
        usual = float(np.partition(values, -1 - allowed)[-1 - allowed])
        self._top = next((top for top in TOPS if usual <= top), usual)
        return True

    def _below_zero(self, values: NDArray) -> list[Remark]:
        """Take what is negative as 0, and say so."""
        low = float(values.min(initial=0.0))
        if low >= 0:
            return []
        np.maximum(values, 0.0, out=values)
        text = (
            f"intensity of {self._source}: found values down to {low:g}; expected 0 to 255, as "
            "the networks are trained on. Negative ones are taken as 0: decibels or the like must "
            "be converted first."
        )
        return [Remark("negative_intensity", text)]

    def _nothing(self, finite: bool) -> Remark:
        text = (
            f"intensity of {self._source}: found {'0' if finite else 'no finite number'} in all "
            "points; expected 0 to 255, as the networks are trained on. It is taken as 0: scores "
            "will be lower."
        )
        return Remark("no_intensity", text)

    def _remark(self, done: str) -> Remark:
        text = (
            f"intensity of {self._source}: found values up to {self._top:g} or so; expected 0 to "
            f"255, as the networks are trained on. It is {done}; intensity_scale sets a factor "
            "of your own."
        )
        return Remark("intensity_scale", text)


def _is_reflectivity(values: NDArray) -> bool:
    """Return whether values are 0..255 and say something."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    return high <= WANTED and low >= 0 and high > low and len(np.unique(values[:1000])) > 1
