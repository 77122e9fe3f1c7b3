# SPDX-License-Identifier: Apache-2.0
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effocc_ros.errors import InputError
from effocc_ros.fleet.shard import Shard, shard_from_text


@given(st.lists(st.integers()), st.integers(1, 20))
def test_shards_share_everything_out_and_nothing_twice(items, count):
    parts = [Shard(number + 1, count).of(items) for number in range(count)]
    assert sorted(chain.from_iterable(parts)) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_read_and_names_its_file():
    assert shard_from_text("2/8") == Shard(2, 8)
    assert shard_from_text("2/8").name("report") == "report-2-of-8"
    assert shard_from_text("") == Shard(1, 1)
    assert Shard().name("report") == "report"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "a/4", "3", "-1/4", "1/4/2", "1/"])
def test_a_shard_that_there_is_not_is_refused_with_a_line_for_slurm(text):
    with pytest.raises(InputError, match=r"--shard: found .*SLURM_ARRAY_TASK_ID") as caught:
        shard_from_text(text)
    assert caught.value.reason == "bad_shard"
