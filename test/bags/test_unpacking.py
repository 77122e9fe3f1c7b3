# SPDX-License-Identifier: Apache-2.0
"""What is packed may not unpack to all the memory."""

import io
import struct

import lz4.frame
import pytest
from helpers.mcap_bags import PLAIN, write_mcap
from helpers.toy_drive import Sent, lidar_drive

from effocc_ros.bags import unpacking
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.unpacking import (
    UnpackError,
    unpack_chunk,
    unpack_file,
    unpack_message,
    zstd,
)
from effocc_ros.errors import InputError


@pytest.fixture(autouse=True)
def little_is_free(monkeypatch):
    monkeypatch.setattr(unpacking, "FREE", 10_000)


BOMB = zstd.compress(bytes(1_000_000))
HONEST = zstd.compress(bytes(9_000))


def test_what_is_in_proportion_is_unpacked(tmp_path):
    (tmp_path / "a.zstd").write_bytes(HONEST)
    sink = io.BytesIO()
    unpack_file(tmp_path / "a.zstd", sink)
    packed = lz4.frame.compress(bytes(9_000))
    assert unpack_message(HONEST) == unpack_chunk(HONEST, "zstd", 9_000) == sink.getvalue()
    assert unpack_chunk(packed, "lz4", 9_000) == unpack_chunk(bytes(9_000), "", 9_000)


@pytest.mark.parametrize("claimed", [1_000_000, 8_999, 9_001, 2**63])
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_chunk_that_lies_about_its_size_is_refused(claimed, compression):
    pack = {"zstd": zstd.compress, "lz4": lz4.frame.compress}[compression]
    with pytest.raises(UnpackError, match="claims to hold"):
        unpack_chunk(pack(bytes(9_000)), compression, claimed)


def test_messages_and_files_that_swell_are_refused(tmp_path):
    (tmp_path / "a.mcap.zstd").write_bytes(BOMB)
    with pytest.raises(InputError, match=r"a file that unpacks to more than .*zstd -d") as caught:
        BagReader(tmp_path / "a.mcap.zstd")
    assert caught.value.reason == "damaged_bag"
    with pytest.raises(UnpackError, match="a message of"):
        unpack_message(BOMB)
    with pytest.raises(UnpackError, match="without their end"):
        unpack_message(HONEST[:-3])


class Packed(Sent):
    @property
    def raw(self) -> bytes:
        return BOMB


def test_a_message_that_swells_is_said_by_its_file(tmp_path):
    (*_, last) = lidar_drive(1)
    path = write_mcap(
        tmp_path / "a.mcap", [Packed(last.topic, last.log_time, last.message)], PLAIN
    )
    with BagReader(path) as bag, pytest.raises(InputError, match=r"damage in a\.mcap"):
        list(bag.messages())


def test_a_chunk_that_claims_much_costs_no_memory(tmp_path):
    body = (
        struct.pack("<QQQI", 0, 0, 2**40, 0) + struct.pack("<I4sQ", 4, b"zstd", len(BOMB)) + BOMB
    )
    records = b"\x06" + struct.pack("<Q", len(body)) + body
    header = b"\x01" + struct.pack("<QII", 8, 0, 0)
    magic = b"\x89MCAP0\r\n"
    footer = b"\x02" + struct.pack("<QQQI", 20, 0, 0, 0)
    (tmp_path / "a.mcap").write_bytes(magic + header + records + footer + magic)
    with pytest.raises(InputError, match=f"claims to hold {2**40}"):
        BagReader(tmp_path / "a.mcap")
