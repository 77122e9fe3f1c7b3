# SPDX-License-Identifier: Apache-2.0
"""Offline nothing is late: what belongs together is found wherever it lies in the bag."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from helpers.toy_drive import (
    IMAGE,
    PERIOD,
    START,
    Sent,
    camera_image,
    drive,
    ego_pose,
    static_poses,
)

from effocc_ros.bags.feeding import feeding
from effocc_ros.bags.messages import tf_message, transform_message
from effocc_ros.bags.one_clock import dated
from effocc_ros.bags.order import begins_anew, set_back
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.presets import load_preset
from effocc_ros.rig import load_rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Stream

MOMENTS = 8


def frames(path, sent):
    """Return the Frames that a bag gives, and its drops."""
    with BagWriter(path) as writer:
        for one in sent:
            writer.write_raw(one.topic, one.msgtype, one.raw, one.log_time)
    model = load_preset("fusion_tiny")
    with BagReader(path) as bag:
        fed = feeding(bag, load_rig("nuscenes"), model)
        stream = Stream(fed.stream_config(model, 0.0))
        feeders = fed.feeders(stream)
        triggers = []
        for message in bag.messages([topic for topic in feeders if topic in bag.topics]):
            now = message.moment / NANOSECONDS
            feeders[message.topic](message.decode(), now, message.arrival / NANOSECONDS)
            triggers += [stream.assemble(trigger) for trigger in stream.poll(now)]
        triggers += [stream.assemble(trigger) for trigger in stream.flush()]
        return [frame for frame in triggers if frame is not None], stream.statistics().drops


def later(sent, seconds, chosen=lambda topic: True) -> list[Sent]:
    """Log some messages later than they were made."""
    shift = round(seconds * NANOSECONDS)
    return [
        replace(one, log_time=one.log_time + shift) if chosen(one.topic) else one for one in sent
    ]


def topic_by_topic(sent):
    """Log as converters do: one topic after the other, at the time of the conversion."""
    ordered = sorted(sent, key=lambda one: one.topic, reverse=True)
    return [replace(one, log_time=10**15 + place) for place, one in enumerate(ordered)]


def once(sent, chosen):
    """Keep only the last message of each chosen topic."""
    last = {one.topic: one for one in sent if chosen(one.topic)}
    return [one for one in sent if not chosen(one.topic) or last[one.topic] is one]


def mounted_by_tf(sent):
    """Tell the sensors' places on /tf, once, at the end."""
    (static,) = (one for one in sent if one.topic == "/tf_static")
    return [*(one for one in sent if one is not static), replace(static, topic="/tf")]


