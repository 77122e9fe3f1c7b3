# SPDX-License-Identifier: Apache-2.0
"""Where the cameras of Occ3D-Waymo are: ``cam_infos.pkl``."""

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.files import read_bytes
from effocc_ros.errors import InputError
from effocc_ros.geometry import inverse_rigid
from effocc_ros.plain_pickle import FastUnpickler

COUNT = 5
"""Cameras."""
ROTATION_ERROR = 1e-2
"""By how much a rotation may miss one, for rounded numbers."""
MOST_FRAMES = 1_000_000
"""Training has 158,081."""


@dataclass(frozen=True)
class WaymoCameras:
    """Calibration of all frames of a split, as few large arrays.

    Attributes:
        path: The file that they are from.
        rows: (scene, frame) -> row in the arrays.
        intrinsics: (N, 5, 3, 3) pixels of the images.
        sensor2ego: (N, 5, 4, 4) optical frames (z forward) to the vehicle.
        ego2global: (N, 4, 4).
    """

    path: Path
    rows: dict[tuple[int, int], int]
    intrinsics: NDArray[np.float64]
    sensor2ego: NDArray[np.float64]
    ego2global: NDArray[np.float64]

    def row(self, scene: int, frame: int) -> int:
        """Return the row of a frame.

        Raises:
            InputError: The file does not have it.
        """
        if (scene, frame) not in self.rows:
            raise InputError(
                f"file {self.path}",
                found=f"no scene {scene}, frame {frame}",
                expected="every frame that has labels",
                do="Take labels and cameras from one download",
                reason="missing_calibration",
            )
        return self.rows[scene, frame]


def read_cameras(path: Path) -> WaymoCameras:
    """Read cam_infos.pkl: scene, frame and camera number -> intrinsics, sensor2ego, ego2global.

    The matrix called intrinsics may have Waymo's camera axes (x forward, y left, z up) in it;
    they are taken out, so that all is as in :class:`effocc_ros.frame.Camera`. Without ego2global
    the pose is the identity, which is enough for frames of one moment.

    Raises:
        InputError: The file is absent or broken, or a matrix is none of a camera.
    """
    rows, intrinsics, sensor2ego, ego2global = {}, [], [], []
    # A drive's cameras see alike in all its frames.
    split = lru_cache(maxsize=1000)(_split)
    for (scene, frame), cameras in _frames(path, _load(path)):
        what = f"scene {scene}, frame {frame}"
        try:
            raw = [np.asarray(cameras[i]["intrinsics"], np.float64) for i in range(COUNT)]
            pairs = [split(matrix.tobytes(), matrix.shape) for matrix in raw]
            places = [np.asarray(cameras[i]["sensor2ego"], np.float64) for i in range(COUNT)]
            pose = np.asarray(cameras[0].get("ego2global", np.eye(4)), np.float64)
            for matrix in (*places, pose):
                _check_pose(matrix)
        except Exception as error:  # its values may be anything
            raise _bad(path, f"{what}: {type(error).__name__}: {error}") from error
        rows[scene, frame] = len(rows)
        if len(rows) > MOST_FRAMES:
            raise _bad(path, f"more than {MOST_FRAMES} frames")
        intrinsics.append([matrix for matrix, _ in pairs])
        sensor2ego.append(
            [place @ optical2axes for place, (_, optical2axes) in zip(places, pairs, strict=True)]
        )
        ego2global.append(pose)
    if not rows:
        raise _bad(path, "no frame")
    return WaymoCameras(
        path, rows, np.array(intrinsics), np.array(sensor2ego), np.array(ego2global)
    )


def _load(path: Path) -> Any:
    data = read_bytes(path, "a pickle of arrays")
    try:
        return FastUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # a broken pickle raises what it likes
        raise _bad(path, f"no pickle of plain arrays ({error})") from error


def _check_pose(matrix: NDArray[np.float64]) -> None:
    """Raise ValueError unless a matrix moves and turns, and does nothing else."""
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError("a pose that is not (4, 4) finite numbers")
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > ROTATION_ERROR:
        raise ValueError(f"a pose whose rotation is none: {turn.tolist()}")


def _split(data: bytes, shape: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    upper, axes2optical = pinhole(np.frombuffer(data).reshape(shape))
    return upper, inverse_rigid(axes2optical)


def pinhole(matrix: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split a projection into a pinhole matrix and the turn to optical axes before it.

    Args:
        matrix: (3, 3), or (4, 4) without a shift: sensor frame to pixels times depth.

    Returns:
        (3, 3) upper triangular with positive diagonal and 1 at its end, and a rotation as (4, 4).

    Raises:
        ValueError: It is no such product.
    """
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape == (4, 4) and not (matrix[:3, 3].any() or matrix[3, :3].any()):
        matrix = matrix[:3, :3]
    finite = np.isfinite(matrix).all()
    if matrix.shape != (3, 3) or not finite or not abs(np.linalg.det(matrix)) > 0:
        raise ValueError(f"intrinsics of shape {matrix.shape} that are no camera's")
    # RQ decomposition: the QR decomposition of the matrix turned end to end.
    orthogonal, triangle = np.linalg.qr(matrix[::-1].T)
    upper, rotation = triangle.T[::-1, ::-1], orthogonal.T[::-1]
    signs = np.sign(np.diag(upper))
    upper, rotation = upper * signs, signs[:, None] * rotation
    if np.linalg.det(rotation) < 0:
        raise ValueError("intrinsics that mirror")
    turn = np.eye(4)
    turn[:3, :3] = rotation
    return upper / upper[2, 2], turn


def _frames(path: Path, infos):
    try:
        for scene, frames in _items(infos):
            for frame, cameras in _items(frames):
                yield (int(scene), int(frame)), cameras
    except (TypeError, ValueError, OverflowError) as error:
        raise _bad(path, f"{type(error).__name__}: {error}") from error


def _items(container):
    return container.items() if isinstance(container, dict) else enumerate(container)


def _bad(path: Path, found: str) -> InputError:
    return InputError(
        f"file {path}",
        found=found,
        expected="for each scene, frame and camera (0 to 4): intrinsics and sensor2ego",
        do="Take it from the benchmark's own download",
        reason="bad_file",
    )
