# SPDX-License-Identifier: Apache-2.0
"""Scene-class affinity losses of MonoScene (arXiv 2112.00726): scores of the whole scene.

Precision, recall and specificity are computed from probabilities, so that they have a gradient,
and each is paid for with -log. They are scores of a whole batch: unlike a sum over voxels they do
not come apart into the parts of several processes.
"""

import torch
from torch import Tensor

from effocc_ros.training.losses import counted_voxels

_EPS = 1e-5
"""What the geometric scores add to their denominators."""


def semantic_scaling(logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean over the classes that occur of -log precision - log recall - log specificity.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or 255 for unknown.
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.

    Returns:
        () floating point; 0 where nothing counts.
    """
    logits, labels, weight = counted_voxels(logits, labels, weight)
    weight = torch.ones_like(labels, dtype=logits.dtype) if weight is None else weight
    probabilities = logits.softmax(dim=-1)
    own = weight * probabilities.gather(-1, labels[:, None])[:, 0]
    zeros = probabilities.new_zeros(logits.shape[-1])
    hits = zeros.index_add(0, labels, own)
    true = zeros.index_add(0, labels, weight)
    called = weight @ probabilities
    others = true.sum() - true
    recalled, rejected = hits, others - (called - hits)
    occurs, has_others = true > 0, others > 0
    terms = _log_ratio(hits, called, called > 0)
    terms = terms + _log_ratio(recalled, true, occurs) + _log_ratio(rejected, others, has_others)
    return -(terms * occurs).sum() / occurs.sum().clamp(min=1)


def geometric_scaling(
    logits: Tensor, labels: Tensor, free: int, weight: Tensor | None = None
) -> Tensor:
    """The same three terms for occupied against free, a term without voxels left out.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or 255 for unknown.
        free: The label that means "nothing here".
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.

    Returns:
        () floating point; 0 where nothing counts.
    """
    logits, labels, weight = counted_voxels(logits, labels, weight)
    weight = torch.ones_like(labels, dtype=logits.dtype) if weight is None else weight
    empty = logits.softmax(dim=-1)[:, free]
    occupied = 1 - empty
    is_occupied, is_free = weight * (labels != free), weight * (labels == free)
    hits, true, frees = is_occupied @ occupied, is_occupied.sum(), is_free.sum()
    terms = (
        _log_ratio(hits, weight @ occupied + _EPS, true > 0)
        + _log_ratio(hits, true + _EPS, true > 0)
        + _log_ratio(is_free @ empty, frees + _EPS, frees > 0)
    )
    return -terms


def _log_ratio(part: Tensor, whole: Tensor, known: Tensor) -> Tensor:
    """Log of part / whole, 0 where it is not known; a part of 0 has no gradient, not a NaN."""
    tiny = torch.finfo(part.dtype).tiny
    ratio = part / torch.where(known, whole, torch.ones_like(whole))
    return torch.where(known, ratio, torch.ones_like(ratio)).clamp(min=tiny).log()
