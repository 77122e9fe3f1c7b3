# SPDX-License-Identifier: Apache-2.0
"""The real nuScenes keyframe among the test data, laid out as nuScenes lays out its files."""

from pathlib import Path

from effocc_ros.bags.nuscenes import nuscenes_to_bag

FOLDER = "mmdetection3d_scene0061_frame"
VERSION = "v1.0-test"
SCENE = "scene-0061"
LIDAR_STAMP = 1532402927647951000


def make_nuscenes_tree(data_dir: Path, root: Path) -> Path:
    """Link the frame's flat files into ``root`` under the names that its tables use."""
    source = data_dir / FOLDER
    root.mkdir(parents=True)
    (root / VERSION).symlink_to(source / "nuscenes_tables" / VERSION)
    for file in sorted(source.glob("*__*__*")):
        channel = file.name.split("__")[1]
        folder = root / "samples" / channel
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).symlink_to(file)
    return root


def make_real_frame_bag(data_dir: Path, path: Path) -> Path:
    """Write the frame's bag: six JPEG images, one LiDAR sweep, seven ego poses."""
    root = make_nuscenes_tree(data_dir, path.parent / f"{path.name}-nuscenes")
    nuscenes_to_bag(root, path, version=VERSION, scene=SCENE)
    return path
