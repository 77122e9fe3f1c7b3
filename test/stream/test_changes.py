# SPDX-License-Identifier: Apache-2.0
"""What changes from message to message is remarked on."""

from effocc_ros.stream.changes import ChangeWatch


def reasons(watch, *values):
    found = [watch.note("CAM", frame_id=value) for value in values]
    return [remark.reason for remarks in found for remark in remarks]


def test_the_same_again_is_no_remark():
    assert reasons(ChangeWatch(), "a", "a", "a") == []


def test_one_change_is_told_from_two_publishers_that_take_turns():
    assert reasons(ChangeWatch(), "a", "a", "b", "b") == ["frame_id_changed"]
    assert (
        reasons(ChangeWatch(), "a", "b", "a", "b")
        == ["frame_id_changed"] + ["frame_id_alternates"] * 2
    )


def test_both_values_are_said():
    watch = ChangeWatch()
    watch.note("CAM", image_size=(640, 480), encoding="rgb8")
    (size,) = watch.note("CAM", image_size=(320, 240), encoding="rgb8")
    assert "image size of CAM: found 320x240 after 640x480" in size.text


def test_sources_and_facts_are_kept_apart():
    watch = ChangeWatch()
    watch.note("A", frame_id="a")
    assert watch.note("B", frame_id="b", encoding="a") == []
