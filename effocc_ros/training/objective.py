# SPDX-License-Identifier: Apache-2.0
"""What a network is trained for: one number of its outputs, the labels and a teacher's outputs."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import Outputs
from effocc_ros.occupancy import ClassList
from effocc_ros.training.batch import Batch
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.depth_loss import depth_bins_of, depth_sum
from effocc_ros.training.distillation import distillation_sums, source_labels
from effocc_ros.training.losses import IGNORE, cross_entropy_sum, flow_l1_sum
from effocc_ros.training.lovasz import lovasz_softmax
from effocc_ros.training.masks import PARTS, bev_parts, voxel_parts
from effocc_ros.training.ohem import ohem_cross_entropy
from effocc_ros.training.openoccupancy import openoccupancy_losses
from effocc_ros.training.pixel_loss import pixel_classes

_SCENE_TERMS = {
    "cross_entropy": (),
    "ohem": ("ohem",),
    "openoccupancy": ("cross_entropy", "semantic_scaling", "geometric_scaling", "lovasz"),
}
"""Terms of a loss that are scores of a whole scene."""


@dataclass(frozen=True, eq=False)
class Task:
    """A batch, and what is asked of its outputs.

    Attributes:
        batch: The batch.
        columns: (K,) int64 into (B, Dx, Dy) flattened, or None for all.
        labels: (K, Dz) or (B, Dx, Dy, Dz) uint8 labels of these columns.
        weight: Of the same shape, bool or float32; None: all count alike.
        source: (B, Dx, Dy, Dz) uint8 that says where a student listens to its teacher, or None.
        teacher: What the teacher says, or None.
    """

    batch: Batch
    columns: Tensor | None
    labels: Tensor
    weight: Tensor | None
    source: Tensor | None = None
    teacher: Outputs | None = None


@dataclass(frozen=True)
class Objective:
    """The loss of a training.

    Attributes:
        config: The training.
        classes: What the labels mean.
        class_weights: (C,) float32, or None.
        network: Preset of the network that learns; needed for losses of depth and pixels alone.
    """

    config: TrainConfig
    classes: ClassList
    class_weights: Tensor | None = None
    network: ModelConfig | None = None

    @cached_property
    def weights(self) -> dict[str, float]:
        """Stage -> weight; stages of weight 0 are not there."""
        if not self.config.teacher:
            return {}
        stages = vars(self.config.stage_weights)
        return {stage: weight for stage, weight in stages.items() if weight > 0}

    def columns_of(self, batch: Batch, step: int) -> Tensor | None:
        """Choose the columns of voxels that the head learns.

        Columns in which no voxel counts are never among them, unless the teacher's logits are
        compared there; without a loss on voxels it is a single column. A share below 1 is drawn
        anew for each sample and step, from the seed, the step and the sample's token alone.

        Returns:
            (K,) int64 into (B, Dx, Dy) flattened, K of at least 1; None for all.
        """
        config = self.config
        everywhere = "logits" in self.weights or config.loss == "ohem"
        if not config.voxel_weight and not everywhere:
            return torch.zeros(1, dtype=torch.int64, device=batch.labels.device)
        counts = torch.ones(batch.labels.shape[:3], dtype=torch.bool, device=batch.labels.device)
        if not everywhere and (config.unseen_weight == 0 or not batch.shown.all()):
            counts = self._counted(batch).any(dim=-1)
        if config.columns >= 1.0 and bool(counts.all()):
            return None
        chosen = counts.flatten(1).cpu()
        if config.columns < 1.0:
            for row, token in zip(chosen, batch.tokens, strict=True):
                places = row.nonzero()[:, 0]
                generator = torch.Generator().manual_seed(_seed(config.seed, step, token))
                order = torch.randperm(len(places), generator=generator)
                row[places[order[round(config.columns * len(places)) :]]] = False
        columns = chosen.flatten().nonzero()[:, 0]
        # Never none at all: the head must take part, or processes would wait for its gradient.
        columns = columns if len(columns) else torch.zeros(1, dtype=torch.int64)
        return columns.to(batch.labels.device, non_blocking=True)

    def task(
        self,
        batch: Batch,
        columns: Tensor | None,
        teacher: Outputs | None = None,
        guessed: Tensor | None = None,
    ) -> Task:
        """Gather what the outputs of a batch are compared with.

        Args:
            batch: The batch.
            columns: From :meth:`columns_of`.
            teacher: The teacher's outputs, logits of these columns.
            guessed: (B, Dx, Dy, Dz) uint8, the teacher's labels; None where none is hidden.
        """
        source, labels, weight = None, batch.labels, batch.mask_camera
        if teacher is not None:
            source = batch.labels
            if guessed is not None:
                source = source_labels(batch.labels, batch.shown, guessed)
        if self.config.pseudo_labels:
            labels = source
            weight = weight | ~batch.shown
        unseen = self.config.unseen_weight
        if unseen == 1.0:
            weight = None
        elif unseen > 0.0:
            weight = torch.where(weight, 1.0, unseen)
        if columns is not None:
            labels = labels.flatten(0, 2)[columns]
            weight = None if weight is None else weight.flatten(0, 2)[columns]
        return Task(batch, columns, labels, weight, source, teacher)

    def amounts(self, task: Task, outputs_flow: bool) -> dict[str, Tensor]:
        """Count what the terms of :meth:`terms` are to be divided by, before there are outputs.

        Several processes and accumulated parts add these up, so that each part knows what the
        whole batch is divided by.

        Args:
            task: The task.
            outputs_flow: Whether the network gives a flow.

        Returns:
            Name of a term -> () float32.
        """
        known = task.labels != IGNORE
        counted = known if task.weight is None else known * task.weight
        amounts = {name: known.sum().float() for name in _SCENE_TERMS[self.config.loss]}
        if not amounts:
            amounts["cross_entropy"] = counted.sum(dtype=torch.float32)
        if self.config.lovasz_weight > 0:
            amounts["lovasz"] = self._seen(task).sum().float()
        if self.config.depth_weight > 0:
            bins = depth_bins_of(task.batch.inputs.depth, self.network)
            amounts["depth"] = (bins >= 0).sum().float()
        if self.config.pixel_weight > 0:
            amounts["pixels"] = (self._pixel_classes(task) != IGNORE).sum().float()
        if self._learns_flow(task, outputs_flow):
            amounts["flow"] = 2.0 * self._labeled_voxels(task).sum()
        for stage in self.weights:
            if stage == "logits":
                source = task.source
                source = source if task.columns is None else source.flatten(0, 2)[task.columns]
                parts, channels = voxel_parts(source, self.classes), 1
            else:
                maps = getattr(task.teacher, stage)
                official = self.config.official_orientation
                parts = bev_parts(
                    task.source, self.classes, tuple(maps.shape[2:]), official_orientation=official
                )
                channels = maps.shape[1]
            for name, part in zip(PARTS, parts, strict=True):
                amounts[f"{stage}/{name}"] = part.sum().float() * channels
        return amounts

    def terms(self, outputs: Outputs, task: Task) -> dict[str, Tensor]:
        """Compare.

        Returns:
            Name -> () sum, its weight in the loss included, to be divided by its amount.
        """
        terms = {
            name: self.config.voxel_weight * term
            for name, term in self._voxel_terms(outputs.logits, task).items()
        }
        if self.config.lovasz_weight > 0:
            seen = self._seen(task)
            loss = lovasz_softmax(self._as_judged(outputs.logits), task.labels, seen)
            terms["lovasz"] = self.config.lovasz_weight * loss * seen.sum()
        if self.config.depth_weight > 0:
            bins = depth_bins_of(task.batch.inputs.depth, self.network)
            terms["depth"] = self.config.depth_weight * depth_sum(outputs.depth, bins)
        if self.config.pixel_weight > 0:
            terms["pixels"] = self.config.pixel_weight * self._pixels(outputs.context, task)
        if self._learns_flow(task, outputs.flow is not None):
            terms["flow"] = self.config.flow_weight * self._flow(outputs.flow, task)
        if self.weights:
            sums = distillation_sums(
                outputs,
                task.teacher,
                task.source,
                self.classes,
                stages=self.weights,
                official_orientation=self.config.official_orientation,
                columns=task.columns,
            )
            for name, term in sums.items():
                terms[name] = self.weights[name.partition("/")[0]] * term.numerator
        return terms

    def _voxel_terms(self, logits: Tensor, task: Task) -> dict[str, Tensor]:
        arguments = logits, task.labels, task.weight
        if self.config.loss == "cross_entropy":
            entropy = cross_entropy_sum(*arguments, self.class_weights)
            return {"cross_entropy": entropy.numerator}
        if self.config.loss == "ohem":
            losses = {"ohem": ohem_cross_entropy(*arguments, self.class_weights)}
        else:
            losses = openoccupancy_losses(
                logits, task.labels, self.classes.free, self.class_weights, task.weight
            )
        # Scores of a whole scene do not come apart into sums: of several processes or accumulated
        # parts the mean is taken, each with as much weight as it has known voxels.
        known = (task.labels != IGNORE).sum()
        return {name: loss * known for name, loss in losses.items()}

    def _as_judged(self, logits: Tensor) -> Tensor:
        """Logits of the network that will be saved, with class weights in part taken back."""
        if self.class_weights is None or not self.config.logit_adjustment:
            return logits
        return logits - self.config.logit_adjustment * self.class_weights.log()

    def _seen(self, task: Task) -> Tensor:
        """Bool of the shape of the task's labels, true where a camera saw what is known."""
        mask = task.batch.mask_camera
        mask = mask if task.columns is None else mask.flatten(0, 2)[task.columns]
        return mask & (task.labels != IGNORE)

    def _pixel_classes(self, task: Task) -> Tensor:
        """(B * N, h, w) uint8 classes of what pixels see."""
        inputs = task.batch.inputs
        return pixel_classes(
            inputs.depth, task.batch.labels, inputs.matrices, self.network, self.classes.free
        )

    def _pixels(self, scores: Tensor, task: Task) -> Tensor:
        """() sum of the cross-entropy of the classes of what pixels see."""
        logits, classes = scores.permute(0, 2, 3, 1), self._pixel_classes(task)
        return cross_entropy_sum(logits, classes, None, self.class_weights).numerator

    def _learns_flow(self, task: Task, outputs_flow: bool) -> bool:
        return outputs_flow and task.batch.flow is not None and self.config.flow_weight > 0

    def _flow(self, flow: Tensor, task: Task) -> Tensor:
        """() sum of the flow's L1 over the voxels whose labels are shown."""
        truth = task.batch.flow
        if task.columns is not None:
            truth = truth.flatten(0, 2)[task.columns]
        return flow_l1_sum(flow, truth, self._labeled_voxels(task)).numerator

    def _labeled_voxels(self, task: Task) -> Tensor:
        """Bool of the shape of the task's labels, true where no label budget hides them."""
        shown = task.batch.shown
        return shown if task.columns is None else shown.flatten(0, 2)[task.columns]

    def _counted(self, batch: Batch) -> Tensor:
        """(B, Dx, Dy, Dz) bool, true where a voxel has a part in the loss."""
        known = batch.labels != IGNORE
        if self.config.unseen_weight == 0:
            known &= batch.mask_camera
        if self.config.pseudo_labels:
            known |= ~batch.shown
        return known


def _seed(*parts: object) -> int:
    """Return 63 bits that follow from the parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
