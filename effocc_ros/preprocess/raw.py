# SPDX-License-Identifier: Apache-2.0
"""What a Frame sends to a device: its own pixels and points, and the matrices that belong to them.

The device makes a network's inputs of it (:mod:`effocc_ros.preprocess.on_device`). Sizes depend
on the cameras' images alone, and on the number of points in steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from effocc_ros.frame import Camera, Frame
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.static_splat import Rays, rays_of
from effocc_ros.preprocess.images import check_image, fit_image
from effocc_ros.preprocess.inputs import check_points
from effocc_ros.preprocess.poses import NetworkPoses, network_poses

POINT_STEP = 1 << 16
"""Room for points grows in steps of this many, so that clouds of many sizes share one shape."""


@dataclass(frozen=True)
class RawInputs:
    """A Frame on its way to a device, for one network. What a modality lacks is None or empty.

    Attributes:
        places: Per group of cameras with images of one size, their numbers among the network's.
        images: Per group, (K, H, W, 3) uint8 RGB.
        camera_mask: (N,) bool, False for a silent camera.
        rays: How input pixels lead into the network's frame.
        points: (M, 5) float32 in the ego frame, NaN behind the last one.
        ego2points: (3, 4) float64 into the frame of the network's points.
        points2pixel: (N, 3, 4) float64 from there to input pixels times depth, and to depth; zero
            for a silent camera.
    """

    places: tuple[tuple[int, ...], ...]
    images: tuple[Tensor, ...]
    camera_mask: Tensor | None
    rays: Rays | None
    points: Tensor | None
    ego2points: Tensor | None
    points2pixel: Tensor | None

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all tensors, in an order that depends on the modality and the groups alone."""
        single = (self.camera_mask, self.points, self.ego2points, self.points2pixel)
        return tuple(t for t in (*self.images, *(self.rays or ()), *single) if t is not None)

    def with_tensors(self, tensors: tuple[Tensor, ...]) -> "RawInputs":
        """Return the same with other tensors of the same shapes, in the same order."""
        left = iter(tensors)
        images = tuple(next(left) for _ in self.images)
        rays = None if self.rays is None else Rays(*(next(left) for _ in self.rays))
        names = ("camera_mask", "points", "ego2points", "points2pixel")
        single = {name: next(left) for name in names if getattr(self, name) is not None}
        return replace(self, images=images, rays=rays, **single)


def raw_inputs(
    frame: Frame,
    config: ModelConfig,
    pinned: bool = False,
    point_step: int = POINT_STEP,
) -> RawInputs:
    """Gather what a device needs of a Frame.

    Args:
        frame: Sensors of one moment; cameras that the network does not know are ignored.
        config: The network's preset.
        pinned: Into memory from which a GPU fetches while the host goes on.
        point_step: Room for points grows in steps of this many.

    Raises:
        InputError: An image is not (H, W, 3) uint8, or the cloud is not (N, 5).
    """

    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, pin_memory=pinned)

    poses = network_poses(frame, config)
    values = {"camera_mask": None, "rays": None, "points2pixel": None}
    values |= {"points": None, "ego2points": None, "places": (), "images": ()}
    cameras = {}
    if config.modality != "lidar":
        found = {place: frame.camera(name) for place, name in enumerate(config.cameras)}
        cameras = {place: camera for place, camera in found.items() if camera is not None}
        values |= _images(cameras, empty) | _rays(cameras, config, poses, pinned)
    if config.modality != "vision":
        values["points"] = _points(frame, empty, point_step)
        values["ego2points"] = _placed(torch.from_numpy(poses.ego2points[:3]), pinned)
    if config.modality == "fusion":
        values["points2pixel"] = _placed(_projections(cameras, config, poses), pinned)
    return RawInputs(**values)


def _images(cameras: dict[int, Camera], empty: Callable[..., Tensor]) -> dict:
    """Images of one size side by side, sizes in the order of the cameras."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, camera in cameras.items():
        check_image(camera.image, camera.name)
        groups.setdefault(camera.image.shape, []).append(place)
    images = []
    for shape, places in groups.items():
        stacked = empty(len(places), *shape, dtype=torch.uint8)
        for image, place in zip(stacked.numpy(), places, strict=True):
            np.copyto(image, cameras[place].image)
        images.append(stacked)
    return {"places": tuple(map(tuple, groups.values())), "images": tuple(images)}


def _rays(
    cameras: dict[int, Camera], config: ModelConfig, poses: NetworkPoses, pinned: bool
) -> dict:
    count = len(config.cameras)
    mask = torch.zeros(count, dtype=torch.bool)
    # A silent camera keeps identities, which can be inverted and harm nothing.
    sensor2key, intrinsics = torch.eye(4).repeat(count, 1, 1), torch.eye(3).repeat(count, 1, 1)
    post_rots, post_trans = torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 3)
    for place, camera in cameras.items():
        fit = fit_image(camera.image.shape[:2], config.image_size)
        mask[place] = True
        for tensor, matrix in (
            (sensor2key, poses.sensor2key(camera)),
            (intrinsics, camera.intrinsics),
            (post_rots, fit.post_rot),
            (post_trans, fit.post_trans),
        ):
            tensor[place] = torch.from_numpy(np.array(matrix, np.float32))
    rays = rays_of((sensor2key, intrinsics, post_rots, post_trans))
    return {
        "camera_mask": _placed(mask, pinned),
        "rays": Rays(*(_placed(each.contiguous(), pinned) for each in rays)),
    }


def _projections(cameras: dict[int, Camera], config: ModelConfig, poses: NetworkPoses) -> Tensor:
    """(N, 3, 4) from the frame of the points to column and row times depth, and to depth."""
    projections = torch.zeros(len(config.cameras), 3, 4, dtype=torch.float64)
    for place, camera in cameras.items():
        fit = fit_image(camera.image.shape[:2], config.image_size)
        projections[place] = torch.from_numpy(poses.points2pixel(camera, fit))
    return projections


def _points(frame: Frame, empty: Callable[..., Tensor], step: int) -> Tensor:
    points = check_points(frame.cloud)
    room = max(-(-len(points) // step), 1) * step
    placed = empty(room, 5)
    np.copyto(placed.numpy()[: len(points)], points)
    placed[len(points) :] = torch.nan
    return placed


def _placed(tensor: Tensor, pinned: bool) -> Tensor:
    return tensor.pin_memory() if pinned else tensor
