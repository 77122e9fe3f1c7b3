# SPDX-License-Identifier: Apache-2.0
import torch
from hypothesis import given
from hypothesis import strategies as st

from effocc_ros.networks.bags import LONGEST, with_rest


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 5))
def test_the_rest_of_a_list_lies_in_short_bags_and_the_last_one_is_empty(first, second, wanted):
    end, length = sorted((first, second))
    starts = torch.linspace(0, end, wanted + 1).long()[:-1]
    bags = with_rest(starts, torch.tensor([end]), length)
    assert torch.equal(bags[:wanted], starts)
    rest = bags[wanted:]
    assert rest[0] == end
    assert rest[-1] == length
    assert len(rest) == 1 or ((rest.diff() >= 0).all() and rest.diff().max() <= LONGEST)
