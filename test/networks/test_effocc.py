# SPDX-License-Identifier: Apache-2.0
import json

import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.tiny_model import tiny_config
from helpers.vector_b import agreement, inputs_of
from helpers.vectors import load_arrays

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.on_cpu import use_cpu_layers
from effocc_ros.presets import load_preset


@pytest.fixture(scope="module", name="vector_b")
def _vector_b(reference_dir):
    return load_arrays(reference_dir / "parity" / "b_full_fusion_r18.npz")


@pytest.fixture(scope="module", name="run_b")
def _run_b(vector_b):
    """Intermediate results of one pass over vector b, and labels by the way of the predictor."""
    network = fill(EffOcc(load_preset("fusion_r18")))
    inputs = inputs_of(vector_b)
    points = inputs.pop("points")
    with torch.inference_mode():
        run = {"camera": network.camera_bev(**inputs), "lidar": network.lidar_bev(points)}
        run["bev"] = network.merge(run["camera"], run["lidar"])
        run["logits"], _ = network.occ_head(run["bev"])
        use_cpu_layers(network.fuse_for_inference())
        run["labels"], _, _ = network.predict_labels(**inputs, points=points)
    return run


def test_vector_b_camera_bev(vector_b, run_b):
    got = run_b["camera"].flatten()[vector_b["view_bev_index"]]
    difference = (got - vector_b["view_bev_value"]).abs()
    assert (difference > 1e-3).float().mean() < 1e-3


def test_vector_b_lidar_bev(vector_b, run_b):
    bev = run_b["lidar"]
    assert int((bev != 0).any(dim=1).sum()) == vector_b["sparse_nonzero_sites"]
    got = bev.flatten()[vector_b["sparse_index"]]
    torch.testing.assert_close(got, vector_b["sparse_value"], atol=1e-3, rtol=0)


def test_vector_b_statistics_of_the_merged_bev(vector_b, run_b):
    bev = run_b["bev"]
    got = [bev.mean(), bev.std(), bev.abs().max(), (bev != 0).double().mean()]
    expected = vector_b["neck_stats"].tolist()
    assert [float(value) for value in got] == pytest.approx(expected, rel=1e-4)


def test_vector_b_logits(vector_b, run_b):
    logits = run_b["logits"].view(-1, 18)[vector_b["voxel_index"].long()]
    difference = (logits[:200] - vector_b["logits_f32_first200"]).abs()
    assert (difference < 1e-3).float().mean() >= 0.999
    difference = (logits - vector_b["logits_f16"].float()).abs()
    assert (difference < 3e-3).float().mean() >= 0.999


def test_vector_b_labels(vector_b, run_b):
    assert agreement(run_b["logits"].argmax(dim=-1)[0], vector_b["labels"]) >= 0.999
    assert run_b["labels"].dtype == torch.uint8
    assert agreement(run_b["labels"][0], vector_b["labels"]) >= 0.999


def test_state_dict_equals_the_official_one_in_names_shapes_and_order(reference_dir):
    network = EffOcc(load_preset("fusion_r18"))
    got = [
        [name, list(value.shape), str(value.dtype).removeprefix("torch.")]
        for name, value in network.state_dict().items()
    ]
    assert got == json.loads((reference_dir / "state_dict" / "fusion_r18.json").read_text())


@pytest.fixture(scope="module", name="tiny")
def _tiny():
    return fill(EffOcc(load_preset("fusion_tiny")))


def made_up_inputs(batch, config, points=400):
    """Cameras that look all around, a cloud around them, and what it gives as depth."""
    count, (height, width) = len(config.cameras), config.image_size
    sensor2ego = torch.eye(4).repeat(batch, count, 1, 1)
    for camera in range(count):
        angle = torch.tensor(camera * 2 * torch.pi / count)
        forward = torch.stack([angle.cos(), angle.sin(), torch.tensor(0.0)])
        right = torch.stack([angle.sin(), -angle.cos(), torch.tensor(0.0)])
        rotation = torch.stack([right, torch.tensor([0.0, 0.0, -1.0]), forward], dim=1)
        sensor2ego[:, camera, :3, :3] = rotation
    sensor2ego[..., 2, 3] = 1.5
    intrinsics = torch.tensor([[280.0, 0, width / 2], [0, 280.0, height / 2], [0, 0, 1]])
    depth = uniform("tiny.depth", (batch, count, height, width), -20, 40).clamp(min=0)
    clouds = uniform("tiny.points", (batch, points, 5), -1, 1)
    clouds = clouds * torch.tensor([30.0, 30.0, 2.0, 100.0, 0.2]) + torch.tensor([0, 0, 1.5, 0, 0])
    return {
        "images": uniform("tiny.images", (batch, count, 3, height, width), -2, 2),
        "camera_mask": torch.ones(batch, count, dtype=torch.bool),
        "sensor2keyego": sensor2ego,
        "intrinsics": intrinsics.repeat(batch, count, 1, 1),
        "post_rots": torch.eye(3).repeat(batch, count, 1, 1),
        "post_trans": torch.zeros(batch, count, 3),
        "bda": torch.eye(4).repeat(batch, 1, 1),
        "depth": depth,
        "points": list(clouds),
    }


