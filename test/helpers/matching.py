# SPDX-License-Identifier: Apache-2.0
"""A synchronizer for tests, and what it matched."""

from effocc_ros.stream.sync_config import SyncConfig
from effocc_ros.stream.synchronizer import Synchronizer

MS = 1_000_000
SECOND = 1000 * MS
INFINITY = float("inf")
START = 100 * SECOND


def synchronizer(*cameras: str, **settings) -> Synchronizer:
    settings = {"max_wait": 0.1, "tolerance": 0.1, **settings}
    return Synchronizer(SyncConfig(cameras=cameras or ("A",), **settings))


def images(trigger) -> dict[str, int]:
    """Milliseconds of each matched image after the reference."""
    return {name: (stamp - trigger.stamp) // MS for name, (stamp, _) in trigger.images.items()}
