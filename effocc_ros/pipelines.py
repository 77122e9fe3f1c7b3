# SPDX-License-Identifier: Apache-2.0
"""From a Frame to a network's voxels: on a CPU, and on a GPU whose host does not wait for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from effocc_ros.cuda_graphs import Outputs, Recordings, record_cuda_graph
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.static_network import StaticNetwork
from effocc_ros.preprocess import Inputs, preprocess
from effocc_ros.preprocess.on_device import static_inputs
from effocc_ros.preprocess.raw import POINT_STEP, RawInputs, raw_inputs

logger = logging.getLogger(__name__)


class HostPipeline:
    """Runs a network on the CPU, where sizes follow the data and nothing is computed in vain.

    Args:
        network: For inference, on the CPU.
        confidence: Also give the probability of each voxel's class.

    Attributes:
        dropped_sites: How many sites of the last cloud were left out: none.
    """

    dropped_sites = 0

    def __init__(self, network: EffOcc, confidence: bool = False):
        self._network, self._confidence = network, confidence

    def prepare(self, frame: Frame) -> Inputs:
        """Make the network's inputs."""
        return preprocess(frame, self._network.config)

    def run(self, inputs: Inputs) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return labels, confidence and flow, batch of one."""
        return self._network.predict_labels(confidence=self._confidence, **inputs.keywords())


class DevicePipeline:
    """Runs a network in tensors of fixed sizes: between upload and result the host waits once.

    On a GPU what a frame asks of it is recorded, and replayed for frames of the same shapes.

    Args:
        network: For inference, on its device.
        dtype: What its convolutions and products work in.
        confidence: Also give the probability of each voxel's class.
        point_step: Room for points grows in steps of this many.

    Attributes:
        dropped_sites: How many sites of the last cloud the sparse encoder had no room for.
    """

    def __init__(
        self,
        network: EffOcc,
        dtype: torch.dtype = torch.float32,
        confidence: bool = False,
        point_step: int = POINT_STEP,
    ):
        self.dropped_sites, self._warned = 0, False
        self._config, self._static = network.config, StaticNetwork(network, dtype)
        self._device = next(network.parameters()).device
        self._confidence, self._point_step = confidence, point_step
        self._on_gpu = self._device.type == "cuda"
        self._compute = (
            Recordings(self.compute, record_cuda_graph) if self._on_gpu else self.compute
        )

    def warm_up(self) -> None:
        """Run a frame that shows nothing: a GPU's first one takes seconds, to load its kernels."""
        self.run(self.prepare(blank_frame(self._config)))

    def prepare(self, frame: Frame) -> RawInputs:
        """Gather what the device needs, and begin to send it there."""
        raw = raw_inputs(frame, self._config, self._on_gpu, self._point_step)
        sent = tuple(each.to(self._device, non_blocking=True) for each in raw.tensors())
        return raw.with_tensors(sent)

    def compute(self, raw: RawInputs) -> Outputs:
        """Return labels, confidence, flow and sites without room; the host waits for nothing."""
        with without_tf32():
            inputs = static_inputs(raw, self._config)
            return self._static.predict_labels(inputs, self._confidence)

    def run(self, raw: RawInputs) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return labels, confidence and flow, batch of one, on the host."""
        with torch.cuda.device(self._device) if self._on_gpu else nullcontext():
            outputs = tuple(self._fetched(each) for each in self._compute(raw))
            if self._on_gpu:
                torch.cuda.current_stream().synchronize()
        *grids, dropped = outputs
        self._count(dropped)
        return tuple(grids)

    def _fetched(self, tensor: Tensor | None) -> Tensor | None:
        """Begin to copy a result to the host."""
        if tensor is None or not self._on_gpu:
            return tensor
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return host.copy_(tensor, non_blocking=True)

    def _count(self, dropped: Tensor | None) -> None:
        """Note sites without room, and say so the first time."""
        self.dropped_sites = 0 if dropped is None else int(dropped.sum())
        if self.dropped_sites and not self._warned:
            logger.warning(
                "no room for %d sites of the sparse encoder, in its stages behind the first: %s; "
                "those furthest to the left are left out (said once)",
                self.dropped_sites,
                dropped.tolist(),
            )
            self._warned = True


def blank_frame(config: ModelConfig) -> Frame:
    """Return a Frame of black images and one point, for a network's own sensors."""
    black = np.zeros((*config.image_size, 3), np.uint8)
    ahead = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)
    cameras = tuple(Camera(name, black, np.eye(3), ahead, np.eye(4), 0) for name in config.cameras)
    cloud = PointCloud(np.array([[5, 0, 0, 0, 0]], np.float32), np.eye(4))
    return Frame(0, "base_link", cameras, cloud, np.eye(4))


@contextmanager
def without_tf32() -> Iterator[None]:
    """Let cuDNN convolve float32 in float32: unless told so it takes TF32, which moves voxels."""
    cudnn = torch.backends.cudnn
    # torch 2.9 and later have a switch of its own for convolutions, and want no other with it.
    known = hasattr(cudnn, "conv")
    holder, name, exact = (
        (cudnn.conv, "fp32_precision", "ieee") if known else (cudnn, "allow_tf32", False)
    )
    before = getattr(holder, name)
    setattr(holder, name, exact)
    try:
        yield
    finally:
        setattr(holder, name, before)
