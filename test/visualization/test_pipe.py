# SPDX-License-Identifier: Apache-2.0
import os

import pytest
from helpers.full_disk import no_file_above

from effocc_ros.visualization.pipe import filled_through_pipe


def test_what_goes_into_the_pipe_is_in_the_file(tmp_path):
    data = os.urandom(3_000_000)
    with filled_through_pipe(tmp_path / "file") as pipe:
        pipe.write_bytes(data)
    assert (tmp_path / "file").read_bytes() == data


def test_a_writer_is_not_held_up_by_a_full_disk_and_the_block_fails(tmp_path):
    with (
        no_file_above(1000),
        pytest.raises(OSError, match="too large"),
        filled_through_pipe(tmp_path / "file") as pipe,
    ):
        pipe.write_bytes(bytes(3_000_000))


def test_a_block_that_writes_nothing_or_fails_ends(tmp_path):
    with filled_through_pipe(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_bytes() == b""
    with pytest.raises(RuntimeError), filled_through_pipe(tmp_path / "other"):
        raise RuntimeError
