# SPDX-License-Identifier: Apache-2.0
"""`effocc evaluate` by several networks, or by jobs that know nothing of each other."""

import json

import pytest
from helpers.drives import make_drives
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros import cli

FILES = ("scores.json", "rayiou.json", "robustness.json")


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Three samples to score, and the options for it."""
    folder = tmp_path_factory.mktemp("shared")
    root = make_drives(folder / "drives", ("scene-0061", "scene-0103"), keyframes=3, sweeps=0)
    model = make_tiny_checkpoint(folder / "tiny.safetensors", "lidar")
    options = ["--split", "mini_val", "--rayiou", "--corrupt", "half_the_beams"]
    return ["evaluate", str(root), "--model", str(model), *options]


def scores_in(folder):
    return [json.loads((folder / name).read_text()) for name in FILES]


@pytest.fixture(scope="module")
def alone(command, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "out"
    assert cli.main([*command, "--workers", "0", "--out", str(out)]) == 0
    scores = scores_in(out)
    assert scores[0]["frames"] == 3
    return scores


def test_two_networks_score_what_one_does(command, alone, tmp_path):
    assert cli.main([*command, "--predictors", "2", "--out", str(tmp_path)]) == 0
    assert scores_in(tmp_path) == alone


def test_the_last_shard_writes_the_scores_of_all(command, alone, tmp_path, capsys):
    shards = [*command, "--workers", "0", "--out", str(tmp_path), "--shard"]
    assert cli.main([*shards, "2/2"]) == 0
    assert "the scores come with the last of the 2 shards (1)" in capsys.readouterr().out
    assert not (tmp_path / "scores.json").exists()
    assert cli.main([*shards, "1/2"]) == 0
    assert scores_in(tmp_path) == alone
    # A part that was scored otherwise is not added to these.
    assert cli.main([*shards, "1/2", "--limit", "2"]) == 2
    said = capsys.readouterr().err
    assert f"counts {tmp_path / 'counts-2-of-2.json'}: found those of another run (limit: " in said
    (tmp_path / "counts-2-of-2.json").write_text("{}")
    assert cli.main([*shards, "1/2"]) == 2
    assert "KeyError: 'scores'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--predictors", "2", "--workers", "1"], "--workers: found 1 with --predictors"),
        (["--threads", "2"], "--threads: found 2"),
        (["--shard", "3/2"], "--shard: found '3/2'"),
    ],
)
def test_options_that_do_not_fit_are_refused(command, options, said, tmp_path, capsys):
    assert cli.main([*command, *options, "--out", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
