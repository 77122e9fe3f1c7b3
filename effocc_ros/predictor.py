# SPDX-License-Identifier: Apache-2.0
"""From a Frame to semantic occupancy: one object, one method."""

import copy
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from effocc_ros.classes import class_list
from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.loaded_model import LoadedModel, load_model
from effocc_ros.memory import give_back_freed_memory
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.half_precision import encode_in
from effocc_ros.networks.on_cpu import use_cpu_layers
from effocc_ros.occupancy import UPRIGHT, SemanticOccupancy
from effocc_ros.pipelines import DevicePipeline, HostPipeline
from effocc_ros.precisions import PRECISIONS, check_precision
from effocc_ros.preprocess import Inputs
from effocc_ros.preprocess.raw import RawInputs


@dataclass(frozen=True)
class PreparedFrame:
    """A Frame as the network takes it.

    Attributes:
        frame: What it was made of.
        inputs: Names of the sensors that the network sees.
        tensors: What the network's device takes; on a GPU they may still be on their way.
        milliseconds: How long that took.
    """

    frame: Frame
    inputs: tuple[str, ...]
    tensors: Inputs | RawInputs
    milliseconds: float


class Predictor:
    """A network ready to run.

    The same Frame gives the same voxels, every time. torch's threads are left as the caller set
    them (``torch.set_num_threads``); beside a ROS executor, fewer threads than cores are best.
    Use one Predictor from one thread at a time.

    Args:
        model: Name of a preset, path of a checkpoint, or a model that was loaded; its network is
            taken over and cannot be trained any more.
        device: ``cpu``, ``cuda``, ``cuda:1``, or ``auto``: the first GPU if there is one.
        precision: ``float32``; on a GPU also ``bfloat16`` or ``float16``; on a CPU with AMX, or
            one of AMD with AVX512-BF16, also ``bfloat16``, which the encoders work in, with
            float32 behind them.
        confidence: Also give the probability of each voxel's class.

    Attributes:
        config: The model's preset.
        name: What the model was called: preset name or checkpoint file name.
        trained: False when the weights are random.
        classes: What the labels mean.
        device: Where the network is.
        timings: Milliseconds of each stage of the last predict: preprocess, network, output. On a
            GPU most of preprocess belongs to network.

    Raises:
        InputError: No such preset or file, no such device, or a precision the device lacks.
    """

    def __init__(
        self,
        model: str | Path | LoadedModel,
        device: str = "auto",
        precision: str = "float32",
        confidence: bool = False,
    ):
        self.device = choose_device(device)
        check_precision(precision, self.device)
        self.confidence = confidence
        self.timings: dict[str, float] = {}
        loaded = model if isinstance(model, LoadedModel) else load_model(model)
        self.config, self.name, self.trained = loaded.config, loaded.name, loaded.trained
        self.classes = class_list(self.config.classes)
        network = loaded.network.requires_grad_(False).fuse_for_inference()
        self._pipeline: HostPipeline | DevicePipeline | None = self._made_ready(network, precision)
        give_back_freed_memory()

    def _made_ready(self, network: EffOcc, precision: str) -> HostPipeline | DevicePipeline:
        if self.device.type == "cpu":
            if precision != "float32":
                encode_in(network, PRECISIONS[precision])
            return HostPipeline(use_cpu_layers(network), self.confidence)
        network = network.to(self.device)
        pipeline = DevicePipeline(network, PRECISIONS[precision], self.confidence)
        with torch.inference_mode():
            pipeline.warm_up()
        return pipeline

    @classmethod
    def from_network(
        cls,
        network: EffOcc,
        config: ModelConfig,
        *,
        name: str = "",
        device: str | torch.device = "auto",
        precision: str = "float32",
        confidence: bool = False,
        trained: bool = True,
    ) -> "Predictor":
        """Predict with a network in memory, as training does between its epochs.

        The network is copied: it stays in its mode, on its device, and can be trained on.

        Args:
            network: What to copy.
            config: What the network looks like.
            name: What to call it; the preset's name when empty.
            device: As for the class.
            precision: As for the class.
            confidence: As for the class.
            trained: False when the weights are random.

        Raises:
            InputError: No such device, or a precision the device lacks.
        """
        # Checked before a large network is copied.
        check_precision(precision, choose_device(str(device)))
        loaded = LoadedModel(copy.deepcopy(network), config, name or config.name, trained)
        return cls(loaded, str(device), precision, confidence)

    def predict(self, frame: Frame) -> SemanticOccupancy:
        """Say what fills every voxel around the vehicle.

        A fusion network runs on what there is: without LiDAR, or with some or all cameras
        silent. ``inputs`` of the result names the sensors that it saw.

        Args:
            frame: Sensors of one moment.

        Returns:
            Labels in the ego frame, stamped as the Frame, and a flow if the network gives one.

        Raises:
            InputError: The Frame holds nothing that the network can use.
        """
        return self.run(self.prepare(frame))

    def prepare(self, frame: Frame) -> PreparedFrame:
        """Do the first half of :meth:`predict`: resize, normalise, sort points.

        On a GPU: gather what it needs and begin to send it there. It may run in one thread while
        another runs the network on an earlier frame.

        Raises:
            InputError: The Frame holds nothing that the network can use.
        """
        inputs = usable_inputs(frame, self.config)
        started = time.perf_counter()
        with torch.inference_mode():
            tensors = self._open().prepare(frame)
        return PreparedFrame(frame, inputs, tensors, 1e3 * (time.perf_counter() - started))

    def run(self, prepared: PreparedFrame) -> SemanticOccupancy:
        """Do the second half of :meth:`predict`: run the network."""
        pipeline, frame = self._open(), prepared.frame
        self.timings = {"preprocess": prepared.milliseconds}
        with torch.inference_mode():
            with self._stage("network"):
                tensors = pipeline.run(prepared.tensors)
            with self._stage("output"):
                labels, confidence, flow = (_as_array(tensor) for tensor in tensors)
        in_lidar_frame = self.config.frame == "lidar"
        return SemanticOccupancy(
            stamp=frame.stamp,
            frame_id=frame.cloud.frame_id if in_lidar_frame else frame.frame_id,
            grid=self.config.grid,
            labels=labels,
            classes=self.classes,
            confidence=confidence,
            model=self.name,
            trained=self.trained,
            mode=mode_of(prepared.inputs, frame),
            inputs=prepared.inputs,
            flow=flow,
            up=tuple(map(float, frame.cloud.sensor2ego[2])) if in_lidar_frame else UPRIGHT,
        )

    @property
    def dropped_sites(self) -> int:
        """How many sites of the last cloud a GPU's sparse encoder had no room for."""
        return self._open().dropped_sites

    def close(self) -> None:
        """Free the network's memory; the Predictor cannot be used after that."""
        self._pipeline = None
        gc.collect()
        give_back_freed_memory()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.timings[name] = 1e3 * (time.perf_counter() - started)

    def _open(self) -> HostPipeline | DevicePipeline:
        if self._pipeline is None:
            raise RuntimeError(f"predictor of {self.name} was closed")
        return self._pipeline


