# SPDX-License-Identifier: Apache-2.0
"""What a network says of a simulated scene when its files are read as a dataset."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.nuscenes import nuscenes_to_bag
from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.predictor import Predictor

INTERVAL_S = 0.5
"""Between keyframes: the scene begins with one, so these are the frames of its bag."""

Answers = dict[int, NDArray[np.uint8]]
"""Stamp of a keyframe -> (200, 200, 16) labels."""


def make_scene_bag(tree: Path, path: Path) -> Path:
    """Write the scene of a simulated tree as a bag."""
    nuscenes_to_bag(tree, path, version="v1.0-trainval", scene="scene-0001")
    return path


def dataset_answers(tree: Path, checkpoint: Path) -> Answers:
    """Predict every keyframe of a simulated tree through the Occ3D dataset."""
    with Predictor(checkpoint, "cpu") as predictor:
        sweeps = SweepChoice(predictor.config.sweeps)
        dataset = open_dataset("occ3d_nuscenes", tree, "train", sweeps=sweeps)
        answers = {}
        for index in range(len(dataset)):
            occupancy = predictor.predict(dataset[index].frame)
            answers[occupancy.stamp] = occupancy.labels
    return answers


def message_answers(messages) -> Answers:
    """Return the labels of SemanticOccupancy messages, of rclpy or of rosbags."""
    answers = {}
    for message in messages:
        stamp = message.header.stamp
        labels = np.frombuffer(message.labels, np.uint8).reshape(tuple(message.shape))
        answers[stamp.sec * 10**9 + stamp.nanosec] = labels
    return answers


def assert_same_answers(ours: Answers, theirs: Answers) -> None:
    """Require equal labels on at least 99.9 % of the voxels of every keyframe."""
    assert sorted(ours) == sorted(theirs)
    for stamp, labels in ours.items():
        assert (labels == theirs[stamp]).mean() >= 0.999
    # Otherwise a network that looks at nothing, or at another keyframe, would pass.
    first, *others = (ours[stamp] for stamp in sorted(ours))
    assert len(np.unique(first)) > 3
    for other in others:
        assert (first != other).mean() > 0.01
