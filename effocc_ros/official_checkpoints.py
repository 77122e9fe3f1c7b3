"""Official EFFOcc files in: mmdet3d-style checkpoints to state dicts of this package."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from effocc_ros.checkpoints import make_card, save_checkpoint, some, state_shapes
from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.official_files import read_official
from effocc_ros.presets import load_preset, preset_names

TEACHER = "teacher_model."
"""Prefix of the frozen teacher that a distillation run saves with its student."""

_REBUILT = ("num_batches_tracked", "relative_position_index")
"""Buffers that old versions did not save and that the network knows by itself."""

_FAMILY = (
    "img_backbone.",
    "img_neck.",
    "img_view_transformer.",
    "img_bev_encoder_backbone.",
    "img_bev_encoder_neck.",
    "occ_fuser.",
    "pts_middle_encoder.",
    "pts_backbone.",
    "pts_neck.",
    "occ_head.",
)
"""Parts that the networks of the family are made of; other heads of a file are left out."""

_TRAINING_DATA = {
    "occ3d_nuscenes": "Occ3D-nuScenes",
    "occ3d_waymo": "Occ3D-Waymo",
    "openoccupancy": "nuScenes-Occupancy (OpenOccupancy)",
    "openocc_flow": "OpenOcc (occupancy and flow)",
}


class MisfitError(InputError):
    """Weights that do not fit a preset.

    Attributes:
        account: Every missing, misshapen and unexpected entry by name, one per line.
    """

    def __init__(self, what: str, misfit: "Misfit", *, found: str, expected: str, do: str):
        super().__init__(
            what,
            found=f"{found}: {misfit.summary()}",
            expected=expected,
            do=do,
            reason="bad_checkpoint",
        )
        self.account = misfit.account()


@dataclass(frozen=True)
class Misfit:
    """How a state dict differs from the network of a preset.

    Attributes:
        preset: The preset.
        missing: Entries that the network needs and the state dict lacks.
        misshapen: Entries of another shape; both shapes are told.
        unexpected: Entries of the family's parts that this network does not have.
    """

    preset: ModelConfig
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.misshapen) + len(self.unexpected)

    def summary(self) -> str:
        """Return numbers and the first names, for a line."""
        return "; ".join(f"{len(names)} {kind} ({some(names)})" for kind, names in self._lists())

    def account(self) -> str:
        """Return every name, for reading."""
        lines = [f"compared with {self.preset.name}"]
        for kind, names in self._lists():
            lines += [f"{kind}  {len(names)}", *(f"    {name}" for name in names)]
        return "\n".join(lines)

    def _lists(self) -> list[tuple[str, tuple[str, ...]]]:
        kinds = {
            "missing": self.missing,
            "wrong shape": self.misshapen,
            "unexpected": self.unexpected,
        }
        return [(kind, names) for kind, names in kinds.items() if names]


@dataclass(frozen=True)
class Conversion:
    """What became of each entry of an official file.

    Attributes:
        preset: The preset that the file fits.
        state: The state dict for it, float32.
        loaded: Entries taken as they are.
        reshaped: Entries whose layout was changed.
        rebuilt: Entries that the file lacks and the network knows: all that is missing.
        unexpected: Entries that no part of the network takes, left out.
        teacher: Number of entries of a distillation teacher, left out.
        ignored: Parts of the file beside the state dict, left out.
    """

    preset: ModelConfig
    state: dict[str, Tensor]
    loaded: tuple[str, ...]
    reshaped: tuple[str, ...]
    rebuilt: tuple[str, ...]
    unexpected: tuple[str, ...]
    teacher: int
    ignored: tuple[str, ...] = ()

    def report(self) -> str:
        """Return the account as text: counts, and names where something was not plain."""
        lines = [
            f"preset      {self.preset.name}",
            f"loaded      {len(self.loaded)}{_groups(self.loaded)}",
            f"reshaped    {len(self.reshaped)}{_groups(self.reshaped)}",
            f"missing     {len(self.rebuilt)}{_groups(self.rebuilt)}",
            f"unexpected  {len(self.unexpected)}{_groups(self.unexpected)}",
            f"teacher     {self.teacher} entries left out",
            f"ignored     {', '.join(self.ignored) or 'nothing'}",
        ]
        return "\n".join(lines)


def convert_file(
    source: Path | str,
    target: Path | str,
    preset: str | None = None,
    *,
    origin: str = "",
    training_data: str = "",
    licence: str = "",
) -> Conversion:
    """Turn an official file into a checkpoint of this package.

    Args:
        source: A .pth file as mmdet3d saves it, or its state dict as .safetensors.
        target: The checkpoint to write.
        preset: The preset that the weights are for; found from keys and shapes when None.
        origin: For the card: where the file comes from, besides its name and hash.
        training_data: For the card; the benchmark of the preset when empty.
        licence: For the card.

    Returns:
        What became of each entry.

    Raises:
        InputError: The file cannot be read safely, or fits no preset.
    """
    source = Path(source)
    conversion = convert_state(*read_official(source), preset=preset, what=str(source))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    said = f"converted from {source.name}, sha256 {digest}"
    card = make_card(
        conversion.preset,
        trained=True,
        source=f"{origin}; {said}" if origin else said,
        training_data=training_data or _TRAINING_DATA[conversion.preset.classes],
        licence=licence or "not stated in the file; mind the terms of the training data",
    )
    save_checkpoint(target, conversion.preset, conversion.state, card)
    return conversion


def convert_state(
    state: Mapping[str, Tensor],
    ignored: tuple[str, ...] = (),
    preset: str | None = None,
    what: str = "state dict",
) -> Conversion:
    """Give a state dict the names and layouts of this package.

    Args:
        state: Under official names, any of the historical layouts.
        ignored: What else the file held, for the report.
        preset: The preset that it is for; found from keys and shapes when None.
        what: What an error shall call it.

    Raises:
        InputError: It does not fit the preset, or none.
    """
    named = {name.removeprefix("module."): value for name, value in state.items()}
    own = {name: value for name, value in named.items() if not name.startswith(TEACHER)}
    config = _named_preset(own, preset, what) if preset else find_preset(own, what)
    shapes = state_shapes(config)
    loaded, reshaped, converted = [], [], {}
    for name, value in own.items():
        if name not in shapes:
            continue
        value = value.float() if value.is_floating_point() else value
        converted[name] = to_layout(value, shapes[name])
        (loaded if converted[name] is value else reshaped).append(name)
    rebuilt = [name for name in shapes if name not in converted and name.endswith(_REBUILT)]
    if rebuilt:
        fresh = EffOcc(config).state_dict()
        converted.update({name: fresh[name] for name in rebuilt})
    return Conversion(
        preset=config,
        state={name: converted[name].contiguous() for name in shapes},
        loaded=tuple(loaded),
        reshaped=tuple(reshaped),
        rebuilt=tuple(rebuilt),
        unexpected=tuple(name for name in own if name not in shapes),
        teacher=len(named) - len(own),
        ignored=ignored,
    )


def to_layout(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Bring a sparse weight of spconv 1 to the layout of spconv 2; leave all else alone.

    Args:
        value: A weight (kz, ky, kx, in, out) of spconv 1, or anything.
        shape: What the network wants: (out, kz, ky, kx, in) for a sparse weight.
    """
    if len(shape) == 5 and tuple(value.shape) == (*shape[1:], shape[0]) != shape:
        return value.permute(4, 0, 1, 2, 3).contiguous()
    return value


