# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save, of every pickle protocol, read without running any code in them.

``torch.load(weights_only=True)`` knows protocol 2 alone, and reads all tensors, also those of the
optimizer. Here tensors are views of the mapped file, which take no memory until they are used.
"""

import mmap
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from effocc_ros.errors import some
from effocc_ros.plain_files import open_file
from effocc_ros.plain_pickle import Known, PlainUnpickler, UnknownNameError, unmade

ZIP, PICKLE = b"PK", b"\x80"
"""How the two formats begin: a zip archive, or pickles of protocol 2 or later."""

MOST_PICKLE = 256 << 20
"""Bytes of the pickle in an archive: names and shapes, all else beside the weights."""

_MAGIC = 0x1950A86A20F9469CFC6C
"""First pickle of a file that is no archive."""
_ALONE = 3
"""Pickles there before that of the data: this number, the protocol, the system."""

_KINDS = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "Untyped": torch.uint8,
}
"""Storage classes by the beginning of their name -> type of their numbers."""


class OtherArchiveError(ValueError):
    """A zip archive that torch did not write.

    Attributes:
        names: The first files in it.
    """

    def __init__(self, names: list[str]):
        arrays = names and all(name.endswith(".npy") for name in names)
        super().__init__("numpy's archive of arrays (.npz)" if arrays else "a zip archive")
        self.names = "" if arrays else some(names)


@dataclass
class TorchFile:
    """What a file holds.

    Attributes:
        content: As it was saved; tensors are views of the file.
        checksums: Address of a storage's bytes -> the bytes, and their CRC-32.
    """

    content: Any
    checksums: dict[int, tuple[Tensor, int]] = field(default_factory=dict)

    def check(self, tensor: Tensor) -> None:
        """Raise ValueError if the bytes of a tensor are not those that were saved."""
        data, expected = self.checksums.get(tensor.untyped_storage().data_ptr(), (None, 0))
        if expected and zlib.crc32(data.numpy()) != expected:
            raise ValueError("weights that do not match their checksum")


def read_torch_file(path: Path) -> TorchFile:
    """Read a file of torch.save.

    Raises:
        UnknownNameError: It asks for more than tensors, plain values and numpy arrays.
        Exception: It is broken; anything may come of that.
    """
    with open_file(path) as file:
        head = file.read(2)
        file.seek(0)
        if not head:
            raise EOFError("an empty file")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if head == ZIP:
            return _read_archive(file, data)
        return TorchFile(_read_pickles(data))


def _read_archive(file: BinaryIO, data: mmap.mmap) -> TorchFile:
    read = TorchFile(None)
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        place = next((name for name in entries if name.split("/")[1:] == ["data.pkl"]), None)
        if place is None:
            raise OtherArchiveError([*entries])
        folder = place.removesuffix("data.pkl")
        if entries[place].file_size > MOST_PICKLE:
            raise ValueError(f"a pickle of {entries[place].file_size} bytes")

        def storage(key: str, size: int) -> Tensor:
            info = entries[f"{folder}data/{key}"]
            if info.compress_type != zipfile.ZIP_STORED or info.file_size < size:
                raise ValueError(f"{info.file_size} bytes of storage {key} instead of {size}")
            tensor = _bytes_of(data, _start(data, info), info.file_size)
            read.checksums[tensor.data_ptr()] = tensor, info.CRC
            return tensor

        with archive.open(place) as pickled:
            read.content = _Unpickler(pickled, storage).load()
    return read


def _start(data: mmap.mmap, info: zipfile.ZipInfo) -> int:
    """Return where the bytes of an entry begin, behind its own header."""
    name, extra = struct.unpack_from("<HH", data, info.header_offset + 26)
    return info.header_offset + 30 + name + extra


def _read_pickles(data: mmap.mmap) -> Any:
    """Read the format before torch 1.6: pickles, then each storage behind its length."""
    magic = _Unpickler(data, _no_storage).load()
    if isinstance(magic, Mapping) and magic:
        return magic  # a pickle that torch has no part in, of numpy arrays
    if magic != _MAGIC:
        raise ValueError("a pickle of something else")
    for _ in range(_ALONE - 1):
        PlainUnpickler(data).load()
    start = data.tell()
    # Once for the sizes of the storages, which follow in the order of a list behind this pickle.
    sizes: dict[str, int] = {}

    def empty(key: str, size: int) -> Tensor:
        sizes[key] = max(size, sizes.get(key, 0))
        return torch.empty(size, dtype=torch.uint8, device="meta")

    _Unpickler(data, empty).load()
    keys, places = PlainUnpickler(data).load(), {}
    for key in keys:
        places[key] = data.tell() + 8
        data.seek(places[key] + sizes[key])
    data.seek(start)
    return _Unpickler(data, lambda key, size: _bytes_of(data, places[key], size)).load()


def _no_storage(key: str, size: int) -> Tensor:
    raise pickle.UnpicklingError(f"a storage {key} before the file says that it has any")


def _bytes_of(data: mmap.mmap, start: int, size: int) -> Tensor:
    if start + size > len(data):
        raise EOFError(f"it ends within {size} bytes of weights")
    if not size:
        return torch.empty(0, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nobody writes into these tensors
        return torch.frombuffer(data, dtype=torch.uint8, offset=start, count=size)


class _Unpickler(PlainUnpickler):
    """Puts tensors together from the storages that ``storage(key, bytes)`` returns.

    Objects of a training that stand beside the weights are not made.
    """

    def __init__(self, file: BinaryIO, storage: Callable[[str, int], Tensor]):
        super().__init__(file, _known())
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except UnknownNameError:
            return unmade(module, name)

    def persistent_load(self, pid: tuple) -> Tensor:
        kind, dtype, key, _, numel, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or (view and view[0]):
            raise pickle.UnpicklingError(f"a {kind} of {dtype}")
        return self._storage(key, int(numel) * dtype.itemsize).view(dtype)


def _known() -> Known:
    def strided(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
        return storage.as_strided(size, stride, offset)

    def strided_bytes(
        storage: Tensor,
        offset: int,
        size: tuple,
        stride: tuple,
        grad: bool,
        hooks: Any,
        *kind: Any,
    ) -> Tensor:
        return storage.view(kind[0]).as_strided(size, stride, offset)

    def parameter(value: Tensor, *_: Any) -> Tensor:
        return value

    known: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor"): strided,
        ("torch._utils", "_rebuild_tensor_v2"): strided,
        ("torch._utils", "_rebuild_tensor_v3"): strided_bytes,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): parameter,
        ("torch._tensor", "_rebuild_from_type_v2"): lambda make, kind, made_of, state: make(
            *made_of
        ),
        ("torch", "Size"): tuple,
        ("torch", "device"): lambda *names: ":".join(map(str, names)),
    }
    for module in ("torch", "torch.cuda", "torch.storage"):
        known |= {(module, f"{name}Storage"): dtype for name, dtype in _KINDS.items()}
    known |= {("torch", str(dtype).partition(".")[2]): dtype for dtype in _KINDS.values()}
    return known
