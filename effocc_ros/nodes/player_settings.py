# SPDX-License-Identifier: Apache-2.0
"""Every setting of the bag player."""

from dataclasses import dataclass

from effocc_ros.nodes.parameters import Settings, setting


@dataclass(frozen=True)
class PlayerSettings(Settings):
    """Every parameter of ``bag_player``, checked.

    Raises:
        InputError: A value is out of its range.
    """

    bag: str = setting("", "Folder of a rosbag2, or one .mcap or .db3 file.")
    rate: float = setting(1.0, "Bag seconds per second.", 0.001, 1000.0)
    loop: bool = setting(False, "Begin again at the end.")
    topics: tuple[str, ...] = setting((), "Topics to publish; empty for all that the bag has.")
    queue_depth: int = setting(100, "Messages kept per topic for slow subscribers.", 1, 10000)
    wait_for: tuple[str, ...] = setting(
        (), "Topics that must have a subscriber before the bag starts."
    )
    wait_timeout: float = setting(60.0, "Seconds to wait for those subscribers.", 0.0, 3600.0)
    start_delay: float = setting(0.5, "Seconds of rest before the first message.", 0.0, 60.0)
    lockstep: bool = setting(
        False, "Wait for the node's answer to each keyframe, so that a slow machine loses nothing."
    )
    node: str = setting("/occ_node", "Full name of the occupancy node that answers.")
    trigger_interval: float = setting(
        0.0, "Seconds between keyframes: the node's own value.", 0.0, 3600.0
    )
    slack: float = setting(
        0.5, "Seconds that /clock runs on, at most, while the player waits.", 0.0, 10.0
    )
    timeout: float = setting(60.0, "Seconds to wait for an answer before going on.", 0.0, 3600.0)
