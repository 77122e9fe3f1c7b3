# SPDX-License-Identifier: Apache-2.0
"""Bad messages over DDS: one clear line, a count, and the next good frame goes out."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.diagnostics import told
from helpers.ros_processes import ros_stage
from helpers.toy_drive import PERIOD, START, Sent, moment, static_poses
from helpers.waiting import wait_until
from std_msgs.msg import Header

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.to_message import stamp_of

pytestmark = pytest.mark.integration


class Talk:
    """A node that is sent one moment after another, and what it says."""

    def __init__(self, stage, model, **parameters):
        self.stage = stage
        self.number = 0
        self.occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
        self.diagnostics = stage.peer.listen(DiagnosticArray, "/diagnostics")
        self.ended = stage.peer.listen(Header, "/occ_node/output/handled", 100)
        self.node = stage.start_node(model=model, diagnostics_period=0.2, **parameters)
        stage.send([static_poses()])

    def moment(self, cameras=NUSCENES_CAMERAS) -> list[Sent]:
        """Return the messages of the next moment; the LiDAR's is the last.

        Half a second lies between two moments, so that no image of one fits the other.
        """
        self.number += 5
        return moment(self.number, cameras)

    def good(self, cameras=NUSCENES_CAMERAS) -> SemanticOccupancy:
        """Send the next moment and return the frame that it makes."""
        self.stage.send(self.moment(cameras))
        return self.frame()

    def frame(self) -> SemanticOccupancy:
        """Return the frame of the moment last sent."""
        stamp = START + self.number * PERIOD
        return wait_until(
            lambda: next((m for m in self.occupancies if stamp_of(m.header.stamp) == stamp), None),
            f"frame {self.number}; the node said:\n{self.node.text}",
        )

    def bad(self, sent: list[Sent], said: str, key: str) -> None:
        """Send a moment that cannot become a frame; the node says and counts why."""
        self.stage.send(sent)
        self.node.wait_for_text(said, 60)
        wait_until(lambda: told(self.diagnostics, key) == "1", f"{key} in the diagnostics")
        stamp = START + self.number * PERIOD
        wait_until(lambda: stamp in map(stamp_of, (each.stamp for each in self.ended)), "its end")


@pytest.fixture(scope="module")
def talk(tiny_models, tmp_path_factory) -> Iterator[Talk]:
    """Give a fusion node that has made its first frame; the tests here share it."""
    with ros_stage(tmp_path_factory.mktemp("bad")) as stage:
        # A busy machine may take longer over images than a car should wait.
        talk = Talk(stage, tiny_models["fusion"], max_wait=2.0)
        talk.good()
        yield talk


def changed(sent: Sent, **fields) -> Sent:
    return replace(sent, message=replace(sent.message, **fields))


def named(sent: Sent, frame_id: str) -> Sent:
    return changed(sent, header=replace(sent.message.header, frame_id=frame_id))


@pytest.mark.parametrize(
    ("bad", "said", "reason"),
    [
        ({"fields": []}, "expected fields x, y and z", "cloud_without_xyz"),
        ({"width": 0, "data": np.empty(0, np.uint8)}, "an empty cloud", "empty_cloud"),
        ({"data": np.empty(30, np.uint8)}, "30 bytes for 2000x1", "short_cloud"),
        ({"data": np.full(40000, 255, np.uint8)}, "none of them finite", "nan_cloud"),
    ],
)
def test_a_bad_cloud_makes_no_frame_and_good_ones_do(talk, bad, said, reason):
    *images, cloud = talk.moment()
    talk.bad([*images, changed(cloud, **bad)], said, f"rejected.LIDAR_TOP.{reason}")
    # Where messages overtook each other, the LiDAR counts as silent for a moment.
    whole = [*NUSCENES_CAMERAS, "LIDAR_TOP"]
    wait_until(lambda: list(talk.good().inputs) == whole, "a frame of all")


def test_a_cloud_that_cannot_be_decoded_is_named_and_ends(talk):
    *images, cloud = talk.moment()
    talk.stage.send(images)
    said = "points of LIDAR_TOP: found 200 bytes that cannot be decoded; expected a sensor_msgs"
    talk.bad([Cut(cloud)], said, "rejected.LIDAR_TOP.undecodable")
    wait_until(lambda: "LIDAR_TOP" in talk.good().inputs, "a frame with the LiDAR")


class Cut(Sent):
    """A message whose end is missing."""

    def __init__(self, whole: Sent):
        super().__init__(whole.topic, whole.log_time, whole.message)

    @property
    def raw(self) -> bytes:
        return super().raw[:200]


def test_a_corrupt_picture_leaves_its_camera_out_of_the_frame(talk):
    pose, info, image, *others = talk.moment()
    talk.stage.send([pose, info, changed(image, data=image.message.data[:500]), *others])
    assert list(talk.frame().inputs) == [*NUSCENES_CAMERAS[1:], "LIDAR_TOP"]
    talk.node.wait_for_text("image of CAM_FRONT_LEFT: found 500 bytes of 'jpeg'")
    key = "rejected.CAM_FRONT_LEFT.corrupt_image"
    wait_until(lambda: told(talk.diagnostics, key) == "1", "its count")
    assert list(talk.good().inputs) == [*NUSCENES_CAMERAS, "LIDAR_TOP"]


def test_a_sensor_that_tf_does_not_know_is_named(talk):
    *images, cloud = talk.moment()
    talk.bad(
        [*images, named(cloud, "attic")],
        "no transform that names 'attic'",
        "rejected.LIDAR_TOP.tf_missing",
    )
    assert list(talk.frame().inputs) == list(NUSCENES_CAMERAS)
    *images, cloud = talk.moment()
    said = "header.frame_id of LIDAR_TOP: found an empty text"
    talk.bad([*images, named(cloud, "")], said, "rejected.LIDAR_TOP.empty_frame_id")
    talk.good()


def test_a_complaint_is_not_repeated_for_each_message(talk):
    for _ in range(10):
        *images, cloud = talk.moment()
        fields = [replace(field, datatype=9) for field in cloud.message.fields]
        talk.stage.send([*images, changed(cloud, fields=fields)])
    key = "rejected.LIDAR_TOP.bad_cloud"
    wait_until(lambda: told(talk.diagnostics, key) == "10", "ten counts")
    assert talk.node.text.count("of unknown type or beyond point_step") == 1


def test_a_dead_camera_does_not_silence_the_others(talk):
    alive = tuple(name for name in NUSCENES_CAMERAS if name != "CAM_BACK")
    for _ in range(3):
        message = talk.good(alive)
    assert list(message.inputs) == [*alive, "LIDAR_TOP"]
    wait_until(lambda: silent(talk.diagnostics, "CAM_BACK"), "the warning")
    assert list(talk.good().inputs) == [*NUSCENES_CAMERAS, "LIDAR_TOP"]


@pytest.mark.parametrize("anchor", ["CAM_FRONT", "CAM_ROOF"])
def test_a_dead_lidar_leaves_the_frames_to_a_camera_and_takes_them_back(
    stage, tiny_models, anchor
):
    talk = Talk(stage, tiny_models["fusion"], max_wait=0.5, anchor_camera=anchor)
    maker = anchor if anchor in NUSCENES_CAMERAS else NUSCENES_CAMERAS[0]
    warned = "anchor_camera 'CAM_ROOF' is no camera of the rig"
    assert (warned in talk.node.text) == (maker != anchor)
    talk.good()
    for _ in range(5):
        talk.stage.send(talk.moment()[:-1])
        time.sleep(0.1)
    message = talk.frame()
    assert (message.mode, list(message.inputs)) == ("vision", list(NUSCENES_CAMERAS))
    talk.node.wait_for_text(
        f"LIDAR_TOP is left out: nothing comes; frames are made by {maker}", 10
    )
    talk.good()  # by the camera, whose image came before the sweep
    assert (message := talk.good()).mode == "fusion"
    assert list(message.inputs) == [*NUSCENES_CAMERAS, "LIDAR_TOP"]
    talk.node.wait_for_text("LIDAR_TOP is back")


def test_a_frame_that_the_network_cannot_use_is_counted_and_the_next_one_comes(stage, tiny_models):
    talk = Talk(stage, tiny_models["vision"], synchronizer="lidar")
    said = "tiny_vision is a vision network"
    talk.bad(talk.moment(cameras=()), said, "drop.no_usable_input")
    assert list(talk.good().inputs) == list(NUSCENES_CAMERAS)


def silent(diagnostics: list[DiagnosticArray], camera: str) -> bool:
    return any(
        status.name.endswith(f"input {camera}") and status.message.startswith("silent")
        for array in diagnostics[-3:]
        for status in array.status
    )
