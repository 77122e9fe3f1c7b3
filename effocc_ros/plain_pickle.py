# SPDX-License-Identifier: Apache-2.0
"""Pickles of plain containers and numpy arrays, and of nothing else: a pickle can run code."""

import collections
import pickle
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import numpy as np

Known = Mapping[tuple[str, str], Any]
"""Module and name -> what a pickle gets when it asks for it."""


LONGEST_BYTES = 1 << 30
"""Of a bytearray in a pickle."""


RUNS = {
    *("builtins", "__builtin__", "os", "posix", "nt", "sys", "subprocess", "commands", "shutil"),
    *("importlib", "imp", "runpy", "ctypes", "pty", "socket", "webbrowser", "code", "operator"),
    *(
        "functools",
        "pickle",
        "_pickle",
        "marshal",
        "types",
        "copyreg",
        "tempfile",
        "multiprocessing",
    ),
}
"""Packages with functions by which a pickle runs code."""


class UnknownNameError(pickle.UnpicklingError):
    """A pickle asks for something that is not plain.

    Attributes:
        name: What it asks for, with its module.
    """

    def __init__(self, name: str):
        super().__init__(f"it asks for {name}")
        self.name = name


class Unmade:
    """Stands for an object that is not made: whatever a pickle does to it does nothing.

    Attributes:
        asked_for: Its class, with the module.
    """

    asked_for = ""

    def __new__(cls, *_: Any, **__: Any) -> "Unmade":
        """Take what the class would be made of."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take what a list would take; so do the others."""

    extend = add = update = append


def unmade(module: str, name: str) -> type[Unmade]:
    """Return what stands for a class.

    Raises:
        UnknownNameError: The name is that of something that runs programs: no object of a
            training is of such a kind, and who asks for it means harm.
    """
    if module.partition(".")[0] in RUNS:
        raise UnknownNameError(f"{module}.{name}")
    return type(name, (Unmade,), {"asked_for": f"{module}.{name}"})


class _Plain:
    """Gives a pickle what is on a list, and imports nothing."""

    def __init__(self, file: BinaryIO, known: Known | None = None):
        super().__init__(file, encoding="latin1")
        self._known = {**_plain(), **(known or {})}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise UnknownNameError(f"{module}.{name}")
        return self._known[module, name]


class PlainUnpickler(_Plain, pickle._Unpickler):
    """Reads pickles of every protocol, with a list of what they may ask for.

    This is Python's own reader in Python: that in C makes an array as long as the largest number
    under which a pickle keeps a value, so that 100 bytes can take gigabytes.

    Args:
        file: Where the pickle begins; reading beyond its end gives what there is.
        known: What it may ask for besides plain containers and numpy arrays.
    """

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def load_bytearray8(self) -> None:
        """Read a bytearray; as Python's own, which makes it before it looks for its bytes."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > LONGEST_BYTES:
            raise pickle.UnpicklingError(f"{length} bytes")
        self.append(bytearray(self.read(length)))

    def load_global(self) -> None:
        """Read the names of what is asked for; as Python's own, which takes a cut name for one."""
        names = [self.readline() for _ in range(2)]
        if not all(name.endswith(b"\n") for name in names):
            raise EOFError("it ends within a name")
        module, name = (name[:-1].decode() for name in names)
        self.append(self.find_class(module, name))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.GLOBAL[0]] = load_global
    del dispatch[pickle.INST[0]]  # of protocol 0, which nobody writes any more


class FastUnpickler(_Plain, pickle.Unpickler):
    """The same in C, for files of hundreds of megabytes, from a benchmark's own download."""


def _plain() -> dict[tuple[str, str], Any]:
    """Return what every pickle may ask for; functions are new, for a pickle can change them."""
    array = np.zeros(1)
    reconstruct, scalar = array.__reduce__()[0], np.float64(0).__reduce__()[0]
    known: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "defaultdict"): lambda *_: {},
    }
    # Files of numpy 1 say numpy.core, those of numpy 2 numpy._core.
    for core in ("numpy.core", "numpy._core"):
        known[f"{core}.multiarray", "_reconstruct"] = reconstruct
        known[f"{core}.multiarray", "scalar"] = scalar
        known[f"{core}.numeric", "_frombuffer"] = _from_buffer
    for builtins in ("builtins", "__builtin__"):
        known |= {(builtins, kind.__name__): kind for kind in (set, frozenset, complex, slice)}
    return known


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)
