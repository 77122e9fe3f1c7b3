# SPDX-License-Identifier: Apache-2.0
"""The dense halves of a network, each as a module with named inputs and outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from effocc_ros.networks.effocc import EffOcc


@dataclass(frozen=True)
class Side:
    """One half of a network, ready to be exported.

    Attributes:
        name: ``camera`` or ``bev``.
        inputs: Shape of every input, all float32, in the order in which ``module`` takes them.
        outputs: Shape of everything that ``module`` returns, in its order; ``labels`` are uint8,
            all else is float32.
        module: Tensors to a tuple of tensors.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    module: nn.Module


class _Steps(nn.Module):
    """A function of a network as a module, which is what the exporter takes."""

    def __init__(self, network: EffOcc, steps: Callable[..., tuple[Tensor, ...]]):
        super().__init__()
        self.network, self.steps = network, steps
        self.train(network.training)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self.steps(self.network, *tensors)


def sides_of(network: EffOcc, logits: bool = False) -> tuple[Side, ...]:
    """Return the dense halves of a network.

    What lies between them, the splat and the sparse encoder, depends on calibration and on where
    the points are, and stays in torch.

    Args:
        network: In eval mode.
        logits: Also give the logits that the labels come from.

    Returns:
        The camera side, which a LiDAR network does not have, and the BEV side.
    """
    bev = _bev_side(network, logits)
    return (bev,) if network.config.modality == "lidar" else (_camera_side(network), bev)


def _camera_side(network: EffOcc) -> Side:
    config = network.config
    count, size = len(config.cameras), config.image_size
    inputs = {"images": (1, count, 3, *size)}
    if config.modality == "fusion":
        inputs["depth"] = (1, count, *size)
    view = network.img_view_transformer
    cells = [pixels // config.image_downsample for pixels in size]
    outputs = {
        "depth_probability": (1, count, view.depth_count, *cells),
        "context": (1, count, view.out_channels, *cells),
    }
    return Side("camera", inputs, outputs, _Steps(network, _lift))


def _lift(network: EffOcc, images: Tensor, depth: Tensor | None = None) -> tuple[Tensor, ...]:
    features = network.image_features(images).flatten(0, 1)
    if depth is not None:
        depth = depth.flatten(0, 1).unsqueeze(1)
    both = network.img_view_transformer.depth_and_context(features, depth)
    return tuple(tensor.unflatten(0, images.shape[:2]) for tensor in both)


def _bev_side(network: EffOcc, logits: bool) -> Side:
    config, inputs = network.config, {}
    if config.modality != "lidar":
        width, height, layers = config.bev.shape
        inputs["camera_bev"] = (1, config.bev_channels * layers, height, width)
    if config.modality != "vision":
        inputs["lidar_bev"] = (1, config.lidar_channels, *config.trunk_size)
    shape = (1, *config.grid.shape)
    outputs = {"labels": shape}
    if logits:
        outputs["logits"] = (*shape, config.class_count)
    if config.flow:
        outputs["flow"] = (*shape, 2)
    steps = partial(_classify, names=tuple(inputs), logits=logits)
    return Side("bev", inputs, outputs, _Steps(network, steps))


def _classify(
    network: EffOcc, *bevs: Tensor, names: tuple[str, ...], logits: bool
) -> tuple[Tensor, ...]:
    given = {"camera_bev": None, "lidar_bev": None} | dict(zip(names, bevs, strict=True))
    scores, flow = network.occ_head(network.merge(**given))
    outputs = (scores.argmax(dim=-1).to(torch.uint8),)
    outputs += (scores,) if logits else ()
    return outputs if flow is None else (*outputs, flow)
