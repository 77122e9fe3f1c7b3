# SPDX-License-Identifier: Apache-2.0
"""Which numbers cannot be the weights of a trained network."""

from collections.abc import Mapping

from torch import Tensor

from effocc_ros.errors import InputError, some

WHOLE = ("num_batches_tracked", "relative_position_index")
"""Ends of the names of entries that are whole numbers."""

LARGEST_WEIGHT = 1e12
"""No network gives numbers that mean anything from weights or variances like this."""


def check_values(state: Mapping[str, Tensor], what: str) -> None:
    """Look at every number of a state dict.

    Raises:
        InputError: One is not finite, absurd, or none of a network, a variance is negative, or all
            weights are zero; the message names the entries.
    """
    real = {name: value for name, value in state.items() if value.is_floating_point()}
    finite = {name for name, value in real.items() if value.isfinite().all()}
    kinds = {
        "not finite": [name for name in real if name not in finite],
        "absurd": [name for name in finite if real[name].abs().amax() > LARGEST_WEIGHT],
        "whole (quantised?)": [
            name for name in state if name not in real and not name.endswith(WHOLE)
        ],
        "negative": [
            name
            for name, value in state.items()
            if name.endswith("running_var") and (value < 0).any()
        ],
    }
    weights = [name for name, value in real.items() if value.ndim > 1]
    if not any(real[name].any() for name in weights):
        kinds["all zero"] = weights
    if any(kinds.values()):
        raise InputError(
            what,
            found="; ".join(
                f"{len(names)} entries with numbers that are {kind} ({some(names)})"
                for kind, names in kinds.items()
                if names
            ),
            expected="finite weights of a trained network, and variances of 0 or more",
            do="Take an earlier checkpoint of this training: it diverged, or the file is damaged",
            reason="bad_weights",
        )