WAYS = {
    "as recorded": lambda sent: sent,
    "topic by topic": topic_by_topic,
    "in files' order reversed": lambda sent: later(sent[::-1], 0),
    "static tf years later": lambda sent: later(sent, 10**8, lambda t: t == "/tf_static"),
    "poses 3 s late": lambda sent: later(sent, 3, lambda t: t == "/tf"),
    "clouds 3 s late": lambda sent: later(sent, 3, lambda t: t == "/LIDAR_TOP"),
    "one camera 3 s late": lambda sent: later(sent, 3, lambda t: "CAM_BACK/" in t),
    "images an hour before": lambda sent: later(sent, -3600, lambda t: t.endswith(IMAGE)),
    "a CameraInfo at the end": lambda sent: once(sent, lambda t: t.endswith("camera_info")),
    "places on tf at the end": mounted_by_tf,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_moment_makes_a_frame_of_all_sensors(tmp_path, way):
    found, drops = frames(tmp_path / "bag", WAYS[way](drive(MOMENTS)))
    assert drops == {}
    assert [frame.stamp for frame in found] == [START + n * PERIOD for n in range(MOMENTS)]
    assert {len(frame.inputs) for frame in found} == {7}


@pytest.mark.parametrize("gap", [0.0, 7.0])
def test_images_before_their_sweep_make_no_frame_of_their_own(tmp_path, gap):
    """As a camera fires before the LiDAR's turn ends, also after a pause in which tf goes on."""
    sent = []
    for one in drive(MOMENTS):
        moment = one.log_time - START
        pause = gap if moment >= PERIOD * (MOMENTS // 2) and one.topic != "/tf" else 0.0
        early = 0 if one.topic in ("/tf", "/tf_static", "/LIDAR_TOP") else PERIOD // 5
        shift = round(pause * NANOSECONDS) - early
        stamped = one.message
        if one.topic not in ("/tf", "/tf_static"):
            seconds, nanoseconds = divmod(one.log_time + shift, NANOSECONDS)
            stamp = replace(stamped.header.stamp, sec=seconds, nanosec=nanoseconds)
            stamped = replace(stamped, header=replace(stamped.header, stamp=stamp))
        sent.append(replace(one, message=stamped, log_time=one.log_time + shift))
    sent += [ego_pose(START + n * PERIOD // 2) for n in range(-20, 200)]
    found, drops = frames(tmp_path / "bag", sent)
    assert drops == {}
    assert [len(frame.inputs) for frame in found] == [7] * MOMENTS


@pytest.mark.parametrize("factor", [0.01, 50.0])
def test_log_times_of_a_conversion_tell_nothing_of_clocks(tmp_path, factor):
    order = {}
    sent = []
    for one in drive(30):
        number = order.setdefault(one.topic, len(order))
        logged = START + number * 40 * NANOSECONDS + round((one.log_time - START) * factor)
        sent.append(replace(one, log_time=logged))
    with BagWriter(tmp_path / "bag") as writer:
        for one in sent:
            writer.write_raw(one.topic, one.msgtype, one.raw, one.log_time)
    with BagReader(tmp_path / "bag") as bag:
        chosen = [name for name in bag.topics if name == "/LIDAR_TOP" or name.endswith(IMAGE)]
        apart = [each.arrival - each.moment for each in bag.messages(chosen)]
    assert np.ptp(apart) < NANOSECONDS // 10


def test_a_camera_with_a_clock_of_its_own_comes_in_turn(tmp_path):
    boot = START - 4000 * NANOSECONDS
    sent = drive(MOMENTS)
    with BagWriter(tmp_path / "bag") as writer:
        for one in sent:
            raw = bytearray(one.raw)
            if one.topic == f"/CAM_BACK/{IMAGE}":
                struct.pack_into("<iI", raw, 4, *divmod(one.log_time - boot, NANOSECONDS))
            writer.write_raw(one.topic, one.msgtype, bytes(raw), one.log_time)
    topics = ["/LIDAR_TOP", f"/CAM_BACK/{IMAGE}", f"/CAM_FRONT/{IMAGE}"]
    with BagReader(tmp_path / "bag") as bag:
        turns = [message.topic for message in bag.messages(topics)]
    assert all(set(turns[n : n + 3]) == set(topics) for n in range(0, 3 * MOMENTS, 3))


def test_poses_far_apart_are_interpolated(tmp_path):
    poses = [ego_pose(START + seconds * NANOSECONDS) for seconds in (-3, 4)]
    sent = [one for one in drive(MOMENTS) if one.topic != "/tf"]
    found, drops = frames(tmp_path / "bag", [*sent, *poses])
    assert (len(found), drops) == (MOMENTS, {})
    places = [frame.ego2global[0, 3] for frame in found]
    np.testing.assert_allclose(places, 0.5 * np.arange(MOMENTS), atol=1e-6)


def test_a_recording_whose_clock_begins_anew_keeps_its_order(tmp_path):
    lap = [one for one in drive(16) if one.topic != "/tf_static"]
    sent = [static_poses(), *lap, *later(lap, 60)]
    found, _ = frames(tmp_path / "bag", sent)
    stamps = [frame.stamp for frame in found]
    assert stamps.count(START) == 2
    assert stamps.index(START, 1) >= 14  # the second lap comes after the first


@pytest.mark.parametrize(
    ("stamps", "anew"),
    [
        ([0, 1, 2, 3, 4, 5], False),
        ([0, 1, 2, 3, 0, 1, 2, 3], True),
        ([0, 1, 2, 3, 4, 1, 5, 6], False),  # one that was late
        ([5, 6, 7, 8, 0, 1, 2, 3], False),  # parts in another order
        ([0, 5, 2, 7, 1, 6, 3, 8, 4, 9], False),  # no order at all
        ([7], False),
        ([], False),
    ],
)
def test_laps_are_told_from_what_is_only_out_of_order(stamps, anew):
    assert begins_anew(np.array(stamps, np.int64) * 2 * NANOSECONDS) is anew


@pytest.mark.parametrize(
    ("stamps", "step"),
    [
        ([0, 1, 2, 3, 4, 5], 0),
        ([0, 1, 2, 3, 1, 2, 3, 4], 2),
        ([0, 1, 2, 3, 4, 3, 5, 6], 0),  # one that was late
        ([0, 2, 1, 4, 3, 6, 5, 8], 0),  # two threads that write
        ([0, 9, 18, 27, 0, 9], 0),  # a new beginning
        ([], 0),
    ],
)
def test_a_clock_that_is_set_back_is_told_from_messages_that_are_late(stamps, step):
    tenth = NANOSECONDS // 10
    assert set_back(np.array(stamps, np.int64) * tenth) == step * tenth


def test_a_recording_whose_clock_is_set_back_a_little_is_used_as_recorded(tmp_path, caplog):
    begin = [one for one in drive(8) if one.topic != "/tf_static"]
    sent = [static_poses(), *begin, *later(begin, 8 * PERIOD / NANOSECONDS)]
    whole, _ = frames(tmp_path / "bag", sent)
    assert "go back by" in caplog.text
    stamps = [frame.stamp for frame in whole]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize("years", [-3, 2])
@pytest.mark.parametrize("topic", ["/LIDAR_TOP", f"/CAM_FRONT/{IMAGE}", "/tf"])
def test_a_topic_that_was_logged_on_another_day_belongs_to_the_others(tmp_path, topic, years):
    sent = [one for one in drive(MOMENTS) if one.topic != "/tf_static"]
    day = START + 10 * 365 * 86400 * NANOSECONDS
    sent = [replace(one, log_time=one.log_time + day) for one in (static_poses(), *sent)]
    sent = later(sent, years * 365 * 86400.0, lambda name: name == topic)
    found, drops = frames(tmp_path / "bag", sent)
    assert (len(found), drops) == (MOMENTS, {})
    assert all({"CAM_FRONT", "LIDAR_TOP"} <= set(frame.inputs) for frame in found)


@pytest.mark.parametrize("stale", [0, -60, 100])
def test_stale_transforms_beside_the_ego_pose_do_not_hinder_it(tmp_path, stale):
    sent = []
    for one in drive(60):
        if one.topic == "/tf":
            at = one.log_time + stale * NANOSECONDS if stale else 0
            wheel = transform_message(at, "base_link", "wheel", np.eye(4))
            one = replace(one, message=tf_message([wheel, *one.message.transforms]))
        sent.append(one)
    found, drops = frames(tmp_path / "bag", sent)
    assert (len(found), drops) == (60, {})
    moved = np.diff([frame.ego2global[0, 3] for frame in found])
    assert (moved > 0.1).all()


def test_a_stamp_that_is_no_date_lies_where_it_was_recorded_among_those_that_are():
    dates = 1_700_000_000 * NANOSECONDS + np.arange(5) * NANOSECONDS
    logged = dates + NANOSECONDS // 10
    stamps = dates.copy()
    stamps[2] = 0
    assert dated(stamps, logged).tolist() == dates.tolist()
    since_boot = np.arange(5) * NANOSECONDS
    assert dated(since_boot, logged).tolist() == since_boot.tolist()


def test_an_image_without_a_stamp_accuses_no_other_sensor(tmp_path):
    sent = later(drive(MOMENTS), 1.0, lambda topic: topic == "/tf")
    place = next(n for n, one in enumerate(sent) if one.topic.endswith(f"CAM_BACK/{IMAGE}"))
    sent[place] = replace(camera_image("CAM_BACK", 0), log_time=sent[place].log_time)
    found, drops = frames(tmp_path / "bag", sent)
    assert [frame.stamp for frame in found] == [START + n * PERIOD for n in range(MOMENTS)]
    assert [len(frame.cameras) for frame in found] == [5] + [6] * (MOMENTS - 1)
    assert all(frame.cloud is not None for frame in found)
    assert not drops
