# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from effocc_ros.datasets.budgets import labeled_scenes
from effocc_ros.datasets.splits import official_splits, scenes_of_split
from effocc_ros.errors import InputError


def test_official_splits_have_their_known_sizes_and_do_not_overlap():
    splits = official_splits()
    assert {split: len(names) for split, names in splits.items()} == {
        "train": 700,
        "val": 150,
        "test": 150,
        "mini_train": 8,
        "mini_val": 2,
    }
    assert len(splits["train"] | splits["val"] | splits["test"]) == 1000
    # Two scenes of mini_train are in val, so scores on val of what was trained on mini flatter.
    assert splits["mini_train"] - splits["train"] == {"scene-0553", "scene-0796"}
    assert splits["mini_train"] | splits["mini_val"] <= splits["train"] | splits["val"]


def test_well_known_scenes_are_where_everyone_has_them():
    splits = official_splits()
    assert splits["mini_val"] == {"scene-0103", "scene-0916"}
    assert {"scene-0061", "scene-0553", "scene-1100"} <= splits["mini_train"]
    assert {"scene-0003", "scene-0012", "scene-1073"} <= splits["val"]
    assert {"scene-0001", "scene-0002", "scene-1110"} <= splits["train"]


def test_a_folder_may_bring_splits_of_its_own(tmp_path):
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["a"], "night": ["b", "c"]}))
    assert scenes_of_split("night", tmp_path) == {"b", "c"}
    assert scenes_of_split("train", tmp_path) == {"a"}
    assert len(scenes_of_split("val", tmp_path)) == 150


def test_all_is_every_scene(tmp_path):
    assert scenes_of_split("all", tmp_path) is None


@pytest.mark.parametrize("text", ["[", '["train"]', '{"train": [1]}', '{"train": 3}'])
def test_broken_splits_are_named(tmp_path, text):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(InputError, match=r"splits\.json"):
        scenes_of_split("train", tmp_path)


def test_an_unknown_split_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match="train, val, test, mini_train, mini_val, all"):
        scenes_of_split("trainval", tmp_path)


def test_budgets_pick_the_scenes_that_effocc_labeled(reference_dir):
    reference = json.loads((reference_dir / "labeled_scene_positions.json").read_text())
    tokens = [f"{number:032x}" for number in range(reference["n"])]
    for count, positions in reference["positions"].items():
        chosen = labeled_scenes(reversed(tokens), int(count) / reference["n"])
        assert sorted(chosen) == [tokens[position] for position in positions]


def test_a_budget_is_its_part_of_the_scenes_and_at_least_one():
    tokens = [f"{number:03d}" for number in range(40)]
    five, fifty = labeled_scenes(tokens, 0.05), labeled_scenes(tokens, 0.5)
    assert (len(five), len(fifty)) == (2, 20)
    assert labeled_scenes(tokens, 1.0) == set(tokens)
    assert len(labeled_scenes(tokens[:3], 0.01)) == 1


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan")])
def test_a_fraction_outside_of_0_to_1_is_refused(fraction):
    with pytest.raises(InputError, match="labeled_fraction"):
        labeled_scenes(["a"], fraction)
