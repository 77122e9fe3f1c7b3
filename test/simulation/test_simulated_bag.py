# SPDX-License-Identifier: Apache-2.0
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.simulation.bag import (
    load_camera_mask,
    load_truth,
    simulate_bag,
    truth_stamps,
)
from effocc_ros.simulation.drive import Drive

SIZE = (99, 176)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("street") / "bag"
    return simulate_bag(path, 3, 0.6, SIZE, workers=1, progress=False)


def messages(bag):
    with BagReader(bag) as reader:
        return list(reader.recorded())


def test_a_simulated_bag_has_every_topic_at_its_rate(bag):
    counts = {}
    for item in messages(bag):
        counts[item.topic] = counts.get(item.topic, 0) + 1
    assert counts["/LIDAR_TOP"] == 12
    assert counts["/CAM_FRONT/image_rect_compressed"] == 8
    assert counts["/CAM_BACK/camera_info"] == 8
    assert counts["/tf_static"] == 1
    assert counts["/tf"] == 12 + 6 * 8


def test_the_times_of_a_simulated_bag_are_in_order(bag):
    times = [item.log_time for item in messages(bag)]
    assert times == sorted(times)


def test_truth_is_found_by_the_stamp_of_a_keyframe(bag):
    stamps = truth_stamps(bag)
    assert len(stamps) == 2
    assert stamps[1] - stamps[0] == 500_000_000
    truth = load_truth(bag, stamps[0])
    assert truth.labels.shape == (200, 200, 16)
    assert 20_000 < truth.occupied.sum() < 90_000
    seen = load_camera_mask(bag, stamps[0])
    assert seen.shape == (200, 200, 16)
    assert 0.05 < seen.mean() < 0.3


def test_asking_for_truth_at_another_stamp_names_those_there_are(bag):
    with pytest.raises(InputError, match=str(truth_stamps(bag)[1])):
        load_truth(bag, 5)


@pytest.mark.parametrize(("duration", "size"), [(0.0, SIZE), (1e6, SIZE), (1.0, (0, 10))])
def test_a_drive_that_makes_no_sense_is_refused(tmp_path, duration, size):
    with pytest.raises(InputError):
        simulate_bag(tmp_path / "bag", 0, duration, size, progress=False)
    assert not (tmp_path / "bag").exists()


DIGEST = """
import hashlib, numpy as np
from effocc_ros.simulation.drive import Drive
drive = Drive(5, 0.1, (99, 176))
moment = drive.instants()[1]
parts = [drive.sweep(moment.stamp).points, drive.labels(moment.stamp),
         drive.picture("CAM_BACK", drive.instants()[0].cameras[4][1])]
print(hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest())
"""


def test_another_process_simulates_the_same_from_the_same_seed():
    found = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    drive = Drive(5, 0.1, SIZE)
    first, second = drive.instants()
    parts = [
        drive.picture("CAM_BACK", first.cameras[4][1]),
        drive.labels(second.stamp),
        drive.sweep(second.stamp).points,
    ]
    data = b"".join(np.ascontiguousarray(p).tobytes() for p in parts[::-1])
    assert found == hashlib.sha256(data).hexdigest()


def test_another_seed_gives_another_street(drive, key, key_labels):
    other = Drive(drive.seed + 1, drive.duration_s, SIZE)
    assert (other.labels(key.stamp) != key_labels).mean() > 0.01
