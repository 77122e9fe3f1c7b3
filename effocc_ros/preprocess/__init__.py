# SPDX-License-Identifier: Apache-2.0
"""Frames to tensors: images, LiDAR depth images, points, poses."""

from effocc_ros.preprocess.inputs import Inputs, preprocess

__all__ = ["Inputs", "preprocess"]