def find_preset(state: Mapping[str, Tensor], what: str) -> ModelConfig:
    """Find the preset that a state dict fits, with no entry of the family missing or left over.

    Raises:
        MisfitError: No preset fits; it tells how the nearest one differs.
    """
    nearest = min((compare(state, load_preset(name)) for name in preset_names()), key=len)
    if nearest:
        raise MisfitError(
            what,
            nearest,
            found=f"weights that fit no preset; against the nearest, {nearest.preset.name}",
            expected=f"the weights of one of {', '.join(preset_names())}",
            do="Name the preset if it is another one, or download the file again",
        )
    return nearest.preset


def compare(state: Mapping[str, Tensor], config: ModelConfig) -> Misfit:
    """Compare a state dict, in any historical layout, with the network of a preset."""
    shapes = state_shapes(config)
    return Misfit(
        preset=config,
        missing=tuple(
            name for name in shapes if name not in state and not name.endswith(_REBUILT)
        ),
        misshapen=tuple(
            f"{name} {tuple(state[name].shape)} instead of {shape}"
            for name, shape in shapes.items()
            if name in state and _layout_shape(tuple(state[name].shape), shape) != shape
        ),
        unexpected=tuple(
            name for name in state if name not in shapes and name.startswith(_FAMILY)
        ),
    )


def _named_preset(state: Mapping[str, Tensor], preset: str, what: str) -> ModelConfig:
    misfit = compare(state, load_preset(preset))
    if misfit:
        raise MisfitError(
            what,
            misfit,
            found="weights that do not fit",
            expected=f"the {len(state_shapes(misfit.preset))} keys and shapes of {preset}",
            do="Take the preset that the weights were trained with",
        )
    return misfit.preset


def _layout_shape(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a weight has after :func:`to_layout`."""
    return wanted if len(wanted) == 5 and shape == (*wanted[1:], wanted[0]) else shape


def _groups(names: tuple[str, ...]) -> str:
    """Names gathered by their first part, for reading."""
    counts: dict[str, int] = {}
    for name in names:
        part = name.split(".")[0]
        counts[part] = counts.get(part, 0) + 1
    said = ", ".join(f"{part}.* ({count})" for part, count in counts.items())
    return f": {said}" if said else ""
