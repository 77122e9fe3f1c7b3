"""A Frame as the tensors that a network takes."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from effocc_ros.errors import InputError
from effocc_ros.frame import Camera, Frame
from effocc_ros.networks.config import ModelConfig
from effocc_ros.preprocess.depth import depth_images
from effocc_ros.preprocess.images import check_image, fit_image, lay_in, normalise
from effocc_ros.preprocess.poses import NetworkPoses, network_poses


@dataclass(frozen=True)
class Inputs:
    """What a network takes, for a batch of one. Fields that its modality has no use for are None.

    Attributes:
        images: (1, N, 3, H, W) float32, normalised, channels B, G, R; zeros for a silent camera.
        camera_mask: (1, N) bool, False for a silent camera, which must not reach the BEV.
        sensor2keyego: (1, N, 4, 4) float32, optical frames to the key frame.
        intrinsics: (1, N, 3, 3) float32, pixels of the source images.
        post_rots: (1, N, 3, 3) float32, source pixel to input pixel, linear part.
        post_trans: (1, N, 3) float32, source pixel to input pixel, shift.
        bda: (1, 4, 4) float32, augmentation of the BEV; the identity here.
        depth: (1, N, H, W) float32 metres, 0 where there is no return.
        points: One (M, 5) float32 tensor: x, y, z, intensity, lag in seconds.
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

    def to(self, device: torch.device | str) -> "Inputs":
        """Return the same inputs on another device."""
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in self.keywords().items()
            if isinstance(value, Tensor)
        }
        if self.points is not None:
            moved["points"] = [points.to(device, non_blocking=True) for points in self.points]
        return replace(self, **moved)


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
    poses = network_poses(frame, config)
    tensors = dict.fromkeys(field.name for field in fields(Inputs))
    tensors["bda"] = torch.eye(4, device=device)[None]
    if config.modality != "vision":
        tensors["points"] = [_network_points(frame, config, poses, device)]
    if config.modality != "lidar":
        tensors |= _camera_tensors(frame, config, poses, device)
    if config.modality == "fusion":
        tensors["depth"] = _depth_images(frame, config, poses, tensors)
    return Inputs(**tensors)


def _network_points(
    frame: Frame, config: ModelConfig, poses: NetworkPoses, device: torch.device | str
) -> Tensor:
    """Move the Frame's points (M, 5) into the frame of the network's points.

    Points that are not finite are left out, for they have no voxel.
    """
    if frame.cloud is None:
        return torch.zeros(0, 5, device=device)
    points = frame.cloud.points
    if points.ndim != 2 or points.shape[1] != 5:
        raise InputError(
            f"points of {frame.cloud.name}",
            found=f"shape {points.shape}",
            expected="(N, 5): x, y, z, intensity, lag",
            do="Make the cloud with aggregate_sweeps",
            reason="bad_points",
        )
    points = torch.from_numpy(np.array(points, np.float32)).to(device)
    # One non-finite value makes the sum so: much cheaper than looking at every value.
    if not points.sum().isfinite():
        points = points[points.isfinite().all(dim=1)]
    ego2points = torch.from_numpy(poses.ego2points).to(device)
    points[:, :3] = points[:, :3].double() @ ego2points[:3, :3].T + ego2points[:3, 3]
    for column in config.tanh_columns:
        points[:, column].tanh_()
    return points


def _camera_tensors(
    frame: Frame, config: ModelConfig, poses: NetworkPoses, device: torch.device | str
) -> dict[str, Tensor]:
    count, size = len(config.cameras), config.image_size
    images = torch.zeros(1, count, 3, *size, device=device)
    mean = torch.tensor(config.image_mean, device=device)
    std = torch.tensor(config.image_std, device=device)
    # A silent camera keeps identities, which can be inverted and harm nothing.
    tensors = {
        "camera_mask": torch.zeros(1, count, dtype=torch.bool),
        "sensor2keyego": torch.eye(4).repeat(1, count, 1, 1),
        "intrinsics": torch.eye(3).repeat(1, count, 1, 1),
        "post_rots": torch.eye(3).repeat(1, count, 1, 1),
        "post_trans": torch.zeros(1, count, 3),
    }
    for position, camera in _known_cameras(frame, config):
        check_image(camera.image, camera.name)
        fit = fit_image(camera.image.shape[:2], size)
        normalise(lay_in(camera.image, fit).to(device), mean, std, out=images[0, position])
        tensors["camera_mask"][0, position] = True
        for name, matrix in (
            ("sensor2keyego", poses.sensor2key(camera)),
            ("intrinsics", camera.intrinsics),
            ("post_rots", fit.post_rot),
            ("post_trans", fit.post_trans),
        ):
            tensors[name][0, position] = torch.from_numpy(np.array(matrix, np.float32))
    return {"images": images} | {name: value.to(device) for name, value in tensors.items()}


def _depth_images(frame: Frame, config: ModelConfig, poses: NetworkPoses, tensors: dict) -> Tensor:
    """(1, N, H, W) depth of the network's points; all zero for a silent camera."""
    points = tensors["points"][0]
    depth = torch.zeros(1, len(config.cameras), *config.image_size, device=points.device)
    known = _known_cameras(frame, config)
    if not known:
        return depth
    points2sensor, points2pixel = [], []
    for _, camera in known:
        fit = fit_image(camera.image.shape[:2], config.image_size)
        to_sensor = poses.points2sensor(camera)[:3]
        # Input pixel times depth; post_trans is a shift, so it comes in times depth as well.
        to_pixel = fit.post_rot.astype(np.float64) @ camera.intrinsics @ to_sensor
        to_pixel += fit.post_trans.astype(np.float64)[:, None] * to_sensor[2]
        points2sensor.append(torch.from_numpy(to_sensor))
        points2pixel.append(torch.from_numpy(to_pixel[:2]))
    depth[0, [position for position, _ in known]] = depth_images(
        points[:, :3],
        torch.stack(points2sensor),
        torch.stack(points2pixel),
        config.image_size,
        config.depth_range[:2],
    )
    return depth


def _known_cameras(frame: Frame, config: ModelConfig) -> list[tuple[int, Camera]]:
    """Cameras that the network knows, each with its place in the network's order."""
    found = ((position, frame.camera(name)) for position, name in enumerate(config.cameras))
    return [(position, camera) for position, camera in found if camera is not None]
