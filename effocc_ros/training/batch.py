# SPDX-License-Identifier: Apache-2.0
"""Samples as a network learns from them: inputs, labels, and what of the labels counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from effocc_ros.classes import class_list
from effocc_ros.datasets.sample import Labels, LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import check_fits
from effocc_ros.frame import Frame
from effocc_ros.networks.config import ModelConfig
from effocc_ros.predictor import usable_inputs
from effocc_ros.preprocess.inputs import Inputs, canvas_inputs, normalised, stack
from effocc_ros.preprocess.variation import UNCHANGED, Variation

IGNORE = 255
"""Label of voxels that teach nothing, whatever a benchmark calls it."""


@dataclass(frozen=True)
class Batch:
    """Samples that take one step together.

    Attributes:
        tokens: The samples' tokens.
        inputs: What the network takes; images are uint8 canvases until :meth:`to`.
        labels: (B, Dx, Dy, Dz) uint8, ``IGNORE`` where there is no label.
        mask_camera: (B, Dx, Dy, Dz) bool, true where the cameras saw the voxel; all true where
            that is not known.
        shown: (B, Dx, Dy, Dz) bool; false where a label budget hides the label: it is ``IGNORE``.
        flow: (B, Dx, Dy, Dz, 2) float32, velocity (x, y) in m/s, for a network that learns flow;
            zero where there is no label. None for others.
        config: Preset of the network for which the inputs are.
    """

    tokens: tuple[str, ...]
    inputs: Inputs
    labels: Tensor
    mask_camera: Tensor
    shown: Tensor
    flow: Tensor | None
    config: ModelConfig

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on a device, with its images normalised, as a network takes it."""
        inputs, images = self.inputs, self.inputs.images
        if images is not None and images.dtype == torch.uint8:
            inputs = normalised(inputs, self.config, device)
        else:
            inputs = inputs.to(device)
        return replace(
            self,
            inputs=inputs,
            **self._each(lambda tensor: tensor.to(device, non_blocking=True)),
        )

    def pin_memory(self) -> "Batch":
        """Return the batch in memory from which a GPU can fetch while it computes."""
        return replace(self, inputs=self.inputs.pin_memory(), **self._each(Tensor.pin_memory))

    def _each(self, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        names = ("labels", "mask_camera", "shown", "flow")
        return {n: change(getattr(self, n)) for n in names if getattr(self, n) is not None}


def make_batch(
    sample: Sample,
    config: ModelConfig,
    *,
    frame: Frame | None = None,
    variation: Variation = UNCHANGED,
) -> Batch:
    """Turn a sample into a batch of one, on the CPU.

    Where the BEV is mirrored, labels, mask and flow are mirrored with it. A mirrored velocity
    also changes its sign along that axis; EFFOcc moves the velocities but leaves their signs, so
    that half of its cars drive backwards.

    Args:
        sample: The sample.
        config: The network's preset.
        frame: What the sensors saw, if not the sample's own Frame: some may be silent.
        variation: What training changes.

    Raises:
        InputError: The labels are not those that the network gives, or it can use no sensor.
    """
    frame = sample.frame if frame is None else frame
    usable_inputs(frame, config)
    truth, shape = sample.truth, config.grid.shape
    labels = torch.full(shape, IGNORE, dtype=torch.uint8)
    mask = torch.ones(shape, dtype=torch.bool)
    shown = torch.full(shape, truth is not None)
    flow = torch.zeros(*shape, 2) if config.flow else None
    if truth is not None:
        labels = torch.from_numpy(_labels(sample, truth, config))
        if truth.mask_camera is not None:
            mask = torch.from_numpy(truth.mask_camera)
        if truth.shown is not None:
            shown = torch.from_numpy(truth.shown)
        if flow is not None:
            flow = torch.from_numpy(_flow(sample, truth))
    axes = [axis for axis, sign in enumerate(variation.signs) if sign < 0]
    if axes:
        labels, mask, shown = (each.flip(axes) for each in (labels, mask, shown))
        if flow is not None:
            flow = flow.flip(axes) * torch.tensor(variation.signs[:2])
    return Batch(
        tokens=(sample.token,),
        inputs=canvas_inputs(frame, config, variation=variation),
        labels=labels[None],
        mask_camera=mask[None],
        shown=shown[None],
        flow=None if flow is None else flow[None],
        config=config,
    )


def collate(batches: Sequence[Batch]) -> Batch:
    """Put batches of one network together, in their order."""
    first = batches[0]
    if len(batches) == 1:
        return first

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(batch, name) for batch in batches])

    return Batch(
        tokens=tuple(token for batch in batches for token in batch.tokens),
        inputs=stack([batch.inputs for batch in batches]),
        labels=joined("labels"),
        mask_camera=joined("mask_camera"),
        shown=joined("shown"),
        flow=None if first.flow is None else joined("flow"),
        config=first.config,
    )


def check_space(space: LabelSpace, config: ModelConfig) -> None:
    """Raise InputError unless a benchmark's labels are what a network gives."""
    check_fits(config.name, class_list(config.classes), config.grid, space)
    if config.class_count != len(space.classes.names):
        raise InputError(
            f"model {config.name}, class_count",
            found=str(config.class_count),
            expected=f"{len(space.classes.names)}, the classes of {space.classes.name}",
            reason="classes_differ",
        )


def check_even(config: ModelConfig, axes: str) -> None:
    """Raise InputError unless the grid lies evenly about the origin, so that it can be mirrored.

    Args:
        config: The network's preset.
        axes: Those that are mirrored: some of ``xy``.
    """
    for axis in axes:
        number = "xy".index(axis)
        lower, upper = config.grid.lower[number], config.grid.upper[number]
        if abs(lower + upper) > 1e-6:
            raise InputError(
                f"augmentation, flip_{axis}",
                found=f"a grid from {lower} to {upper} m along {axis} in model {config.name}",
                expected="one that lies evenly about 0",
                do=f"Set flip_{axis} to 0",
                reason="grid_not_even",
            )


def _labels(sample: Sample, truth: Labels, config: ModelConfig) -> NDArray[np.uint8]:
    """Labels with the benchmark's own ignore label, and what is not shown, as IGNORE."""
    labels, ignore = truth.semantics, sample.space.ignore
    if labels.shape != config.grid.shape:
        raise _unfit(sample, f"a grid of {labels.shape}", f"{config.grid.shape}", config)
    hidden = None if ignore is None else labels == ignore
    if truth.shown is not None:
        hidden = ~truth.shown if hidden is None else hidden | ~truth.shown
    if hidden is not None:
        labels = np.where(hidden, np.uint8(IGNORE), labels)
    known = labels if hidden is None else labels[~hidden]
    if known.size and known.max() >= config.class_count:
        expected = f"labels from 0 to {config.class_count - 1}"
        raise _unfit(sample, f"label {known.max()}", expected, config)
    return labels


def _flow(sample: Sample, truth: Labels) -> NDArray[np.float32]:
    if truth.flow is None:
        raise InputError(
            f"labels of sample {sample.token} in {sample.space.classes.name}",
            found="no flow",
            expected="flow, which the model learns",
            do="Choose openocc_flow as the benchmark, or a model without flow",
            reason="no_flow",
        )
    return truth.flow


def _unfit(sample: Sample, found: str, expected: str, config: ModelConfig) -> InputError:
    return InputError(
        f"labels of sample {sample.token}",
        found=found,
        expected=f"{expected}, as in model {config.name}",
        do="Choose the benchmark that the model was made for",
        reason="labels_differ",
    )
