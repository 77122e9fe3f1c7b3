# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from effocc_ros.classes import OPENOCCUPANCY
from effocc_ros.evaluation.chart import draw_bar_chart, write_bar_chart
from effocc_ros.evaluation.miou import confusion_of
from effocc_ros.evaluation.rayiou import RayCounts
from effocc_ros.evaluation.report import (
    as_mapping,
    miou_report,
    openoccupancy_report,
    rayiou_report,
    text_table,
    write_json,
)
from effocc_ros.occupancy import ClassList

THREE = ClassList(
    "three",
    ("car", "road_side", "tree", "free"),
    ((0, 130, 255), (200, 0, 0), (0, 200, 0), (9,) * 3),
    3,
)


def row(*labels):
    return np.array(labels, np.uint8).reshape(-1, 1, 1)


@pytest.fixture
def report():
    return miou_report(confusion_of(row(0, 0, 1, 3), row(0, 1, 1, 3), THREE), "toy on toys")


def test_the_table_has_a_row_per_class_and_the_mean(report):
    lines = text_table(report).splitlines()
    assert lines[0] == "toy on toys (1 frame)"
    assert lines[4].split() == ["car", "50.00"]
    assert lines[6].split() == ["tree", "-"]
    assert [line.split() for line in lines[-2:]] == [
        ["mIoU", "50.00"],
        ["geometric", "IoU", "100.00"],
    ]
    assert "free" not in text_table(report)


def test_the_guess_stands_beside_every_score(report):
    worse = miou_report(confusion_of(row(1, 0, 1, 3), row(0, 1, 1, 3), THREE), "a guess")
    lines = [line.split() for line in text_table(report, worse).splitlines()]
    assert lines[2] == ["class", "IoU", "guess"]
    assert lines[4] == ["car", "50.00", "0.00"]
    assert lines[-3] == ["mIoU", "50.00", "16.67"]
    assert lines[-1] == ["guess:", "a", "guess"]
    assert len({len(line) for line in text_table(report, worse).splitlines()[2:-1]}) == 1
    assert as_mapping(report, worse)["baseline"] == as_mapping(worse)


def test_rayiou_has_a_column_per_threshold_and_flow_only_where_it_was_scored():
    counts = RayCounts(
        THREE,
        np.array([[1, 0, 0, 0], [2, 0, 0, 0], [4, 0, 0, 0]]),
        np.array([4, 0, 0, 0]),
        np.array([4, 0, 0, 0]),
        np.array([3.0, 0, 0, 0]),
        np.array([2, 0, 0, 0]),
        frames=1,
    )
    with_flow = rayiou_report(counts, "toy")
    assert with_flow.summary["RayIoU@4"] == 1
    assert with_flow.summary["mAVE m/s"] == 1.5
    assert list(with_flow.columns) == ["IoU@1", "IoU@2", "IoU@4", "AVE m/s"]
    assert "1.500" in text_table(with_flow)
    without = rayiou_report(RayCounts.empty(THREE), "toy")
    assert list(without.columns) == ["IoU@1", "IoU@2", "IoU@4"]


def test_openoccupancy_says_sc_and_ssc():
    report = openoccupancy_report(confusion_of(row(4, 0), row(4, 4), OPENOCCUPANCY), "toy")
    assert report.summary == {"SC": 0.5, "SSC": 0.5}


def test_json_has_null_for_what_is_not_known(report, tmp_path):
    write_json(tmp_path / "scores.json", report)
    read = json.loads((tmp_path / "scores.json").read_text())
    assert read == as_mapping(report)
    assert read["classes"] == {
        "car": {"IoU": 0.5},
        "road_side": {"IoU": 0.5},
        "tree": {"IoU": None},
    }
    assert read["summary"] == {"mIoU": 0.5, "geometric IoU": 1.0}
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_bars_are_as_long_as_their_values(report):
    better = miou_report(confusion_of(row(0, 1, 1, 3), row(0, 1, 1, 3), THREE), "better")
    half, full = (draw_bar_chart(some) for some in (report, better))
    blue = [int((chart == (0, 130, 255)).all(axis=2).sum(axis=1).max()) for chart in (half, full)]
    # The axis of the first ends at 50 percent, that of the second at 100: both bars are full.
    assert blue[0] == pytest.approx(blue[1], abs=2)
    marked = draw_bar_chart(better, baseline=report)
    assert (marked != full).any()


def test_the_chart_is_written_in_rgb(report, tmp_path):
    write_bar_chart(tmp_path / "chart.png", report)
    read = cv2.imread(str(tmp_path / "chart.png"))[..., ::-1]
    np.testing.assert_array_equal(read, draw_bar_chart(report))
