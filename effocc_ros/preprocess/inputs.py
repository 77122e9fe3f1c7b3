# SPDX-License-Identifier: Apache-2.0
"""A Frame as the tensors that a network takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from effocc_ros.errors import InputError
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.networks.config import ModelConfig
from effocc_ros.preprocess.depth import depth_images
from effocc_ros.preprocess.images import ImageFit, check_image, fit_image, lay_in, normalise
from effocc_ros.preprocess.poses import NetworkPoses, network_poses
from effocc_ros.preprocess.variation import AS_IT_IS, UNCHANGED, ImageVariation, Variation


@dataclass(frozen=True)
class Inputs:
    """What a network takes, for a batch of B. Fields that its modality has no use for are None.

    Attributes:
        images: (B, N, 3, H, W) float32, normalised, channels B, G, R; zeros for a silent camera.
            On their way to the device they are uint8 canvases, channels R, G, B.
        camera_mask: (B, N) bool, False for a silent camera, which must not reach the BEV.
        sensor2keyego: (B, N, 4, 4) float32, optical frames to the key frame.
        intrinsics: (B, N, 3, 3) float32, pixels of the source images.
        post_rots: (B, N, 3, 3) float32, source pixel to input pixel, linear part.
        post_trans: (B, N, 3) float32, source pixel to input pixel, shift.
        bda: (B, 4, 4) float32, augmentation of the BEV; the identity outside of training.
        depth: (B, N, H, W) float32 metres, 0 where there is no return.
        points: One (M, 5) float32 tensor per sample: x, y, z, intensity, lag in seconds.
    """

    images: Tensor | None
    camera_mask: Tensor | None
    sensor2keyego: Tensor | None
    intrinsics: Tensor | None
    post_rots: Tensor | None
    post_trans: Tensor | None
    bda: Tensor
    depth: Tensor | None
    points: list[Tensor] | None

    def keywords(self) -> dict:
        """Return the fields by name, ready for ``network(**inputs.keywords())``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def matrices(self) -> tuple[Tensor, ...]:
        """What leads from pixels to the network's frame, for :func:`pixels_in_ego`."""
        post = self.post_rots, self.post_trans
        return self.sensor2keyego, self.intrinsics, *post, self.bda

    def to(self, device: torch.device | str) -> "Inputs":
        """Return the same inputs on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Inputs":
        """Return the same inputs in memory from which a GPU can fetch while it computes."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Inputs":
        changed = {
            name: change(value)
            for name, value in self.keywords().items()
            if isinstance(value, Tensor)
        }
        if self.points is not None:
            changed["points"] = [change(points) for points in self.points]
        return replace(self, **changed)


def preprocess(frame: Frame, config: ModelConfig, device: torch.device | str = "cpu") -> Inputs:
    """Turn a Frame into a network's input tensors.

    The order of the Frame's cameras does not matter, and cameras that the network does not know
    are ignored. A network with LiDAR gets an empty cloud when the Frame has none.

    Args:
        frame: Sensors of one moment.
        config: The network's preset.
        device: Where the tensors shall be. Images are resized on the CPU in any case, so that
            their pixels do not depend on the device.

    Returns:
        The tensors, batch of one.

    Raises:
        InputError: An image is not (H, W, 3) uint8, or the cloud is not (N, 5).
    """
    return normalised(canvas_inputs(frame, config, device), config, device)


def canvas_inputs(
    frame: Frame,
    config: ModelConfig,
    device: torch.device | str = "cpu",
    variation: Variation = UNCHANGED,
) -> Inputs:
    """Turn a Frame into a network's input tensors, but for the images' normalisation.

    Images stay uint8 canvases on the CPU, a quarter in size, and ``camera_mask`` stays there too;
    :func:`normalised` brings them to the device.

    Args:
        frame: As for :func:`preprocess`.
        config: As for :func:`preprocess`.
        device: As for :func:`preprocess`.
        variation: What training changes. The points are mirrored, and ``bda`` says how; the depth
            images are of the points before.

    Raises:
        InputError: As :func:`preprocess`.
    """
    poses = network_poses(frame, config)
    views = [] if config.modality == "lidar" else _views(frame, config, variation)
    signs = torch.tensor(variation.signs, device=device)
    tensors = dict.fromkeys(field.name for field in fields(Inputs))
    tensors["bda"] = torch.diag(torch.cat([signs, signs.new_ones(1)]))[None]
    if config.modality != "lidar":
        tensors |= _camera_tensors(views, config, poses, device)
    if config.modality != "vision":
        points = _network_points(frame, config, poses, device)
        if config.modality == "fusion":
            tensors["depth"] = _depth_images(points, views, config, poses)
        if variation.flip_x or variation.flip_y:
            points[:, :3] *= signs
        tensors["points"] = [points]
    return Inputs(**tensors)


