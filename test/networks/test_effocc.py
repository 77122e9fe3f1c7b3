import json

import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_arrays

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.presets import load_preset


@pytest.fixture(scope="module", name="vector_b")
def _vector_b(reference_dir):
    return load_arrays(reference_dir / "parity" / "b_full_fusion_r18.npz")


def inputs_of(vector):
    """The inputs of vector b, batch of one."""
    ego2global = vector["ego2global"].double()
    sensor2keyego = ego2global[0].inverse() @ ego2global @ vector["sensor2ego"].double()
    depth = torch.zeros(6 * 256 * 704)
    depth[vector["depth_index"].long()] = vector["depth_value"]
    return {
        "images": uniform("input.img", (6, 3, 256, 704), -2, 2)[None],
        "camera_mask": torch.ones(1, 6, dtype=torch.bool),
        "sensor2keyego": sensor2keyego.float()[None],
        "intrinsics": vector["intrins"][None],
        "post_rots": vector["post_rots"][None],
        "post_trans": vector["post_trans"][None],
        "bda": vector["bda"][None],
        "depth": depth.view(1, 6, 256, 704),
        "points": [vector["points"]],
    }


@pytest.fixture(scope="module", name="run_b")
def _run_b(vector_b):
    """Intermediate results of one pass over vector b, and labels by the way of the predictor."""
    network = fill(EffOcc(load_preset("fusion_r18")))
    inputs = inputs_of(vector_b)
    points = inputs.pop("points")
    with torch.inference_mode():
        run = {"camera": network.camera_bev(**inputs), "lidar": network.lidar_bev(points)}
        run["bev"] = network.merge(run["camera"], run["lidar"])
        run["logits"] = network.occ_head(run["bev"])
        network.fuse_for_inference()
        run["labels"] = network.predict_labels(**inputs, points=points)
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


def agreement(labels, expected):
    """Share of voxels with the same label."""
    return (labels == expected).double().mean().item()


def test_state_dict_equals_the_official_one_in_names_shapes_and_order(reference_dir):
    network = EffOcc(load_preset("fusion_r18"))
    got = [
        [name, list(value.shape), str(value.dtype).removeprefix("torch.")]
        for name, value in network.state_dict().items()
    ]
    assert got == json.loads((reference_dir / "state_dict" / "fusion_r18.json").read_text())
