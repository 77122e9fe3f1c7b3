# SPDX-License-Identifier: Apache-2.0
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from effocc_ros.errors import InputError
from effocc_ros.training.distillation import STAGES
from effocc_ros.training.experiment_chart import draw_experiment
from effocc_ros.training.experiment_page import page
from effocc_ros.training.experiment_plan import (
    LABEL_EFFICIENCY,
    A,
    B,
    C,
    Plan,
    choose_arms,
    stage_arms,
    steps_within,
)
from effocc_ros.training.experiment_results import Result, as_mapping, judge, summarise
from effocc_ros.training.experiment_settings import Settings
from effocc_ros.training.experiment_speed import measure_speed, solve_speed

MIOU = {"A": (0.30, 0.31, 0.32), "B": (0.26, 0.27, 0.28), "C": (0.29, 0.30, 0.31)}


def results(mious=MIOU):
    return [
        Result(arm, seed, miou, 0.8, 1000, 600.0)
        for arm, values in mious.items()
        for seed, miou in enumerate(values)
    ]


def test_every_student_is_taught_by_a_network_that_knows_no_more_labels():
    arms = {arm.name: arm for arm in (*LABEL_EFFICIENCY, *stage_arms())}
    taught = [arm for arm in arms.values() if arm.taught_by]
    assert [arm.name for arm in taught[:2]] == ["C", "D"]
    for arm in taught:
        assert arms[arm.taught_by].labeled == arm.labeled
        assert arms[arm.taught_by].is_teacher


def test_teachers_come_before_their_students_and_seeds_after_one_another():
    plan = Plan(choose_arms(), seeds=3, teacher_seeds=2)
    runs = [run.name for run in plan.runs()]
    assert runs[:7] == ["T40-0", "A-0", "B-0", "C-0", "T10-0", "D-0", "T100-0"]
    assert runs[7:] == [
        *("T40-1", "A-1", "B-1", "C-1", "T10-1", "D-1", "T100-1"),
        *("A-2", "B-2", "C-2", "D-2"),
    ]
    for run in plan.runs():
        teacher = plan.teacher_of(run)
        if teacher is not None:
            assert runs.index(teacher.name) < runs.index(run.name)
    assert plan.teacher_of(next(run for run in plan.runs() if run.name == "C-2")).seed == 0


def test_chosen_arms_bring_the_teachers_that_they_need():
    assert [arm.name for arm in choose_arms(["D"])] == ["T10", "D"]
    assert [arm.name for arm in choose_arms(["C", "A"])] == ["T40", "A", "C"]
    names = [arm.name for arm in choose_arms(["B"], stages=True)]
    assert names == ["T40", "B", "C-none", *(f"C-{stage}" for stage in STAGES), "C-all"]
    with pytest.raises(InputError, match="'E'"):
        choose_arms(["E"])


def test_more_teachers_than_students_are_refused():
    with pytest.raises(InputError, match="4 beside --seeds 3"):
        Plan(choose_arms(), seeds=3, teacher_seeds=4)


def test_a_time_budget_gives_every_student_the_same_number_of_steps():
    runs = Plan(choose_arms(["A", "C"]), seeds=1, start=True).runs()
    per_step = {"start": 1.0, "teacher": 5.0, "student": 2.0, "taught": 3.0}
    per_run = {"start": 10.0, "teacher": 100.0, "student": 50.0, "taught": 50.0}
    assert steps_within(210 + 100 * (3 * 1 + 2 * 5 + 2 + 3), runs, per_step, per_run) == 100
    with pytest.raises(InputError, match=r"0\.06 h for 4 trainings.*0\.06 h"):
        steps_within(215.0, runs, per_step, per_run)


def test_all_students_and_no_teacher_start_from_the_network_without_labels():
    plan = Plan(choose_arms(["A", "C"]), seeds=2, start=True)
    runs = {run.name: run for run in plan.runs()}
    assert list(runs) == ["S-0", "T40-0", "A-0", "C-0", "A-1", "C-1"]
    needs = {name: [needed.name for needed in plan.needs(run)] for name, run in runs.items()}
    assert needs["S-0"] == needs["T40-0"] == []
    assert needs["A-1"] == ["S-0"]
    assert needs["C-1"] == ["S-0", "T40-0"]


def test_the_speed_is_what_explains_three_measurements():
    speed = solve_speed([(2, 1), (10, 1), (1, 9)], [10 + 4 + 0.5, 10 + 20 + 0.5, 10 + 2 + 4.5])
    assert asdict(speed) == pytest.approx({"start": 10, "step": 2, "frame": 0.5})


def test_noise_makes_no_step_free():
    speed = solve_speed([(2, 1), (10, 1), (1, 9)], [30.0, 20.0, 25.0])
    assert speed.step == pytest.approx(0.5 * 20 / 10)
    assert min(speed.start, speed.frame) >= 0


