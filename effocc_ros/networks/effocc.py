# SPDX-License-Identifier: Apache-2.0
"""The EFFOcc networks: camera and LiDAR to a BEV, the BEV to a class for every voxel."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from effocc_ros.networks.bev_trunk import BevFuser, Second, SecondNeck, Upsample
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.fusing import fold_batch_norm, put_channels_last
from effocc_ros.networks.lift_splat import LiftSplat
from effocc_ros.networks.necks import ConcatNeck, FeaturePyramid
from effocc_ros.networks.occupancy_head import OccupancyHead
from effocc_ros.networks.point_grid import PointGrid, count_points
from effocc_ros.networks.resnet import BevResNet, ResNet
from effocc_ros.networks.sparse_encoder import SparseEncoder
from effocc_ros.networks.swin import swin_b
from effocc_ros.networks.voxelize import voxelize

POINT_FEATURES = 5


class Outputs(NamedTuple):
    """What one pass through a network gives: the voxels, and the maps that distillation compares.

    Attributes:
        camera_bev: (B, Cc, Hc, Wc) splatted camera features; None for a LiDAR network.
        fused_bev: (B, C, Ht, Wt) what enters the trunk: both BEVs merged, or the only one.
        features: (B, C, Ht, Wt) what the trunk gives.
        logits: (B, Dx, Dy, Dz, classes), or (K, Dz, classes) of the columns asked for.
        flow: (B, Dx, Dy, Dz, 2) or (K, Dz, 2), velocity (x, y) in m/s, or None.
        depth: (B * N, D, h, w) float32 logits of the depth bins; None for a LiDAR network.
        context: (B * N, Cc, h, w) image features that are splatted; None for a LiDAR network.
        lidar_bev: (B, Cl, Ht, Wt) the LiDAR BEV; None for a vision network.
    """

    camera_bev: Tensor | None
    fused_bev: Tensor
    features: Tensor
    logits: Tensor
    flow: Tensor | None = None
    depth: Tensor | None = None
    context: Tensor | None = None
    lidar_bev: Tensor | None = None


class EffOcc(nn.Module):
    """One network of the EFFOcc family, with the official parameter names and shapes.

    All methods take the tensors of a batch by name; what a modality has no use for is None:

    - images (B, N, 3, H, W) float32, normalised, channels B, G, R
    - camera_mask (B, N) bool, False for a silent camera, which then does not reach the BEV
    - sensor2keyego (B, N, 4, 4), intrinsics (B, N, 3, 3), post_rots (B, N, 3, 3),
      post_trans (B, N, 3), bda (B, 4, 4) float32
    - depth (B, N, H, W) float32 metres, 0 where there is no LiDAR return
    - points: one (M, 5) float32 per sample: x, y, z in metres, intensity, lag in seconds

    Args:
        config: What the network looks like.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        lidar_channels, camera_channels = 0, 0
        if config.modality != "vision":
            self.pts_middle_encoder = SparseEncoder(
                POINT_FEATURES, config.voxel_widths, config.voxel_blocks
            )
            lidar_channels = config.sparse_channels
        if config.modality != "lidar":
            camera_channels = config.bev_channels * config.bev.shape[2]
        # The order of the children is that of official state dicts.
        if config.bev_encoder == "second":
            fused = config.modality != "lidar"
            trunk_input = config.fused_channels if fused else lidar_channels
            self.pts_backbone = Second(trunk_input, config.trunk_widths, config.trunk_layers)
            self.pts_neck = SecondNeck(config.trunk_widths, config.trunk_channels)
            features = 2 * config.trunk_channels
        if config.modality != "lidar":
            self._add_camera_branch(config)
        if config.bev_encoder == "resnet":
            self.img_bev_encoder_backbone = BevResNet(camera_channels, config.encoder_widths)
            fine, _, coarse = config.encoder_widths
            features = config.encoder_channels
            self.img_bev_encoder_neck = ConcatNeck(fine, coarse, features, scale=4, upsample=True)
        self.bev_upsample = nn.Identity()
        if config.upsample_channels:
            self.bev_upsample = Upsample(features, config.upsample_channels)
            features = config.upsample_channels
        self.point_grid = None
        if config.point_grid:
            self.point_grid = PointGrid(features, config.grid.shape[2], config.trunk_step)
        self.occ_head = OccupancyHead(
            in_channels=features,
            channels=config.head_channels,
            hidden=config.head_hidden,
            height=config.grid.shape[2],
            class_count=config.class_count,
            flow=config.flow,
        )
        if config.bev_encoder == "second" and config.modality != "lidar":
            self.occ_fuser = BevFuser(camera_channels + lidar_channels, config.fused_channels)

    def _add_camera_branch(self, config: ModelConfig) -> None:
        if config.image_backbone == "swin_b":
            self.img_backbone = swin_b(config.image_stages)
        else:
            self.img_backbone = ResNet(
                config.image_backbone, config.image_stages, config.image_width
            )
        channels = self.img_backbone.channels
        if config.image_neck == "fpn":
            self.img_neck = FeaturePyramid(channels, config.image_channels)
        else:
            scale = 2 ** (config.image_stages[-1] - config.image_stages[0])
            self.img_neck = ConcatNeck(
                channels[0], channels[-1], config.image_channels, scale, upsample=False
            )
        self.img_view_transformer = LiftSplat(
            in_channels=config.image_channels,
            out_channels=config.bev_channels,
            image_size=config.image_size,
            downsample=config.image_downsample,
            depth_range=config.depth_range,
            bev=config.bev,
            lidar_depth=config.modality == "fusion",
        )

    def image_features(self, images: Tensor) -> Tensor:
        """Images (B, N, 3, H, W) to features (B, N, C, h, w)."""
        features = self.img_neck(self.img_backbone(images.flatten(0, 1)))
        return features.unflatten(0, images.shape[:2])

    def camera_bev(self, **cameras: Tensor | None) -> Tensor:
        """Images to the camera BEV (B, C, Dy, Dx)."""
        return self.lift_splat(**cameras)[0]

    def lift_splat(
        self,
        images: Tensor,
        camera_mask: Tensor,
        sensor2keyego: Tensor,
        intrinsics: Tensor,
        post_rots: Tensor,
        post_trans: Tensor,
        bda: Tensor,
        depth: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images to the camera BEV, logits of depths and context, as :class:`LiftSplat` says."""
        features = self.image_features(images)
        matrices = (sensor2keyego, intrinsics, post_rots, post_trans, bda)
        return self.img_view_transformer(features, depth, camera_mask, matrices)

    def lidar_bev(self, points: list[Tensor]) -> Tensor:
        """Clouds to the LiDAR BEV (B, C, Dy, Dx); the head sees its last channels."""
        config = self.config
        voxels = voxelize(points, config.voxels, config.max_voxels, config.max_points_per_voxel)
        bev = self.pts_middle_encoder(voxels.features, voxels.sites)
        return self.with_points(bev, points)

    def with_points(self, bev: Tensor, points: list[Tensor]) -> Tensor:
        """Add the points that the head sees to what the sparse encoder gives, as channels."""
        if self.point_grid is None:
            return bev
        config = self.config
        counted = count_points(points, config.grid, config.trunk_step)
        # In the layout of the other one: from two layouts comes the slower one.
        counted = counted.contiguous(memory_format=torch.channels_last)
        return torch.cat([bev, counted], dim=1)

    def fuse(self, camera_bev: Tensor | None, lidar_bev: Tensor | None) -> Tensor:
        """Camera and LiDAR BEV, where the network has them, to what enters the trunk."""
        if self.point_grid is not None:
            lidar_bev = lidar_bev[:, : -self.point_grid.channels]
        bevs = [self._laid_out(bev) for bev in (camera_bev, lidar_bev) if bev is not None]
        if self.config.modality == "lidar" or self.config.bev_encoder == "resnet":
            return bevs[0]
        return self.occ_fuser(bevs)

    def trunk(self, bev: Tensor) -> Tensor:
        """(B, C, Ht, Wt) what :meth:`fuse` gives to features of the same size."""
        if self.config.bev_encoder == "resnet":
            return self.img_bev_encoder_neck(self.img_bev_encoder_backbone(bev))
        return self.pts_neck(self.pts_backbone(bev))

    def merge(self, camera_bev: Tensor | None, lidar_bev: Tensor | None) -> Tensor:
        """Camera and LiDAR BEV to BEV features (B, C, Dy, Dx), what the head sees."""
        return self.for_head(self.trunk(self.fuse(camera_bev, lidar_bev)), lidar_bev)

    def for_head(self, features: Tensor, lidar_bev: Tensor | None) -> Tensor:
        """(B, C, Ht, Wt) what the trunk gives to what the head sees, (B, C, Dy, Dx)."""
        bev = self.bev_upsample(features)
        if self.point_grid is None:
            return bev
        counted = self._laid_out(lidar_bev[:, -self.point_grid.channels :])
        return self.point_grid(bev, counted)

    def bevs(
        self, points: list[Tensor] | None = None, **cameras: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """Inputs to camera BEV, LiDAR BEV, logits of depths, context; None for what is not."""
        camera_bev = lidar_bev = depth = context = None
        if self.config.modality != "lidar":
            camera_bev, depth, context = self.lift_splat(**cameras)
        if self.config.modality != "vision":
            lidar_bev = self.lidar_bev(points)
        return camera_bev, lidar_bev, depth, context

    def forward(self, columns: Tensor | None = None, **inputs) -> Outputs:
        """Inputs to logits and to the maps on the way.

        Args:
            columns: (K,) int64 into (B, Dx, Dy) flattened: score these columns of voxels alone.
            **inputs: As above.
        """
        camera_bev, lidar_bev, depth, context = self.bevs(**inputs)
        fused_bev = self.fuse(camera_bev, lidar_bev)
        features = self.trunk(fused_bev)
        logits, flow = self.occ_head(self.for_head(features, lidar_bev), columns)
        return Outputs(camera_bev, fused_bev, features, logits, flow, depth, context, lidar_bev)

    def predict_labels(
        self, confidence: bool = False, **inputs
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Classify every voxel.

        Args:
            confidence: Also return how probable each label is.
            **inputs: As above.

        Returns:
            Labels (B, Dx, Dy, Dz) uint8; the softmax probability of the label times 255,
            (B, Dx, Dy, Dz) uint8, or None; flow (B, Dx, Dy, Dz, 2) in m/s, or None.
        """
        camera_bev, lidar_bev, *_ = self.bevs(**inputs)
        return self.occ_head.labels(self.merge(camera_bev, lidar_bev), confidence)

    def _laid_out(self, bev: Tensor) -> Tensor:
        """Give a BEV the memory layout that the convolutions after it are fastest in.

        On a CPU the backward pass of a convolution over channels-last tensors takes several times
        as long as over contiguous ones (oneDNN, AVX2).
        """
        slow = self.training and bev.device.type == "cpu"
        return bev.contiguous() if slow else bev

    def fuse_for_inference(self) -> "EffOcc":
        """Fold batch normalisations into convolutions and put channels last, both in place.

        The network gives the same voxels, faster, but cannot be trained or saved any more.

        Returns:
            The same network, in eval mode.
        """
        return put_channels_last(fold_batch_norm(self.eval()))
