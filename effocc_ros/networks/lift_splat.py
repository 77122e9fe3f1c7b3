# SPDX-License-Identifier: Apache-2.0
"""Lift, splat (Philion and Fidler, ECCV 2020): image features to a BEV by depth."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.splat_table import SplatTable, build_splat_table, depth_bins


def _conv_bn_relu(
    in_channels: int, out_channels: int, kernel: int, stride: int
) -> list[nn.Module]:
    """Convolution with a bias before its normalisation, as the official weights have it."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class LiftSplat(nn.Module):
    """Predict a depth distribution per feature cell and splat the features along it.

    Args:
        in_channels: Channels of the image features.
        out_channels: Channels of the BEV, per layer of ``bev``.
        image_size: Height and width of the images in pixels.
        downsample: Pixels per feature cell.
        depth_range: Start, end (excluded) and step of the depth bins in metres.
        bev: Cells of the BEV.
        lidar_depth: True where sparse LiDAR depth images help to find the depth.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_size: tuple[int, int],
        downsample: int,
        depth_range: tuple[float, float, float],
        bev: VoxelGrid,
        lidar_depth: bool,
    ):
        super().__init__()
        self.image_size, self.downsample = image_size, downsample
        self.depth_range, self.bev = depth_range, bev
        self.depth_count, self.out_channels = len(depth_bins(depth_range)), out_channels
        outputs = self.depth_count + out_channels
        self._table: tuple[Tensor, SplatTable] | None = None
        if not lidar_depth:
            self.depth_net = nn.Conv2d(in_channels, outputs, 1)
            self.lidar_input_net = None
            return
        self.depth_net = nn.Sequential(
            *_conv_bn_relu(in_channels + 64, in_channels, 3, 1),
            *_conv_bn_relu(in_channels, in_channels, 3, 1),
            nn.Conv2d(in_channels, outputs, 1),
        )
        self.lidar_input_net = nn.Sequential(
            *_conv_bn_relu(1, 8, 1, 1),
            *_conv_bn_relu(8, 32, 5, 4),
            *_conv_bn_relu(32, 64, 5, downsample // 4),
        )

    def depth_and_context(self, features: Tensor, depth: Tensor | None) -> tuple[Tensor, Tensor]:
        """Predict where along each ray its feature lies.

        Args:
            features: (B * N, C, h, w) image features.
            depth: (B * N, 1, H, W) metric LiDAR depth at image size, 0 where there is no return;
                None for a network without LiDAR.

        Returns:
            Depth probabilities (B * N, D, h, w) and context features (B * N, out, h, w).
        """
        logits, context = self._scores(features, depth)
        return logits.softmax(dim=1), context

    def _scores(self, features: Tensor, depth: Tensor | None) -> tuple[Tensor, Tensor]:
        """As :meth:`depth_and_context`, but scores of depths, float32, not yet probabilities."""
        if self.lidar_input_net is not None:
            features = torch.cat([features, self.lidar_input_net(depth)], dim=1)
        logits, context = self.depth_net(features).split(
            [self.depth_count, self.out_channels], dim=1
        )
        # Under autocast too: in half precision a likely depth would have probability 1.
        return logits.float(), context

    def forward(
        self,
        features: Tensor,
        depth: Tensor | None,
        camera_mask: Tensor,
        matrices: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Splat image features into the BEV.

        Args:
            features: (B, N, C, h, w) image features.
            depth: (B, N, H, W) metric LiDAR depth, or None.
            camera_mask: (B, N) bool; a camera that is False gives nothing.
            matrices: sensor2keyego (B, N, 4, 4), intrinsics (B, N, 3, 3), post_rots (B, N, 3, 3),
                post_trans (B, N, 3), bda (B, 4, 4).

        Returns:
            BEV (B, out * layers, Dy, Dx), logits of the depths (B * N, D, h, w) float32, and the
            context features that were splatted (B * N, out, h, w).
        """
        if depth is not None:
            depth = depth.flatten(0, 1).unsqueeze(1)
        logits, context = self._scores(features.flatten(0, 1), depth)
        bev = self.splat(logits.softmax(dim=1), context, camera_mask, matrices)
        return bev, logits, context

    def splat(
        self,
        probability: Tensor,
        context: Tensor,
        camera_mask: Tensor,
        matrices: Sequence[Tensor],
    ) -> Tensor:
        """Sum context features, weighted by depth probability, over each BEV cell.

        Args:
            probability: (B * N, D, h, w) depth probabilities.
            context: (B * N, out, h, w) context features.
            camera_mask: As in :meth:`forward`.
            matrices: As in :meth:`forward`.

        Returns:
            (B, out * layers, Dy, Dx).
        """
        pooled = self.table(camera_mask, matrices).pool(probability, context)
        width, height, layers = self.bev.shape
        pooled = pooled.view(len(camera_mask), layers, height, width, self.out_channels)
        # Channels stay last in memory, as the convolutions after it want them.
        return pooled.permute(0, 2, 3, 1, 4).flatten(3).permute(0, 3, 1, 2)

    def table(self, camera_mask: Tensor, matrices: Sequence[Tensor]) -> SplatTable:
        """Return the splat table of these cameras; it is kept as long as nothing moves."""
        # Made in inference mode, a table could not serve a training step after it.
        # Half precision would move frustum points by metres.
        exact = torch.autocast(camera_mask.device.type, enabled=False)
        with torch.inference_mode(False), torch.no_grad(), exact:
            key = torch.cat([tensor.flatten().float() for tensor in (camera_mask, *matrices)])
            if self._table is None or not _equal(self._table[0], key):
                self._table = (key, self._build_table(camera_mask, matrices))
        return self._table[1]

    def _build_table(self, camera_mask: Tensor, matrices: Sequence[Tensor]) -> SplatTable:
        height, width = self.image_size
        return build_splat_table(
            image_size=self.image_size,
            feature_size=(height // self.downsample, width // self.downsample),
            depth_range=self.depth_range,
            bev=self.bev,
            camera_mask=camera_mask,
            matrices=matrices,
        )

    def forget_table(self) -> None:
        """Free the splat table; the next images build it again."""
        self._table = None


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.device == second.device and torch.equal(first, second)