def usable_inputs(frame: Frame, config: ModelConfig) -> tuple[str, ...]:
    """Name the sensors of a Frame that a network will see.

    Raises:
        InputError: There is none, or the one that the network cannot do without is not there.
    """
    cameras = tuple(name for name in config.cameras if frame.camera(name) is not None)
    lidar = () if frame.cloud is None else frame.cloud.lidars
    needed = {
        "vision": (cameras, "at least one camera of " + ", ".join(config.cameras)),
        "lidar": (lidar, "a LiDAR cloud"),
        "fusion": ((*cameras, *lidar), "a LiDAR cloud or at least one camera"),
    }
    usable, expected = needed[config.modality]
    if not usable:
        raise InputError(
            f"Frame {frame.stamp}",
            found=", ".join(frame.inputs) or "no sensor",
            expected=f"{expected}, for {config.name} is a {config.modality} network",
            do="Choose a model that fits the sensors, or see why they are silent",
            reason="no_usable_input",
        )
    return usable


def mode_of(inputs: tuple[str, ...], frame: Frame) -> str:
    """Return ``fusion``, ``vision`` or ``lidar``: what the sensors that took part are."""
    lidars = () if frame.cloud is None else frame.cloud.lidars
    lidar = bool(set(lidars) & set(inputs))
    cameras = bool(set(inputs) - set(lidars))
    return "fusion" if lidar and cameras else "lidar" if lidar else "vision"


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` into a device that is there.

    Raises:
        InputError: The name says nothing, or there is no such GPU.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if gpus else "cpu")
    kind, _, number = name.partition(":")
    if name == "cpu" or (kind == "cuda" and (number or "0").isdecimal()):
        if kind == "cpu" or int(number or 0) < gpus:
            return torch.device(name)
        found = f"{name}, with {gpus} usable GPU(s) on this machine"
    else:
        found = repr(name)
    raise InputError(
        "device",
        found=found,
        expected="auto, cpu, or cuda with the number of a GPU that is there",
        do="Use auto or cpu, or install a torch that knows the GPU",
        reason="bad_device",
    )


def _as_array(tensor: torch.Tensor | None) -> np.ndarray | None:
    """The only sample (1, ...) as a contiguous array (...); half precision becomes float32."""
    if tensor is None:
        return None
    tensor = tensor[0].float() if tensor.is_floating_point() else tensor[0]
    # A copy: what came from a GPU lies in memory that is pinned, and scarce.
    return np.array(tensor.numpy(), order="C")
