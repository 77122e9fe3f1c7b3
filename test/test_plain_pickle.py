# SPDX-License-Identifier: Apache-2.0
"""Pickles of a hundred bytes that ask for more than they hold."""

import contextlib
import io
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from effocc_ros.plain_pickle import FastUnpickler, PlainUnpickler, UnknownNameError

BOMBS = {
    "a value under a huge number": b"\x80\x02]r\xff\xff\xff\x7fNr\xff\xff\xff\x6f.",
    "a huge bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 36) + b"abc.",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 36) + b"abc.",
    "a huge text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 36) + b"abc.",
    "a huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 36) + b"N.",
    "a name that ends": b"\x80\x02cnumpy\nnd",
    "an object of protocol 0": b"(ios\nsystem\n.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_a_pickle_claims_takes_no_memory(kind):
    tracemalloc.start()
    # Some can be read: what they claim is not looked for.
    with contextlib.suppress(pickle.UnpicklingError, EOFError, KeyError):
        PlainUnpickler(io.BytesIO(BOMBS[kind])).load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("reader", [PlainUnpickler, FastUnpickler])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_and_arrays_are_read(reader, protocol):
    values = {
        "array": np.arange(6.0).reshape(2, 3),
        "number": np.float32(2),
        "plain": [1, 2.5, "é", b"raw", bytearray(b"b"), {1}, frozenset({2}), None, True, 2**80],
    }
    values["plain"].pop(4 if protocol < 5 else 0)  # a bytearray asks for its class before 5
    read = reader(io.BytesIO(pickle.dumps(values, protocol))).load()
    np.testing.assert_array_equal(read["array"], values["array"])
    assert (read["number"], read["plain"]) == (values["number"], values["plain"])


@pytest.mark.parametrize("reader", [PlainUnpickler, FastUnpickler])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [print, io.BytesIO, pickle.Unpickler, ValueError()])
def test_all_else_is_refused_by_name(reader, protocol, value):
    with pytest.raises(UnknownNameError, match=r"it asks for \w+\.\w+"):
        reader(io.BytesIO(pickle.dumps([value], protocol))).load()
