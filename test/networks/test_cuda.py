# SPDX-License-Identifier: Apache-2.0
"""On a GPU the networks give the classes that they give on the CPU."""

import numpy as np
import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.real_frame import VERSION, make_nuscenes_tree
from helpers.small_networks import frame
from helpers.tiny_model import make_tiny_checkpoint
from helpers.vector_b import agreement, inputs_of
from helpers.vectors import load_arrays

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.predictor import Predictor
from effocc_ros.presets import load_preset

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def on_gpu(value):
    return [each.cuda() for each in value] if isinstance(value, list) else value.cuda()


@torch.inference_mode()
def test_vector_b_labels_on_a_gpu(reference_dir):
    vector = load_arrays(reference_dir / "parity" / "b_full_fusion_r18.npz")
    network = fill(EffOcc(load_preset("fusion_r18"))).fuse_for_inference().cuda()
    inputs = {name: on_gpu(value) for name, value in inputs_of(vector).items()}
    labels, _, _ = network.predict_labels(**inputs)
    assert labels.is_cuda
    assert agreement(labels[0].cpu(), vector["labels"]) >= 0.999


def test_a_recorded_frame_gets_the_same_labels_on_a_gpu(data_dir, tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path / "tiny.safetensors")
    root = make_nuscenes_tree(data_dir, tmp_path / "nuscenes")
    recorded = open_dataset(
        "occ3d_nuscenes",
        root,
        "all",
        version=VERSION,
        with_labels=False,
        sweeps=SweepChoice(0),
    )[0].frame
    with Predictor(checkpoint, "cpu") as cpu, Predictor(checkpoint, "cuda") as gpu:
        expected, got = cpu.predict(recorded).labels, gpu.predict(recorded).labels
    assert len(np.unique(expected)) > 3
    assert (got == expected).mean() >= 0.999


def test_recorded_and_launched_frames_of_any_shape_give_the_same(tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path / "tiny.safetensors")
    frames = [frame(), frame(NUSCENES_CAMERAS[:2]), frame((), True)]
    with Predictor(checkpoint, "cuda") as predictor:
        first = [predictor.predict(each).labels for each in frames]
        for _ in range(2):
            again = [predictor.predict(each).labels for each in frames]
            for one, other in zip(first, again, strict=True):
                np.testing.assert_array_equal(one, other)
        assert predictor._pipeline._compute.recorded == len(frames)


def test_between_upload_and_result_nothing_waits(tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path / "tiny.safetensors")
    with Predictor(checkpoint, "cuda") as predictor, torch.inference_mode():
        pipeline = predictor._pipeline
        raw = pipeline.prepare(frame())
        pipeline.compute(raw)
        torch.cuda.set_sync_debug_mode("error")
        try:
            pipeline.compute(raw)
        finally:
            torch.cuda.set_sync_debug_mode("default")
