# SPDX-License-Identifier: Apache-2.0
"""Transforms that contradict each other: which gives way, and what to say."""

import re
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rotation_angle
from effocc_ros.stream.report import Remark
from effocc_ros.stream.transform_edge import TransformEdge

PATIENCE = 3
"""A dynamic edge that nobody repeats gives way to one that contradicts it this often."""

STATIC_PATIENCE = 5
"""A dynamic edge that is not repeated gives way to itself as static, if that comes this often."""

SAME_PLACE, SAME_ANGLE = 0.01, 0.5
"""Metres and degrees up to which two static poses are the same but for their digits."""

MOVING = 0.05
"""Metres from which a frame has moved: no static transform is true of it."""


class RefusedEdge:
    """An edge that would close a loop: how often it came, and what it contradicts.

    Args:
        pose: (4, 4) of the first time that it came.
    """

    def __init__(self, pose: NDArray[np.float64]):
        self._pose, self._count = pose, 0
        self._seen: dict[TransformEdge, tuple[int, int]] = {}
        """Edge -> how often it had come, and this one, when it last came."""

    def note(self, edges: Iterable[TransformEdge]) -> None:
        """Note that it came once more, and how often all others have come by then.

        It may close loops that are found only once others are open.
        """
        for edge in edges:
            if self._seen.get(edge, (0, 0))[0] != edge.received:
                self._seen[edge] = edge.received, self._count
        self._count += 1

    def weakest(
        self, loop: list[TransformEdge], pose: NDArray[np.float64], static: bool
    ) -> TransformEdge | None:
        """Return the edge of a loop that gives way to this one, None where none does.

        Nobody has repeated it lately; and if it is static, this one moves or is static too.

        Args:
            loop: Edges that it contradicts.
            pose: (4, 4) of this time.
            static: Whether this one is.
        """
        strong = static or np.linalg.norm(pose[:3, 3] - self._pose[:3, 3]) > MOVING
        weak = [edge for edge in loop if self._lonely(edge) and (strong or not edge.static)]
        return min(weak, key=lambda edge: edge.static, default=None)

    def _lonely(self, edge: TransformEdge) -> bool:
        received, count = self._seen.get(edge, (0, 0))
        return received == edge.received and self._count - count >= PATIENCE


def alike(name: str, frames: Iterable[str]) -> str:
    """Return a hint at the frames that a name may mean; empty where there is none.

    Robots put their own name before those of their frames; others write them otherwise.
    """

    def plain(frame: str) -> str:
        return re.sub(r"[^a-z0-9]", "", frame.rpartition("/")[2].lower())

    near = sorted(frame for frame in frames if name and plain(frame) == plain(name))
    return f". Is '{name}' the frame {' or '.join(map(repr, near))} here?" if near else ""


def not_connected(target: str, source: str, known: Collection[str]) -> InputError:
    """Return what to say of two frames without a chain of transforms, and of those there are."""
    target, source = target.lstrip("/"), source.lstrip("/")
    unknown = [name for name in (source, target) if name not in known]
    found = f"no transform that names '{unknown[0]}'" if unknown else "two separate trees"
    return InputError(
        f"tf {target} <- {source}",
        found=f"{found} (frames known: {', '.join(sorted(known)) or 'none'})",
        expected="a chain of transforms between the two",
        do="Publish it on /tf or /tf_static, or correct base_frame and fixed_frame"
        + alike(unknown[0] if unknown else "", known),
        reason="tf_missing" if unknown else "tf_disconnected",
    )


def loop_error(parent: str, child: str) -> InputError:
    """Return what to say of an edge that would close a loop."""
    return InputError(
        "tf",
        found=f"'{parent}' below '{child}' and '{child}' below '{parent}'",
        expected="a tree without loops",
        do="Stop one of the two publishers",
        reason="tf_loop",
    )


def two_parents(child: str, parents: Iterable[str]) -> Remark:
    """Return what to say of a frame with several parents that are all repeated."""
    names = " and ".join(f"'{name}'" for name in parents)
    text = (
        f"tf of '{child}': found parents {names}, each published by somebody; expected one. Each "
        "is used where it leads to what is asked for. Stop one of the two publishers, or let the "
        "localiser publish map <- odom in place of the frame itself."
    )
    return Remark("two_parents", text, f"tf {child}")


def two_places(
    edge: TransformEdge, before: NDArray[np.float64], now: NDArray[np.float64]
) -> Remark | None:
    """Return what to say of a static edge that has two poses, (4, 4); None where they agree."""
    apart = np.linalg.norm(now[:3, 3] - before[:3, 3])
    turned = rotation_angle(before[:3, :3].T @ now[:3, :3])
    if apart <= SAME_PLACE and turned <= SAME_ANGLE:
        return None
    text = (
        f"{edge.name}: found two static poses, {apart:.2f} m and {turned:.1f} degrees apart; "
        "expected one. The last is used. Stop the publisher of the wrong one: often it is a URDF "
        "beside a calibration."
    )
    return Remark("two_places", text, edge.name)


def two_clocks(edge: TransformEdge) -> Remark:
    """Return what to say of an edge whose stamps jump back again and again."""
    text = (
        f"{edge.name}: found stamps that jump back again and again; expected them to rise. Two "
        "publishers of different clocks, or of simulated and real time, send it: stop one."
    )
    return Remark("two_clocks", text, edge.name)
