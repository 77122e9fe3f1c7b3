# SPDX-License-Identifier: Apache-2.0
"""Moments as picture files and as a video, by our own painter: no display, no GPU, no viewer."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.files import whole_file
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.visualization.pictures import draw_overview, write_png
from effocc_ros.visualization.scene import Moment

VIDEO_WIDTH = 1600
SLOWEST, FASTEST = 1.0, 30.0
"""Pictures a second: a video runs as fast as the drive did, within these."""
CODEC = "mp4v"
"""MPEG-4 part 2: every build of OpenCV can write it, none of PyPI's can write H.264."""


def write_pictures(moments: Iterable[Moment], folder: Path) -> int:
    """Write one page a moment, named by its stamp; return how many."""
    count = 0
    for moment in moments:
        path = folder / f"{moment.frame.stamp}.png"
        write_png(path, draw_overview(moment.frame, moment.prediction, moment.truth))
        count += 1
    return count


def write_video(moments: Iterable[Moment], path: Path) -> int:
    """Write an MP4 in which one page follows another as fast as the drive did.

    A page of another height, such as one without the truth, is cut off or filled up below.

    Args:
        moments: What to show.
        path: The file, which appears whole or not at all.

    Returns:
        The number of pictures.

    Raises:
        InputError: The name is not that of an MP4, OpenCV cannot write it, or there is no room.
    """
    if path.suffix.lower() != ".mp4" or path.is_dir():
        raise InputError(
            f"video {path}",
            found="a folder" if path.is_dir() else f"a file of kind {path.suffix or 'nothing'}",
            expected="a name that ends in .mp4",
            reason="bad_output",
        )
    moments, count = iter(moments), 0
    begin = list(islice(moments, 2))
    if not begin:
        return 0
    pages = (_page(moment) for some in (begin, moments) for moment in some)
    first = next(pages)
    with whole_file(path) as partial:
        with _writer(partial, path, first.shape, _rate(begin)) as write:
            write(first)
            count = 1
            for picture in pages:
                write(_of_height(picture, first.shape[0]))
                count += 1
        _check_whole(partial, path, count)
    return count


def _page(moment: Moment) -> NDArray[np.uint8]:
    """(H, VIDEO_WIDTH, 3) uint8 RGB; H is even, as codecs want it."""
    page = draw_overview(moment.frame, moment.prediction, moment.truth)
    height = round(page.shape[0] * VIDEO_WIDTH / page.shape[1]) // 2 * 2
    return cv2.resize(page, (VIDEO_WIDTH, height), interpolation=cv2.INTER_AREA)


def _of_height(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    missing = max(height - picture.shape[0], 0)
    return np.pad(picture, ((0, missing), (0, 0), (0, 0)))[:height]


def _rate(begin: list[Moment]) -> float:
    """Return pictures a second for moments that follow each other as the first two do."""
    gap = (begin[-1].frame.stamp - begin[0].frame.stamp) / NANOSECONDS
    return float(np.clip(1.0 / gap, SLOWEST, FASTEST)) if gap > 0 else SLOWEST


@contextmanager
def _writer(
    partial: Path, path: Path, shape: tuple[int, ...], rate: float
) -> Iterator[Callable[[NDArray[np.uint8]], None]]:
    size = shape[1], shape[0]
    writer = cv2.VideoWriter(str(partial), cv2.VideoWriter_fourcc(*CODEC), rate, size)
    try:
        if not writer.isOpened():
            raise InputError(
                f"video {path}",
                found="a build of OpenCV that cannot write it",
                expected=f"a name that ends in .mp4, and codec {CODEC}",
                do="--png writes pictures",
                reason="no_codec",
            )
        yield lambda picture: writer.write(picture[..., ::-1])
    finally:
        writer.release()


def _check_whole(partial: Path, path: Path, count: int) -> None:
    """Raise InputError unless a video has all its pictures: OpenCV passes over a full disk."""
    video = cv2.VideoCapture(str(partial))
    found = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
    video.release()
    if found != count or not _ends_with_its_boxes(partial):
        raise InputError(
            f"video {path}",
            found="less than all of it written",
            expected=f"{count} pictures and their index",
            do="Make room, or choose another place, and run the same command again",
            reason="cannot_write",
        )


def _ends_with_its_boxes(path: Path) -> bool:
    """Return whether an MP4 file ends where the last of its boxes (ISO/IEC 14496-12) does."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:], "big")
            if length < 8:
                return False
            at += length
    return at == size
