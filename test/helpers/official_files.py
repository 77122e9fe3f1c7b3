# SPDX-License-Identifier: Apache-2.0
"""Files as the official code saved them, built of any weights."""

import torch


def axes(*order):
    """The sparse weights with their axes (out, kz, ky, kx, in) in another order."""
    return lambda state: {
        name: value.permute(order).contiguous() if value.ndim == 5 else value
        for name, value in state.items()
    }


def spconv1(state):
    """The same weights as spconv 1 laid them out: (kz, ky, kx, in, out)."""
    return {
        name: value.permute(1, 2, 3, 4, 0).contiguous() if value.ndim == 5 else value
        for name, value in state.items()
    }


def same(state, expected):
    return state.keys() == expected.keys() and all(
        torch.equal(state[name], expected[name]) for name in expected
    )


def ema_file(state):
    return {"epoch": 42, "state_dict": state, "updates": 12345}


def mmcv_file(state):
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 4e-4}]}
    return {"meta": {"epoch": 24, "CLASSES": None}, "state_dict": state, "optimizer": optimizer}


def parallel_file(state):
    return {"state_dict": {f"module.{name}": value for name, value in state.items()}}


def bare_file(state):
    return state
