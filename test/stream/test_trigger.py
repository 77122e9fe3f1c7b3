# SPDX-License-Identifier: Apache-2.0
"""Which stamps are keyframes."""

import pytest

from effocc_ros.stream.trigger import KeyframeGate

MS = 1_000_000


@pytest.mark.parametrize(
    ("interval", "stamps", "accepted"),
    [
        (0.0, [100, 150, 200], [100, 150, 200]),
        (0.5, [100, 150, 599, 600, 700, 1099], [100, 599, 1099]),
        (0.5, [100, 598, 600], [100, 600]),
        (0.1, [100, 300, 400, 399], [100, 300, 400]),
        (0.5, [9000, 9100, 100, 200, 600], [9000, 100, 600]),
        (0.0, [100, 100, 150, 100], [100, 150]),
    ],
    ids=["all", "a_millisecond_early", "two_early", "back", "jump_back", "repeated"],
)
def test_the_gate_lets_keyframes_through(interval, stamps, accepted):
    gate = KeyframeGate(interval)
    assert [stamp for stamp in stamps if gate.accepts(stamp * MS)] == accepted


def test_a_keyframe_may_be_taken_back():
    gate = KeyframeGate(0.5)
    assert gate.accepts(100 * MS)
    assert gate.accepts(600 * MS)
    gate.rewind(600 * MS)
    assert not gate.accepts(400 * MS)
    assert gate.accepts(601 * MS)
