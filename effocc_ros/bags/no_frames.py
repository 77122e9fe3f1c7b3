# SPDX-License-Identifier: Apache-2.0
"""Why nothing came out of a bag."""

from collections.abc import Mapping

from effocc_ros.bags.feeding import Feeding
from effocc_ros.bags.order import is_static
from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.stream import StreamStatistics

UNCONNECTED = ("tf_missing", "tf_disconnected")


def no_frames(
    bag: BagReader,
    fed: Feeding,
    statistics: StreamStatistics,
    rejected: Mapping[str, int],
    said: Mapping[tuple[str, str], str],
) -> InputError:
    """Return the error of a run without frames, with its main reason.

    Args:
        bag: The bag.
        fed: What of it was used.
        statistics: What became of the messages.
        rejected: ``source.reason`` -> messages that could not be used.
        said: Source and reason -> the first complaint.
    """
    drops = statistics.drops
    main = max(drops, key=drops.get, default="")
    if main and main != "no_inputs":
        count, complaint = drops[main], said.get(("frame", main), main)
    else:
        main, count, complaint = _main_complaint(fed, rejected, said, any_source=bool(main))
    return InputError(
        f"bag {bag.path}",
        found=f"no frame that can be made of its {statistics.frames_in} moments",
        expected="at least one",
        do=f"The main reason ({main}, {count} times): {complaint.rstrip('.?')}"
        + _hint(bag, fed, main),
        reason=main,
    )


def _main_complaint(
    fed: Feeding,
    rejected: Mapping[str, int],
    said: Mapping[tuple[str, str], str],
    *,
    any_source: bool,
) -> tuple[str, int, str]:
    """Return reason, count and complaint of the input that should have made the frames."""
    first = fed.lidars[0] if fed.lidars else fed.cameras[0]
    reference = first.points if fed.lidars else first.image
    names = (first.name, reference)
    counted = {
        key: rejected[f"{key[0]}.{key[1]}"]
        for key in said
        if f"{key[0]}.{key[1]}" in rejected and (any_source or key[0] in names)
    }
    if not counted:
        return "no_messages", 0, f"{reference}: found no message that makes a frame"
    main = max(counted, key=counted.get)
    return main[1], counted[main], said[main]


def _hint(bag: BagReader, fed: Feeding, reason: str) -> str:
    if reason in UNCONNECTED and fed.other_tf:
        return (
            f". The bag has transforms on {', '.join(fed.other_tf)} too: if they are this "
            "vehicle's, name them in the rig file (tf, tf_static)"
        )
    latched = any(is_static(name) and topic.count for name, topic in bag.topics.items())
    if reason not in UNCONNECTED or latched:
        return ""
    return (
        ". The bag has no /tf_static: if it is a later part of a recording, give the whole "
        "folder; if it was cut out of one, cut /tf_static with it; or give the rig a calibration "
        "file"
    )
