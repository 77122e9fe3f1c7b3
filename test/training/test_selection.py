# SPDX-License-Identifier: Apache-2.0
import json
import math

import numpy as np
import pytest
import torch
from helpers.drives import make_drives, token
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros import cli
from effocc_ros.datasets.budgets import read_budget
from effocc_ros.errors import InputError
from effocc_ros.networks.occupancy_head import OccupancyHead
from effocc_ros.training.entropy import COLUMNS, softmax_entropy, unsureness_of_features
from effocc_ros.training.selection import (
    Amount,
    FrameScore,
    choose_at_random,
    choose_frames,
    choose_scenes,
    choose_voxels,
    joined_voxels,
    random_voxels,
)

SCENES = ("scene-0061", "scene-0553")
SCORES = [
    FrameScore("c", "west", 0.1),
    FrameScore("b", "east", 0.5),
    FrameScore("a", "west", 0.3),
    FrameScore("d", "east", 0.2),
]


def test_entropy_of_a_fair_and_of_a_loaded_coin():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0], [1000.0, 0.0]])
    loaded = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    torch.testing.assert_close(softmax_entropy(logits), torch.tensor([math.log(2), loaded, 0.0]))


@torch.inference_mode()
def test_the_entropy_of_chunks_is_that_of_all_logits():
    torch.manual_seed(0)
    head, bev = OccupancyHead(4, 4, 8, height=3, class_count=5), torch.randn(1, 4, 70, 65)
    assert COLUMNS < 70 * 65
    entropy, labels = unsureness_of_features(head, bev)
    logits, _ = head(bev)
    torch.testing.assert_close(entropy, softmax_entropy(logits)[0])
    assert torch.equal(labels, logits[0].argmax(-1).to(torch.uint8))


def test_the_frame_of_higher_entropy_is_chosen_first_whatever_its_token():
    assert choose_frames(SCORES, Amount(3)) == ["b", "a", "d"]
    assert choose_frames(reversed(SCORES), Amount(3)) == ["b", "a", "d"]
    renamed = [FrameScore(chr(ord("z") - i), s.scene, s.entropy) for i, s in enumerate(SCORES)]
    assert choose_frames(renamed, Amount(3)) == ["y", "x", "w"]


def test_frames_that_are_chosen_already_are_passed_over():
    assert choose_frames(SCORES, Amount(2), previous={"b"}) == ["a", "d"]
    with pytest.raises(InputError, match="every frame of the split, 4"):
        choose_frames(SCORES, Amount(1), previous="abcd")


def test_a_scene_counts_with_the_mean_of_its_frames():
    assert choose_scenes(SCORES, Amount(1)) == ["east"]
    sure = [*SCORES, FrameScore("e", "east", 0.0), FrameScore("f", "east", 0.0)]
    assert choose_scenes(sure, Amount(1)) == ["west"]


def test_an_entropy_that_is_no_number_is_named():
    with pytest.raises(InputError, match="entropy of frame e: found nan"):
        choose_frames([*SCORES, FrameScore("e", "east", math.nan)], Amount(1))


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [("64", 1000, 64), ("64", 10, 10), ("6%", 700, 42), ("1%", 9, 1)],
)
def test_an_amount_is_a_number_or_a_share(text, total, expected):
    assert Amount.parse(text).of(total) == expected


@pytest.mark.parametrize("text", ["0", "-3", "0%", "101%", "2.5", "many", ""])
def test_other_amounts_are_refused(text):
    with pytest.raises(InputError, match="--budget"):
        Amount.parse(text)


def test_lots_depend_on_the_seed_and_not_on_the_order():
    tokens = [f"{i:03d}" for i in range(100)]
    chosen = choose_at_random(tokens, Amount(10), seed=1)
    assert len(set(chosen)) == 10
    assert chosen == choose_at_random(tokens[::-1], Amount(10), seed=1)
    assert chosen != choose_at_random(tokens, Amount(10), seed=2)
    more = choose_at_random(tokens, Amount(90), previous=chosen, seed=1)
    assert sorted([*chosen, *more]) == tokens


def grid(values, dtype=np.float32):
    return np.array(values, dtype).reshape(2, 2, 2)


def test_voxels_of_each_predicted_class_get_the_same_share():
    entropy = grid([0.9, 0.8, 0.7, 0.6, 0.1, 0.2, 0.3, 0.95])
    labels = grid([17, 17, 17, 17, 4, 4, 11, 17], np.uint8)
    candidates = grid([1, 1, 1, 1, 1, 1, 1, 0], bool)
    chosen = choose_voxels(entropy, labels, candidates, Amount(3))
    assert chosen.tolist() == [0, 5, 6]
    assert chosen.dtype == np.int32
    assert choose_voxels(entropy, labels, candidates, Amount(5)).tolist() == [0, 5, 6]
    highest = choose_voxels(entropy, labels, candidates, Amount(3), by_class=False)
    assert highest.tolist() == [0, 1, 2]


