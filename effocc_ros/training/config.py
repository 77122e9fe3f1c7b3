# SPDX-License-Identifier: Apache-2.0
"""One training, described by values."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from effocc_ros.training.augmentation import Augmentation


@dataclass(frozen=True)
class StageWeights:
    """Weights of the stages at which a student is compared with its teacher; 0 leaves one out.

    Attributes:
        camera_bev: Splatted camera features.
        fused_bev: What enters the trunk.
        features: What leaves the trunk (EFFOcc).
        logits: The classes' scores (EFFOcc).
    """

    camera_bev: float = 0.0
    fused_bev: float = 0.0
    features: float = 1.0
    logits: float = 1.0


@dataclass(frozen=True)
class TrainConfig:
    """Everything that tells one training from another.

    Attributes:
        name: What the run is called; its folder when ``out`` is empty is ``runs/<name>``.
        preset: The network, one of ``effocc models`` or a YAML file of one's own.
        root: Folder of the data set.
        out: The run folder.
        dataset: Benchmark whose labels are learned.
        train_split: Split that is learned from.
        val_split: Split that judges; empty: none does.
        version: Folder of nuScenes tables; that of the split when empty.
        labeled_fraction: Part of the scenes whose labels may be seen.
        budget: JSON file of ``effocc select`` that says which labels may be seen; empty: all that
            ``labeled_fraction`` shows.
        unlabeled: Also train on the samples whose labels are hidden, with a teacher.
        init: Checkpoint to start from; random weights when empty.
        image_weights: File of an image backbone to start from, under torchvision's names, such as
            ImageNet's ResNet-18, or a checkpoint of a network that has such a one; not used when
            empty.
        batch_size: Samples of one optimizer step, over all processes.
        accumulate: Parts that such a batch is computed in, one after another, to save memory.
        max_steps: Optimizer steps; 0: as ``epochs`` say.
        epochs: Passes over the training split.
        max_minutes: Wall time after which the training ends as if it were complete; 0: no limit.
        lr: Learning rate after the warm-up.
        weight_decay: Of AdamW, on all parameters.
        clip: Largest L2 norm of the gradient.
        warmup_steps: Steps in which the learning rate rises linearly.
        warmup_ratio: Part of ``lr`` that it starts from.
        schedule: ``constant``; ``step``: a tenth after each of ``milestones``; ``cosine``: to 0 at
            the last step, or at ``max_minutes`` if these are over earlier.
        milestones: Epochs after which the step schedule takes a tenth.
        ema_decay: Decay that the moving average of the weights comes to.
        ema_start: Updates that the average pretends to have seen; 0 suits short runs.
        ema_ramp: Updates in which the decay grows.
        learns: Parts of the network that learn, such as ``[occ_head]``; all others stay as they
            are in ``init``. Empty: all learn.
        freeze_norm: Keep batch normalisations as they are in ``init``.
        precision: ``32-true``, or ``bf16-mixed``: bfloat16 where autocast takes it.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        devices: Processes on this machine, one device each; torchrun and SLURM say it themselves.
        num_nodes: Machines; torchrun and SLURM say it themselves.
        workers: Processes that load data, for each training process.
        seed: Everything random follows from it.
        log_every: Steps between rows of metrics.csv.
        val_every: Steps between evaluations; 0: after the last step alone.
        val_limit: Samples of an evaluation at most, evenly spaced over the split.
        checkpoint_every: Steps between checkpoints; 0: by time alone.
        checkpoint_minutes: Minutes between checkpoints; 0: by steps alone.
        training_data: What the model card shall say of the data; the data set and split if empty.
        licence: What the model card shall say of the weights' licence.
        notes: What else the model card shall say.
        half_weights: Store best and last weights as float16.
        class_weights: ``none``; ``inverse_sqrt``: one over the square root of a class's share in
            the training labels; ``waymo``: EFFOcc's for Occ3D-Waymo.
        logit_adjustment: Share of the class weights that is taken back, 0 to 1, in the weights
            that are judged and saved. What a training starts from counts as saved weights.
        unseen_weight: Weight of voxels that no camera saw; 0 is EFFOcc's masked loss.
        columns: Part of the BEV columns that the head learns at each step.
        voxel_weight: Weight of the loss on the voxels' labels; 0 for a start that sees none.
        loss: ``cross_entropy``, ``ohem``, or ``openoccupancy`` (with Lovasz and scaling terms).
        lovasz_weight: Weight of a Lovasz loss on the voxels that a camera saw, beside ``loss``.
        depth_weight: Weight of the loss that tells a camera network the LiDAR's depth; EFFOcc
            has none.
        pixel_weight: Weight of the loss that tells a camera network the classes of what its
            pixels see; EFFOcc has none.
        flow_weight: Weight of the flow's L1 loss, for networks that give flow.
        teacher: Checkpoint of a trained network to learn from; empty: none.
        teacher_train_mode: Let the teacher's batch normalisations drift, as the official code did.
        inherit: What a student starts from, where names and shapes agree: ``none``, the teacher's
            ``head`` (EFFOcc), or ``all`` of the teacher.
        stage_weights: What is compared with the teacher.
        pseudo_labels: Learn the teacher's labels where true ones are hidden.
        official_orientation: Compare BEV features under masks that are mirrored, as EFFOcc did.
        augmentation: How training samples are varied; None: they are not.
    """

    name: str
    preset: str
    root: str = ""
    out: str = ""
    dataset: str = "occ3d_nuscenes"
    train_split: str = "train"
    val_split: str = "val"
    version: str = ""
    labeled_fraction: float = 1.0
    budget: str = ""
    unlabeled: bool = False
    init: str = ""
    image_weights: str = ""
    batch_size: int = 8
    accumulate: int = 1
    max_steps: int = 0
    epochs: int = 0
    max_minutes: float = 0.0
    lr: float = 4e-4
    weight_decay: float = 0.01
    clip: float = 5.0
    warmup_steps: int = 200
    warmup_ratio: float = 0.001
    schedule: str = "step"
    milestones: tuple[int, ...] = ()
    ema_decay: float = 0.999
    ema_start: int = 10560
    ema_ramp: float = 2000.0
    learns: tuple[str, ...] = ()
    freeze_norm: bool = False
    precision: str = "32-true"
    device: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    workers: int = 2
    seed: int = 0
    log_every: int = 10
    val_every: int = 0
    val_limit: int = 200
    checkpoint_every: int = 0
    checkpoint_minutes: float = 10.0
    training_data: str = ""
    licence: str = ""
    notes: str = ""
    half_weights: bool = False
    class_weights: str = "none"
    logit_adjustment: float = 0.0
    unseen_weight: float = 0.0
    columns: float = 1.0
    voxel_weight: float = 1.0
    loss: str = "cross_entropy"
    lovasz_weight: float = 0.0
    depth_weight: float = 0.0
    pixel_weight: float = 0.0
    flow_weight: float = 0.25
    teacher: str = ""
    teacher_train_mode: bool = False
    inherit: str = "head"
    stage_weights: StageWeights = field(default_factory=StageWeights)
    pseudo_labels: bool = False
    official_orientation: bool = False
    augmentation: Augmentation | None = None

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.out or f"runs/{self.name}")

    @property
    def asks_teacher(self) -> bool:
        """Whether the teacher is asked at every step, and not only inherited from."""
        compared = any(weight > 0 for weight in asdict(self.stage_weights).values())
        return bool(self.teacher) and (compared or self.pseudo_labels)
