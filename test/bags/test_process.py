# SPDX-License-Identifier: Apache-2.0
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from helpers.tiny_model import make_tiny_checkpoint
from helpers.toy_drive import PERIOD, START, drive, make_toy_bag, static_poses

from effocc_ros.bags.process import ProcessOptions, process_bag
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.cli import main
from effocc_ros.errors import InputError

CAMERAS = 6


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def toy_bag(tmp_path_factory):
    return make_toy_bag(tmp_path_factory.mktemp("toy") / "drive", moments=8)


def options(checkpoint, **others) -> ProcessOptions:
    return ProcessOptions(
        **{"model": str(checkpoint), "device": "cpu", "interval_s": 0.3, **others}
    )


def write_bag(path, sent):
    with BagWriter(path) as writer:
        for one in sent:
            writer.write_raw(one.topic, one.msgtype, one.raw, one.log_time)
    return path


def decoded(path, topic):
    with BagReader(path) as bag:
        return [message.decode() for message in bag.messages([topic])]


def stamp_of(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


@pytest.fixture(scope="module")
def processed(toy_bag, checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "occupancy"
    return process_bag(toy_bag, out, options(checkpoint))


def test_one_frame_comes_out_per_interval_also_the_last(processed):
    assert (processed.frames_in, processed.frames_out, dict(processed.drops)) == (3, 3, {})
    stamps = [stamp_of(m) for m in decoded(processed.bag, "/effocc/occupancy")]
    assert stamps == [START, START + 3 * PERIOD, START + 6 * PERIOD]


def test_every_frame_saw_all_six_cameras_and_the_lidar(processed):
    for m in decoded(processed.bag, "/effocc/occupancy"):
        assert len(m.inputs) == CAMERAS + 1
        assert m.header.frame_id == "base_link"
        assert m.model == "tiny"
        assert m.mode == "fusion"


def test_the_cloud_holds_the_occupied_voxels_of_its_grid(processed):
    pairs = zip(
        decoded(processed.bag, "/effocc/occupancy"),
        decoded(processed.bag, "/effocc/points"),
        strict=True,
    )
    for grid, cloud in pairs:
        labels = grid.labels.reshape(grid.shape)
        points = cloud.data.reshape(-1, cloud.point_step)
        places = points[:, :12].copy().view("<f4")
        index = ((places - [-40.0, -40.0, -1.0]) / 0.4).astype(int)
        assert len(points) > 0
        assert np.array_equal(labels[tuple(index.T)], points[:, 16])
        assert not (points[:, 16] == grid.free_label).any()


def test_tf_is_carried_over_and_stays_latched(processed, toy_bag):
    with BagReader(toy_bag) as source, BagReader(processed.bag) as out:
        assert list(out.topics) == ["/effocc/occupancy", "/effocc/points", "/tf", "/tf_static"]
        assert out.topics["/tf_static"].latched
        for topic in ("/tf", "/tf_static"):
            pairs = zip(source.messages([topic]), out.messages([topic]), strict=True)
            assert all(bytes(a.raw) == bytes(b.raw) for a, b in pairs)


def test_the_same_input_gives_the_same_file(toy_bag, checkpoint, processed, tmp_path):
    again = process_bag(toy_bag, tmp_path / "occupancy", options(checkpoint))
    digests = {
        hashlib.sha256((path / "occupancy.mcap").read_bytes()).hexdigest()
        for path in (processed.bag, again.bag)
    }
    assert len(digests) == 1


def test_results_come_in_order_however_late_their_sweeps_were_logged(checkpoint, tmp_path):
    late = 5 * PERIOD // 2
    sent = [
        replace(one, log_time=one.log_time + late)
        if one.topic == "/LIDAR_TOP" and one.log_time == START + PERIOD
        else one
        for one in drive(4)
    ]
    write_bag(tmp_path / "in", sent)
    result = process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint, interval_s=0))
    with BagReader(result.bag) as bag:
        stamps = [stamp_of(one.decode()) for one in bag.recorded(["/effocc/occupancy"])]
    assert stamps == [START + number * PERIOD for number in range(4)]