def test_no_candidate_gives_no_voxel():
    nowhere = np.zeros((2, 2, 2), bool)
    entropy, labels = np.ones((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.uint8)
    assert choose_voxels(entropy, labels, nowhere, Amount(3)).tolist() == []
    assert random_voxels(nowhere, Amount(3), seed=0, token="a").tolist() == []


def test_random_voxels_are_candidates_and_differ_between_samples():
    candidates = np.zeros((10, 10, 10), bool)
    candidates[:5] = True
    first = random_voxels(candidates, Amount(50), seed=0, token="a")
    assert len(set(first.tolist())) == 50
    assert first.max() < 500
    assert first.tolist() == random_voxels(candidates, Amount(50), seed=0, token="a").tolist()
    assert first.tolist() != random_voxels(candidates, Amount(50), seed=0, token="b").tolist()


def test_joined_budgets_hold_each_voxel_once():
    first = {"a": np.array([1, 5], np.int32)}
    second = {"a": np.array([2, 5], np.int32), "b": np.array([3], np.int32)}
    joined = joined_voxels(first, second)
    assert {k: v.tolist() for k, v in joined.items()} == {"a": [1, 2, 5], "b": [3]}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("select") / "nuscenes", SCENES)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    return str(make_tiny_checkpoint(path, "vision"))


def run(root, out, *options):
    return cli.main(["select", str(root), "--split", "mini_train", "--out", str(out), *options])


def test_select_frames_by_entropy_and_add_to_them(root, tiny, tmp_path, capsys):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    entropy = ("--model", tiny, "--kind", "frames", "--budget", "1", "--device", "cpu")
    assert run(root, first, *entropy) == 0
    assert run(root, second, *entropy, "--previous", str(first)) == 0
    one, two = read_budget(first), read_budget(second)
    everything = {token(scene, k) for scene in SCENES for k in range(2)}
    assert len(one.frames) == 1
    assert one.frames < two.frames < everything
    assert 0 < one.about["mean_entropy"] < math.log(18)
    assert "2 frames" in capsys.readouterr().out


def test_select_looks_at_what_of_a_download_is_there(tiny, tmp_path, caplog):
    root = make_drives(tmp_path / "part", SCENES)
    lost = sorted((root / "samples" / "CAM_FRONT").iterdir())[0]
    lost.unlink()
    out = tmp_path / "budget.json"
    entropy = ("--model", tiny, "--kind", "frames", "--budget", "1", "--device", "cpu")
    assert run(root, out, *entropy) == 0
    assert "samples without all of their files, for example" in caplog.text
    assert str(lost) in caplog.text


def test_select_voxels_in_the_camera_mask(root, tiny, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    voxels = ("--kind", "voxels", "--budget", "64")
    assert run(root, first, *voxels, "--by", "random") == 0
    assert run(root, second, *voxels, "--model", tiny, "--previous", str(first)) == 0
    one, two = read_budget(first).voxels, read_budget(second).voxels
    assert len(one) == len(two) == 4
    for sample, places in two.items():
        assert len(one[sample]) == 64 < len(places) <= 128
        assert set(one[sample]) <= set(places.tolist())
        # The camera's half of these drives has y below 100.
        assert (places // 16 % 200 < 100).all()


def test_select_scenes_by_lot_reads_no_sensor_and_no_label(root, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "v1.0-mini").symlink_to(root / "v1.0-mini")
    out = tmp_path / "scenes.json"
    assert run(bare, out, "--kind", "scenes", "--by", "random", "--budget", "50%") == 0
    assert json.loads(out.read_text())["scenes"] in [[token(scene)] for scene in SCENES]


def test_select_refuses_what_does_not_fit_and_writes_nothing(root, tiny, tmp_path, capsys):
    first, out = tmp_path / "first.json", tmp_path / "out.json"
    untrained = str(make_tiny_checkpoint(tmp_path / "random.safetensors", "vision", trained=False))
    assert run(root, first, "--kind", "scenes", "--by", "random", "--budget", "1") == 0
    for options, said in (
        (("--budget", "1"), "--model"),
        (("--budget", "1", "--by", "random", "--model", "a"), "--model: found frames"),
        (("--budget", "1", "--highest"), "--highest: found frames chosen by entropy"),
        (("--budget", "1", "--by", "random", "--previous", str(first)), "a budget of scenes"),
        (("--budget", "1", "--model", "no.safetensors"), "no.safetensors"),
        (("--budget", "1", "--model", untrained), "random weights"),
        (("--budget", "1", "--model", tiny, "--dataset", "openoccupancy"), "openoccupancy"),
    ):
        assert run(root, out, *options) == 2
        assert said in capsys.readouterr().err
    assert not out.exists()
