# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from effocc_ros.demo_scores import score_drive, score_line
from effocc_ros.simulation.bag import load_camera_mask, load_truth, simulate_bag, truth_stamps


@pytest.fixture(scope="module", name="drive")
def _drive(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "drive"
    return simulate_bag(path, 3, 0.1, (99, 176), workers=1, progress=False)


def test_the_truth_itself_scores_everything_and_other_stamps_nothing(drive):
    truth = load_truth(drive, truth_stamps(drive)[0])
    confusion = score_drive(drive, [truth, replace(truth, stamp=truth.stamp + 1)])
    assert (confusion.frames, confusion.mean_iou(), confusion.geometric_iou()) == (1, 1.0, 1.0)
    assert "mIoU 100.0 %, geometric IoU 100.0 % of 1 frames" in score_line(confusion)
    assert "no answer" in score_line(score_drive(drive, []))


def test_what_no_camera_saw_is_not_scored(drive):
    truth = load_truth(drive, truth_stamps(drive)[0])
    unseen = ~load_camera_mask(drive, truth.stamp)
    wrong = replace(truth, labels=np.where(unseen, np.uint8(0), truth.labels))
    assert score_drive(drive, [wrong]).mean_iou() == 1.0
    assert score_drive(drive, [replace(truth, labels=truth.labels * 0)]).mean_iou() < 0.1
