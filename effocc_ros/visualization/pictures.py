# SPDX-License-Identifier: Apache-2.0
"""One page that shows a Frame and what a network made of it."""

from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.files import whole_file
from effocc_ros.frame import Frame
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization.birds_eye import draw_birds_eye
from effocc_ros.visualization.camera_picture import fitted, voxels_over
from effocc_ros.visualization.chase_view import draw_chase_view
from effocc_ros.visualization.faces import Faces, exposed_faces
from effocc_ros.visualization.scene import Moment, ego2grid
from effocc_ros.visualization.text import (
    BACKGROUND,
    BOLD,
    BRIGHT,
    DIM,
    GOOD,
    LINE,
    PANEL,
    WARNING,
    badge,
    page,
    put_text,
)

WIDTH = 2400
CAR_LAYOUT = (
    ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"),
    ("CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT"),
)
"""The six nuScenes cameras as one looks out of the car."""

_GAP = 12
_HEADER = 76
_CAPTION = 34
_VIEW_HEIGHT = 780
_LEGEND_WIDTH = 316
"""Pixels."""


def draw_overview(
    frame: Frame, occupancy: SemanticOccupancy, truth: SemanticOccupancy | None = None
) -> NDArray[np.uint8]:
    """Draw the cameras with the voxels over them, and the grid from above and from behind.

    Labels of random weights would only hide the images: where the network is untrained and the
    truth is known, the true voxels are drawn over them, and the title says so.

    Args:
        frame: What the sensors saw.
        occupancy: What the network said, in the Frame's ego frame or in its LiDAR's.
        truth: What is true, of the same grid and classes; adds a row below. Where it is the very
            object that ``occupancy`` is, the page shows labels and no prediction.

    Returns:
        (H, 2400, 3) uint8 RGB.

    Raises:
        InputError: Prediction and truth differ in grid or classes.
    """
    _check_truth(occupancy, truth)
    pose = ego2grid(frame, occupancy)
    shown = Moment(frame, occupancy, truth).over_images
    faces = exposed_faces(shown.labels, shown.classes.free)
    rows = [_header(occupancy, shown, truth), *_camera_rows(frame, shown, faces)]
    if occupancy is not truth:
        word = "prediction" if occupancy.trained else "prediction, random weights"
        views = _views(occupancy, pose, word)
        rows.append(_side_by_side([*views, draw_legend(occupancy, views[0].shape[0])]))
    if truth is not None:
        views = _views(truth, pose, "truth")
        rows.append(_side_by_side([*views, draw_legend(truth, views[0].shape[0])]))
    return _stacked(rows)


def write_overview(
    path: Path | str,
    frame: Frame,
    occupancy: SemanticOccupancy,
    truth: SemanticOccupancy | None = None,
) -> None:
    """Draw the page of :func:`draw_overview` into a PNG file."""
    write_png(path, draw_overview(frame, occupancy, truth))


