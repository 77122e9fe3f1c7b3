# SPDX-License-Identifier: Apache-2.0
"""A whole network for one sample in tensors of fixed sizes: nothing in it makes a host wait.

A device is given the operations of a frame in one go, and they can be recorded once and replayed.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.static_encoder import StaticEncoder
from effocc_ros.networks.static_splat import Rays, StaticSplat, StaticTable
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
        dtype: What its convolutions and products work in; places are found in float32.
    """

    def __init__(self, network: EffOcc, dtype: torch.dtype = torch.float32):
        self._network, self._dtype = network, dtype
        self._device = next(network.parameters()).device
        config = network.config
        if config.modality != "lidar":
            view = network.img_view_transformer
            self._splat = StaticSplat(view, len(config.cameras), self._device)
        if config.modality != "vision":
            self._encoder = StaticEncoder(network.pts_middle_encoder, dtype)

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
        config, camera_bev, lidar_bev, dropped = self._network.config, None, None, None
        if config.modality != "lidar":
            # Half precision would move frustum points by metres.
            table = self._splat.table(inputs.camera_mask, inputs.rays)
        if config.modality != "vision":
            limits = config.max_voxels, config.max_points_per_voxel
            voxels = static_voxels(inputs.points, config.voxels, *limits)
            lidar_bev, dropped = self._encoder(*voxels)
            lidar_bev = self._network.with_points(lidar_bev, [inputs.points])
        with self._arithmetic():
            if config.modality != "lidar":
                camera_bev = self._camera_bev(inputs, table)
            logits, flow = self._network.occ_head(self._network.merge(camera_bev, lidar_bev))
        labels = logits.argmax(dim=-1).to(torch.uint8)
        return labels, _sureness(logits) if confidence else None, flow, dropped

    def _camera_bev(self, inputs: StaticInputs, table: StaticTable) -> Tensor:
        view = self._network.img_view_transformer
        features = self._network.image_features(inputs.images[None])[0]
        depth = None if inputs.depth is None else inputs.depth[:, None]
        return self._splat.pool(table, *view.depth_and_context(features, depth))

    def _arithmetic(self) -> AbstractContextManager:
        if self._dtype == torch.float32:
            return nullcontext()
        # Casts that are kept from frame to frame could not be recorded.
        return torch.autocast(self._device.type, dtype=self._dtype, cache_enabled=False)


def _sureness(logits: Tensor) -> Tensor:
    """Probability of the best class (..., classes) times 255, (...) uint8."""
    best = logits.float().softmax(dim=-1).amax(dim=-1)
    return best.mul_(255).round_().to(torch.uint8)
