# SPDX-License-Identifier: Apache-2.0
"""The session on a GPU machine: how it divides its time, and what it does when a stage fails."""

import importlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from signal import SIGTERM

import pytest

QUICK = [sys.executable, "-c", "print('done')"]


@pytest.fixture
def benchmarks(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def stages(benchmarks):
    return benchmarks("stages")


@pytest.fixture
def session(benchmarks):
    return benchmarks("gpu_session")


@pytest.fixture
def setup(session, tmp_path):
    return session.Setup(tmp_path / "out", tmp_path / "street", cores=4, gpu=True)


def stage_of(stages, name, *commands, share=1.0):
    return stages.Stage(name, share, lambda minutes: iter(commands))


def test_the_plan_gives_each_stage_its_share_and_keeps_a_reserve(stages):
    chosen = [stage_of(stages, "a", share=1.0), stage_of(stages, "b", share=3.0)]
    assert stages.plan(8.75, chosen) == pytest.approx({"a": 2.0, "b": 6.0})
    for minutes in (0.1, 5.0, 300.0):
        planned = stages.plan(minutes, chosen).values()
        assert min(planned) >= 0.0
        assert sum(planned) <= minutes


def test_all_stages_fit_into_the_minutes_and_come_after_what_they_need(stages, session, setup):
    chosen = session.stages_of(setup)
    planned = stages.plan(30.0, chosen)
    names = list(planned)
    assert 28.0 < sum(planned.values()) <= 30.0 - stages.RESERVE + 1e-9
    assert names[0] == "simulate"
    assert names.index("fusion_tiny") < names.index("vision_tiny")
    assert names.index("fusion_r18") < names.index("student_r50")


def test_every_command_of_a_training_names_a_config_that_can_be_read(session, setup):
    from effocc_ros.training.config_files import load_config

    for stage in session.stages_of(setup):
        if stage.name in ("simulate", "measure", "experiment"):
            continue
        (command,) = stage.commands(6.0)
        name, *values = command[command.index("train") + 1 :]
        config = load_config(name, values)
        assert (config.max_minutes, config.batch_size) == (5.0, 8)
        assert config.precision == "bf16-mixed"
        small = dict.fromkeys(("vision_tiny", "lidar_tiny"), "fusion_tiny")
        taught = (small | {"student_r50": "fusion_r18"}).get(stage.name)
        assert (Path(config.teacher).parent.name if config.teacher else None) == taught


def test_a_tiny_session_takes_one_step_of_small_networks(session, setup):
    from effocc_ros.training.config_files import load_config

    tiny = replace(setup, tiny=True, gpu=False)
    names = ("fusion_tiny", "vision_tiny", "lidar_tiny", "fusion_r18", "student_r50")
    for stage in session.stages_of(tiny):
        if stage.name in names:
            (command,) = stage.commands(6.0)
            name, *values = command[command.index("train") + 1 :]
            config = load_config(name, values)
            assert config.preset in ("fusion_tiny", "vision_tiny", "lidar_tiny")
            assert (config.max_steps, config.batch_size, config.val_limit) == (1, 1, 1)
            assert config.precision == "32-true"


@pytest.mark.parametrize("full", [False, True])
def test_the_experiment_is_one_whose_trainings_can_be_configured(session, setup, full):
    from effocc_ros.cli import build_parser
    from effocc_ros.training.experiment_plan import Plan, choose_arms
    from effocc_ros.training.experiment_settings import Settings

    (command,) = session.experiment(replace(setup, full=full), 30.0)
    a = build_parser("experiment").parse_args(command[3:])
    assert a.budget_hours == pytest.approx(0.8 * 28 / 60, abs=1e-4)
    plan = Plan(choose_arms(a.arms), a.seeds, start=bool(a.start))
    choice = plan, a.start, a.teacher, a.student, a.values, a.taught
    experiment = Settings(a.out, a.root, *choice)
    configs = [experiment.config(run, 10) for run in experiment.plan.runs()]
    presets = {"fusion_r18", "student_r50"} if full else {"fusion_tiny", "vision_tiny"}
    assert {config.preset for config in configs} == presets
    assert {config.val_limit for config in configs} == {100}


def test_simulation_takes_as_many_more_scenes_as_there_is_time_for(session, setup):
    assert session.scenes_within(seconds=100.0, before=20.0, wave=16) == 64
    assert session.scenes_within(seconds=-5.0, before=20.0, wave=16) == 0
    commands = session.simulation(setup, 1.0)
    first = next(commands)
    assert first[first.index("--scenes") + 1] == "10"
    second = next(commands)  # The first took no time, so there is time for the most.
    assert second[second.index("--scenes") + 1] == str(session.MOST_SCENES)


def test_a_stage_that_fails_is_noted_and_the_next_one_starts(stages, tmp_path):
    broken = [sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"]
    chosen = [
        stage_of(stages, "broken", broken, QUICK),
        stage_of(stages, "absent", [str(tmp_path / "no such program")]),
        stage_of(stages, "good", QUICK),
    ]
    stages.run_stages(chosen, 5.0, tmp_path, {"machine": "this one"})
    session = json.loads((tmp_path / "session.json").read_text())
    states = {name: result["state"] for name, result in session["stages"].items()}
    assert states == {"broken": "failed", "absent": "failed", "good": "finished"}
    assert session["stages"]["broken"]["code"] == 3
    assert session["stages"]["broken"]["output"][-1] == "no luck"
    assert session["calls"] == [{"machine": "this one", "minutes": 5.0}]


def test_a_stage_whose_time_is_over_is_told_to_end_and_goes_on_next_time(stages, tmp_path):
    marker = tmp_path / "marker"
    patient = f"import pathlib, time; pathlib.Path({str(marker)!r}).exists() or time.sleep(60)"
    chosen = [stage_of(stages, "patient", [sys.executable, "-c", patient])]
    started = time.monotonic()
    results = stages.run_stages(chosen, stages.RESERVE + 1.0 / 60.0, tmp_path, {})
    assert time.monotonic() - started < 30.0
    assert (results["patient"]["state"], results["patient"]["code"]) == ("stopped", -SIGTERM)
    marker.touch()
    results = stages.run_stages(chosen, 5.0, tmp_path, {})
    assert results["patient"]["state"] == "finished"


def test_finished_stages_are_left_out(stages, tmp_path):
    log = tmp_path / "logs" / "once.txt"
    for _ in range(2):
        stages.run_stages([stage_of(stages, "once", QUICK)], 5.0, tmp_path, {})
    assert log.read_text().splitlines().count("done") == 1
