# SPDX-License-Identifier: Apache-2.0
"""Official files read: what torch or safetensors saved, without running any code in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from effocc_ros.checkpoints_header import read_header
from effocc_ros.errors import InputError
from effocc_ros.plain_files import open_file
from effocc_ros.plain_pickle import UnknownNameError
from effocc_ros.torch_files import PICKLE, ZIP, TorchFile, read_torch_file

MOST_BYTES = 16 << 30
"""Of weights: many times what any network of the family has."""

_EMA = ("state_dict_ema", "ema_state_dict", "model_ema", "ema")
_PLAIN = ("state_dict", "model_state_dict", "model_state", "model")
"""Names of weights in files; of those that a file has, the first is taken."""
_WHOLE = 0.9
"""Part of the tensors of the largest entry that weights have at least."""


@dataclass(frozen=True)
class OfficialFile:
    """What a file holds.

    Attributes:
        state: The weights under their own names.
        entry: Where they stand in the file; empty where the file holds nothing else.
        others: Further weights in it, by the names of their entries.
        ignored: Everything else in it.
    """

    state: dict[str, Tensor]
    entry: str = ""
    others: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def read_official(path: Path, weights: str = "") -> OfficialFile:
    """Read a file's weights without running any code that the file may hold.

    Where it has averaged weights (EMA) beside those of the last step, the averaged ones are taken,
    as the authors of such files evaluate them.

    Args:
        path: A .pth file as mmdet3d saves it, or a state dict as .safetensors.
        weights: Name of the entry to take, ``state_dict`` for example; chosen when empty.

    Raises:
        InputError: There is no such file, it is broken, it needs arbitrary unpickling, or holds no
            such weights.
    """
    if not path.is_file():
        raise _unreadable(path, "no such file", "Check the path")
    if path.suffix == ".safetensors":
        return OfficialFile(_read_safetensors(path))
    file = _read(path)
    if not isinstance(file.content, Mapping):
        found = f"a {type(file.content).__name__}"
        raise _unreadable(path, found, "Take the file of a checkpoint")
    content = {str(name): value for name, value in file.content.items()}
    entries = {name: found for name, value in content.items() if (found := _tensors(value))}
    bare = _tensors(content)
    if weights and weights not in entries:
        found = f"weights under {', '.join(entries) or 'no name'}"
        raise _unreadable(path, f"{found}, none under {weights!r}", "Name one that is there")
    most = max(map(len, entries.values()), default=0)
    named = [name for name in (*_EMA, *_PLAIN) if len(entries.get(name, ())) > _WHOLE * most]
    # A file that holds tensors by themselves is a state dict, whatever else is in it.
    entry = weights or next(iter(named if named or bare else entries), "")
    state = entries[entry] if entry else bare
    if not state:
        found = f"no tensors under {', '.join(content) or 'no key'}"
        raise _unreadable(path, found, "Take the file of a checkpoint")
    if not entry:
        return OfficialFile(_checked(path, file, state))
    others = tuple(name for name in named if name != entry)
    ignored = tuple(name for name in content if name not in (entry, *others))
    return OfficialFile(_checked(path, file, state), entry, others, ignored)


def _tensors(value: Any) -> dict[str, Tensor]:
    """Return the tensors of a mapping by name."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name): each for name, each in value.items() if isinstance(each, Tensor)}


def _checked(path: Path, file: TorchFile, state: dict[str, Tensor]) -> dict[str, Tensor]:
    count = sum(value.numel() * value.element_size() for value in state.values())
    if count > MOST_BYTES:
        raise _unreadable(path, f"{count} bytes of weights", "Take the file of a checkpoint")
    for name, value in state.items():
        try:
            file.check(value)
        except ValueError as error:
            raise _unreadable(path, f"{name}: {error}") from error
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        header = read_header(path)
        if header.bytes > MOST_BYTES:
            raise ValueError(f"{header.bytes} bytes of weights")
        return load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, f"no whole safetensors file ({error})") from error


def _read(path: Path) -> TorchFile:
    with open_file(path) as file:
        head = file.read(64)
    if not head.startswith((ZIP, PICKLE)):
        raise _unreadable(path, f"{_kind(head)} of {path.stat().st_size} bytes, not a torch file")
    try:
        return read_torch_file(path)
    except UnknownNameError as error:
        raise _refused(path, error.name) from error
    except Exception as error:  # damaged bytes end in nearly any error
        said = " ".join(str(error).split())[:120] or "it ends"
        found = f"a file that cannot be read: not a torch file, or cut short ({said})"
        raise _unreadable(path, found) from error


def _kind(head: bytes) -> str:
    """Say what a file is that does not begin like one of torch."""
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer"
    return "a web page" if head.lstrip().startswith(b"<") else "a file"


def _unreadable(
    path: Path, found: str, do: str = "Download the file again and compare its size"
) -> InputError:
    return InputError(
        f"official checkpoint {path}",
        found=found,
        expected="a .pth file with a state_dict, as mmdet3d saves it",
        do=do,
        reason="bad_checkpoint",
    )


def _refused(path: Path, name: str) -> InputError:
    return InputError(
        f"official checkpoint {path}",
        found=f"a file that wants to run code while it is read: it calls for {name}",
        expected="tensors, numbers, strings and numpy arrays alone",
        do="If you trust its makers, open it where it was made, keep its weights alone with "
        "torch.save({'state_dict': checkpoint['state_dict']}, 'weights.pth'), and convert that",
        reason="unsafe_checkpoint",
    )