def test_the_speed_is_measured_without_the_call_that_fills_the_caches():
    now, done, asked = [0.0], [0], []

    def train(config):
        asked.append((config.max_steps, config.val_limit))
        first = 1000.0 if not done[0] else 0.0
        now[0] += first + 7 + 3 * (config.max_steps - done[0]) + 2 * config.val_limit
        done[0] = config.max_steps

    plan = Plan((A,), seeds=1)
    config = Settings(Path("out"), Path("street"), plan).config(plan.runs()[0], 1)
    speed = measure_speed(config, train, clock=lambda: now[0])
    assert asdict(speed) == pytest.approx({"start": 7, "step": 3, "frame": 2})
    assert asked == [(2, 1), (4, 1), (14, 1), (15, 9)]


def test_means_spreads_and_the_verdict():
    a, b, c = summarise((A, B, C), results())
    assert a.miou == pytest.approx(0.31)
    assert a.spread == pytest.approx(0.01)
    verdict = judge((a, b, c))
    assert verdict.share == pytest.approx(0.30 / 0.31)
    assert verdict.gain == pytest.approx(0.03)
    assert verdict.spread == pytest.approx(0.01)
    assert verdict.reaches_goal
    assert verdict.beats_spread


def test_a_gain_within_the_spread_is_no_gain():
    noisy = MIOU | {"B": (0.22, 0.27, 0.32), "C": (0.26, 0.29, 0.32)}
    verdict = judge(summarise((A, B, C), results(noisy)))
    assert verdict.gain == pytest.approx(0.02)
    assert not verdict.beats_spread
    assert not verdict.reaches_goal


def test_the_page_says_where_labels_are_not_what_limits():
    alike = MIOU | {"A": (0.255, 0.265, 0.275)}
    for mious, said in ((alike, True), (MIOU, False)):
        summaries = summarise((A, B, C), results(mious))
        text = page(summaries, None, {}, "plot.png")
        assert ("A is **-0.50** mIoU from B, not more than the spread of 1.00" in text) == said
        assert as_mapping(summaries, None, {})["verdict"]["labels_matter"] != said


def test_the_page_says_what_was_found():
    summaries = summarise((A, B, C), results())
    guess = Result("guess", 0, 0.082, 0.70, 0, 0.0)
    text = page(summaries, guess, {"Machine": "a toaster"}, "plot.png")
    assert "| C | student, distilled | 40 % | T40 | 30.00 ± 1.00 | 80.00 | 3 |" in text
    assert "| - | guess without sensors | 100 % | - | 8.20 | 70.00 | - |" in text
    assert "**96.77 %** of A's mIoU; the goal, as in the paper, is 94.38 %: **reached**" in text
    assert "**+3.00** mIoU from B, more than the spread of 1.00" in text
    assert "| A | 2 | 32.00 | 80.00 | 1,000 | 10 |" in text
    assert "- Machine: a toaster" in text
    assert "What each stage is worth" not in text


def test_the_page_does_not_hide_a_negative_result():
    worse = MIOU | {"C": (0.25, 0.26, 0.27)}
    text = page(summarise((A, B, C), results(worse)), None, {}, "plot.png")
    assert "**not reached**" in text
    assert "**-1.00** mIoU from B, **not** more than the spread" in text


def test_the_page_of_an_experiment_that_has_just_begun():
    text = page(summarise((A, B, C), results({"A": (0.3,)})), None, {}, "plot.png")
    assert "A, B and C are not trained yet" in text
    assert "| A | student | 100 % | - | 30.00 | 80.00 | 1 |" in text
    assert "| B | student | 40 % | - | - | - | 0 |" in text


def test_the_page_tells_what_each_stage_is_worth_against_b():
    arms = (B, *stage_arms())
    mious = {"B": (0.27, 0.27), "C-camera_bev": (0.28, 0.29), "C-all": (0.30, 0.32)}
    text = page(summarise(arms, results(mious)), None, {}, "plot.png")
    assert "| camera bev | 28.50 ± 0.71 | +1.50 | 2 |" in text
    assert "| all four | 31.00 ± 1.41 | +4.00 | 2 |" in text
    assert "| logits | - | - | 0 |" in text


def test_the_json_has_nulls_where_nothing_is_known():
    mapping = as_mapping(summarise((A, B, C), results({"A": (0.3,)})), None, {"Machine": "m"})
    assert json.loads(json.dumps(mapping, allow_nan=False)) == mapping
    assert mapping["arms"][0]["miou"] == 0.3
    assert mapping["arms"][0]["spread"] is mapping["verdict"]["share"] is None


def test_the_picture_has_longer_bars_for_higher_scores():
    guess = Result("guess", 0, 0.082, 0.70, 0, 0.0)
    canvas = draw_experiment(summarise((A, B, C), results()), guess, "hand-made")
    assert canvas.shape[1:] == (1600, 3)
    bars = [(canvas[132 + 56 * row + 16] == (70, 130, 200)).all(-1).sum() for row in range(3)]
    assert bars[1] < bars[2] < bars[0]
    assert bars[0] / bars[1] == pytest.approx(0.31 / 0.27, rel=0.02)
    assert draw_experiment(summarise((A,), []), None, "").shape[1] == 1600


def test_no_number_of_the_verdict_is_claimed_without_results():
    verdict = judge(summarise((A, B, C), []))
    assert np.isnan([verdict.share, verdict.gain, verdict.spread]).all()
    assert not verdict.reaches_goal
    assert not verdict.beats_spread
    assert math.isnan(summarise((A,), [])[0].geometric_iou)
