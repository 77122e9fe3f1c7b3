# SPDX-License-Identifier: Apache-2.0
"""Whole trainings of a very small network, in this process."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from helpers.full_disk import no_file_above
from helpers.training_tree import VERSION, make_training_tree, very_small, write_preset

from effocc_ros.checkpoints import load_checkpoint
from effocc_ros.errors import InputError
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.config_files import config_to_mapping
from effocc_ros.training.metrics import read_metrics
from effocc_ros.training.objective import Objective
from effocc_ros.training.trainer import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Presets and a data set of one training scene and one to judge on, two samples each."""
    folder = tmp_path_factory.mktemp("training")
    for modality in ("lidar", "vision", "fusion"):
        write_preset(folder, very_small(modality))
    make_training_tree(folder / "data", scenes=2, samples=2)
    return folder


@pytest.fixture
def config(folder, tmp_path):
    return TrainConfig(
        name="small",
        preset=str(folder / "very_small_lidar.yaml"),
        root=str(folder / "data"),
        out=str(tmp_path / "run"),
        version=VERSION,
        batch_size=1,
        max_steps=3,
        lr=3e-3,
        warmup_steps=0,
        schedule="constant",
        ema_start=0,
        columns=0.1,
        workers=0,
        log_every=1,
        val_split="",
        device="cpu",
    )


def columns(config, name):
    return [row[name] for row in read_metrics(config.folder / "metrics.csv") if name in row]


def test_the_loss_falls_on_a_sample_that_is_seen_again_and_again(config):
    result = train(replace(config, max_steps=12, batch_size=2))
    assert (result.finished, result.steps, result.signal) == (True, 12, 0)
    losses = columns(config, "loss")
    assert len(losses) == 12
    assert losses[-1] < 0.8 * losses[0]
    assert columns(config, "loss") == columns(config, "cross_entropy")


@pytest.mark.parametrize("lost", ["samples/LIDAR_TOP/{}.pcd.bin", "gts"])
def test_a_part_of_a_download_is_learned_from_and_what_is_missing_is_said(
    config, tmp_path, caplog, lost
):
    root = make_training_tree(tmp_path / "data", scenes=2, samples=3)
    for number in (1, 4):  # one to learn from, one to judge on
        if lost == "gts":
            sorted(root.glob("gts/*/*/labels.npz"))[number].unlink()
        else:
            (root / lost.format(number)).unlink()
    result = train(replace(config, root=str(root), max_steps=2, val_split="val", val_every=2))
    assert result.finished
    for split in ("train", "val"):
        assert f"split {split}: left out: 1 of 3 samples without all of their" in caplog.text
    shutil.rmtree(root / "gts")
    with pytest.raises(InputError, match="at least one of 3 samples"):
        train(replace(config, root=str(root), out=str(tmp_path / "none")))


def test_a_training_leaves_scores_averaged_weights_with_a_card_curves_and_events(config):
    config = replace(config, val_split="val", val_every=2, notes="Not for driving")
    result = train(replace(config, half_weights=True))
    assert result.scores.frames == 2
    assert columns(config, "val_miou")[-1] == result.scores.miou
    assert result.best == max(columns(config, "val_miou"))
    assert (config.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert any((config.folder / "tensorboard").iterdir())
    for name in ("best", "last"):
        network, state, card = load_checkpoint(config.folder / f"{name}.safetensors")
        assert network == very_small("lidar")
        assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}
        assert card["trained"]
        assert "3 steps of batch 1" in card["source"] or name == "best"
        assert "Not for driving" in card["notes"]
        assert "a guess without sensors: mIoU" in card["notes"]


def test_a_finished_training_does_nothing_and_goes_on_when_asked_for_more(config):
    train(config)
    before = (config.folder / "last.safetensors").read_bytes()
    again = train(config)
    assert (again.steps, again.finished) == (3, True)
    assert (config.folder / "last.safetensors").read_bytes() == before
    more = train(replace(config, max_steps=5))
    assert more.steps == 5
    assert columns(config, "step") == [1, 2, 3, 4, 5]
    longest = train(replace(config, max_steps=0, epochs=3))
    assert longest.steps == 6


