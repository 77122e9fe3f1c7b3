# SPDX-License-Identifier: Apache-2.0
"""Official files read: what torch or safetensors saved, without running any code in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from effocc_ros.checkpoints_header import read_header
from effocc_ros.errors import InputError
from effocc_ros.file_kinds import foreign_kind, is_safetensors
from effocc_ros.plain_files import open_file
from effocc_ros.plain_pickle import UnknownNameError, Unmade
from effocc_ros.torch_files import PICKLE, ZIP, OtherArchiveError, TorchFile, read_torch_file

MOST_BYTES = 16 << 30
"""Of weights: many times what any network of the family has."""

_PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "module", "network", "net")
"""Names of weights in files; of those that a file has, the first is taken."""
_EMA = re.compile(r"(^|[._])(ema|averaged|average|swa)([._]|$)")
"""What is found in the name of averaged weights, which go before those."""
_ARRAYS = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
"""Arrays that are weights, too."""
_DEEPEST = 3
"""Entries within each other in which weights are looked for."""
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
        found = "a folder" if path.is_dir() else "no such file"
        raise _unreadable(
            path, found, "Give the file in it" if path.is_dir() else "Check the path"
        )
    if path.suffix == ".safetensors":
        return OfficialFile(_read_safetensors(path))
    with open_file(path) as opened:
        head = opened.read(64)
    if is_safetensors(head, path.stat().st_size):
        return OfficialFile(_read_safetensors(path))
    file = _read(path, head)
    if isinstance(file.content, Unmade):
        raise _object(path, file.content)
    if not isinstance(file.content, Mapping):
        found = f"a {type(file.content).__name__}"
        raise _unreadable(path, found, "Take the file of a checkpoint")
    content = {str(name): value for name, value in file.content.items()}
    entries, bare = _entries(content), _tensors(content)
    if weights and weights not in entries:
        found = f"weights under {', '.join(entries) or 'no name'}"
        raise _unreadable(path, f"{found}, none under {weights!r}", "Name one that is there")
    most = max(map(len, entries.values()), default=0)
    whole = [name for name, tensors in entries.items() if len(tensors) > _WHOLE * most]
    named = sorted(filter(_rank, whole), key=_rank)
    # A file that holds tensors by themselves is a state dict, whatever else is in it.
    entry = weights or next(iter(named if named or bare else entries), "")
    state = entries[entry] if entry else bare
    objects = [content[name] for name in _PLAIN if isinstance(content.get(name), Unmade)]
    if not state and objects:
        raise _object(path, objects[0])
    if not state:
        found = f"no tensors under {', '.join(content) or 'no key'}"
        raise _unreadable(path, found, "Take the file of a checkpoint")
    if not entry:
        return OfficialFile(_checked(path, file, state))
    others = tuple(name for name in named if name != entry)
    used = {name.split(".")[0] for name in (entry, *others)} | {entry, *others}
    ignored = tuple(name for name in content if name not in used)
    return OfficialFile(_checked(path, file, state), entry, others, ignored)


def _entries(content: Mapping, within: str = "", depth: int = 1) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each mapping in a mapping by its name, such as ``ema.module``."""
    entries = {}
    for key, value in content.items():
        name = f"{within}{key}"
        if isinstance(value, Mapping) and "optimizer" not in name:
            found = _tensors(value)
            entries |= {name: found} if found else {}
            entries |= _entries(value, f"{name}.", depth + 1) if depth < _DEEPEST else {}
    return entries


def _rank(name: str) -> tuple[int, ...]:
    """Return what weights are sorted by, averaged ones first; empty where they are none."""
    parts = [_PLAIN.index(part) for part in name.split(".") if part in _PLAIN]
    if _EMA.search(name):
        return (0, *parts)
    return (1, *parts) if parts else ()


def _tensors(value: Any) -> dict[str, Tensor]:
    """Return the tensors of a mapping by name; arrays are tensors, too."""
    if not isinstance(value, Mapping):
        return {}
    tensors = {str(name): _tensor(each) for name, each in value.items()}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, np.ndarray) and value.dtype.name in _ARRAYS:
        return torch.from_numpy(np.array(value))
    return value if isinstance(value, Tensor) else None


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


def _read(path: Path, head: bytes) -> TorchFile:
    if not head.startswith((ZIP, PICKLE)):
        kind, do = foreign_kind(head) or ("a file", "")
        found = f"{kind} of {path.stat().st_size} bytes, not a torch file"
        raise _unreadable(path, found, *filter(None, [do]))
    try:
        return read_torch_file(path)
    except UnknownNameError as error:
        raise _refused(path, error.name) from error
    except OtherArchiveError as error:
        do = f"Unpack it, and give the file in it ({error.names})" if error.names else ""
        raise _unreadable(path, f"{error}, not a torch file", *filter(None, [do])) from error
    except Exception as error:  # damaged bytes end in nearly any error
        said = " ".join(str(error).split())[:120] or "it ends"
        found = f"a file that cannot be read: not a torch file, or cut short ({said})"
        raise _unreadable(path, found) from error


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


def _object(path: Path, whole: Unmade) -> InputError:
    """Return what to say of a network that was saved with its code, and not its weights alone."""
    script = whole.asked_for.startswith("__torch__")
    opened = "torch.jit.load(FILE)" if script else "torch.load(FILE, weights_only=False)"
    return InputError(
        f"official checkpoint {path}",
        found="a network with its code, as torch.jit.save writes it"
        if script
        else f"a whole object of class {whole.asked_for}",
        expected="tensors by name, as mmdet3d saves them",
        do="If you trust its makers, save its weights alone where it was made, with "
        f"torch.save({opened}.state_dict(), 'weights.pth'), and convert that",
        reason="unsafe_checkpoint",
    )


def _refused(path: Path, name: str) -> InputError:
    return InputError(
        f"official checkpoint {path}",
        found=f"a file that wants to run code while it is read: it calls for {name}",
        expected="tensors and plain values",
        do="If you trust its makers, open it where it was made, keep its weights alone with "
        "torch.save({'state_dict': checkpoint['state_dict']}, 'weights.pth'), and convert that",
        reason="unsafe_checkpoint",
    )
