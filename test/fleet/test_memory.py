# SPDX-License-Identifier: Apache-2.0
"""A worker lets go of a bag with all that was read of it, before it takes the next one."""

import gc

import pytest
from helpers.fleets import damage, make_bags
from helpers.small_bags import make_small_bag
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros.bags.mcap_file import McapFile
from effocc_ros.bags.process import ProcessOptions
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.run import BagRun
from effocc_ros.bags.writer import BagWriter
from effocc_ros.fleet.bag_worker import BagTask, BagWorkers
from effocc_ros.frame import Frame
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.stream import Stream

OF_A_BAG = (BagReader, BagRun, BagWriter, Frame, McapFile, SemanticOccupancy, Stream)


@pytest.fixture
def collector_off():
    """Circles of objects stay: what is gone without the collector's help is gone at once."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> list:
    return [each for each in gc.get_objects() if type(each) in OF_A_BAG]


@pytest.mark.parametrize("rig", ["nuscenes", ""])
def test_nothing_of_a_bag_is_left_when_the_next_one_is_begun(tmp_path, collector_off, rig):
    model = make_tiny_checkpoint(tmp_path / "tiny.safetensors", "vision")
    options = ProcessOptions(str(model), rig, interval_s=0.1, device="cpu")
    worker = BagWorkers(options)(0)
    bags = make_bags(tmp_path / "bags", 3)
    damage(bags[1])
    bags.insert(2, make_small_bag(tmp_path / "bags" / "strings"))
    of_other_tests = alive()  # held here, so that no number is given again
    known = set(map(id, of_other_tests))
    errors = []
    for bag in bags:
        report = worker(BagTask(bag, tmp_path / "out" / bag.name, {}))
        errors.append(report.reason)
        assert [type(each) for each in alive() if id(each) not in known] == [], bag
    assert errors[:2] == ["", "truncated_bag"]
    assert errors[2]
    assert errors[3] == ""
