# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from effocc_ros.checkpoints import state_shapes
from effocc_ros.classes import class_list
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.presets import (
    config_from_mapping,
    config_to_mapping,
    load_preset,
    preset_names,
)
from effocc_ros.presets_cli import model_facts

OFFICIAL = {
    "fusion_r18": "fusion_r18",
    "fusion_r50": "fusion_r50",
    "fusion_swin_b": "fusion_swinb",
    "vision_r50": "flashocc_r50",
    "student_r50": "distill_student_r50",
    "waymo_fusion_r18": "waymo_fusion_r18",
    "waymo_lidar": "waymo_lidar",
    "openoccupancy_fusion_r18": "openoccupancy_fusion_r18",
    "openoccupancy_fusion_r50": "openoccupancy_fusion_r50",
    "occflow_fusion_r18": "occflow_fusion_r18",
}
PARAMETERS = {
    "fusion_r18": 21_354_248,
    "fusion_r50": 34_029_832,
    "fusion_swin_b": 111_480_320,
    "vision_r50": 44_744_312,
    "student_r50": 59_099_512,
    "lidar": 2_694_352 + 4_280_832 + 295_936 + 1_459_232,
    "waymo_fusion_r18": 21_337_832,
    "waymo_lidar": 8_713_936,
    "openoccupancy_fusion_r18": 21_551_603,
    "openoccupancy_fusion_r50": 34_227_187,
    "occflow_fusion_r18": 21_502_248,
}
OWN = ("lidar", "fusion_tiny", "lidar_tiny", "vision_tiny")


def test_every_official_preset_and_our_own_are_there():
    assert set(preset_names()) == {*OFFICIAL, *OWN}


@pytest.mark.parametrize("name", OFFICIAL)
def test_state_dicts_equal_the_official_ones_in_names_order_and_shapes(name, reference_dir):
    official = json.loads((reference_dir / "state_dict" / f"{OFFICIAL[name]}.json").read_text())
    shapes = state_shapes(load_preset(name))
    assert [[key, list(shape)] for key, shape in shapes.items()] == [row[:2] for row in official]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_equal_the_published_ones(name):
    assert model_facts(load_preset(name)).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", ["fusion_tiny", "vision_tiny"])
def test_small_networks_are_small_and_give_the_same_voxels(name):
    small, official = load_preset(name), load_preset("fusion_r18")
    facts = model_facts(small)
    assert 2e6 < facts.parameters < 3.5e6
    assert facts.dense_gmacs < 10
    assert small.grid == official.grid
    assert small.classes == official.classes


def test_each_preset_fits_its_class_list_and_survives_a_round_trip():
    for name in preset_names():
        config = load_preset(name)
        assert config.class_count == len(class_list(config.classes).names), name
        mapping = json.loads(json.dumps(config_to_mapping(config)))
        assert config_from_mapping(mapping, what=name) == config
        hash(config)


def test_class_lists_have_their_free_label_and_as_many_colors_as_names():
    for name, free, count in (
        ("occ3d_nuscenes", 17, 18),
        ("openoccupancy", 0, 17),
        ("occ3d_waymo", 15, 16),
        ("openocc_flow", 16, 18),
    ):
        classes = class_list(name)
        assert (classes.names[free], classes.free) == ("free", free)
        assert len(classes.names) == len(classes.colors) == len(set(classes.names)) == count
    with pytest.raises(InputError, match=r"'kitti'.*occ3d_nuscenes"):
        class_list("kitti")


def test_an_unknown_preset_is_refused_with_the_names_of_all():
    with pytest.raises(InputError, match=r"'fusion_r19'.*fusion_r18, fusion_r50") as error:
        load_preset("fusion_r19")
    assert error.value.reason == "unknown_preset"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wheels": 4}, "wheels"),
        ({"grid": None}, "grid"),
        ({"grid": {"lower": [0, 0, 0]}}, "voxel_size"),
        ({"grid": {"lower": [0, 0, 0], "voxel_size": [1, 1], "shape": [1, 1, 1]}}, "three"),
        ({"modality": "radar"}, "radar"),
        ({"image_size": None}, "image_size"),
        ({"bev": None}, "bev"),
        ({"voxels": None}, "voxels"),
        ({"image_backbone": "vgg"}, "vgg"),
        ({"class_count": "many"}, "class_count"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_by_name(change, said):
    mapping = {**config_to_mapping(load_preset("fusion_r18")), **change}
    with pytest.raises(InputError, match=said):
        config_from_mapping(mapping, what="test")


GRID = config_to_mapping(load_preset("fusion_r18"))["grid"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grid": {**GRID, "lower": 5}}, "field grid, field lower: found 5"),
        ({"grid": {**GRID, "lower": "abc"}}, "field grid, field lower: found 'abc'"),
        ({"grid": {**GRID, "lower": [0, float("nan"), 0]}}, "field grid, field lower"),
        ({"bev": {**GRID, "voxel_size": [0.4, 0.0, 0.4]}}, "field bev, field voxel_size"),
        ({"bev": {**GRID, "voxel_size": [0.4, float("inf"), 0.4]}}, "field bev, field voxel_size"),
        ({"voxels": {**GRID, "shape": [200, 200, -16]}}, "field voxels, field shape"),
        ({"voxels": {**GRID, "shape": [200, 200, 1.5]}}, "field shape.*three whole numbers"),
        ({"voxels": {**GRID, "shape": [10**400, 2, 2]}}, "field voxels, field shape"),
        ({"head_channels": -1}, "field head_channels: found -1; expected numbers greater than 0"),
        ({"class_count": 0}, "field class_count"),
        ({"image_size": [0, 0]}, r"field image_size: found \(0, 0\)"),
        ({"voxel_widths": []}, "field voxel_widths"),
        ({"voxel_widths": [16, -32]}, "field voxel_widths"),
        ({"image_mean": [1.0, float("nan"), 1.0]}, "field image_mean.*finite numbers"),
        ({"image_std": [1.0, 0.0, 1.0]}, "field image_std"),
        ({"image_stages": [1, 4]}, "field image_stages"),
        ({"image_stages": [-1]}, "field image_stages"),
        ({"sweeps": -1}, "field sweeps"),
        ({"depth_range": [1.0, float("inf"), 0.5]}, "field depth_range.*finite"),
        ({"depth_range": [45.0, 1.0, 0.5]}, "field depth_range"),
        ({"depth_range": [1.0, 45.0, 0.0]}, "field depth_range"),
    ],
)
def test_numbers_that_no_network_can_have_are_refused_by_field(change, said):
    mapping = {**config_to_mapping(load_preset("fusion_r18")), **change}
    with pytest.raises(InputError, match=said) as error:
        config_from_mapping(mapping, what="test")
    assert error.value.reason == "bad_config"


def test_a_missing_field_is_named():
    mapping = config_to_mapping(load_preset("fusion_r18"))
    del mapping["classes"]
    with pytest.raises(InputError, match="classes"):
        config_from_mapping(mapping, what="test")


def test_the_verb_models_prints_a_line_per_preset(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(preset_names()) + 1
    row = next(line for line in lines if line.startswith("fusion_r18 "))
    assert "21,354,248" in row
    assert "215.4" in row
    assert "no" in row.split()