def test_inputs_and_voxel_grids_of_others_are_written_when_asked(toy_bag, checkpoint, tmp_path):
    wanted = options(checkpoint, interval_s=10, copy_inputs=True, also=("foxglove", "nav2"))
    process_bag(toy_bag, tmp_path / "out", wanted)
    made = {
        f"/effocc/{name}" for name in ("occupancy", "points", "foxglove_voxels", "nav2_voxels")
    }
    with BagReader(toy_bag) as source, BagReader(tmp_path / "out") as out:
        assert set(out.topics) == {*source.topics, *made}
        assert out.message_count == source.message_count + 4


def test_the_table_says_what_happened(processed):
    lines = processed.table().splitlines()
    rows = {line.split("  ")[0].strip(): line.split("  ")[-1].strip() for line in lines}
    assert rows["model"] == "tiny"
    assert (rows["frames in"], rows["frames out"]) == ("3", "3")
    assert {"assemble", "preprocess", "network", "write", "total"} <= set(rows)
    assert all(value > 0 for value in processed.milliseconds.values())


def test_a_broken_message_is_counted_and_the_run_goes_on(checkpoint, tmp_path, caplog):
    sent = drive(2)
    with BagWriter(tmp_path / "in") as writer:
        for one in sent:
            raw = one.raw[:50] if one.topic.startswith("/CAM_BACK/") else one.raw
            writer.write_raw(one.topic, one.msgtype, raw, one.log_time)
    result = process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))
    assert result.rejected["/CAM_BACK/image_rect_compressed.bad_message"] == 2
    assert result.rejected["/CAM_BACK/camera_info.bad_message"] == 2
    assert result.frames_out == 1
    (occupancy,) = decoded(result.bag, "/effocc/occupancy")
    assert "CAM_BACK" not in occupancy.inputs
    said = [r.message for r in caplog.records if "/CAM_BACK/image_rect_compressed" in r.message]
    assert len(said) == 1


def test_a_camera_that_the_bag_lacks_is_said_and_masked(checkpoint, tmp_path, caplog):
    sent = [one for one in drive(1) if not one.topic.startswith("/CAM_FRONT/")]
    write_bag(tmp_path / "in", sent)
    result = process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))
    (occupancy,) = decoded(result.bag, "/effocc/occupancy")
    assert "CAM_FRONT" not in occupancy.inputs
    assert len(occupancy.inputs) == CAMERAS
    assert "/CAM_FRONT/image_rect_compressed is not in bag" in caplog.text


def test_a_run_without_frames_is_an_error_that_names_its_reason(checkpoint, tmp_path):
    write_bag(tmp_path / "in", [one for one in drive(4) if one.topic != "/tf_static"])
    said = "no transform that names 'LIDAR_TOP'.*has no /tf_static"
    with pytest.raises(InputError, match=said) as caught:
        process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))
    assert caught.value.reason == "tf_missing"
    assert caught.value.found == "no frame that can be made of its 2 moments"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_clouds_that_cannot_be_read_are_the_reason(checkpoint, tmp_path):
    with BagWriter(tmp_path / "in") as writer:
        for one in drive(3):
            raw = one.raw[:60] if one.topic == "/LIDAR_TOP" else one.raw
            writer.write_raw(one.topic, one.msgtype, raw, one.log_time)
    with pytest.raises(InputError, match=r"bad_message, 3 times\): /LIDAR_TOP") as caught:
        process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))
    assert caught.value.reason == "bad_message"


def test_a_bag_of_other_topics_is_refused(checkpoint, tmp_path):
    write_bag(tmp_path / "in", [static_poses()])
    with pytest.raises(InputError, match="sensors of rig nuscenes for model tiny") as caught:
        process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))
    assert caught.value.reason == "wrong_rig"
    assert not (tmp_path / "out").exists()