def test_a_finished_training_without_its_weights_writes_them(config):
    train(config)
    last = config.folder / "last.safetensors"
    _, kept, _ = load_checkpoint(last)
    last.unlink()
    assert train(config).steps == 3
    _, written, _ = load_checkpoint(last)
    assert all(torch.equal(value, written[name]) for name, value in kept.items())


def test_a_finished_training_is_saved_anew_as_it_is_asked_for(config):
    config = replace(config, class_weights="inverse_sqrt", logit_adjustment=0.5)
    train(config)
    _, before, _ = load_checkpoint(config.folder / "last.safetensors")
    assert train(replace(config, logit_adjustment=0.1, notes="Hello")).steps == 3
    _, after, card = load_checkpoint(config.folder / "last.safetensors")
    assert "Hello" in card["notes"]
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert changed == ["occ_head.predicter.2.bias"]


def test_a_training_whose_weights_cannot_be_written_is_not_finished(config):
    (config.folder / "last.safetensors").mkdir(parents=True)
    (config.folder / "config.yaml").write_text(yaml.safe_dump(config_to_mapping(config)))
    with pytest.raises(InputError, match=r"last\.safetensors"):
        train(config)
    (config.folder / "last.safetensors").rmdir()
    train(config)
    assert load_checkpoint(config.folder / "last.safetensors")[2]["trained"]


def test_another_label_budget_in_a_folder_without_a_step_has_its_own_class_weights(config):
    config = replace(config, class_weights="inverse_sqrt")
    with pytest.raises(InputError, match="nonsense"):
        train(replace(config, learns=("nonsense",)))
    labels = config.folder / "state" / "labels.npz"
    whole = np.load(labels)["counts"].sum()
    with pytest.raises(InputError, match="nonsense"):
        train(replace(config, learns=("nonsense",), unseen_weight=0.5))
    assert np.load(labels)["counts"].sum() != whole


def test_a_training_whose_time_is_over_ends_as_if_it_were_complete(config):
    config = replace(config, max_steps=0, max_minutes=1.5 / 60, schedule="cosine")
    result = train(config)
    assert result.finished
    assert result.steps >= 1
    assert train(config).steps == result.steps
    assert all(0 < lr <= config.lr for lr in columns(config, "lr"))
    assert load_checkpoint(config.folder / "last.safetensors")[2]["trained"]


def test_a_loss_that_is_not_finite_stops_and_the_last_checkpoint_stays_good(config, monkeypatch):
    train(config)
    files = [config.folder / "state" / "state.pt", config.folder / "last.safetensors"]
    kept = [file.read_bytes() for file in files]
    terms = Objective.terms
    with monkeypatch.context() as patch:
        patch.setattr(Objective, "terms", lambda *a: {n: t / 0 for n, t in terms(*a).items()})
        with pytest.raises(InputError, match=r"step 3, samples sample-[01]: found .* inf"):
            train(replace(config, max_steps=5))
    assert [file.read_bytes() for file in files] == kept
    assert train(replace(config, max_steps=5)).steps == 5


