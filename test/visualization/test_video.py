# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from helpers.full_disk import no_file_above
from helpers.occupancy_bags import street

from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.visualization.animation import WIDTH, draw_small, write_animation
from effocc_ros.visualization.scene import Moment
from effocc_ros.visualization.video import VIDEO_WIDTH, write_pictures, write_video

HALF_SECOND = 500_000_000


def moments(count, truths=()):
    for number in range(count):
        frame = Frame(number * HALF_SECOND, "base_link", (), None, np.eye(4))
        yield Moment(frame, street(frame.stamp), street() if number in truths else None)


def test_a_picture_is_written_for_each_moment_by_its_stamp(tmp_path):
    assert write_pictures(moments(2), tmp_path / "pages") == 2
    names = sorted(file.name for file in (tmp_path / "pages").iterdir())
    assert names == ["0.png", "500000000.png"]


def test_a_video_runs_as_fast_as_the_drive_and_keeps_its_size(tmp_path):
    path = tmp_path / "drive.mp4"
    assert write_video(moments(3, truths=(1,)), path) == 3
    video = cv2.VideoCapture(str(path))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(2.0)
    pages = []
    while (page := video.read())[0]:
        pages.append(page[1])
    assert len(pages) == 3
    assert {page.shape[1] for page in pages} == {VIDEO_WIDTH}
    assert len({page.shape for page in pages}) == 1
    # The header's TRAINED is green, in OpenCV's order of channels too.
    assert ((pages[0][:50, :, 1] > 120) & (pages[0][:50, :, 2] < 100)).any()


def test_no_moment_makes_no_video(tmp_path):
    assert write_video(iter(()), tmp_path / "drive.mp4") == 0
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_no_video_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a name that ends in \.mp4"):
        write_video(moments(1), tmp_path / "drive.txt")
    assert not list(tmp_path.iterdir())


def test_an_animation_runs_twice_as_fast_as_the_drive(tmp_path):
    path = tmp_path / "drive.webp"
    # Pictures that are the same are written as one that stays longer.
    assert write_animation(moments(3, truths=(1,)), path) == 3
    read, animation = cv2.imreadanimation(str(path))
    assert read
    assert list(animation.durations) == [250, 250, 250]
    assert {frame.shape[1] for frame in animation.frames} == {WIDTH}


def test_the_truth_stands_at_the_right_of_the_prediction():
    (alone,), (beside,) = map(list, (moments(1), moments(1, truths=(0,))))
    pictures = draw_small(alone), draw_small(beside)
    assert pictures[0].shape == pictures[1].shape
    heads = [(picture[:30, WIDTH // 2 :] > 200).any() for picture in pictures]
    assert heads == [False, True]


@pytest.mark.parametrize("name", ["drive.jpg", "drive"])
def test_an_animation_of_another_kind_is_refused_before_anything_is_drawn(name, tmp_path):
    with pytest.raises(InputError, match=r"expected \.webp or \.gif or \.png"):
        write_animation(iter(()), tmp_path / name)


@pytest.mark.parametrize("name", ["drive.mp4", "drive.webp", "drive.gif", "drive.png"])
def test_a_disk_without_room_leaves_no_half_picture_and_is_said(name, tmp_path):
    path = tmp_path / name
    write = write_video if path.suffix == ".mp4" else write_animation
    write(moments(2), path)
    size = path.stat().st_size
    path.unlink()
    for limit in (size - 1, 100):
        with no_file_above(limit), pytest.raises(InputError, match="Make room") as caught:
            write(moments(2), path)
        assert str(path) in caught.value.what
        assert not list(tmp_path.iterdir())