def sample_of(inputs, number):
    """One sample of a batch, as a batch of one."""
    return {name: value[number : number + 1] for name, value in inputs.items()}


@torch.inference_mode()
def test_a_batch_gives_what_its_samples_give_alone(tiny):
    inputs = made_up_inputs(2, tiny.config)
    logits = tiny(**inputs).logits
    assert logits.shape == (2, 200, 200, 16, 18)
    for number in range(2):
        alone = tiny(**sample_of(inputs, number)).logits
        torch.testing.assert_close(logits[number], alone[0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(logits[0], logits[1], atol=1e-2)


@torch.inference_mode()
def test_a_silent_camera_does_not_reach_the_bev(tiny):
    inputs = made_up_inputs(1, tiny.config)
    inputs["camera_mask"][0, 2] = False
    points = inputs.pop("points")
    bev = tiny.camera_bev(**inputs)
    inputs["images"][0, 2] = 7.0
    inputs["depth"][0, 2] = 3.0
    inputs["sensor2keyego"][0, 2] = torch.eye(4)
    assert torch.equal(tiny.camera_bev(**inputs), bev)
    assert bev.any()
    assert len(points[0])


@torch.inference_mode()
def test_all_cameras_silent_give_zeros_and_still_an_answer(tiny):
    inputs = made_up_inputs(1, tiny.config)
    inputs["camera_mask"][:] = False
    labels, _, _ = tiny.predict_labels(**inputs)
    assert labels.shape == (1, 200, 200, 16)
    points = inputs.pop("points")
    assert not tiny.camera_bev(**inputs).any()
    assert tiny.lidar_bev(points).any()


@torch.inference_mode()
def test_an_empty_cloud_gives_zeros_and_still_an_answer(tiny):
    inputs = made_up_inputs(2, tiny.config)
    inputs["points"] = [torch.zeros(0, 5)] * 2
    inputs["depth"][:] = 0.0
    labels, confidence, _ = tiny.predict_labels(**inputs, confidence=True)
    assert labels.shape == confidence.shape == (2, 200, 200, 16)
    assert not tiny.lidar_bev(inputs["points"]).any()


@torch.inference_mode()
def test_the_last_sample_of_a_batch_may_have_no_points(tiny):
    inputs = made_up_inputs(2, tiny.config)
    inputs["points"][1] = torch.zeros(0, 5)
    bev = tiny.lidar_bev(inputs["points"])
    assert bev.shape[0] == 2
    assert bev[0].any()
    assert not bev[1].any()


@torch.inference_mode()
def test_folding_changes_no_logit_and_leaves_no_normalisation():
    network = fill(EffOcc(load_preset("fusion_tiny")))
    inputs = made_up_inputs(1, network.config)
    expected = network(**inputs).logits
    assert network.fuse_for_inference() is network
    kinds = {type(module).__name__ for module in network.modules()}
    assert not kinds & {"BatchNorm1d", "BatchNorm2d"}
    torch.testing.assert_close(network(**inputs).logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("preset", ["vision_tiny", "lidar_tiny"])
@torch.inference_mode()
def test_one_modality_runs_alone(preset):
    network = fill(EffOcc(load_preset(preset)))
    inputs = made_up_inputs(1, load_preset("fusion_tiny"))
    if preset == "vision_tiny":
        inputs.update(points=None, depth=None)
    else:
        inputs = {"points": inputs["points"], **dict.fromkeys(inputs.keys() - {"points"})}
    labels, _, _ = network.predict_labels(**inputs)
    assert torch.equal(labels, network(**inputs).logits.argmax(dim=-1).to(torch.uint8))
    assert len(labels.unique()) > 1


@torch.inference_mode()
def test_half_precision_products_run_and_agree_mostly():
    network = fill(EffOcc(tiny_config()))  # a CPU without bfloat16 takes minutes for a larger one
    inputs = made_up_inputs(1, network.config)
    labels, _, _ = network.predict_labels(**inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, _, _ = network.predict_labels(**inputs)
    assert len(labels.unique()) > 3
    assert agreement(half, labels) > 0.9


def test_a_training_step_reaches_every_weight():
    network = EffOcc(load_preset("fusion_tiny")).train()
    network(**made_up_inputs(1, network.config)).logits.square().mean().backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert not without


def test_the_number_of_threads_is_left_as_it_was(tiny):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    tiny.lidar_bev([torch.zeros(0, 5)])
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
