# SPDX-License-Identifier: Apache-2.0
"""The way of a GPU, run on the CPU and on a device that has no memory at all."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.small_networks import CONFIGS, SMALL, frame

from effocc_ros.cuda_graphs import MOST_RECORDINGS, Recordings
from effocc_ros.frame import NUSCENES_CAMERAS, PointCloud
from effocc_ros.networks import static_encoder
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.operations import OperationCount
from effocc_ros.networks.static_network import StaticNetwork
from effocc_ros.pipelines import DevicePipeline, HostPipeline
from effocc_ros.preprocess.raw import raw_inputs
from effocc_ros.presets import load_preset

STEP = 4096


def network_of(config):
    return fill(EffOcc(config)).requires_grad_(False).fuse_for_inference()


@torch.inference_mode()
def labels_of(pipeline, given):
    return pipeline.run(pipeline.prepare(given))


@pytest.fixture(scope="module")
def networks():
    return {modality: network_of(config) for modality, config in CONFIGS.items()}


@pytest.fixture(autouse=True)
def room(monkeypatch):
    # The points of these frames are drawn by lot and reach more sites than those of a LiDAR.
    monkeypatch.setattr(static_encoder, "SHARES", (6.0,))


@pytest.mark.parametrize(
    ("modality", "cameras", "lidar"),
    [
        ("fusion", NUSCENES_CAMERAS, True),
        ("fusion", NUSCENES_CAMERAS[1:3], True),
        ("fusion", (), True),
        ("fusion", NUSCENES_CAMERAS, False),
        ("vision", NUSCENES_CAMERAS, False),
        ("lidar", (), True),
    ],
)
def test_both_ways_lead_to_the_same_voxels(networks, modality, cameras, lidar):
    given, network = frame(cameras, lidar), networks[modality]
    expected = labels_of(HostPipeline(network, confidence=True), given)
    device = DevicePipeline(network, confidence=True, point_step=STEP)
    labels, confidence, flow = labels_of(device, given)
    assert device.dropped_sites == 0
    assert len(expected[0].unique()) > 1
    # A pixel may differ by one step, and that may move a voxel that is undecided.
    assert (labels == expected[0]).float().mean() > 0.9995
    assert (confidence.int() - expected[1].int()).abs().float().mean() < 0.05
    assert flow is None


def test_a_flow_comes_along():
    network = network_of(replace(SMALL, name="flow", classes="openocc_flow", flow=True))
    expected = labels_of(HostPipeline(network), frame((), True))[2]
    got = labels_of(DevicePipeline(network, point_step=STEP), frame((), True))[2]
    torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-3)


def test_the_same_frame_gives_the_same_voxels_and_the_frame_is_not_changed(networks):
    device, given = DevicePipeline(networks["fusion"], point_step=STEP), frame()
    before = given.cloud.points.copy()
    first = labels_of(device, given)[0]
    labels_of(device, frame(NUSCENES_CAMERAS[:2]))
    assert torch.equal(labels_of(device, given)[0], first)
    np.testing.assert_array_equal(given.cloud.points, before)


def test_a_cloud_that_finds_no_room_is_counted_and_said_once(networks, monkeypatch, caplog):
    monkeypatch.setattr(static_encoder, "SHARES", (0.05, 0.02))
    device = DevicePipeline(networks["lidar"], point_step=STEP)
    with caplog.at_level(logging.WARNING, "effocc_ros.pipelines"):
        labels_of(device, frame())
        assert device.dropped_sites > 1000
        labels_of(device, frame())
    assert caplog.text.count("no room for") == 1
    few = replace(frame(), cloud=PointCloud(frame().cloud.points[:5], np.eye(4)))
    labels_of(device, few)
    assert device.dropped_sites == 0


@pytest.mark.parametrize("before", ["tf32", "ieee"])
def test_convolutions_are_float32_and_the_callers_choice_comes_back(networks, monkeypatch, before):
    if not hasattr(torch.backends.cudnn, "conv"):
        pytest.skip("this torch has no switch for convolutions alone")
    switch, seen = torch.backends.cudnn.conv, []
    original = StaticNetwork.predict_labels

    def watched(self, *arguments):
        seen.append(switch.fp32_precision)
        return original(self, *arguments)

    monkeypatch.setattr(StaticNetwork, "predict_labels", watched)
    at_first, switch.fp32_precision = switch.fp32_precision, before
    try:
        labels_of(DevicePipeline(networks["lidar"], point_step=STEP), frame())
        assert seen == ["ieee"]
        assert switch.fp32_precision == before
    finally:
        switch.fp32_precision = at_first


@pytest.mark.parametrize("name", ["fusion_tiny", "vision_tiny", "lidar_tiny", "fusion_r18"])
def test_between_upload_and_result_a_host_waits_for_nothing(name):
    with torch.device("meta"):
        network = EffOcc(load_preset(name))
    network = network.requires_grad_(False).fuse_for_inference()
    device, given = DevicePipeline(network, confidence=True), frame()
    with torch.no_grad():
        raw = device.prepare(given)
        # What never changes is sent along with the first frame.
        device.compute(raw)
        with OperationCount() as count:
            results = device.compute(raw)
    assert count.waits == {}
    assert 100 < count.operations.total() < 1000
    assert {result.device.type for result in results if result is not None} == {"meta"}


@pytest.mark.parametrize(
    ("wait", "work"),
    [
        ("_local_scalar_dense", lambda x: float(x.sum())),
        ("nonzero", lambda x: x.nonzero()),
        ("index", lambda x: x[x > 1]),
        ("masked_select", lambda x: x.masked_select(x > 1)),
        ("_unique2", lambda x: x.unique()),
        ("repeat_interleave", lambda x: x.long().repeat_interleave(x.long())),
        ("bincount", lambda x: x.long().bincount()),
        ("_linalg_check_errors", lambda x: torch.inverse(x.diag())),
        ("_to_copy between devices", lambda x: x.to("meta")),
        ("new_tensor", lambda x: x.new_tensor([1.0])),
    ],
)
def test_what_makes_a_host_wait_is_seen(wait, work):
    with torch.no_grad(), OperationCount() as count:
        work(torch.tensor([3.0, 1.0, 2.0]))
    assert count.waits[wait] == 1


def test_operations_are_counted_without_views_and_empty_memory():
    x = torch.ones(4, 6)
    with torch.no_grad(), OperationCount() as count:
        (x.view(6, 4)[1:].T + 1).mul_(torch.empty(4, 5))
    assert count.operations == {"add": 1, "mul_": 1}
    assert count.waits == {}


class Recorder:
    """Stands in for a GPU's recording: notes what it is asked for."""

    def __init__(self, error=None):
        self.made, self.replayed, self.error = 0, 0, error

    def __call__(self, function, raw):
        if self.error:
            raise self.error
        self.made += 1

        def replay(raw):
            self.replayed += 1
            return function(raw)

        return replay


