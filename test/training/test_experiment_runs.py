# SPDX-License-Identifier: Apache-2.0
"""Trainings of an experiment: shared, stopped, resumed, refused."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from helpers.drives import make_drives

from effocc_ros.errors import InputError
from effocc_ros.training.distillation import STAGES
from effocc_ros.training.experiment import run_experiment
from effocc_ros.training.experiment_plan import (
    Plan,
    choose_arms,
)
from effocc_ros.training.experiment_settings import Settings
from effocc_ros.training.run_state import RunState, save_state


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("experiment") / "nuscenes", ("scene-0061",))


class Trainer:
    """Stands for a trainer: writes what one writes, and can be stopped."""

    def __init__(self, stop_at="", judged_at=""):
        self.configs, self.stop_at, self.judged_at = [], stop_at, judged_at

    def __call__(self, config):
        self.configs.append(config)
        if config.name == self.stop_at:
            return SimpleNamespace(finished=False, signal=15)
        config.folder.mkdir(parents=True, exist_ok=True)
        miou = 0.2 + 0.1 * config.labeled_fraction + 0.05 * bool(config.teacher)
        rows = "step,val_miou,val_geometric_iou\n1,0.01,0.02\n"
        (config.folder / "metrics.csv").write_text(f"{rows}{config.max_steps},{miou},0.8\n")
        signal = 15 if config.name == self.judged_at else 0
        state = RunState(config.max_steps, 60.0, True, miou, {}, {}, 0, {}, [])
        save_state(config.folder / "state" / "state.pt", state)
        return SimpleNamespace(finished=True, signal=signal)


def settings(root, out, **changes):
    plan = Plan(choose_arms(["A", "B", "C"]), seeds=2)
    values = ("train_split=mini_train", "val_split=mini_train", "version=v1.0-mini", "val_limit=2")
    return replace(
        Settings(out, root, plan, values=values, steps=50, command="effocc x"), **changes
    )


def test_an_experiment_that_was_stopped_goes_on_and_does_nothing_twice(root, tmp_path):
    first, second, third = Trainer(stop_at="C-0"), Trainer(), Trainer()
    assert run_experiment(settings(root, tmp_path), first) == 128 + 15
    assert [config.name for config in first.configs] == ["T40-0", "A-0", "B-0", "C-0"]
    assert "| C | student, distilled | 40 % | T40 | - |" in (
        tmp_path / "label_efficiency.md"
    ).read_text(encoding="utf-8")
    assert run_experiment(settings(root, tmp_path), second) == 0
    assert [config.name for config in second.configs] == ["C-0", "A-1", "B-1", "C-1"]
    assert run_experiment(settings(root, tmp_path), third) == 0
    assert third.configs == []
    found = json.loads((tmp_path / "label_efficiency.json").read_text())
    assert found["verdict"]["share"] == pytest.approx(0.29 / 0.30)
    assert found["guess"]["miou"] > 0
    assert (tmp_path / "label_efficiency.png").is_file()


def test_each_training_gets_its_labels_its_teacher_and_its_seed(root, tmp_path):
    trainer = Trainer()
    plan = Plan(choose_arms(["A", "C"], stages=True), seeds=2)
    wanted = settings(root, tmp_path, plan=plan, taught=("pseudo_labels=true",))
    run_experiment(wanted, trainer)
    by_name = {config.name: config for config in trainer.configs}
    teacher, a, c = by_name["T40-0"], by_name["A-1"], by_name["C-1"]
    assert (teacher.preset, a.preset, c.preset) == ("fusion_tiny", "vision_tiny", "vision_tiny")
    assert (teacher.labeled_fraction, a.labeled_fraction, c.labeled_fraction) == (0.4, 1.0, 0.4)
    assert (a.seed, c.seed, c.max_steps, a.val_every) == (1, 1, 50, 0)
    assert (a.teacher, teacher.teacher) == ("", "")
    assert (a.unlabeled, a.pseudo_labels) == (False, False)
    assert c.unlabeled
    assert c.pseudo_labels
    assert c.teacher == str(tmp_path / "runs" / "T40-0" / "last.safetensors")
    alone = by_name["C-logits-0"].stage_weights
    assert asdict(alone) == dict.fromkeys(STAGES, 0.0) | {"logits": 1.0}
    none = by_name["C-none-0"]
    assert set(asdict(none.stage_weights).values()) == {0.0}
    assert (none.teacher, none.unlabeled, none.pseudo_labels) == (c.teacher, True, True)
    assert len({config.folder for config in trainer.configs}) == len(trainer.configs)


@pytest.mark.parametrize("guessed", [False, True])
def test_with_no_stage_a_frame_without_labels_teaches_only_by_a_guess(root, tmp_path, guessed):
    taught = (f"pseudo_labels={str(guessed).lower()}",)
    wanted = settings(root, tmp_path, plan=Plan(choose_arms(["B"], stages=True)), taught=taught)
    by_name = {run.arm.name: wanted.config(run, 10) for run in wanted.plan.runs()}
    assert by_name["C-none"].unlabeled == guessed
    assert by_name["C-none"].inherit == by_name["C-logits"].inherit != "none"
    assert by_name["C-logits"].unlabeled


def test_the_start_sees_no_labels_and_is_where_all_students_start(root, tmp_path):
    trainer = Trainer()
    plan = Plan(choose_arms(["A"]), seeds=2, start=True)
    wanted = settings(root, tmp_path, plan=plan, start="vision_tiny_start")
    assert run_experiment(wanted, trainer) == 0
    start, *students = trainer.configs
    assert (start.name, start.max_steps, start.val_split) == ("S-0", 150, "")
    assert (start.voxel_weight, start.pixel_weight, start.class_weights) == (0, 0, "none")
    assert start.depth_weight > 0
    assert {a.init for a in students} == {str(tmp_path / "runs" / "S-0" / "last.safetensors")}
    found = json.loads((tmp_path / "label_efficiency.json").read_text())
    assert [arm["arm"] for arm in found["arms"]] == ["A"]
    assert found["about"]["Trainings"] == "3 of 3"


def test_two_processes_share_the_trainings(root, tmp_path):
    wanted = settings(root, tmp_path, plan=Plan(choose_arms(["A"]), seeds=4))
    first, second, other = Trainer(), Trainer(), []

    def slow(config):
        if not other:  # A second process joins while the first one trains.
            other.append(Thread(target=run_experiment, args=(wanted, second)))
            other[0].start()
            while len(second.configs) < 2:
                time.sleep(0.01)
        return first(config)

    assert run_experiment(wanted, slow) == 0
    other[0].join()
    names = [[config.name for config in trainer.configs] for trainer in (first, second)]
    assert names[0][0] == "A-0"
    assert sorted(names[0] + names[1]) == ["A-0", "A-1", "A-2", "A-3"]
    found = json.loads((tmp_path / "label_efficiency.json").read_text())
    assert len(found["arms"][0]["runs"]) == 4


def test_a_time_budget_is_measured_once(root, tmp_path):
    first, second = Trainer(stop_at="A-0"), Trainer()
    timed = {"steps": 0, "hours": 1000.0, "plan": Plan(choose_arms(["A"]), seeds=1)}
    assert run_experiment(settings(root, tmp_path, **timed), first) == 143
    assert not (tmp_path / "state" / "plan.json").exists()
    assert run_experiment(settings(root, tmp_path, **timed), second) == 0
    plan = json.loads((tmp_path / "state" / "plan.json").read_text())
    assert plan["steps"] == second.configs[-1].max_steps > 1
    assert not (tmp_path / "speed").exists()


def test_another_experiment_in_the_same_folder_is_refused(root, tmp_path):
    run_experiment(settings(root, tmp_path, plan=Plan(choose_arms(["A"]), seeds=1)), Trainer())
    with pytest.raises(InputError, match=r"steps 50.*steps 60"):
        run_experiment(settings(root, tmp_path, steps=60), Trainer())
    with pytest.raises(InputError, match=r"student vision_tiny_student.*student lidar_tiny"):
        run_experiment(settings(root, tmp_path, student="lidar_tiny_student"), Trainer())
    with pytest.raises(InputError, match=f"root {root}.*root elsewhere"):
        run_experiment(settings(Path("elsewhere"), tmp_path), Trainer())


def test_a_field_that_no_training_knows_is_said_before_anything_is_trained(root, tmp_path):
    trainer = Trainer()
    with pytest.raises(InputError, match="learning_rate"):
        run_experiment(settings(root, tmp_path, taught=("learning_rate=1",)), trainer)
    assert trainer.configs == []


@pytest.mark.parametrize("field", ["max_steps=9", "init=a.safetensors", "seed=5", "budget=b.json"])
def test_fields_that_the_experiment_sets_itself_are_refused(root, tmp_path, field):
    name = field.partition("=")[0]
    with pytest.raises(InputError, match=f"found a value for {name}"):
        settings(root, tmp_path, values=(field,))
    with pytest.raises(InputError, match=f"found a value for {name}"):
        settings(root, tmp_path, taught=(field,))


def test_networks_that_do_not_follow_each_other_are_named_before_anything_is_trained(
    root, tmp_path
):
    trainer = Trainer()
    plan = Plan(choose_arms(["A"]), seeds=1, start=True)
    wanted = settings(root, tmp_path, plan=plan, start="fusion_tiny")
    with pytest.raises(InputError, match="--start fusion_tiny: found a training of fusion_tiny"):
        run_experiment(wanted, trainer)
    with pytest.raises(InputError, match="teacher lidar_tiny: found a lidar network"):
        run_experiment(settings(root, tmp_path, teacher="lidar_tiny"), trainer)
    assert trainer.configs == []


def test_an_experiment_without_a_split_that_judges_is_refused(root, tmp_path):
    trainer = Trainer()
    with pytest.raises(InputError, match=r"experiment, .*-0: found no val_split"):
        run_experiment(settings(root, tmp_path, values=("val_split=",)), trainer)
    assert trainer.configs == []


def test_a_signal_while_a_training_is_judged_keeps_its_result_and_stops(root, tmp_path):
    trainer = Trainer(judged_at="A-0")
    wanted = settings(root, tmp_path, plan=Plan(choose_arms(["A"]), seeds=2))
    assert run_experiment(wanted, trainer) == 143
    assert [config.name for config in trainer.configs] == ["A-0"]
    again = Trainer()
    assert run_experiment(wanted, again) == 0
    assert [config.name for config in again.configs] == ["A-1"]


@pytest.mark.parametrize("name", ["plan.json", "guess.json", "A-0.json"])
@pytest.mark.parametrize("content", ['{"steps": 5', "[]", "{}"])
def test_a_damaged_file_of_an_experiment_is_named(root, tmp_path, name, content):
    wanted = settings(root, tmp_path, plan=Plan(choose_arms(["A"]), seeds=1))
    run_experiment(wanted, Trainer())
    (tmp_path / "state" / name).write_text(content)
    with pytest.raises(InputError, match=name if content != "{}" else "experiment"):
        run_experiment(wanted, Trainer())