def write_png(path: Path | str, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture (H, W, 3) uint8 as a PNG file that appears whole or not at all."""
    encoded, data = cv2.imencode(".png", picture[..., ::-1])
    if not encoded:
        raise InputError(
            f"picture for {path}",
            found=f"{picture.dtype} {picture.shape}",
            expected="uint8 (height, width, 3)",
        )
    with whole_file(path) as partial:
        partial.write_bytes(data)


def _check_truth(occupancy: SemanticOccupancy, truth: SemanticOccupancy | None) -> None:
    if truth is None:
        return
    for name, ours, theirs in (
        ("grid", occupancy.grid, truth.grid),
        ("classes", occupancy.classes.names, truth.classes.names),
    ):
        if ours != theirs:
            raise InputError(
                f"truth, {name}",
                found=str(theirs),
                expected=f"{ours}, the prediction's",
                reason="truth_does_not_fit",
            )


def _header(
    occupancy: SemanticOccupancy, shown: SemanticOccupancy, truth: SemanticOccupancy | None
) -> NDArray[np.uint8]:
    """Model, trained or not, mode, inputs, what is drawn over the images, time."""
    canvas = page(_HEADER, WIDTH)
    middle = _HEADER // 2
    column = put_text(canvas, occupancy.model, (2 * _GAP, middle + 13), 26, BRIGHT, BOLD) + 28
    if occupancy is truth:
        column = badge(canvas, "TRUE LABELS", (column, middle), 16, GOOD)
    elif occupancy.trained:
        column = badge(canvas, "TRAINED", (column, middle), 16, GOOD)
    else:
        column = badge(canvas, "UNTRAINED: RANDOM WEIGHTS", (column, middle), 16, WARNING)
    inputs = f"{occupancy.mode} of {len(occupancy.inputs)} sensors"
    column = put_text(canvas, inputs, (column + 28, middle + 9), 19, BRIGHT)
    over = "truth" if shown is truth else "prediction"
    put_text(canvas, f"over the images: {over}", (column + 28, middle + 9), 19, DIM)
    # Seconds by integer division: nanoseconds of today do not fit a float.
    seconds, nanoseconds = divmod(occupancy.stamp, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    when = f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000:03d} UTC"
    put_text(canvas, when, (WIDTH - 2 * _GAP, middle + 9), 19, DIM, align="right")
    return canvas


def camera_layout(frame: Frame) -> list[tuple[str, ...]]:
    """Camera names, row by row: the car's layout, or three by three for other rigs."""
    names = [camera.name for camera in frame.cameras]
    known = [name for row in CAR_LAYOUT for name in row]
    if not names:
        return []
    if set(names) <= set(known):
        return list(CAR_LAYOUT)
    return [tuple(names[start : start + 3]) for start in range(0, len(names), 3)]


def _camera_rows(
    frame: Frame, occupancy: SemanticOccupancy, faces: Faces
) -> list[NDArray[np.uint8]]:
    width = (WIDTH - 4 * _GAP) // 3
    height = round(width * 9 / 16)
    rows = []
    for names in camera_layout(frame):
        tiles = []
        for name in names:
            tile = page(height, width, PANEL)
            camera = frame.camera(name)
            if camera is None:
                put_text(tile, "no image", (width / 2, height / 2), 20, DIM, align="center")
            else:
                _draw_camera(tile, frame, camera, occupancy, faces)
            _name_plate(tile, name)
            tiles.append(tile)
        rows.append(_side_by_side(tiles))
    return rows


def _draw_camera(tile, frame, camera, occupancy, faces) -> None:
    """Shrink the image into the tile, whole and centred, and paint the voxels over it."""
    painted = voxels_over(frame, fitted(camera, *tile.shape[:2]), occupancy, faces)
    height, width = painted.shape[:2]
    top, left = (tile.shape[0] - height) // 2, (tile.shape[1] - width) // 2
    tile[top : top + height, left : left + width] = painted


def _name_plate(tile: NDArray[np.uint8], name: str) -> None:
    put_text(tile, name, (15, 31), 15, (0, 0, 0), BOLD)
    put_text(tile, name, (14, 30), 15, BRIGHT, BOLD)


def _views(
    occupancy: SemanticOccupancy, pose: NDArray[np.float64], word: str
) -> list[NDArray[np.uint8]]:
    """The grid from above and from behind, each under its caption."""
    above = draw_birds_eye(occupancy, _VIEW_HEIGHT, ego2grid=pose)
    width = WIDTH - 4 * _GAP - _LEGEND_WIDTH - above.shape[1]
    behind = draw_chase_view(occupancy, (_VIEW_HEIGHT, width), pose)
    extent = np.subtract(occupancy.grid.upper, occupancy.grid.lower)
    captions = (
        f"From above: {word} ({extent[0]:.0f} x {extent[1]:.0f} m)",
        f"From behind: {word}",
    )
    return [_captioned(view, text) for view, text in zip((above, behind), captions, strict=True)]


def _captioned(picture: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    head = page(_CAPTION, picture.shape[1])
    put_text(head, caption, (2, _CAPTION - 12), 15, DIM)
    return np.vstack([head, picture])


def draw_legend(occupancy: SemanticOccupancy, height: int) -> NDArray[np.uint8]:
    """Class colours and names, with the number of voxels of each."""
    canvas = page(height, _LEGEND_WIDTH)
    classes = occupancy.classes
    counts = np.bincount(occupancy.labels.ravel(), minlength=256)
    put_text(canvas, "Classes", (2, _CAPTION - 12), 15, DIM)
    put_text(canvas, "voxels", (_LEGEND_WIDTH - 4, _CAPTION - 12), 13, DIM, align="right")
    shown = [label for label in range(len(classes.names)) if label != classes.free]
    step = min((height - _CAPTION) / len(shown), 44.0)
    for place, label in enumerate(shown):
        row = round(_CAPTION + (place + 0.5) * step)
        box = (2, row - 10), (26, row + 10)
        cv2.rectangle(canvas, *box, classes.colors[label], cv2.FILLED)
        cv2.rectangle(canvas, *box, LINE, 1, cv2.LINE_AA)
        there = counts[label] > 0
        name = classes.names[label].replace("_", " ")
        put_text(canvas, name, (38, row + 6), 14, BRIGHT if there else DIM)
        number = f"{counts[label]:,}" if there else "-"
        place = (_LEGEND_WIDTH - 4, row + 6)
        put_text(canvas, number, place, 13, BRIGHT if there else DIM, align="right")
    return canvas


def _side_by_side(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    canvas = page(pictures[0].shape[0], WIDTH)
    column = _GAP
    for picture in pictures:
        canvas[:, column : column + picture.shape[1]] = picture
        column += picture.shape[1] + _GAP
    return canvas


def _stacked(rows: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = page(_GAP, WIDTH, BACKGROUND)
    parts = [rows[0]]
    for row in rows[1:]:
        parts += [row, gap]
    return np.vstack(parts)
