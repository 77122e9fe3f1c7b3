# SPDX-License-Identifier: Apache-2.0
"""What cannot be done is one line that names it, before anything is processed."""

import json
import os
import sys
import time

import pytest
from helpers.small_bags import make_small_bag
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros.bags.process import ProcessOptions
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.fleet.bag_report import BagReport, appended, read_reports, table
from effocc_ros.fleet.bags import find_bags
from effocc_ros.fleet.process import plan_bags
from effocc_ros.fleet.ray_workers import connect


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(make_tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def bags(tmp_path):
    make_small_bag(tmp_path / "in" / "a")
    make_small_bag(tmp_path / "in" / "b")
    return find_bags([str(tmp_path / "in")], tmp_path / "out")


def finish(task):
    """Leave what a worker leaves that processed a bag."""
    make_small_bag(task.target)
    report = BagReport(str(task.source), str(task.target), recipe=task.recipe)
    (task.target / "report.json").write_text(report.json())


def test_what_is_finished_is_told_from_what_is_not(bags, model, tmp_path):
    options = ProcessOptions(model, "nuscenes")
    first, second = plan_bags(bags, tmp_path / "out", options).todo
    finish(first)
    plan = plan_bags(bags, tmp_path / "out", options)
    assert [task.source for task in plan.todo] == [second.source]
    assert [report.out for report in plan.done] == [str(first.target)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rig": "watonomous"}, "rig: nuscenes .* then, watonomous .* now"),
        ({"rig": ""}, "rig: nuscenes .* then, found from the bag now"),
        ({"interval_s": 0.1}, r"interval: 0.5 s then, 0.1 s now"),
        ({"confidence": True}, "confidence: False then, True now"),
        ({"model": "vision_tiny"}, "model: tiny .* then, vision_tiny .* now"),
    ],
)
def test_another_rig_model_or_option_is_noticed(bags, model, tmp_path, changed, said):
    options = {"model": model, "rig": "nuscenes"}
    finish(plan_bags(bags, tmp_path / "out", ProcessOptions(**options)).todo[0])
    changed = options | changed
    with pytest.raises(InputError, match=said) as caught:
        plan_bags(bags, tmp_path / "out", ProcessOptions(**changed))
    assert caught.value.reason == "made_otherwise"
    again = plan_bags(bags, tmp_path / "out", ProcessOptions(**changed, overwrite=True))
    assert len(again.todo) == 2


def test_a_changed_input_and_changed_weights_are_noticed(bags, model, tmp_path):
    options = ProcessOptions(model, "nuscenes")
    finish(plan_bags(bags, tmp_path / "out", options).todo[0])
    (file,) = bags[0].path.glob("*.mcap")
    with open(file, "ab") as end:
        end.write(b"more")
    with pytest.raises(InputError, match=r"input: 1 file, .* then, 1 file, .* now"):
        plan_bags(bags, tmp_path / "out", options)
    other = make_tiny_checkpoint(tmp_path / "tiny.safetensors", seed=1)
    with pytest.raises(InputError, match=r"model: tiny .* then, tiny .* now"):
        plan_bags(bags, tmp_path / "out", ProcessOptions(str(other), "nuscenes"))


def test_a_bag_of_somebody_else_is_not_replaced(bags, model, tmp_path):
    make_small_bag(tmp_path / "out" / "a")
    with pytest.raises(InputError, match="nothing says of what it was made"):
        plan_bags(bags, tmp_path / "out", ProcessOptions(model, "nuscenes"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda file: file.write_bytes(b""), "an empty file"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "cut short|without its end"),
        (lambda file: file.unlink(), "missing"),
        (lambda file: file.with_name("metadata.yaml").unlink(), "no whole metadata.yaml"),
    ],
)
def test_a_finished_output_whose_bag_is_no_longer_whole_is_named(
    bags, model, tmp_path, harm, said
):
    options = ProcessOptions(model, "nuscenes")
    first, _ = plan_bags(bags, tmp_path / "out", options).todo
    finish(first)
    harm(next(first.target.glob("*.mcap")))
    with pytest.raises(InputError, match=rf"no longer whole \(.*({said})") as caught:
        plan_bags(bags, tmp_path / "out", options)
    assert caught.value.reason == "damaged_output"
    again = plan_bags(bags, tmp_path / "out", ProcessOptions(model, "nuscenes", overwrite=True))
    assert len(again.todo) == 2