def raw_of(points, cameras=2):
    cloud = PointCloud(np.ones((points, 5), np.float32), np.eye(4))
    given = replace(frame(NUSCENES_CAMERAS[:cameras]), cloud=cloud)
    return raw_inputs(given, SMALL, point_step=8)


def count_points(raw):
    return (raw.points.isfinite().all(dim=1).sum(),)


def test_shapes_that_come_again_are_recorded_once():
    recorder = Recorder()
    call = Recordings(count_points, recorder)
    assert [int(call(raw_of(count))[0]) for count in (3, 5, 8, 20)] == [3, 5, 8, 20]
    assert (recorder.made, recorder.replayed, call.recorded) == (1, 2, 1)
    # The same number of points, but cameras of other places.
    call(raw_of(3, cameras=1))
    assert (recorder.made, recorder.replayed) == (1, 2)


def test_only_the_latest_recordings_are_kept():
    recorder = Recorder()
    call = Recordings(count_points, recorder)
    for count in [1] * 2 + [8 * number for number in range(2, MOST_RECORDINGS + 2)] + [1] * 2:
        assert int(call(raw_of(count))[0]) == count
    assert recorder.made == 2


def test_where_nothing_can_be_recorded_the_function_is_called(caplog):
    call = Recordings(count_points, Recorder(RuntimeError("operation not permitted")))
    with caplog.at_level(logging.WARNING, "effocc_ros.cuda_graphs"):
        assert [int(call(raw_of(count))[0]) for count in (3, 4, 5, 6)] == [3, 4, 5, 6]
    assert caplog.text.count("no CUDA graph") == 1
    assert "operation not permitted" in caplog.text
