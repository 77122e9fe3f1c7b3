# SPDX-License-Identifier: Apache-2.0
"""Bridges between stages of different width, used while training alone."""

from collections.abc import Mapping

from torch import Tensor, nn

from effocc_ros.networks.config import ModelConfig


class StageAdapters(nn.Module):
    """A 1x1 convolution for each stage in which the student is not as wide as the teacher.

    Args:
        student: Channels of the student's BEV map of each stage.
        teacher: Channels of the teacher's; stages that are in one of the two alone are left out.
    """

    def __init__(self, student: Mapping[str, int], teacher: Mapping[str, int]):
        super().__init__()
        self.convs = nn.ModuleDict(
            {
                stage: nn.Conv2d(width, teacher[stage], kernel_size=1)
                for stage, width in student.items()
                if stage in teacher and teacher[stage] != width
            }
        )

    def forward(self, stage: str, maps: Tensor) -> Tensor:
        """(B, C of the student, H, W) to (B, C of the teacher, H, W); as it is where equal."""
        return self.convs[stage](maps) if stage in self.convs else maps


def stage_channels(config: ModelConfig) -> dict[str, int]:
    """Return the channels of each BEV map of a network, by stage, for :class:`StageAdapters`."""
    widths = {}
    if config.modality != "lidar":
        widths["camera_bev"] = config.bev_channels * config.bev.shape[2]
    if config.bev_encoder == "resnet":
        widths |= {"fused_bev": widths["camera_bev"], "features": config.encoder_channels}
        return widths
    fused = config.fused_channels
    if config.modality == "lidar":
        fused = config.sparse_channels
    return widths | {"fused_bev": fused, "features": 2 * config.trunk_channels}
