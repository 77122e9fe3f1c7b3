# SPDX-License-Identifier: Apache-2.0
"""What occupancy of a simulated drive is worth, against the street's truth."""

from collections.abc import Iterable
from pathlib import Path

from effocc_ros.bags.messages import read_occupancy
from effocc_ros.bags.reader import BagReader
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.evaluation.miou import Confusion, confusion_of
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.simulation.bag import load_camera_mask, load_truth, truth_stamps


def read_occupancies(bag: Path, topic: str) -> list[SemanticOccupancy]:
    """Read every occupancy of a bag's topic, in the order of the bag."""
    with BagReader(bag) as reader:
        return [read_occupancy(message.decode()) for message in reader.messages([topic])]


def score_drive(drive: Path, occupancies: Iterable[SemanticOccupancy]) -> Confusion:
    """Compare occupancy with the truth of a simulated drive where its cameras saw it.

    Args:
        drive: Folder of the simulated bag.
        occupancies: Of its keyframes; those of other stamps are left out.
    """
    known, confusion = set(truth_stamps(drive)), Confusion.empty(OCC3D_NUSCENES)
    for occupancy in occupancies:
        if occupancy.stamp in known:
            truth, mask = (load(drive, occupancy.stamp) for load in (load_truth, load_camera_mask))
            confusion += confusion_of(occupancy.labels, truth.labels, OCC3D_NUSCENES, mask)
    return confusion


def score_line(confusion: Confusion) -> str:
    """Return mIoU and geometric IoU in percent, and of how many frames they are."""
    if not confusion.frames:
        return "no answer at the stamp of a keyframe, where the truth is known"
    return (
        f"mIoU {100 * confusion.mean_iou():.1f} %, "
        f"geometric IoU {100 * confusion.geometric_iou():.1f} % "
        f"of {confusion.frames} frames, where the cameras saw"
    )
