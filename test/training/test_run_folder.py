# SPDX-License-Identifier: Apache-2.0
"""Who may write into a run folder, and what stands in it."""

import json
from dataclasses import replace

import pytest
import yaml

import effocc_ros
from effocc_ros.errors import InputError
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.curves import draw_curves
from effocc_ros.training.learner import StepResult
from effocc_ros.training.metrics import MetricsLog, Window, read_metrics
from effocc_ros.training.run_folder import open_run_folder
from effocc_ros.training.run_state import RunState, load_state, save_state


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        name="a", preset="lidar_tiny", root="/data", out=str(tmp_path / "run"), max_steps=5, seed=3
    )


def state(step=4):
    return RunState(step, 1.0, False, -1.0, {}, {}, 4, {}, [])


def test_config_code_version_seed_and_machine_are_written(config):
    with open_run_folder(config) as folder:
        pass
    assert yaml.safe_load(folder.config.read_text())["seed"] == 3
    about = json.loads((config.folder / "run.json").read_text())
    assert about["effocc_ros"] == effocc_ros.__version__
    assert about["seed"] == 3
    assert about["cores"] >= 1
    assert set(about) >= {"commit", "gpus", "torch", "threads"}


def test_another_training_is_refused_and_its_field_named(config):
    with open_run_folder(config) as folder:
        save_state(folder.state, state())
    with (
        pytest.raises(InputError, match=r"lr=0.0004.*lr=0.001"),
        open_run_folder(replace(config, lr=1e-3)),
    ):
        pass
    with open_run_folder(replace(config, max_steps=9, workers=7)):
        pass


def test_a_training_that_never_took_a_step_binds_nobody(config):
    with open_run_folder(config):
        pass
    with open_run_folder(replace(config, lr=1e-3)) as folder:
        assert yaml.safe_load(folder.config.read_text())["lr"] == 1e-3


def test_two_at_a_time_are_refused_and_one_after_the_other_not(config):
    with (
        open_run_folder(config),
        pytest.raises(InputError, match="another process"),
        open_run_folder(config),
    ):
        pass
    with open_run_folder(config):
        pass


def test_a_folder_of_something_else_is_refused(config):
    config.folder.mkdir()
    (config.folder / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"thesis\.tex"), open_run_folder(config):
        pass
    assert [file.name for file in config.folder.iterdir()] == ["thesis.tex"]


def test_what_a_killed_process_left_unfinished_is_cleared(config):
    with open_run_folder(config) as folder:
        (folder.path / ".partial-best-abc.safetensors").write_bytes(b"half")
    with open_run_folder(config) as folder:
        assert not list(folder.path.glob(".partial-*"))


def test_a_state_comes_back_and_a_broken_one_is_named(tmp_path):
    assert load_state(tmp_path / "state.pt") is None
    save_state(tmp_path / "state.pt", state(7))
    assert load_state(tmp_path / "state.pt").step == 7
    (tmp_path / "state.pt").write_bytes(b"half")
    with pytest.raises(InputError, match=r"state\.pt"):
        load_state(tmp_path / "state.pt")


def test_metrics_forget_steps_that_were_not_saved_and_half_a_line(tmp_path):
    path = tmp_path / "metrics.csv"
    log = MetricsLog(path, ["cross_entropy"])
    for step in (1, 2, 3):
        log.write({"step": step, "epoch": 0, "loss": step / 3, "cross_entropy": 0.5})
    log.write({"step": 3, "val_miou": 0.25})
    log.close()
    with open(path, "a") as file:
        file.write("4,0,0.1")
    log = MetricsLog(path, [], step=3)
    log.write({"step": 4, "loss": 9.0})
    log.close()
    rows = read_metrics(path)
    assert [row["step"] for row in rows] == [1, 2, 3, 3, 4]
    assert [row["loss"] for row in rows if "loss" in row] == [1 / 3, 2 / 3, 1.0, 9.0]
    assert rows[0]["cross_entropy"] == 0.5
    assert rows[3] == {"step": 3, "val_miou": 0.25}


def test_a_row_is_the_mean_of_its_steps():
    window = Window(batch_size=4)
    window.add(StepResult({"a": 1.0, "b": 2.0}, gradient=5.0), waited=0.5, seconds=2.0)
    window.add(StepResult({"a": 3.0, "b": 0.0}, gradient=7.0), waited=0.5, seconds=2.0)
    assert window.numbers() == {
        "a": 2.0,
        "b": 1.0,
        "loss": 3.0,
        "gradient": 6.0,
        "samples_per_second": 2.0,
        "data_wait": 0.25,
    }


def test_curves_show_a_loss_that_falls_and_scores_that_rise():
    rows = [{"step": step, "loss": 100 / step, "gradient": 1.0} for step in range(1, 101)]
    rows += [
        {"step": step, "val_miou": step / 200, "val_geometric_iou": 0.5} for step in (50, 100)
    ]
    picture = draw_curves(rows, "a")
    assert picture.shape == (640, 1600, 3)
    bright = (picture[130:550, 100:740] == (236, 239, 244)).all(axis=-1)
    first, last = (
        bright[:, part].nonzero()[0].mean() for part in (slice(0, 60), slice(-60, None))
    )
    assert first < last - 100  # rows count from the top
    assert draw_curves([], "nothing yet").shape == (640, 1600, 3)


@pytest.mark.parametrize("name", ["teacher", "budget"])
def test_a_training_goes_on_with_the_files_that_it_began_with(config, tmp_path, name):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    config = replace(config, **{name: str(file)})
    with open_run_folder(config) as folder:
        save_state(folder.state, state())
    file.write_bytes(b"another")
    with (
        pytest.raises(InputError, match=f"{name} .*file: found another file.*Put it back"),
        open_run_folder(config),
    ):
        pass
    file.write_bytes(b"one")
    with open_run_folder(config):
        pass
    file.write_bytes(b"another")
    for damaged in ("{}", "[]", '{"files": [1]}', "{"):
        folder.about.write_text(damaged)  # Nobody can tell what it was.
        with open_run_folder(config):
            pass
