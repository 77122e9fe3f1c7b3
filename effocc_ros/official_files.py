"""Official files read: what torch or safetensors saved, without running any code in it."""

import pickletools
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from effocc_ros.errors import InputError

_ZIP, _PICKLE = b"PK", b"\x80"
"""How the two formats of torch.save begin: a zip archive, or pickles of protocol 2 or later."""

_GLOBAL = re.compile(r"\b(?:GLOBAL|Unsupported class) (\S+)")
"""Where torch names what it will not import; the second form is that of torch before 2.4."""

_LEGACY_PICKLES = 4
"""Pickles before the tensors of a file that is no archive: number, protocol, system, data."""


def read_official(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Read a file's state dict without running any code that the file may hold.

    Args:
        path: A .pth file as mmdet3d saves it, or a state dict as .safetensors.

    Returns:
        The state dict under its own names, and the names of everything else in the file.

    Raises:
        InputError: There is no such file, it is broken, it needs arbitrary unpickling, or holds no
            state dict.
    """
    if not path.is_file():
        raise _unreadable(path, "no such file", "Check the path")
    if path.suffix == ".safetensors":
        try:
            return load_file(path), ()
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, f"no whole safetensors file ({error})") from error
    content = _load(path)
    if not isinstance(content, Mapping):
        raise _unreadable(path, f"a {type(content).__name__}", "Take the file of a checkpoint")
    state = content.get("state_dict", content)
    ignored = tuple(str(name) for name in content if name != "state_dict")
    tensors = {}
    if isinstance(state, Mapping):
        tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        found = f"no tensors under {', '.join(map(str, content)) or 'no key'}"
        raise _unreadable(path, found, "Take the file of a checkpoint")
    return tensors, ignored if state is not content else ()


def _load(path: Path) -> object:
    """Load a torch file with tensors, plain values and numpy scalars alone."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith((_ZIP, _PICKLE)):
        raise _unreadable(path, f"{_kind(head)} of {path.stat().st_size} bytes, not a torch file")
    try:
        with _numpy_scalars():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes end in nearly any error
        refused = _GLOBAL.search(str(error))
        if refused and not (head.startswith(_PICKLE) and _ends_early(path)):
            raise _refused(path, refused[1].rstrip(".")) from error
        said = " ".join(str(error).split("WeightsUnpickler error:")[-1].split())[:120]
        found = f"a file that cannot be read: not a torch file, or cut short ({said or 'it ends'})"
        raise _unreadable(path, found) from error


def _numpy_scalars() -> AbstractContextManager:
    """Let torch read numpy numbers, which training tools put beside the weights.

    Names are those that numpy 1 and numpy 2 write. A torch before 2.6 cannot map names so, and
    refuses such a file.
    """
    if torch.__version__ < (2, 6):
        return nullcontext()
    scalar = np.float64(0).__reduce__()[0]
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return torch.serialization.safe_globals([*names, (np.dtype, "numpy.dtype"), *kinds])


def _ends_early(path: Path) -> bool:
    """True if a file of the old format stops within a pickle, perhaps amid the name of a class."""
    with path.open("rb") as file:
        try:
            for _ in range(_LEGACY_PICKLES):
                if not file.peek(1):
                    return False
                for _ in pickletools.genops(file):
                    pass
        except (ValueError, EOFError):
            return True
    return False


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
        expected="tensors, numbers and strings alone",
        do="If you trust its makers, open it where it was made, keep its weights alone with "
        "torch.save({'state_dict': checkpoint['state_dict']}, 'weights.pth'), and convert that",
        reason="unsafe_checkpoint",
    )
