# SPDX-License-Identifier: Apache-2.0
"""Official EFFOcc files in: mmdet3d-style checkpoints to state dicts of this package."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from effocc_ros.checkpoints import make_card, save_checkpoint, state_shapes
from effocc_ros.checkpoints_values import WHOLE, check_values
from effocc_ros.errors import InputError, shown, some
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.official_files import read_official
from effocc_ros.official_layouts import (
    FAMILY,
    WANTED,
    find_layout,
    find_network,
    laid_out,
    to_layout,
)
from effocc_ros.presets import load_preset, preset_names

_REBUILT = WHOLE
"""Buffers that old versions did not save and that the network knows by itself."""

_NAMED, _GROUPS, _LONGEST = 200, 12, 60
"""Characters of a name in a list, groups of names in a line, and characters of a name there."""

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
        lists = ((kind, [shown(name, _NAMED) for name in names]) for kind, names in self._lists())
        return "; ".join(f"{len(names)} {kind} ({some(names)})" for kind, names in lists)

    def account(self) -> str:
        """Return every name, for reading."""
        lines = [f"compared with {self.preset.name}"]
        for kind, names in self._lists():
            lines += [f"{kind}  {len(names)}", *(f"    {shown(name, _NAMED)}" for name in names)]
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
        layout: The layout that they had.
        rebuilt: Entries that the file lacks and the network knows: all that is missing.
        unexpected: Entries that no part of the network takes, left out.
        prefix: What all names began with; it is left out.
        networks: Prefix of each other network in the file, such as a distillation's teacher, left
            out -> number of its entries.
        entry: Where the weights stood in the file; empty where it held nothing else.
        others: Further weights of the file, left out.
        ignored: Parts of the file beside the weights, left out.
    """

    preset: ModelConfig
    state: dict[str, Tensor]
    loaded: tuple[str, ...]
    reshaped: tuple[str, ...]
    layout: str
    rebuilt: tuple[str, ...]
    unexpected: tuple[str, ...]
    prefix: str
    networks: dict[str, int]
    entry: str = ""
    others: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def report(self) -> str:
        """Return the account as text: counts, and names where something was not plain."""
        also = f"; also there: {', '.join(self.others)} (--weights NAME)" if self.others else ""
        layout = f", from {self.layout} to {WANTED}" if self.reshaped else ""
        below = [f"{prefix or 'no prefix'} ({count})" for prefix, count in self.networks.items()]
        lines = [
            f"preset      {self.preset.name}",
            f"weights     {self.entry or 'the file itself'}{also}",
            f"prefix      {shown(self.prefix, _LONGEST) or 'none'}",
            f"loaded      {len(self.loaded)}{_groups(self.loaded)}",
            f"reshaped    {len(self.reshaped)}{_groups(self.reshaped)}{layout}",
            f"missing     {len(self.rebuilt)}{_groups(self.rebuilt)}",
            f"unexpected  {len(self.unexpected)}{_groups(self.unexpected)}",
            f"left out    {_listed(below)}",
            f"ignored     {_listed(self.ignored)}",
        ]
        return "\n".join(lines)


def convert_file(
    source: Path | str,
    target: Path | str,
    preset: str | None = None,
    *,
    weights: str = "",
    origin: str = "",
    training_data: str = "",
    licence: str = "",
) -> Conversion:
    """Turn an official file into a checkpoint of this package.

    Args:
        source: A .pth file as mmdet3d saves it, or its state dict as .safetensors.
        target: The checkpoint to write.
        preset: The preset that the weights are for; found from keys and shapes when None.
        weights: Name of the entry of the file to take; averaged weights go first when empty.
        origin: For the card: where the file comes from, besides its name and hash.
        training_data: For the card; the benchmark of the preset when empty.
        licence: For the card.

    Returns:
        What became of each entry.

    Raises:
        InputError: The file cannot be read safely, fits no preset, or holds numbers that are none.
    """
    source = Path(source)
    file = read_official(source, weights)
    conversion = convert_state(file.state, preset, what=str(source))
    conversion = replace(conversion, entry=file.entry, others=file.others, ignored=file.ignored)
    check_values(conversion.state, what=str(source))
    taken = f", its {file.entry}" if file.others else ""
    said = f"converted from {source.name}{taken}, sha256 {_digest(source)}"
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
    state: Mapping[str, Tensor], preset: str | None = None, what: str = "state dict"
) -> Conversion:
    """Give a state dict the names and layouts of this package.

    Args:
        state: Under official names, with any prefix, in any layout that shapes can tell.
        preset: The preset that it is for; found from keys and shapes when None.
        what: What an error shall call it.

    Raises:
        InputError: It does not fit the preset, or none.
    """
    network = find_network(state)
    own = network.state
    config = _named_preset(own, preset, what) if preset else find_preset(own, what)
    shapes = state_shapes(config)
    layout = _layout(own, shapes)
    loaded, reshaped, converted = [], [], {}
    for name, value in own.items():
        if name not in shapes:
            continue
        value = value.float() if value.is_floating_point() else value
        converted[name] = to_layout(value, layout, shapes[name])
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
        layout=layout,
        rebuilt=tuple(rebuilt),
        unexpected=tuple(name for name in own if name not in shapes),
        prefix=network.prefix,
        networks=network.others,
    )


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
    """Compare a state dict, in any layout that shapes can tell, with the network of a preset."""
    shapes = state_shapes(config)
    layout = _layout(state, shapes)
    return Misfit(
        preset=config,
        missing=tuple(
            name for name in shapes if name not in state and not name.endswith(_REBUILT)
        ),
        misshapen=tuple(
            f"{name} {tuple(state[name].shape)} instead of {shape}"
            for name, shape in shapes.items()
            if name in state and laid_out(tuple(state[name].shape), layout, shape) != shape
        ),
        unexpected=tuple(name for name in state if name not in shapes and name.startswith(FAMILY)),
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


def _layout(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> str:
    return find_layout({name: tuple(value.shape) for name, value in state.items()}, shapes)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _groups(names: tuple[str, ...]) -> str:
    """Names gathered by their first part, for reading."""
    counts: dict[str, int] = {}
    for name in names:
        part = name.split(".")[0]
        counts[part] = counts.get(part, 0) + 1
    said = [f"{shown(part, _LONGEST)}.* ({count})" for part, count in counts.items()]
    return f": {_listed(said)}" if said else ""


def _listed(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    said = ", ".join(shown(name, _LONGEST) for name in names[:_GROUPS]) or "nothing"
    more = len(names) - _GROUPS
    return f"{said} and {more} more" if more > 0 else said