def test_the_output_may_not_touch_the_input(toy_bag, checkpoint):
    for target in (toy_bag, toy_bag / "inside"):
        with pytest.raises(InputError, match="in or around the input bag"):
            process_bag(toy_bag, target, options(checkpoint, overwrite=True))


def test_the_verb_processes_a_bag_and_prints_the_table(toy_bag, checkpoint, tmp_path, capsys):
    arguments = ["process", str(toy_bag), str(tmp_path / "out"), "--model", str(checkpoint)]
    assert main([*arguments, "--interval", "10", "--device", "cpu", "--confidence"]) == 0
    assert "frames out" in capsys.readouterr().out
    (occupancy,) = decoded(tmp_path / "out", "/effocc/occupancy")
    assert len(occupancy.confidence) == len(occupancy.labels)


def test_a_model_that_does_not_exist_leaves_no_bag(toy_bag, tmp_path, capsys):
    assert main(["process", str(toy_bag), str(tmp_path / "out"), "--model", "gpt"]) == 2
    assert "gpt" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_fusion_model_goes_on_without_a_lidar_topic(checkpoint, tmp_path, caplog):
    sent = [one for one in drive(5) if one.topic != "/LIDAR_TOP"]
    write_bag(tmp_path / "in", sent)
    result = process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))
    grids = decoded(result.bag, "/effocc/occupancy")
    assert [stamp_of(m) for m in grids] == [START, START + 3 * PERIOD]
    assert all(len(m.inputs) == CAMERAS for m in grids)
    assert "/LIDAR_TOP is not in bag" in caplog.text


@pytest.mark.parametrize(("modality", "inputs"), [("vision", CAMERAS), ("lidar", 1)])
def test_a_model_is_fed_with_what_it_knows_and_no_more(toy_bag, tmp_path, modality, inputs):
    model = make_tiny_checkpoint(tmp_path / "tiny.safetensors", modality)
    result = process_bag(toy_bag, tmp_path / "out", options(model, interval_s=10))
    (occupancy,) = decoded(result.bag, "/effocc/occupancy")
    assert (occupancy.mode, len(occupancy.inputs)) == (modality, inputs)
    images = 0 if modality == "lidar" else 8 * 2 * CAMERAS
    sweeps = 0 if modality == "vision" else 8
    assert result.messages_in == 1 + 8 + images + sweeps


def test_a_topic_of_another_type_is_refused_before_the_run(checkpoint, tmp_path):
    with BagWriter(tmp_path / "in") as writer:
        for one in drive(1):
            topic = "/LIDAR_TOP" if one.topic == "/tf" else one.topic
            if one.topic != "/LIDAR_TOP":
                writer.write_raw(topic, one.msgtype, one.raw, one.log_time)
    with pytest.raises(InputError, match=r"/LIDAR_TOP in bag .* found tf2_msgs/msg/TFMessage"):
        process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))


def test_transforms_under_another_name_are_told_with_the_reason(checkpoint, tmp_path):
    sent = [replace(one, topic=one.topic.replace("/tf", "/robot1/tf")) for one in drive(4)]
    write_bag(tmp_path / "in", sent)
    said = (
        r"tf_missing.*transforms on /robot1/tf, /robot1/tf_static too: .*rig file \(tf, tf_static"
    )
    with pytest.raises(InputError, match=said):
        process_bag(tmp_path / "in", tmp_path / "out", options(checkpoint))


@pytest.mark.parametrize("verb", ["process", "view"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "1e300", "soon"])
def test_an_interval_that_is_no_time_is_refused(verb, seconds, toy_bag, tmp_path, capsys):
    paths = [str(toy_bag), *([str(tmp_path / "out")] if verb == "process" else [])]
    with pytest.raises(SystemExit) as ended:
        main([verb, *paths, f"--interval={seconds}"])
    assert ended.value.code == 2
    assert "--interval" in capsys.readouterr().err
