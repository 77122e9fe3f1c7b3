# SPDX-License-Identifier: Apache-2.0
"""Parts of a network that stay as they are while others learn."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from effocc_ros.errors import InputError


def let_learn(network: nn.Module, parts: Sequence[str]) -> None:
    """Freeze all parameters but those of some modules.

    Args:
        network: The network; its parameters' ``requires_grad`` is set.
        parts: Dotted names of modules or parameters, such as ``occ_head.predicter``; empty: all
            learn.

    Raises:
        InputError: The network has no such part.
    """
    names = [name for name, _ in network.named_parameters()]
    for part in parts:
        if not any(_belongs(name, part) for name in names):
            modules = ", ".join(sorted({name.partition(".")[0] for name in names}))
            raise InputError(
                "learns",
                found=repr(part),
                expected=f"a part of the network: {modules}, or one inside, with dots",
                reason="unknown_part",
            )
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not parts or any(_belongs(name, part) for part in parts))


def keep_frozen_statistics(network: nn.Module, all_norms: bool = False) -> None:
    """Put frozen batch normalisations of a network in training mode back into eval mode.

    Args:
        network: The network.
        all_norms: Also those whose parameters learn.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            learns = any(parameter.requires_grad for parameter in module.parameters())
            if all_norms or not learns:
                module.eval()


def _belongs(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
