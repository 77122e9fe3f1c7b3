"""One training, described by values: config/train/<name>.yaml and key=value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from effocc_ros.errors import InputError
from effocc_ros.resources import resource_path
from effocc_ros.training.augmentation import Augmentation
from effocc_ros.typed_values import bad_field, build, finite, read_mapping

FOLDER = "config/train"
_CHOICES = {
    "schedule": ("constant", "step", "cosine"),
    "precision": ("32-true", "bf16-mixed"),
    "inherit": ("none", "head", "all"),
    "loss": ("cross_entropy", "ohem", "openoccupancy"),
    "class_weights": ("none", "inverse_sqrt", "waymo"),
}
_AT_LEAST_1 = ("batch_size", "accumulate", "devices", "num_nodes", "log_every", "val_limit")
_POSITIVE = ("lr", "clip", "warmup_ratio", "ema_ramp", "labeled_fraction", "columns")
_SHARES = (
    "labeled_fraction",
    "columns",
    "warmup_ratio",
    "ema_decay",
    "unseen_weight",
    "logit_adjustment",
)
"""Fields of 0 to 1."""


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
            ImageNet's ResNet-18; not used when empty.
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
        freeze_norm: Keep batch normalisations as they are in ``init``.
        precision: ``32-true``, or ``bf16-mixed``: bfloat16 where autocast takes it.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        devices: Processes on this machine, one device each; torchrun and SLURM say it themselves.
        num_nodes: Machines.
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
            that are judged and saved.
        unseen_weight: Weight of voxels that no camera saw; 0 is EFFOcc's masked loss.
        columns: Part of the BEV columns that the head learns at each step.
        loss: ``cross_entropy``, ``ohem``, or ``openoccupancy`` (with Lovasz and scaling terms).
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
    loss: str = "cross_entropy"
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


def config_names() -> tuple[str, ...]:
    """Return the names of all shipped trainings, sorted."""
    return tuple(sorted(file.stem for file in resource_path(FOLDER).glob("*.yaml")))


def load_config(name: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training's config.

    Args:
        name: One of :func:`config_names`, or the path of a YAML file.
        overrides: ``key=value``; values are YAML, dots lead into nested fields.

    Raises:
        InputError: There is no such config, a field is unknown, or a value does not fit.
    """
    path = resource_path(FOLDER) / f"{name}.yaml" if name in config_names() else Path(name)
    if not path.is_file():
        raise InputError(
            "training config",
            found=repr(name),
            expected=f"a YAML file, or one of {', '.join(config_names())}",
            reason="unknown_config",
        )
    values = read_mapping(path, f"training config {name}")
    values = {"name": path.stem, **values}
    for override in overrides:
        _override(values, override)
    return config_from_mapping(values, what=f"training config {name}")


def config_from_mapping(values: Mapping[str, Any], what: str) -> TrainConfig:
    """Build a TrainConfig from plain values.

    Args:
        values: Field names and values; lists stand for tuples, mappings for nested fields.
        what: What an error shall call the source.

    Raises:
        InputError: A field is missing or unknown, or a value does not fit its field.
    """
    config = build(TrainConfig, _numbers(values), what)
    for name, choices in _CHOICES.items():
        if getattr(config, name) not in choices:
            raise bad_field(what, name, getattr(config, name), f"one of {', '.join(choices)}")
    for name, value in _flat_numbers(config):
        _check_number(name, value, what)
    if not (config.max_steps or config.epochs or config.max_minutes):
        raise bad_field(what, "max_steps", 0, "an end: max_steps, epochs or max_minutes")
    if config.batch_size % config.accumulate:
        expected = f"a divisor of batch_size {config.batch_size}"
        raise bad_field(what, "accumulate", config.accumulate, expected)
    if config.init and config.image_weights:
        raise bad_field(what, "image_weights", config.image_weights, "nothing, for init has all")
    if config.logit_adjustment > 0 and config.class_weights == "none":
        expected = "0, for there are no class_weights to take back"
        raise bad_field(what, "logit_adjustment", config.logit_adjustment, expected)
    if not config.root:
        raise bad_field(what, "root", "", "the folder of the data set: root=FOLDER")
    if not config.teacher:
        for name in ("unlabeled", "pseudo_labels", "teacher_train_mode"):
            if getattr(config, name):
                raise bad_field(what, name, True, "false, for there is no teacher=CHECKPOINT")
    return config


def config_to_mapping(config: TrainConfig) -> dict[str, Any]:
    """Return plain values such that config_from_mapping gives the config back."""
    return _lists(asdict(config))


def _check_number(name: str, value: float, what: str) -> None:
    if not finite(value) or value < 0:
        raise bad_field(what, name, value, "a finite number, 0 or more")
    if name in _AT_LEAST_1 and value < 1:
        raise bad_field(what, name, value, "1 or more")
    if name in _POSITIVE and value <= 0:
        raise bad_field(what, name, value, "a number greater than 0")
    if name in _SHARES and value > 1:
        raise bad_field(what, name, value, "at most 1")


def _flat_numbers(config: TrainConfig) -> list[tuple[str, float]]:
    found = [(entry.name, getattr(config, entry.name)) for entry in fields(config)]
    found += [
        (f"stage_weights.{key}", value) for key, value in asdict(config.stage_weights).items()
    ]
    found += [("milestones", value) for value in config.milestones]
    return [(n, v) for n, v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def _override(values: dict[str, Any], override: str) -> None:
    """Put ``key=value`` into a mapping; ``a.b=1`` goes into the mapping of ``a``."""
    key, equals, text = override.partition("=")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    *path, last = key.strip().split(".")
    if not equals or not last:
        raise InputError(
            "override", found=repr(override), expected="key=value", reason="bad_override"
        )
    for part in path:
        inner = values.get(part)
        values[part] = dict(inner) if isinstance(inner, Mapping) else {}
        values = values[part]
    # `init=` takes a text away; a null would not fit it.
    values[last] = "" if text == "" else value


def _numbers(value: Any) -> Any:
    """Turn what YAML 1.1 takes for a text, such as 4e-4, into the number that it is."""
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, str) and value[:1] in "0123456789.+-":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, tuple) else value
