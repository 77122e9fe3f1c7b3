# SPDX-License-Identifier: Apache-2.0
"""Configs of trainings: fields by name, values of their types, key=value."""

import pytest

from effocc_ros.errors import InputError
from effocc_ros.presets import load_preset
from effocc_ros.training.config import StageWeights
from effocc_ros.training.config_files import (
    config_from_mapping,
    config_names,
    config_to_mapping,
    load_config,
)

SMALL = {"name": "a", "preset": "lidar_tiny", "root": "/data", "max_steps": 5}


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_training_reads_and_names_a_preset_that_is_there(name):
    config = load_config(name, ["root=/data"])
    assert config.name == name
    load_preset(config.preset)


def test_the_official_recipes_are_there():
    fusion = load_config("effocc_fusion_r18", ["root=/data"])
    assert (fusion.lr, fusion.weight_decay, fusion.clip) == (4e-4, 0.01, 5.0)
    assert (fusion.epochs, fusion.milestones, fusion.batch_size) == (48, (24,), 64)
    assert (fusion.warmup_steps, fusion.warmup_ratio, fusion.ema_start) == (200, 0.001, 10560)
    assert (fusion.class_weights, fusion.unseen_weight, fusion.columns) == ("none", 0.0, 1.0)
    student = load_config("effocc_student_r50", ["root=/data"])
    assert student.stage_weights == StageWeights(features=1.0, logits=1.0)
    assert student.official_orientation
    assert student.teacher_train_mode


def test_overrides_are_yaml_and_dots_lead_into_nested_fields(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("preset: lidar_tiny\nroot: /data\nmax_steps: 5\nteacher: t.safetensors\n")
    values = ["lr=3e-4", "milestones=[3, 5]", "stage_weights.logits=2", "augmentation.flip_x=0"]
    config = load_config(str(path), [*values, "teacher=", "val_split="])
    assert config.name == "mine"
    assert config.lr == 3e-4
    assert config.milestones == (3, 5)
    assert config.stage_weights == StageWeights(logits=2.0)
    assert config.augmentation.flip_x == 0
    assert (config.teacher, config.val_split) == ("", "")


def test_a_config_comes_back_from_its_plain_values():
    config = load_config("fusion_tiny", ["root=/data"])
    assert config_from_mapping(config_to_mapping(config), "again") == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning_rate": 1.0}, "learning_rate"),
        ({"stage_weights": {"lidar_bev": 1.0}}, "lidar_bev"),
        ({"augmentation": {"flip_z": 1.0}}, "flip_z"),
        ({"augmentation": {"flip_x": 2.0}}, "flip_x"),
        ({"batch_size": "many"}, "batch_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"lr": -1.0}, "field lr"),
        ({"labeled_fraction": 1.5}, "labeled_fraction"),
        ({"labeled_fraction": 0.0}, "labeled_fraction"),
        ({"precision": "16-mixed"}, "precision"),
        ({"schedule": "linear"}, "schedule"),
        ({"accumulate": 3}, "accumulate"),
        ({"max_steps": 0}, "max_steps"),
        ({"root": ""}, "root=FOLDER"),
        ({"pseudo_labels": True}, "pseudo_labels"),
        ({"unlabeled": True}, "unlabeled"),
        ({"seed": 2**63}, "seed"),
        ({"root": 60}, "found 60; expected a text, in quotes"),
        ({"learns": "occ_head"}, r"expected a list, each a text.*such as \[a, b\]"),
        ({"augmentation": ""}, "expected a mapping with some of resize, .* or nothing"),
        ({"loss": "openoccupancy", "lovasz_weight": 1.0}, "lovasz_weight"),
    ],
)
def test_what_does_not_fit_is_named(change, said):
    with pytest.raises(InputError, match=said):
        config_from_mapping(SMALL | change, "config a")


def test_a_training_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(InputError, match="lidar_tiny"):
        load_config("lidar_tinny")


@pytest.mark.parametrize("override", ["lr", "=3", "stage_weights.=1"])
def test_an_override_that_is_none_is_refused(override):
    with pytest.raises(InputError, match="key=value"):
        load_config("lidar_tiny", [override])


def test_a_file_that_holds_no_mapping_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(InputError, match="mapping"):
        load_config(str(path))
