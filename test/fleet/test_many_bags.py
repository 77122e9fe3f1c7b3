# SPDX-License-Identifier: Apache-2.0
"""`effocc process BAG... --out DIR` with real processes, and with a real Ray where it is there.

One run answers most questions: one of its bags is damaged, and one worker is killed.
"""

import importlib.util
import json
import shutil
from types import SimpleNamespace

import pytest
from helpers.fleets import Killer, damage, make_bags, messages_of
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros.bags.process import ProcessOptions, process_bag
from effocc_ros.cli import main
from effocc_ros.files import PARTIAL

RAY = importlib.util.find_spec("ray") is not None
BAGS, DAMAGED = 10 if RAY else 6, "drive_4"


def crew(name):
    if name == "ray" and not RAY:
        pytest.skip("Ray is not installed: `make fleet-test` runs this with it")
    return ["--ray", "local"] if name == "ray" else []


def command(run, *others):
    return [
        *("process", str(run.bags), "--out", str(run.out), "--interval", "10"),
        *("--model", str(run.model), "--rig", "nuscenes", "--workers", "2", "--threads", "1"),
        *others,
    ]


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bags, and what one process makes of each of them."""
    folder = tmp_path_factory.mktemp("whole")
    model = make_tiny_checkpoint(folder / "tiny.safetensors", "vision")
    options = ProcessOptions(str(model), device="cpu", interval_s=10)
    with options.predictor() as predictor:
        options = ProcessOptions(predictor, interval_s=10)
        expected = {}
        for bag in make_bags(folder / "bags", BAGS):
            process_bag(bag, folder / "alone" / bag.name, options)
            expected[bag.name] = messages_of(folder / "alone" / bag.name)
    return SimpleNamespace(bags=folder / "bags", model=model, expected=expected)


@pytest.fixture(scope="module", params=["processes", "ray"])
def run(request, whole, tmp_path_factory):
    others = crew(request.param)
    folder = tmp_path_factory.mktemp("fleet")
    bags = shutil.copytree(whole.bags, folder / "bags")
    damage(bags / DAMAGED)
    run = SimpleNamespace(bags=bags, out=folder / "out", model=whole.model, others=others)
    run.out.mkdir()
    killer = Killer(run.out)
    killer.start()
    run.code = main(command(run, *others))
    run.killed = killer.killed
    run.reports = {
        report["out"].rpartition("/")[2]: report for report in lines_of(run.out / "report.jsonl")
    }
    return run


def test_every_message_is_that_of_one_process_to_the_byte(run, whole):
    for name, expected in whole.expected.items():
        if name != DAMAGED:
            assert messages_of(run.out / name) == expected
    assert len({str(messages) for messages in whole.expected.values()}) == BAGS


def test_the_bag_of_a_killed_worker_goes_to_another(run):
    tried = [report for report in run.reports.values() if report["tries"] > 1]
    assert len(tried) == 1
    assert run.killed
    assert not tried[0]["worker"].endswith(f":{run.killed}")


def test_a_damaged_bag_fails_alone_and_is_named(run):
    failed = [name for name, report in run.reports.items() if report["error"]]
    assert failed == [DAMAGED]
    assert str(run.bags / DAMAGED) in run.reports[DAMAGED]["error"]
    assert run.code == 1
    assert not (run.out / DAMAGED).exists()


def test_the_report_counts_what_each_bag_gave(run):
    assert len(run.reports) == BAGS
    for name, report in run.reports.items():
        expected = (0, 0) if name == DAMAGED else (1, 1)
        assert (report["frames_in"], report["frames_out"]) == expected
        assert report["drops"] == {}
        assert report["seconds"] > 0
    inside = json.loads((run.out / "drive_0" / "report.json").read_text())
    assert inside["recipe"] == run.reports["drive_0"]["recipe"]


def test_nothing_half_done_is_left_and_the_next_run_does_the_rest(run, whole, capsys):
    left = run.out / f"{PARTIAL}drive_0-of-a-dead-process"
    left.mkdir()
    before = {path.name: path.stat().st_mtime_ns for path in run.out.glob("drive_*")}
    shutil.rmtree(run.bags / DAMAGED)
    shutil.copytree(whole.bags / DAMAGED, run.bags / DAMAGED)
    assert main(command(run, *run.others)) == 0
    assert f"{BAGS - 1} of {BAGS} bags are done already" in capsys.readouterr().out
    assert messages_of(run.out / DAMAGED) == whole.expected[DAMAGED]
    assert list(run.out.glob(f"{PARTIAL}*")) == []
    after = {path.name: path.stat().st_mtime_ns for path in run.out.glob("drive_*")}
    assert before.items() <= after.items()
