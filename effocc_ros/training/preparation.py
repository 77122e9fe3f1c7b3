# SPDX-License-Identifier: Apache-2.0
"""Everything that a training needs, made from its config."""

from dataclasses import dataclass, replace

import torch
from lightning_fabric import Fabric
from torch import nn

from effocc_ros.checkpoints import check_state, load_checkpoint
from effocc_ros.classes import class_list
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.presets import load_preset
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.frozen import let_learn
from effocc_ros.training.image_weights import load_image_weights
from effocc_ros.training.label_statistics import (
    LabelStatistics,
    count_labels,
    labels_counted,
    load_statistics,
    save_statistics,
)
from effocc_ros.training.loader import TrainingLoader, make_loader
from effocc_ros.training.logit_adjustment import give_back
from effocc_ros.training.losses import inverse_sqrt_weights
from effocc_ros.training.objective import Objective
from effocc_ros.training.ohem import WAYMO_CLASS_WEIGHTS
from effocc_ros.training.processes import in_first
from effocc_ros.training.run_folder import RunFolder
from effocc_ros.training.splits import (
    NO_SENSORS,
    open_training_split,
    open_validation_split,
    sensors_of,
)
from effocc_ros.training.student import (
    HEAD,
    Student,
    check_teacher,
    inherit,
    inputs_for,
    load_teacher,
    make_adapters,
)
from effocc_ros.typed_values import bad_field


@dataclass(frozen=True)
class Parts:
    """What a training is made of.

    Attributes:
        network: Preset of the network that learns.
        student: The network, with adapters; on the device.
        teacher: A frozen network on the device, or None.
        objective: The loss.
        loader: Batches to learn from.
        validation: Batches to be judged on; None where no split judges.
        statistics: What is known of the training labels; None where nobody asks.
        about: All this in a sentence.
    """

    network: ModelConfig
    student: Student
    teacher: EffOcc | None
    objective: Objective
    loader: TrainingLoader
    validation: TrainingLoader | None
    statistics: LabelStatistics | None
    about: str


def prepare(config: TrainConfig, fabric: Fabric, folder: RunFolder) -> Parts:
    """Open the data and make the networks.

    Raises:
        InputError: Something that the config names cannot be used.
    """
    network = load_preset(config.preset)
    torch.manual_seed(config.seed)
    student = _new_network(config, network)
    teacher_config, teacher = network, None
    if config.teacher:
        teacher_config, teacher = load_teacher(config.teacher)
        check_teacher(teacher_config, network)
        if config.inherit != "none":
            inherit(student, teacher, HEAD if config.inherit == "head" else ("",))
    # The inputs are made once, for the one who takes more.
    asked = teacher_config if config.asks_teacher else network
    inputs_config = _with_depth(replace(asked, flow=network.flow), config)
    loader, validation = _loaders(config, fabric, network, inputs_config)
    student, teacher = (n if n is None else n.to(fabric.device) for n in (student, teacher))
    statistics = None
    if config.val_split or config.class_weights == "inverse_sqrt":
        statistics = in_first(fabric, lambda: _statistics(config, network, folder))
    objective = Objective(
        config, class_list(network.classes), _class_weights(config, statistics, fabric), network
    )
    if config.init or (config.teacher and config.inherit != "none"):
        give_back(student, objective.class_weights, config.logit_adjustment)
    adapters = None
    if config.asks_teacher:
        adapters = _adapters(student, teacher, network, objective, loader, fabric)
    pixel_head = None
    if config.pixel_weight > 0:
        pixel_head = nn.Conv2d(network.bev_channels, network.class_count, kernel_size=1)
    let_learn(student, config.learns)
    pupil = Student(student, adapters, pixel_head).to(fabric.device)
    return Parts(
        network,
        pupil,
        teacher,
        objective,
        loader,
        validation,
        statistics,
        _about(config, student, loader),
    )


def _with_depth(inputs: ModelConfig, config: TrainConfig) -> ModelConfig:
    """Return the preset whose inputs are these and the depth images that a loss may ask for."""
    asking = [name for name in ("depth_weight", "pixel_weight") if getattr(config, name) > 0]
    if not asking:
        return inputs
    if inputs.modality == "lidar":
        what, found = f"training config {config.name}", getattr(config, asking[0])
        raise bad_field(what, asking[0], found, "0: the network has no camera")
    return inputs if inputs.modality == "fusion" else replace(inputs, modality="fusion")


def _new_network(config: TrainConfig, network: ModelConfig) -> EffOcc:
    student = EffOcc(network)
    if config.init:
        _, state, _ = load_checkpoint(config.init)
        check_state(state, network, f"init {config.init}")
        student.load_state_dict(state)
    if config.image_weights:
        if network.modality == "lidar":
            what, found = f"training config {config.name}", config.image_weights
            raise bad_field(what, "image_weights", found, "nothing: the network has no camera")
        load_image_weights(student.img_backbone, config.image_weights)
    return student


def _loaders(
    config: TrainConfig, fabric: Fabric, network: ModelConfig, inputs: ModelConfig
) -> tuple[TrainingLoader, TrainingLoader | None]:
    loader = make_loader(
        open_training_split(config, sensors_of(inputs)),
        inputs,
        config.augmentation,
        batch_size=config.batch_size // config.accumulate,
        workers=config.workers,
        seed=config.seed,
        rank=fabric.global_rank,
        world=fabric.world_size,
        drop_last=True,
    )
    if not config.val_split:
        return loader, None
    samples = open_validation_split(
        config, sensors_of(network), fabric.global_rank, fabric.world_size
    )
    if not len(samples):
        return loader, None  # There are more processes than samples.
    return loader, make_loader(
        samples,
        network,
        None,
        batch_size=1,
        workers=config.workers,
        seed=config.seed,
        shuffle=False,
    )


def _statistics(config: TrainConfig, network: ModelConfig, folder: RunFolder) -> LabelStatistics:
    counted = labels_counted(config, network.class_count)
    statistics = load_statistics(folder.labels, counted)
    if statistics is None:
        dataset = open_training_split(config, NO_SENSORS)
        statistics = count_labels(dataset, network.class_count, unseen=config.unseen_weight)
        save_statistics(folder.labels, statistics, counted)
    return statistics


def _class_weights(
    config: TrainConfig, statistics: LabelStatistics | None, fabric: Fabric
) -> torch.Tensor | None:
    if config.class_weights == "none":
        return None
    if config.class_weights == "waymo":
        return torch.tensor(WAYMO_CLASS_WEIGHTS, device=fabric.device)
    return inverse_sqrt_weights(torch.from_numpy(statistics.counts)).to(fabric.device)


def _adapters(
    student: EffOcc,
    teacher: EffOcc,
    network: ModelConfig,
    objective: Objective,
    loader: TrainingLoader,
    fabric: Fabric,
):
    """Look at one batch to see how wide the maps of both are."""
    batch = next(iter(loader.batches(0))).to(fabric.device)
    student.eval()
    with torch.no_grad():
        mine = student(**inputs_for(network, batch.inputs).keywords())
        theirs = teacher(**batch.inputs.keywords())
    return make_adapters(mine, theirs, set(objective.weights))


def _about(config: TrainConfig, student: EffOcc, loader: TrainingLoader) -> str:
    count = sum(parameter.numel() for parameter in student.parameters())
    parts = [
        f"{config.name}: {config.preset} with {count:,} parameters",
        f"{loader.plan.count:,} samples of {config.dataset} {config.train_split}",
    ]
    if config.teacher:
        parts.append(f"taught by {config.teacher}")
    return ", ".join(parts)
