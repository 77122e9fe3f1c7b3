"""Pickles of numpy arrays in plain containers, and of nothing else: a pickle can run code."""

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from effocc_ros.datasets.files import read_bytes
from effocc_ros.errors import InputError

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
# Files of numpy 1 say numpy.core, those of numpy 2 numpy._core.
_KNOWN = {
    (f"numpy.{core}.multiarray", name): value
    for core in ("core", "_core")
    for name, value in (("_reconstruct", _RECONSTRUCT), ("scalar", _SCALAR))
} | {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
    ("collections", "OrderedDict"): collections.OrderedDict,
}


def load_arrays(path: Path) -> Any:
    """Read a pickle of dicts, lists, numbers, texts and numpy arrays.

    Raises:
        InputError: The file is absent or broken, or asks for anything else.
    """
    data = read_bytes(path, "a pickle of arrays")
    try:
        return _Unpickler(io.BytesIO(data)).load()
    except Exception as error:  # a broken pickle raises what it likes
        raise InputError(
            f"file {path}",
            found=f"no pickle of plain arrays ({error})",
            expected="dicts, lists and numpy arrays only",
            do="Take it from the benchmark's own download",
            reason="bad_file",
        ) from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _KNOWN[module, name]
