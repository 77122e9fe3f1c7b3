# SPDX-License-Identifier: Apache-2.0
"""A whole network out of its dense halves, whoever computes them: torch or onnxruntime."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from effocc_ros.export.sides import Side
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.preprocess import Inputs

RunSide = Callable[[str, dict[str, Tensor]], dict[str, Tensor]]
"""Name of a side and its inputs by name, to its outputs by name."""


@torch.inference_mode()
def run_halves(network: EffOcc, inputs: Inputs, run_side: RunSide) -> dict[str, Tensor]:
    """Run a network half by half, with its own splat and sparse encoder between them.

    Args:
        network: On the CPU.
        inputs: A frame, preprocessed for this network.
        run_side: What computes the dense halves.

    Returns:
        The outputs of all sides by name, ``labels`` (1, Dx, Dy, Dz) uint8 among them.
    """
    outputs, bevs = {}, {}
    modality = network.config.modality
    if modality != "lidar":
        given = {"images": inputs.images, "depth": inputs.depth}
        if modality == "vision":
            del given["depth"]
        outputs = run_side("camera", given)
        bevs["camera_bev"] = _splat(network, inputs, outputs)
    if modality != "vision":
        bevs["lidar_bev"] = network.lidar_bev(inputs.points)
    return outputs | run_side("bev", bevs)


def _splat(network: EffOcc, inputs: Inputs, outputs: Mapping[str, Tensor]) -> Tensor:
    return network.img_view_transformer.splat(
        outputs["depth_probability"].flatten(0, 1),
        outputs["context"].flatten(0, 1),
        inputs.camera_mask,
        inputs.matrices,
    )


def in_torch(sides: Sequence[Side]) -> RunSide:
    """Compute the halves as they are before the export."""
    by_name = {side.name: side for side in sides}

    def run_side(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        side = by_name[name]
        results = side.module(*(tensors[key] for key in side.inputs))
        return dict(zip(side.outputs, results, strict=True))

    return run_side


class InOnnxruntime:
    """Compute the halves from files, on the CPU with as many threads as torch has.

    Args:
        files: The file of each side, by the side's name.

    Attributes:
        timings: Milliseconds that each side took when it last ran.
    """

    def __init__(self, files: Mapping[str, Path]):
        # Imported here because only the check of an export needs it.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._sessions = {
            name: onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
            for name, file in files.items()
        }
        self.timings: dict[str, float] = {}

    def __call__(self, name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run one side."""
        session = self._sessions[name]
        arrays = {key: np.ascontiguousarray(tensor) for key, tensor in tensors.items()}
        started = time.perf_counter()
        results = session.run(None, arrays)
        self.timings[name] = 1e3 * (time.perf_counter() - started)
        names = (output.name for output in session.get_outputs())
        return {key: torch.from_numpy(out) for key, out in zip(names, results, strict=True)}
