# SPDX-License-Identifier: Apache-2.0
"""What a student pays for not seeing what its teacher sees (EFFOcc, arXiv 2406.07042).

Stages, from the sensors to the answer: the camera BEV, the BEV before the trunk, the BEV features
behind it, and the logits. In each of them foreground, background and empty space are terms of
their own, so that the empty space, which is most of it, does not drown the rest.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc, Outputs
from effocc_ros.occupancy import ClassList
from effocc_ros.training.adapters import StageAdapters
from effocc_ros.training.losses import WeightedSum, check_shape
from effocc_ros.training.masks import PARTS, bev_parts, voxel_parts

STAGES = ("camera_bev", "fused_bev", "features", "logits")


def source_labels(labels: Tensor, shown: Tensor, guessed: Tensor) -> Tensor:
    """Choose what the masks are made of: the truth where there is one, else the teacher's guess.

    Args:
        labels: (B, Dx, Dy, Dz) uint8.
        shown: (B, Dx, Dy, Dz) boolean, true where the label is not hidden.
        guessed: (B, Dx, Dy, Dz) uint8, such as :func:`labels_of` gives them.

    Returns:
        (B, Dx, Dy, Dz) uint8.
    """
    return torch.where(shown, labels, guessed)


@torch.no_grad()
def labels_of(network: EffOcc, outputs: Outputs) -> Tensor:
    """Classify every voxel from the features of a pass that scored a part of the columns, or all.

    Args:
        network: The teacher.
        outputs: What it gave.

    Returns:
        (B, Dx, Dy, Dz) uint8.
    """
    return network.occ_head.labels(network.for_head(outputs.features, outputs.lidar_bev))[0]


def distillation_terms(
    student: Outputs,
    teacher: Outputs,
    source: Tensor,
    classes: ClassList,
    *,
    stages: Iterable[str] | None = None,
    adapters: StageAdapters | None = None,
    official_orientation: bool = False,
    columns: Tensor | None = None,
) -> dict[str, Tensor]:
    """() means of :func:`distillation_sums` under the same names; 0 for an absent part."""
    sums = distillation_sums(
        student,
        teacher,
        source,
        classes,
        stages=stages,
        adapters=adapters,
        official_orientation=official_orientation,
        columns=columns,
    )
    return {name: term.mean() for name, term in sums.items()}


def distillation_sums(
    student: Outputs,
    teacher: Outputs,
    source: Tensor,
    classes: ClassList,
    *,
    stages: Iterable[str] | None = None,
    adapters: StageAdapters | None = None,
    official_orientation: bool = False,
    columns: Tensor | None = None,
) -> dict[str, WeightedSum]:
    """Compare all stages, part by part.

    A stage of BEV maps gives sum of squared differences / (cells of the part * channels), the
    logits give sum of 1 - cosine over the classes / voxels of the part.

    Args:
        student: What is taught.
        teacher: Of the same inputs, without gradients.
        source: (B, Dx, Dy, Dz) uint8 labels that divide the scene into parts, as
            :func:`source_labels` chooses them.
        classes: What the labels mean.
        stages: Which of ``STAGES``; all that student and teacher both have when absent.
        adapters: Brings the student's maps to the teacher's width where they differ.
        official_orientation: Mirror the masks of BEV maps at the diagonal, as EFFOcc does; only
            to repeat its numbers.
        columns: (K,) int64 into the flattened (B, Dx, Dy): the logits of both are of those
            columns alone, (K, Dz, C).

    Returns:
        Numerator and denominator of ``<stage>/fg``, ``<stage>/bg`` and ``<stage>/empty``.

    Raises:
        InputError: A stage is unknown or one of the two has none such, shapes do not fit, or the
            widths differ and there is no adapter.
    """
    sums: dict[str, WeightedSum] = {}
    divided: dict[tuple[int, int], tuple[Tensor, ...]] = {}
    for stage in _chosen_stages(student, teacher, stages):
        given, wanted = getattr(student, stage), getattr(teacher, stage).detach()
        if stage == "logits":
            parts = voxel_parts(_columns_of(source, columns), classes)
            terms = cosine_sums(given, wanted, parts)
        else:
            given = given if adapters is None else adapters(stage, given)
            _check_width(stage, given, wanted)
            size = (given.shape[2], given.shape[3])
            if size not in divided:
                divided[size] = bev_parts(
                    source, classes, size, official_orientation=official_orientation
                )
            terms = squared_sums(given, wanted, divided[size])
        sums |= {f"{stage}/{part}": term for part, term in zip(PARTS, terms, strict=True)}
    return sums


def squared_sums(student: Tensor, teacher: Tensor, parts: Iterable[Tensor]) -> list[WeightedSum]:
    """Sum squared differences in each part, and count its cells times channels.

    Args:
        student: (B, C, H, W).
        teacher: (B, C, H, W).
        parts: Masks (B, H, W) boolean.
    """
    distances = (student.float() - teacher.float()).square().sum(dim=1).reshape(-1)
    return _sums_in_parts(distances, parts, student.shape[1])


def cosine_sums(student: Tensor, teacher: Tensor, parts: Iterable[Tensor]) -> list[WeightedSum]:
    """Sum 1 - cosine over the classes in each part, and count its voxels.

    Args:
        student: (..., C) logits.
        teacher: (..., C) logits.
        parts: Masks (...) boolean.

    Raises:
        InputError: The shapes differ.
    """
    check_shape("student logits", student.shape, "the teacher's", teacher.shape)
    student, teacher = student.flatten(0, -2).float(), teacher.flatten(0, -2).float()
    return _sums_in_parts(1 - _Cosine.apply(student, teacher), parts, 1)


class _Cosine(torch.autograd.Function):
    """Cosine along the last axis, with a gradient for the first argument alone.

    torch's own keeps several copies of the logits of a whole grid and takes four times as long.
    """

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor) -> Tensor:
        lengths = [
            torch.linalg.vector_norm(x, dim=-1).clamp_(min=1e-8) for x in (student, teacher)
        ]
        cosine = (student * teacher).sum(dim=-1) / (lengths[0] * lengths[1])
        ctx.save_for_backward(student, teacher, *lengths, cosine)
        return cosine

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        student, teacher, length, other, cosine = ctx.saved_tensors
        along = (gradient / (length * other))[..., None]
        back = (-gradient * cosine / length.square())[..., None]
        return (teacher * along).addcmul_(student, back), None


def _sums_in_parts(losses: Tensor, parts: Iterable[Tensor], channels: int) -> list[WeightedSum]:
    masks = [part.reshape(-1).to(losses.dtype) for part in parts]
    return [WeightedSum(losses @ mask, mask.sum() * channels) for mask in masks]


def _columns_of(source: Tensor, columns: Tensor | None) -> Tensor:
    return source if columns is None else source.flatten(0, 2)[columns]


def _chosen_stages(
    student: Outputs, teacher: Outputs, stages: Iterable[str] | None
) -> tuple[str, ...]:
    available = tuple(
        stage
        for stage in STAGES
        if getattr(student, stage) is not None and getattr(teacher, stage) is not None
    )
    if stages is None:
        return available
    chosen = tuple(stages)
    for stage in chosen:
        if stage not in available:
            raise InputError(
                f"distillation stage {stage}",
                found="a student and a teacher of which one has no such output",
                expected=f"one of {', '.join(available)}",
                do="Set its weight in stage_weights to 0, or take a teacher that has it",
                reason="bad_stage",
            )
    return chosen


def _check_width(stage: str, student: Tensor, teacher: Tensor) -> None:
    if student.shape == teacher.shape:
        return
    raise InputError(
        f"distillation stage {stage}",
        found=f"a student's map of {tuple(student.shape)}, a teacher's of {tuple(teacher.shape)}",
        expected="the same shape (batch, channels, y, x)",
        do="Choose presets of the same grid; an adapter bridges channels alone",
        reason="bad_stage",
    )