def test_a_full_disk_is_said_and_the_last_checkpoint_stays_good(config):
    train(config)
    path = config.folder / "state" / "state.pt"
    kept = path.read_bytes()
    with no_file_above(len(kept) // 2), pytest.raises(InputError, match="room"):
        train(replace(config, max_steps=5))
    assert path.read_bytes() == kept
    assert train(replace(config, max_steps=5)).steps == 5


@pytest.fixture(scope="module")
def teacher(folder):
    """A fusion network's checkpoint, trained for a step."""
    config = TrainConfig(
        name="teacher",
        preset=str(folder / "very_small_fusion.yaml"),
        root=str(folder / "data"),
        out=str(folder / "teacher"),
        version=VERSION,
        batch_size=1,
        max_steps=1,
        columns=0.1,
        workers=0,
        val_split="",
        device="cpu",
    )
    return str(train(config).folder / "last.safetensors")


def test_a_student_learns_from_a_teacher_and_starts_with_its_head(config, folder, teacher):
    preset = str(folder / "very_small_vision.yaml")
    config = replace(config, preset=preset, teacher=teacher, lr=1e-9, max_steps=1)
    train(config)
    row = read_metrics(config.folder / "metrics.csv")[0]
    assert row["features/bg"] > 0
    assert row["loss"] > row["cross_entropy"]
    head = "occ_head.predicter.0.weight"
    theirs = load_checkpoint(teacher)[1][head]
    mine = load_checkpoint(config.folder / "last.safetensors")[1]
    assert torch.allclose(mine[head], theirs, atol=1e-6)
    assert not any("adapter" in name or "teacher" in name for name in mine)


def test_a_student_of_other_width_gets_adapters_that_are_not_saved(config, folder, teacher):
    narrow = replace(very_small("vision"), name="narrow", trunk_channels=4)
    preset = str(write_preset(folder, narrow))
    config = replace(config, preset=preset, teacher=teacher, max_steps=1)
    train(config)
    state = torch.load(config.folder / "state" / "state.pt", weights_only=True)
    assert state["student"]["adapters.convs.features.weight"].shape == (16, 8, 1, 1)
    assert load_checkpoint(config.folder / "last.safetensors")[0] == narrow


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 3}, "2 samples"),
        ({"train_split": "night"}, "night"),
        ({"teacher": "lidar"}, "untrained|random"),
        ({"init": "no.safetensors"}, "no such file"),
        ({"image_weights": "resnet.pth"}, "no camera"),
        ({"dataset": "occ3d_waymo"}, "cam_infos|voxel04"),
        ({"device": "cuda:9"}, "cuda:9"),
        ({"dataset": "occ3d_waymo", "budget": "frames.json"}, "budget: found frames.json"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_learned(config, change, said):
    with pytest.raises(InputError, match=said):
        train(replace(config, **change))
    assert not (config.folder / "last.safetensors").exists()


def test_weights_of_another_preset_are_refused(config, folder):
    train(replace(config, max_steps=1))
    start = str(config.folder / "last.safetensors")
    other = replace(config, out=str(config.folder.parent / "other"), init=start)
    with pytest.raises(InputError, match="missing"):
        train(replace(other, preset=str(folder / "very_small_vision.yaml")))
    assert train(replace(other, max_steps=1)).finished


@pytest.fixture
def camera_config(config, folder):
    """A camera network with class weights of which a part is taken back."""
    preset = str(folder / "very_small_vision.yaml")
    return replace(config, preset=preset, class_weights="inverse_sqrt", logit_adjustment=0.5)


def test_a_training_starts_from_what_another_one_saved_scores_and_all(camera_config):
    train(camera_config)
    start = camera_config.folder / "last.safetensors"
    other = replace(camera_config, out=str(camera_config.folder.parent / "other"))
    train(replace(other, init=str(start), lr=1e-12, max_steps=1, learns=("occ_head",)))
    mine = load_checkpoint(other.folder / "last.safetensors")[1]
    for name, theirs in load_checkpoint(start)[1].items():
        torch.testing.assert_close(mine[name], theirs, msg=name)


def test_parts_that_do_not_learn_stay_as_they_were_to_the_bit(camera_config):
    train(camera_config)
    start = camera_config.folder / "last.safetensors"
    other = replace(camera_config, out=str(camera_config.folder.parent / "other"))
    train(replace(other, init=str(start), learns=("occ_head.predicter",)))
    before, after = (
        load_checkpoint(file)[1] for file in (start, other.folder / "last.safetensors")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        f"occ_head.predicter.{n}" for n in ("0.weight", "0.bias", "2.weight", "2.bias")
    }


def test_a_student_starts_with_its_teachers_scores(camera_config, teacher):
    train(replace(camera_config, teacher=teacher, lr=1e-12, max_steps=1))
    theirs = load_checkpoint(teacher)[1]["occ_head.predicter.2.bias"]
    mine = load_checkpoint(camera_config.folder / "last.safetensors")[1]
    torch.testing.assert_close(mine["occ_head.predicter.2.bias"], theirs)
