# SPDX-License-Identifier: Apache-2.0
"""Which labels to pay for next: those of frames, scenes or voxels that a network is unsure of."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError


@dataclass(frozen=True)
class FrameScore:
    """How unsure a network is of one frame.

    Attributes:
        token: The sample's token.
        scene: Token of its scene.
        entropy: Mean over its voxels, in nats.
    """

    token: str
    scene: str
    entropy: float


@dataclass(frozen=True)
class Amount:
    """How much to choose: a number of things, or a share of all there are.

    Attributes:
        value: The number, or the share in percent.
        percent: Which of the two it is.
    """

    value: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> "Amount":
        """Read ``64`` or ``6%``.

        Raises:
            InputError: It is neither, or not above 0, or more than 100 %.
        """
        number = text.strip().removesuffix("%")
        percent = number != text.strip()
        try:
            value = float(number) if percent else int(number)
        except ValueError:
            value = 0
        if not 0 < value <= (100 if percent else 1e12):
            raise InputError(
                "--budget",
                found=repr(text),
                expected="a whole number above 0, or a share above 0 and up to 100 such as 6%",
                reason="bad_budget",
            )
        return cls(value, percent)

    def of(self, total: int) -> int:
        """Return how many of ``total`` it is: at least 1, at most all."""
        count = round(self.value / 100 * total) if self.percent else int(self.value)
        return min(max(count, 1), total)


def choose_frames(
    scores: Iterable[FrameScore], amount: Amount, previous: Iterable[str] = ()
) -> list[str]:
    """Choose the frames of highest entropy.

    EFFOcc's code means to do so and sorts by scene token; this sorts by entropy.

    Args:
        scores: Of all frames there are, in any order.
        amount: How many more.
        previous: Tokens of frames that are chosen already.

    Returns:
        Their tokens, the most uncertain first; the smaller token first where two are equal.

    Raises:
        InputError: All frames are chosen already, or an entropy is not finite.
    """
    return _highest({score.token: score.entropy for score in scores}, amount, previous, "frame")


def choose_scenes(
    scores: Iterable[FrameScore], amount: Amount, previous: Iterable[str] = ()
) -> list[str]:
    """Choose the scenes whose frames have the highest mean entropy, for the rest as above."""
    frames = defaultdict(list)
    for score in scores:
        frames[score.scene].append(score.entropy)
    means = {scene: float(np.mean(entropies)) for scene, entropies in frames.items()}
    return _highest(means, amount, previous, "scene")


def choose_at_random(
    tokens: Iterable[str], amount: Amount, previous: Iterable[str] = (), *, seed: int = 0
) -> list[str]:
    """Choose frames or scenes by lot: the same for the same seed, whatever their order.

    Raises:
        InputError: All are chosen already.
    """
    ordered = sorted(set(tokens))
    left = sorted(set(ordered) - set(previous))
    if not left:
        raise _nothing_left("frame or scene", len(ordered))
    return random.Random(seed).sample(left, min(amount.of(len(ordered)), len(left)))


def choose_voxels(
    entropy: NDArray[np.float32],
    labels: NDArray[np.uint8],
    candidates: NDArray[np.bool_],
    amount: Amount,
    *,
    by_class: bool = True,
) -> NDArray[np.int32]:
    """Choose the voxels of one frame of highest entropy.

    Args:
        entropy: (Dx, Dy, Dz).
        labels: (Dx, Dy, Dz) what the network calls them.
        candidates: (Dx, Dy, Dz) true where a voxel may be chosen: in the camera mask, and not
            chosen yet.
        amount: How many; a share is one of the candidates.
        by_class: Choose int(amount / classes) of each class that the network predicts among the
            candidates, at least one of each; so small classes get as many as free space. False
            chooses the highest of all.

    Returns:
        (K,) int32 in ascending order, flat into (Dx, Dy, Dz) in C order; empty where there is no
        candidate.
    """
    places = np.flatnonzero(candidates)
    if not len(places):
        return places.astype(np.int32)
    values, count = entropy.reshape(-1)[places], amount.of(len(places))
    if not by_class:
        return np.sort(places[_top(values, count)]).astype(np.int32)
    predicted = labels.reshape(-1)[places]
    classes = np.unique(predicted)
    chosen = []
    for label in classes:
        members = np.flatnonzero(predicted == label)
        best = _top(values[members], max(count // len(classes), 1))
        chosen.append(places[members[best]])
    return np.sort(np.concatenate(chosen)).astype(np.int32)


def random_voxels(
    candidates: NDArray[np.bool_], amount: Amount, *, seed: int, token: str
) -> NDArray[np.int32]:
    """Choose voxels of one frame by lot.

    Args:
        candidates: (Dx, Dy, Dz) true where a voxel may be chosen.
        amount: How many; a share is one of the candidates.
        seed: Together with the token it decides which.
        token: The sample's token.

    Returns:
        (K,) int32 in ascending order, flat into (Dx, Dy, Dz) in C order.
    """
    places = np.flatnonzero(candidates)
    if not len(places):
        return places.astype(np.int32)
    digest = hashlib.sha256(f"{seed} {token}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    chosen = generator.choice(places, amount.of(len(places)), replace=False)
    return np.sort(chosen).astype(np.int32)


def joined_voxels(
    first: Mapping[str, NDArray[np.int32]], second: Mapping[str, NDArray[np.int32]]
) -> dict[str, NDArray[np.int32]]:
    """Return the voxels of both budgets, by sample token, each voxel once."""
    empty = np.zeros(0, np.int32)
    return {
        token: np.union1d(first.get(token, empty), second.get(token, empty)).astype(np.int32)
        for token in sorted(set(first) | set(second))
    }


def _highest(
    values: Mapping[str, float], amount: Amount, previous: Iterable[str], what: str
) -> list[str]:
    broken = sorted(token for token, value in values.items() if not np.isfinite(value))
    if broken:
        raise InputError(
            f"entropy of {what} {broken[0]}",
            found=str(values[broken[0]]),
            expected="a finite number",
            do="See whether the checkpoint holds finite weights",
            reason="not_finite",
        )
    left = sorted(set(values) - set(previous))
    if not left:
        raise _nothing_left(what, len(values))
    return sorted(left, key=lambda token: (-values[token], token))[: amount.of(len(values))]


def _top(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Positions of the ``count`` highest values; the earlier one of two that are equal."""
    return np.argsort(-values, kind="stable")[:count]


def _nothing_left(what: str, total: int) -> InputError:
    return InputError(
        "--previous",
        found=f"every {what} of the split, {total} of them",
        expected=f"a budget that leaves at least one {what}",
        reason="nothing_left",
    )
