# SPDX-License-Identifier: Apache-2.0
"""The moving average of the weights, with numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn

from effocc_ros.training.ema import Ema, decay_after


@pytest.mark.parametrize(
    ("updates", "decay"),
    # 0.999 * (1 - exp(-n / 2000))
    [(0, 0.0), (2000, 0.631489), (10561, 0.993915), (1_000_000, 0.999)],
)
def test_the_decay_grows_as_in_effocc(updates, decay):
    assert decay_after(updates, decay=0.999, ramp=2000.0) == pytest.approx(decay, abs=1e-6)


def network(value: float) -> nn.Module:
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        module[0].weight.fill_(value)
        module[1].running_mean.fill_(10 * value)
        module[1].num_batches_tracked.fill_(int(value))
    return module


def test_weights_and_statistics_are_averaged_and_counts_stay():
    ema = Ema(network(1.0), start=1999, decay=0.5, ramp=2000.0)
    ema.update(network(3.0))
    decay = 0.5 * (1 - math.exp(-1))  # The update counts before it is used: n is 2000.
    assert ema.updates == 2000
    assert ema.network[0].weight.item() == pytest.approx(decay * 1 + (1 - decay) * 3)
    assert ema.network[1].running_mean.item() == pytest.approx(decay * 10 + (1 - decay) * 30)
    assert ema.network[1].num_batches_tracked.item() == 1


def test_an_average_that_starts_at_0_forgets_the_start_at_once():
    ema = Ema(network(1.0), start=0)
    ema.update(network(3.0))
    assert ema.network[0].weight.item() == pytest.approx(3.0, abs=2e-3)
    late = Ema(network(1.0))
    late.update(network(3.0))
    assert late.network[0].weight.item() == pytest.approx(1.0, abs=2e-2)


def test_the_averaged_network_is_in_eval_mode_and_learns_nothing_itself():
    ema = Ema(network(1.0).train())
    assert not ema.network.training
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())
