# SPDX-License-Identifier: Apache-2.0
"""A trained network made faster: normalisations folded into convolutions, channels last."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effocc_ros.networks.sparse_encoder import SparseConv

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold every normalisation that directly follows a convolution, in place.

    Relies on children being registered in the order in which they run.

    Args:
        module: In eval mode.

    Returns:
        The same module, with an nn.Identity where a normalisation was.
    """
    before = None
    for name, child in list(module.named_children()):
        if isinstance(child, _NORMS) and before is not None:
            before_name, convolution = before
            setattr(module, before_name, _folded(convolution, child))
            setattr(module, name, nn.Identity())
        fold_batch_norm(child)
        foldable = isinstance(child, (nn.Conv2d, nn.ConvTranspose2d, SparseConv))
        before = (name, child) if foldable else None
    return module


@torch.no_grad()
def _folded(convolution: nn.Module, norm: nn.Module) -> nn.Module:
    if not isinstance(convolution, SparseConv):
        return fuse_conv_bn_eval(convolution, norm, isinstance(convolution, nn.ConvTranspose2d))
    folded = copy.deepcopy(convolution)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    folded.weight.mul_(scale[:, None, None, None, None])
    folded.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)
    return folded


def put_channels_last(module: nn.Module) -> nn.Module:
    """Store the weights of all 2-D convolutions channels last, in place.

    A convolution with such a weight gives its output channels last, whatever its input.
    """
    for child in module.modules():
        if isinstance(child, (nn.Conv2d, nn.ConvTranspose2d)):
            child.weight.data = child.weight.data.contiguous(memory_format=torch.channels_last)
    return module
