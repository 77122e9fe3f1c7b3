# SPDX-License-Identifier: Apache-2.0
"""Occ3D-Waymo: 16 classes in 0.4 m voxels, vehicle frame.

Files (Tian et al., "Occ3D", 2023), P being 0 in training and 1 in validation, S the scene, F the
frame:

- ``voxel04/<training|validation>/SSS/FFF_04.npz``: voxel_label, origin_voxel_state (LiDAR),
  final_voxel_state (cameras) and infov, each (200, 200, 16); free is 23 there and 15 here;
- ``cam_infos.pkl``, ``cam_infos_vali.pkl``: the cameras;
- ``kitti_format/training/image_<0..4>/PSSSFFF.png`` (or .jpg), ``.../velodyne/PSSSFFF.bin``:
  6 float32 per point, x, y, z, intensity, elongation, time.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from effocc_ros.classes import OCC3D_WAYMO
from effocc_ros.datasets.budgets import labeled_scenes
from effocc_ros.datasets.clouds import read_returns
from effocc_ros.datasets.files import labels_of, read_image, read_npz
from effocc_ros.datasets.sample import Labels, LabelSpace, Sample
from effocc_ros.datasets.waymo_cameras import read_cameras
from effocc_ros.errors import InputError
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.intrinsics import intrinsics_of_image

SPACE = LabelSpace(OCC3D_WAYMO, OCC3D_GRID, "base_link")
LABELS = "voxel04"
"""Folder of the labels."""
FREE_IN_FILES = 23
KEYS = ("voxel_label", "origin_voxel_state", "final_voxel_state", "infov")

CAMERAS = ("FRONT", "FRONT_LEFT", "SIDE_LEFT", "FRONT_RIGHT", "SIDE_RIGHT")
"""In the order of cam_infos, which EFFOcc stacks them in."""
IMAGE_FOLDERS = ("image_0", "image_1", "image_3", "image_2", "image_4")
"""Of these cameras: the folders are in another order."""
SPLITS = {
    "train": ("training", "cam_infos.pkl", 0),
    "val": ("validation", "cam_infos_vali.pkl", 1),
}
"""Split -> folder of labels, file of cameras, first digit of file names."""
IMAGE_WIDTH = 1920
POINT_COLUMNS = 6
FRAME_NANOSECONDS = 100_000_000


def read_labels(path: Path) -> Labels:
    """Read the .npz file of one frame.

    Raises:
        InputError: The file is absent or broken, or has other arrays, shapes or labels.
    """
    arrays = read_npz(path, dict.fromkeys(KEYS, SPACE.grid.shape))
    labels = arrays["voxel_label"]
    labels = np.where(labels == FREE_IN_FILES, SPACE.classes.free, labels)
    return Labels(
        semantics=labels_of(path, labels, len(SPACE.classes.names)),
        mask_camera=(arrays["infov"] != 0) & (arrays["final_voxel_state"] != 0),
        mask_lidar=arrays["origin_voxel_state"] != 0,
    )


class Occ3dWaymoDataset(Dataset[Sample]):
    """The labeled frames of a split, scene by scene.

    The files hold no times: stamps count 100 ms per frame from the scene's start. A point's fifth
    column is its elongation, not a time lag, for there is but one sweep.

    Args:
        root: Folder with voxel04/, kitti_format/ and the files of cameras.
        split: ``train`` or ``val``.
        cameras: Which cameras to read.
        lidar: Whether to read the LiDAR.
        interval: Every how many frames; 5 is EFFOcc's D5.
        labeled_fraction: Part of the scenes whose labels may be seen.
        unlabeled: Keep the other scenes' samples, without labels.

    Raises:
        InputError: No such split, or no labels or cameras in it.
    """

    space = SPACE

    def __init__(
        self,
        root: Path | str,
        split: str = "train",
        *,
        cameras: tuple[str, ...] = CAMERAS,
        lidar: bool = True,
        interval: int = 1,
        labeled_fraction: float = 1.0,
        unlabeled: bool = False,
    ):
        if split not in SPLITS:
            raise InputError(
                f"split {split}",
                found="no such split",
                expected=f"one of {', '.join(SPLITS)}",
                reason="unknown_split",
            )
        folder, cameras_file, self._first_digit = SPLITS[split]
        self._sensors = Path(root, "kitti_format", "training")
        self._wanted, self._lidar = cameras, lidar
        files = labels_files(Path(root, LABELS, folder))[::interval]
        self._labeled = labeled_scenes((path.parent.name for path in files), labeled_fraction)
        self.files = [path for path in files if unlabeled or path.parent.name in self._labeled]
        self._cameras = read_cameras(Path(root, cameras_file))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample.

        Raises:
            InputError: A file is absent or broken; it is named.
        """
        return self.read(index, 0)

    def read(self, index: int, epoch: int) -> Sample:
        """Read a sample; it is the same in every epoch, for a cloud is one sweep.

        Raises:
            InputError: A file is absent or broken; it is named.
        """
        path = self.files[index]
        scene, frame = int(path.parent.name), int(path.name[:3])
        name = f"{self._first_digit}{scene:03d}{frame:03d}"
        labeled = self.is_labeled(index)
        return Sample(
            token=name,
            scene=path.parent.name,
            frame=self._frame(scene, frame, name),
            labeled=labeled,
            truth=read_labels(path) if labeled else None,
            space=SPACE,
        )

    def is_labeled(self, index: int) -> bool:
        """Return whether the label budget shows this sample's labels."""
        return self.files[index].parent.name in self._labeled

    def files_of(self, index: int) -> list[Path]:
        """Return the files that a sample cannot be read without."""
        path = self.files[index]
        name = f"{self._first_digit}{int(path.parent.name):03d}{path.name[:3]}"
        files = [
            self._image_file(IMAGE_FOLDERS[number], name)
            for number, camera in enumerate(CAMERAS)
            if camera in self._wanted
        ]
        return [*files, self._points_file(name)] if self._lidar else files

    def _points_file(self, name: str) -> Path:
        return self._sensors / "velodyne" / f"{name}.bin"

    def _frame(self, scene: int, frame: int, name: str) -> Frame:
        row = self._cameras.row(scene, frame)
        stamp, pose = frame * FRAME_NANOSECONDS, self._cameras.ego2global[row]
        cloud = None
        if self._lidar:
            points = read_returns(self._points_file(name), POINT_COLUMNS)
            cloud = PointCloud(np.ascontiguousarray(points[:, :5]), np.eye(4), "LIDAR")
        return Frame(
            stamp=stamp,
            frame_id=SPACE.frame_id,
            cameras=tuple(
                self._camera(row, number, name, stamp)
                for number, camera in enumerate(CAMERAS)
                if camera in self._wanted
            ),
            cloud=cloud,
            ego2global=pose,
        )

    def _camera(self, row: int, number: int, name: str, stamp: int) -> Camera:
        file = self._image_file(IMAGE_FOLDERS[number], name)
        image, matrix = read_image(file), self._cameras.intrinsics[row, number]
        what = f"calibration of {CAMERAS[number]}"
        return Camera(
            name=CAMERAS[number],
            image=image,
            intrinsics=intrinsics_of_image(matrix, _size(matrix, image), image.shape[1::-1], what),
            sensor2ego=self._cameras.sensor2ego[row, number],
            ego2global=self._cameras.ego2global[row],
            stamp=stamp,
        )

    def _image_file(self, folder: str, name: str) -> Path:
        # Newer converters copy Waymo's JPEG, older ones wrote PNG.
        jpeg = self._sensors / folder / f"{name}.jpg"
        return jpeg if jpeg.is_file() else jpeg.with_suffix(".png")


def _size(matrix: NDArray[np.float64], image: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the size that a matrix is for, which the files do not say.

    All of Waymo's images are 1920 pixels wide; those whose principal point would lie outside were
    shrunk.
    """
    height, width = image.shape[:2]
    shrunk = matrix[0, 2] >= width or matrix[1, 2] >= height
    return (IMAGE_WIDTH, round(height * IMAGE_WIDTH / width)) if shrunk else (width, height)


def labels_files(folder: Path) -> list[Path]:
    """Return the label files below a split's folder, sorted.

    Raises:
        InputError: There is none.
    """
    files = sorted(folder.glob("[0-9][0-9][0-9]/[0-9][0-9][0-9]_04.npz"))
    if not files:
        raise InputError(
            f"Occ3D-Waymo labels {folder}",
            found="no file such as 000/000_04.npz" if folder.is_dir() else "no such folder",
            expected="folders of scenes with labels of 0.4 m voxels",
            do="Give the folder that holds voxel04/, and unpack the labels there",
            reason="missing_labels",
        )
    return files
