"""Official EFFOcc files in: mmdet3d-style checkpoints to state dicts of this package."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from effocc_ros.checkpoints import check_state, make_card, save_checkpoint, state_shapes
from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.presets import load_preset, preset_names

TEACHER = "teacher_model."
"""Prefix of the frozen teacher that a distillation run saves with its student."""

_REBUILT = ("num_batches_tracked", "relative_position_index")
"""Buffers that old versions did not save and that the network knows by itself."""

_TRAINING_DATA = {
    "occ3d_nuscenes": "Occ3D-nuScenes",
    "occ3d_waymo": "Occ3D-Waymo",
    "openoccupancy": "nuScenes-Occupancy (OpenOccupancy)",
    "openocc_flow": "OpenOcc (occupancy and flow)",
}


@dataclass(frozen=True)
class Conversion:
    """What became of each entry of an official file.

    Attributes:
        preset: The preset that the file fits.
        state: The state dict for it, float32.
        loaded: Entries taken as they are.
        reshaped: Entries whose layout was changed.
        rebuilt: Entries that the file lacks and the network knows.
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
            f"loaded      {len(self.loaded)} entries",
            f"reshaped    {len(self.reshaped)} (sparse convolutions of spconv 1 to spconv 2)",
            f"missing     0; rebuilt {len(self.rebuilt)}",
            f"unexpected  {len(self.unexpected)} left out{_groups(self.unexpected)}",
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


def read_official(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Read a file's state dict without running any code that the file may hold.

    Returns:
        The state dict under its own names, and the names of everything else in the file.

    Raises:
        InputError: There is no such file, it is broken, it needs arbitrary unpickling, or holds no
            state dict.
    """
    if not path.is_file():
        raise _unreadable(path, "no such file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path), ()
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, f"no whole safetensors file ({error})") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, f"a file that torch cannot read ({_line(error)})") from error
    if not isinstance(content, Mapping):
        raise _unreadable(path, f"a {type(content).__name__}")
    state = content.get("state_dict", content)
    ignored = tuple(str(name) for name in content if name != "state_dict")
    tensors = {}
    if isinstance(state, Mapping):
        tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise _unreadable(path, f"no tensors under {', '.join(map(str, content)) or 'no key'}")
    return tensors, ignored if state is not content else ()


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
    config = load_preset(preset) if preset else find_preset(own, what)
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
    check_state(converted, config, what)
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
    """Find the preset that takes a state dict and leaves least of it over.

    Raises:
        InputError: No preset fits; the message says what the nearest one lacks.
    """
    misfits = {}
    for name in preset_names():
        config = load_preset(name)
        shapes = state_shapes(config)
        wrong = [
            key
            for key, shape in shapes.items()
            if not key.endswith(_REBUILT)
            and (key not in state or tuple(to_layout(state[key], shape).shape) != shape)
        ]
        misfits[name] = (len(wrong), sum(key not in shapes for key in state), config, wrong)
    wrong_count, _, config, wrong = min(misfits.values(), key=lambda misfit: misfit[:2])
    if wrong_count:
        raise InputError(
            what,
            found=f"weights that fit no preset; the nearest, {config.name}, lacks {wrong_count} "
            f"keys or has them in another shape, first {wrong[0]}",
            expected=f"the weights of one of {', '.join(preset_names())}",
            do="Name the preset to see all differences",
            reason="bad_checkpoint",
        )
    return config


def _groups(names: tuple[str, ...]) -> str:
    """Names gathered by their first part, for reading."""
    counts: dict[str, int] = {}
    for name in names:
        part = name.split(".")[0]
        counts[part] = counts.get(part, 0) + 1
    said = ", ".join(f"{part}.* ({count})" for part, count in counts.items())
    return f": {said}" if said else ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        f"official checkpoint {path}",
        found=found,
        expected="a .pth file with a state_dict, as mmdet3d saves it",
        do="Download the file again and compare its size",
        reason="bad_checkpoint",
    )


def _refused(path: Path, error: Exception) -> InputError:
    reason = next((text for text in str(error).splitlines() if "GLOBAL" in text), error)
    return InputError(
        f"official checkpoint {path}",
        found=f"a file that wants to run code while it is read ({' '.join(str(reason).split())})",
        expected="tensors, numbers and strings alone",
        do="If you trust its makers, open it where it was made, keep its weights alone with "
        "torch.save({'state_dict': checkpoint['state_dict']}, 'weights.pth'), and convert that",
        reason="unsafe_checkpoint",
    )
