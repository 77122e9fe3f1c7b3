# SPDX-License-Identifier: Apache-2.0
"""A whole network for one sample in tensors of fixed sizes: nothing in it makes a host wait.

A device is given the operations of a frame in one go, and they can be recorded once and replayed.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.static_encoder import StaticEncoder
from effocc_ros.networks.static_splat import Rays, StaticSplat
from effocc_ros.networks.static_voxels import static_voxels


class StaticInputs(NamedTuple):
    """What a network takes of one sample. What its modality has no use for is None.

    Attributes:
        images: (N, 3, H, W) float32, normalised, channels B, G, R.
        camera_mask: (N,) bool, False for a silent camera.
        rays: How input pixels lead into the network's frame.
        depth: (N, H, W) float32 metres, 0 where there is no return.
        points: (M, 5) float32: x, y, z, intensity, lag; NaN in rows that hold no point.
    """

    images: Tensor | None
    camera_mask: Tensor | None
    rays: Rays | None
    depth: Tensor | None
    points: Tensor | None


class StaticNetwork:
    """Gives the voxels that a network gives, with its parameters.

    Args:
        network: For inference, on its device.
    """

    def __init__(self, network: EffOcc):
        self._network, config = network, network.config
        device = next(network.parameters()).device
        if config.modality != "lidar":
            view = network.img_view_transformer
            self._splat = StaticSplat(view, len(config.cameras), device)
        if config.modality != "vision":
            self._encoder = StaticEncoder(network.pts_middle_encoder)

    def predict_labels(
        self, inputs: StaticInputs, confidence: bool = False
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """Classify every voxel.

        Args:
            inputs: Of one sample.
            confidence: Also return how probable each label is.

        Returns:
            Labels, confidence and flow as of :meth:`EffOcc.predict_labels`, batch of one, and how
            many sites of the sparse encoder found no room, per stage; None without LiDAR.
        """
        network, camera_bev, lidar_bev, dropped = self._network, None, None, None
        if network.config.modality != "lidar":
            camera_bev = self._camera_bev(inputs)
        if network.config.modality != "vision":
            lidar_bev, dropped = self._lidar_bev(inputs.points)
        bev = network.merge(camera_bev, lidar_bev)
        return *network.occ_head.labels(bev, confidence), dropped

    def _camera_bev(self, inputs: StaticInputs) -> Tensor:
        view = self._network.img_view_transformer
        features = self._network.image_features(inputs.images[None])[0]
        depth = None if inputs.depth is None else inputs.depth[:, None]
        probability, context = view.depth_and_context(features, depth)
        return self._splat(probability, context, inputs.camera_mask, inputs.rays)

    def _lidar_bev(self, points: Tensor) -> tuple[Tensor, Tensor]:
        config = self._network.config
        limits = config.max_voxels, config.max_points_per_voxel
        bev, dropped = self._encoder(*static_voxels(points, config.voxels, *limits))
        return self._network.with_points(bev, [points]), dropped
