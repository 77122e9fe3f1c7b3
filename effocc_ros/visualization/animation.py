# SPDX-License-Identifier: Apache-2.0
"""A small moving picture for a web page: front cameras, prediction, and the truth beside it."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.files import whole_file
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization.camera_picture import fitted, voxels_over
from effocc_ros.visualization.chase_view import draw_chase_view
from effocc_ros.visualization.faces import exposed_faces
from effocc_ros.visualization.scene import Moment, ego2grid
from effocc_ros.visualization.text import BOLD, BRIGHT, DIM, PANEL, page, put_text

WIDTH = 1020
VIEW_HEIGHT = 340
CAPTION = 30
GAP = 6
MOST_MOMENTS = 120
"""All pictures of an animation are in memory at a time, 2 MB each."""
SPEED = 2.0
"""How much faster than the drive it runs."""
SUFFIXES = (".webp", ".gif", ".png")
QUALITY = 60


def write_animation(moments: Iterable[Moment], path: Path) -> int:
    """Write an animated WebP, GIF or PNG that runs over and over; return how many pictures.

    Args:
        moments: What to show, at most ``MOST_MOMENTS``.
        path: The file, which appears whole or not at all.

    Raises:
        InputError: There are too many, or OpenCV cannot write such a file.
    """
    _check_writable(path)
    pictures, stamps = [], []
    for moment in moments:
        if len(pictures) == MOST_MOMENTS:
            raise InputError(
                f"animation {path}",
                found=f"more than {MOST_MOMENTS} moments",
                expected="a few seconds",
                do="Name fewer (--limit), or write a video (--mp4)",
                reason="too_many_moments",
            )
        pictures.append(np.ascontiguousarray(draw_small(moment)[..., ::-1]))
        stamps.append(moment.frame.stamp)
    if pictures:
        animation = cv2.Animation()
        animation.frames, animation.durations = pictures, _milliseconds(stamps)
        # In memory, because OpenCV says nothing of a disk that is full.
        quality = [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
        _, data = cv2.imencodeanimation(path.suffix, animation, quality)
        with whole_file(path) as partial:
            partial.write_bytes(data)
    return len(pictures)


def draw_small(moment: Moment) -> NDArray[np.uint8]:
    """Draw the front cameras with voxels over them, and below the prediction and the truth.

    Returns:
        (H, WIDTH, 3) uint8 RGB.
    """
    grids = moment.grids
    width = (WIDTH - GAP * (len(grids) - 1)) // len(grids)
    views = [_voxel_view(moment, word, occupancy, width) for word, occupancy in grids.items()]
    rows = [_beside(views)]
    cameras = _camera_tiles(moment)
    return np.vstack([_beside(cameras), page(GAP, WIDTH), *rows]) if cameras else rows[0]


def _camera_tiles(moment: Moment) -> list[NDArray[np.uint8]]:
    """The cameras that look ahead; of a vehicle with other names the first three."""
    frame, shown = moment.frame, moment.over_images
    cameras = [frame.camera(name) for name in NUSCENES_CAMERAS[:3]]
    cameras = [camera for camera in cameras if camera is not None] or list(frame.cameras[:3])
    faces = exposed_faces(shown.labels, shown.classes.free)
    width = (WIDTH - 2 * GAP) // 3
    height = round(width * 9 / 16)
    tiles = []
    for camera in cameras:
        tile = page(height, width, PANEL)
        painted = voxels_over(frame, fitted(camera, height, width), shown, faces)
        top, left = ((a - b) // 2 for a, b in zip((height, width), painted.shape, strict=False))
        tile[top : top + painted.shape[0], left : left + painted.shape[1]] = painted
        tiles.append(tile)
    return tiles


def _voxel_view(
    moment: Moment, word: str, occupancy: SemanticOccupancy, width: int
) -> NDArray[np.uint8]:
    head = page(CAPTION, width)
    column = put_text(head, word, (4, CAPTION - 9), 14, BRIGHT, BOLD)
    if occupancy is moment.prediction:
        weights = "" if occupancy.trained else ", random weights"
        put_text(head, f"{occupancy.model}{weights}", (column + 12, CAPTION - 9), 12, DIM)
    pose = ego2grid(moment.frame, occupancy)
    return np.vstack([head, draw_chase_view(occupancy, (VIEW_HEIGHT, width), pose)])


def _beside(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    if not pictures:
        return page(0, WIDTH)
    canvas, column = page(pictures[0].shape[0], WIDTH), 0
    for picture in pictures:
        canvas[:, column : column + picture.shape[1]] = picture
        column += picture.shape[1] + GAP
    return canvas


def _milliseconds(stamps: list[int]) -> list[int]:
    """How long each picture stays; the last one as long as the one before."""
    gaps = [max(round(gap / 1e6 / SPEED), 20) for gap in np.diff(stamps)] or [1000]
    return [*gaps, gaps[-1]][: len(stamps)]


def _check_writable(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"animation {path}",
            found=f"a name that ends in {path.suffix or 'nothing'}",
            expected=" or ".join(SUFFIXES),
            reason="bad_output",
        )
    if not hasattr(cv2, "imencodeanimation"):
        raise InputError(
            f"animation {path}",
            found=f"OpenCV {cv2.__version__}",
            expected="4.12 or newer",
            do="--mp4 needs no newer one",
            reason="old_opencv",
        )