def normalised(inputs: Inputs, config: ModelConfig, device: torch.device | str) -> Inputs:
    """Bring inputs with canvases for images to a device, and normalise the images there.

    Args:
        inputs: From :func:`canvas_inputs`, perhaps several put together.
        config: The network's preset.
        device: Where the tensors shall be.
    """
    moved = inputs.to(device)
    if moved.images is None:
        return moved
    silent = ~inputs.camera_mask
    return replace(
        moved, images=normalise(moved.images, silent, config.image_mean, config.image_std)
    )


def stack(samples: Sequence[Inputs]) -> Inputs:
    """Put the inputs of one network for several moments together, in their order."""
    tensors = {}
    for field in fields(Inputs):
        values = [getattr(sample, field.name) for sample in samples]
        if isinstance(values[0], Tensor):
            tensors[field.name] = torch.cat(values)
        else:
            tensors[field.name] = None if values[0] is None else list(chain(*values))
    return Inputs(**tensors)


def _network_points(
    frame: Frame, config: ModelConfig, poses: NetworkPoses, device: torch.device | str
) -> Tensor:
    """Move the Frame's points (M, 5) into the frame of the network's points.

    Points that are not finite are left out, for they have no voxel.
    """
    points = check_points(frame.cloud)
    points = torch.from_numpy(np.array(points, np.float32)).to(device)
    # One non-finite value makes the sum so: much cheaper than looking at every value.
    if not points.sum().isfinite():
        points = points[points.isfinite().all(dim=1)]
    ego2points = torch.from_numpy(poses.ego2points).to(device)
    points[:, :3] = points[:, :3].double() @ ego2points[:3, :3].T + ego2points[:3, 3]
    for column in config.tanh_columns:
        points[:, column].tanh_()
    return points


def check_points(cloud: PointCloud | None) -> NDArray[np.float32]:
    """Return the points of a cloud (N, 5), none of no cloud.

    Raises:
        InputError: They have another shape.
    """
    if cloud is None:
        return np.zeros((0, 5), np.float32)
    if cloud.points.ndim != 2 or cloud.points.shape[1] != 5:
        raise InputError(
            f"points of {cloud.name}",
            found=f"shape {cloud.points.shape}",
            expected="(N, 5): x, y, z, intensity, lag",
            do="Make the cloud with aggregate_sweeps",
            reason="bad_points",
        )
    return cloud.points


@dataclass(frozen=True)
class _View:
    """A camera that the network knows, and how its image is laid into the network's input."""

    place: int
    camera: Camera
    variation: ImageVariation
    fit: ImageFit


def _views(frame: Frame, config: ModelConfig, variation: Variation) -> list[_View]:
    """The cameras that the network knows, in its order."""
    views = []
    for place, name in enumerate(config.cameras):
        camera = frame.camera(name)
        if camera is not None:
            check_image(camera.image, name)
            varied = variation.images.get(name, AS_IT_IS)
            fit = fit_image(camera.image.shape[:2], config.image_size, varied)
            views.append(_View(place, camera, varied, fit))
    return views


def _camera_tensors(
    views: list[_View], config: ModelConfig, poses: NetworkPoses, device: torch.device | str
) -> dict[str, Tensor]:
    count = len(config.cameras)
    canvases = torch.zeros(1, count, 3, *config.image_size, dtype=torch.uint8)
    mask = torch.zeros(1, count, dtype=torch.bool)
    # A silent camera keeps identities, which can be inverted and harm nothing.
    tensors = {
        "sensor2keyego": torch.eye(4).repeat(1, count, 1, 1),
        "intrinsics": torch.eye(3).repeat(1, count, 1, 1),
        "post_rots": torch.eye(3).repeat(1, count, 1, 1),
        "post_trans": torch.zeros(1, count, 3),
    }
    for view in views:
        canvases[0, view.place] = lay_in(view.camera.image, view.fit, view.variation)
        mask[0, view.place] = True
        for name, matrix in (
            ("sensor2keyego", poses.sensor2key(view.camera)),
            ("intrinsics", view.camera.intrinsics),
            ("post_rots", view.fit.post_rot),
            ("post_trans", view.fit.post_trans),
        ):
            tensors[name][0, view.place] = torch.from_numpy(np.array(matrix, np.float32))
    moved = {name: value.to(device) for name, value in tensors.items()}
    return {"images": canvases, "camera_mask": mask} | moved


def _depth_images(
    points: Tensor, views: list[_View], config: ModelConfig, poses: NetworkPoses
) -> Tensor:
    """(1, N, H, W) depth of the network's points; all zero for a silent camera."""
    depth = torch.zeros(1, len(config.cameras), *config.image_size, device=points.device)
    if not views:
        return depth
    projections = [poses.points2pixel(view.camera, view.fit) for view in views]
    depth[0, [view.place for view in views]] = depth_images(
        points[:, :3],
        torch.from_numpy(np.stack(projections)),
        config.image_size,
        config.depth_range[:2],
    )
    return depth
