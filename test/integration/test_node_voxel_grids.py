# SPDX-License-Identifier: Apache-2.0
"""Voxel grids of other projects over DDS, with their message packages compiled on the spot.

No wheel has foxglove_msgs or nav2_msgs, so their types are made of the definitions that our bags
carry. What the node sends is compared with what a bag holds of the same occupancy, byte by byte:
Fast CDR's bytes and those of rosbags.
"""

import importlib.util
import os
import sys
from functools import partial
from itertools import islice
from pathlib import Path
from textwrap import dedent

import pytest
from helpers.toy_drive import lidar_drive
from helpers.waiting import wait_until

from effocc_ros.bags.messages import read_occupancy, voxel_grid_message
from effocc_ros.bags.typestore import VOXEL_GRID_FIELDS, base_typestore
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.voxel_grids import VOXEL_GRIDS

if importlib.util.find_spec("ros_wheels_bootstrapper") is None:
    pytest.skip("ROS 2 wheels absent: nothing to compile messages with", allow_module_level=True)

pytestmark = pytest.mark.integration

HEAD = 4
"""Bytes before a message that say how it is serialised."""

LISTEN = """
import sys
from importlib import import_module
from pathlib import Path
import rclpy
from rclpy.node import Node

rclpy.init()
node = Node("listener")
for argument in sys.argv[1:]:
    topic, kind, file = argument.split("=")
    package, _, name = kind.split("/")
    kind = getattr(import_module(f"{package}.msg"), name)
    def keep(raw, file=Path(file)):
        if file.exists():
            return  # the first counts
        file.with_suffix(".part").write_bytes(raw)
        file.with_suffix(".part").rename(file)
    node.create_subscription(kind, topic, keep, 10, raw=True)
print("listening", flush=True)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def packages(repository, tmp_path_factory) -> Path:
    """Return the folder into which foxglove_msgs and nav2_msgs were compiled."""
    spec = importlib.util.spec_from_file_location(
        "build_messages", repository / "tools/build_messages.py"
    )
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    definitions: dict[str, dict[str, str]] = {}
    for msgtype, text in VOXEL_GRID_FIELDS.items():
        package, _, name = msgtype.split("/")
        definitions.setdefault(package, {})[name] = dedent(text)
    work = tmp_path_factory.mktemp("messages")
    with pytest.MonkeyPatch.context() as patch:
        # The generators find their templates and the other packages' types through this.
        patch.setenv("AMENT_PREFIX_PATH", sys.prefix)
        for package, messages in definitions.items():
            patch.setitem(builder.CODE_FOLDER, package, "packages")
            source = builder.generate(package, messages, work)
            builder.compile_package(package, source, work / "built")
    return work / "built"


@pytest.fixture
def installed(packages, monkeypatch):
    """Let processes that are started find the two packages."""
    for name, folder in (("LD_LIBRARY_PATH", packages), ("PYTHONPATH", packages / "packages")):
        paths = [str(folder), os.environ.get(name, "")]
        monkeypatch.setenv(name, os.pathsep.join(filter(None, paths)))


def stamp_of(message) -> tuple[int, int]:
    """Seconds and nanoseconds of either kind of voxel grid."""
    stamp = message.timestamp if hasattr(message, "timestamp") else message.header.stamp
    return stamp.sec, stamp.nanosec


def test_what_the_node_sends_is_what_a_bag_holds(stage, tiny_models, installed, tmp_path):
    files = {name: tmp_path / f"{name}.cdr" for name in VOXEL_GRIDS}
    topics = [
        f"/occ_node/output/{name}_voxels={kind}={files[name]}"
        for name, kind in VOXEL_GRIDS.items()
    ]
    listener = stage.run([sys.executable, "-c", LISTEN, *topics], tmp_path / "listener.log")
    listener.wait_for_text("listening")
    occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    stage.start_node(model=tiny_models["lidar"], voxel_grids=list(VOXEL_GRIDS))
    drive = iter(lidar_drive(100))

    def of(stamp) -> SemanticOccupancy | None:
        known = ((each.header.stamp.sec, each.header.stamp.nanosec) for each in occupancies)
        return dict(zip(known, occupancies, strict=False)).get(stamp)

    def heard() -> bool:
        # Again and again: what the node sends before it has found the listener is lost.
        stage.send(islice(drive, 1))
        return all(file.is_file() for file in files.values())

    wait_until(heard, "the voxel grids", 120)
    for name, file in files.items():
        kind, raw = VOXEL_GRIDS[name], file.read_bytes()
        heard_stamp = stamp_of(base_typestore().deserialize_cdr(raw, kind))
        occupancy = read_occupancy(wait_until(partial(of, heard_stamp), "its occupancy"))
        expected = base_typestore().serialize_cdr(voxel_grid_message(name, occupancy), kind)
        assert raw[HEAD:] == bytes(expected)[HEAD:], name
