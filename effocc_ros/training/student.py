# SPDX-License-Identifier: Apache-2.0
"""The network in training and the frozen teacher beside it."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from effocc_ros.errors import InputError
from effocc_ros.loaded_model import load_trained
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc, Outputs
from effocc_ros.preprocess import Inputs
from effocc_ros.training.adapters import StageAdapters

MAPS = ("camera_bev", "fused_bev", "features")
"""Stages that are BEV maps."""
HEAD = ("bev_upsample.", "occ_head.")
"""What stands behind the features that student and teacher have in common."""
_LIDAR_FIELDS = ("points_camera", "voxels", "max_points_per_voxel", "sweeps", "tanh_columns")
_CAMERA_FIELDS = ("cameras", "key_camera", "image_size", "image_mean", "image_std")
_BOTH_FIELDS = ("classes", "class_count", "grid", "frame")


class Student(nn.Module):
    """A network, and what it needs while it is taught alone.

    Args:
        network: The network.
        adapters: Bring its maps to the teacher's width.
        pixel_head: Scores the classes of what pixels see.
    """

    def __init__(
        self,
        network: EffOcc,
        adapters: StageAdapters | None = None,
        pixel_head: nn.Module | None = None,
    ):
        super().__init__()
        self.network = network
        self.adapters = adapters
        self.pixel_head = pixel_head

    def forward(self, columns: Tensor | None = None, **inputs) -> Outputs:
        """As the network's, but its maps are as wide as the teacher's, and context is scores."""
        outputs = self.network(columns=columns, **inputs)
        if self.pixel_head is not None:
            outputs = outputs._replace(context=self.pixel_head(outputs.context))
        if self.adapters is None:
            return outputs
        return outputs._replace(
            **{
                stage: self.adapters(stage, getattr(outputs, stage))
                for stage in self.adapters.convs
            }
        )


def load_teacher(model: str) -> tuple[ModelConfig, EffOcc]:
    """Load a trained network, which shall not change any more.

    Args:
        model: Path of a checkpoint, or name of a preset whose weights ship.

    Raises:
        InputError: There is no such file, or its weights are random.
    """
    teacher = load_trained(model, "teacher")
    return teacher.config, teacher.network.requires_grad_(False).eval()


def check_teacher(teacher: ModelConfig, student: ModelConfig) -> None:
    """Raise InputError unless one set of inputs, made for the teacher, serves both."""
    names = list(_BOTH_FIELDS)
    sensors = {"vision": ("camera",), "lidar": ("lidar",), "fusion": ("camera", "lidar")}
    known, wanted = sensors[teacher.modality], sensors[student.modality]
    if not set(wanted) <= set(known):
        raise InputError(
            f"teacher {teacher.name}",
            found=f"a {teacher.modality} network",
            expected=f"one that sees what {student.name}, a {student.modality} network, sees",
            reason="bad_teacher",
        )
    names += _CAMERA_FIELDS * ("camera" in wanted) + _LIDAR_FIELDS * ("lidar" in wanted)
    for name in names:
        theirs, ours = getattr(teacher, name), getattr(student, name)
        if theirs != ours:
            raise InputError(
                f"teacher {teacher.name}",
                found=f"{name} {theirs}",
                expected=f"{ours}, as in {student.name}: both look at the same inputs",
                do="Choose presets that agree in it",
                reason="bad_teacher",
            )


def inputs_for(network: ModelConfig, inputs: Inputs) -> Inputs:
    """Leave out of a teacher's inputs what a network has no use for."""
    if network.modality == "fusion":
        return inputs
    if network.modality == "vision":
        return replace(inputs, depth=None, points=None)
    cameras = ("images", "camera_mask", "sensor2keyego", "intrinsics", "post_rots", "post_trans")
    return replace(inputs, depth=None, **dict.fromkeys(cameras))


def inherit(student: EffOcc, teacher: EffOcc, prefixes: tuple[str, ...] = HEAD) -> list[str]:
    """Copy the teacher's weights into the student, where names and shapes agree.

    Args:
        student: The network that learns.
        teacher: The network that it learns from.
        prefixes: How the names of what is copied begin; ``("",)`` for all.

    Returns:
        The names that were copied.
    """
    mine, theirs = student.state_dict(), teacher.state_dict()
    names = [
        name
        for name, value in mine.items()
        if name.startswith(prefixes) and name in theirs and theirs[name].shape == value.shape
    ]
    with torch.no_grad():
        for name in names:
            mine[name].copy_(theirs[name])
    return names


def make_adapters(student: Outputs, teacher: Outputs, stages: set[str]) -> StageAdapters | None:
    """Make a 1x1 convolution for each compared map whose channels differ.

    Args:
        student: Of any inputs.
        teacher: Of any inputs.
        stages: Stages that are compared.

    Returns:
        The convolutions; None when none is needed.
    """
    widths = [
        {
            stage: maps.shape[1]
            for stage in MAPS
            if stage in stages and (maps := getattr(outputs, stage)) is not None
        }
        for outputs in (student, teacher)
    ]
    adapters = StageAdapters(*widths)
    return adapters if len(adapters.convs) else None