def test_names_that_are_no_text_and_ends_of_lines_survive_a_report(tmp_path):
    names = [os.fsdecode(b"/data/Pr\xfcfung"), "/data/a\u2028b", "/data/Prüfung"]
    with appended(tmp_path / "report.jsonl") as file:
        for name in names:
            file.write(BagReport(name, f"{name}/out", error="no").json() + "\n")
    reports = read_reports(tmp_path)
    assert [report.bag for report in reports.values()] == names
    table(list(reports.values()), 0).encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"out": []},
        {"recipe": 3},
        {"frames_in": "x"},
        {"drops": [1]},
        {"error": None},
        {"seconds": "1"},
        {"warnings": "none"},
    ],
)
def test_a_report_of_other_types_is_none(bags, model, tmp_path, wrong):
    good = json.loads(BagReport("a", "out/a").json())
    (tmp_path / "report.jsonl").write_text(json.dumps(good | wrong) + "\n")
    assert read_reports(tmp_path) == {}
    first = plan_bags(bags, tmp_path / "out", ProcessOptions(model, "nuscenes")).todo[0]
    finish(first)
    (first.target / "report.json").write_text(json.dumps(good | wrong))
    with pytest.raises(InputError, match="nothing says of what it was made"):
        plan_bags(bags, tmp_path / "out", ProcessOptions(model, "nuscenes"))


def test_a_line_that_was_cut_off_does_not_hide_others(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_text(BagReport("a", "out/a", error="broken").json() + '\n{"bag": "b", "ou')
    with appended(path) as file:
        file.write(BagReport("b", "out/b").json() + "\n")
    (tmp_path / "report-2-of-2.jsonl").write_text(BagReport("a", "out/a").json() + "\n")
    reports = read_reports(tmp_path)
    assert sorted(reports) == ["out/a", "out/b"]
    assert not any(report.error for report in reports.values())


def test_the_table_counts_drops_and_names_failures():
    reports = [
        BagReport("a", "out/a", frames_in=5, frames_out=3, drops={"tf_missing": 2}, model="m"),
        BagReport("b", "out/b", error="bag b: found half of it"),
    ]
    lines = table(reports, before=7).splitlines()
    assert "dropped: tf_missing  2" in lines
    assert "failed: b: bag b: found half of it" in lines
    assert lines[-1] == "1 of 2 bags done, 1 failed, 7 done before, 5 frames in, 3 out"
    many = [BagReport(str(n), f"out/{n}", error="no") for n in range(1000)]
    assert len(table(many, 0).splitlines()) < 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "found 1 path and no --out"),
        (["b", "--workers", "2"], "found 2 paths with --workers and no --out"),
        (["--out", "out", "--shard", "9/8"], "--shard: found '9/8'"),
        (["--out", "out", "--model", "gpt"], "model: found 'gpt'"),
        (["--out", "out", "--rig", "none"], "rig: found 'none'"),
        (["--out", "out", "--precision", "int8"], "precision: found 'int8'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    make_small_bag(tmp_path / "a")
    assert main(["process", "a", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_ray_that_is_not_installed_is_said_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'ray>=2\.60,<3'") as caught:
        connect("auto")
    assert caught.value.reason == "no_ray"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto"])
def test_a_cluster_that_does_not_answer_is_said_soon(address, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: `make fleet-test` runs this with it")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    begun = time.monotonic()
    with pytest.raises(InputError, match="no cluster that answers") as caught:
        connect(address)
    assert caught.value.reason == "no_cluster"
    assert time.monotonic() - begun < 60


def test_the_report_of_a_shard_has_a_name_of_its_own(bags, model, tmp_path, capsys):
    """Bags of strings fail, each alone; both shards tell of both."""
    command = ["process", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--model", model]
    for number in (1, 2):
        assert main([*command, "--workers", "1", "--shard", f"{number}/2"]) == 1
        (line,) = (tmp_path / "out" / f"report-{number}-of-2.jsonl").read_text().splitlines()
        assert json.loads(line)["reason"] == "no_sensor"
    assert "all shards so far: 0 bags done, 2 failed" in capsys.readouterr().out
