# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by the real launch and launch_ros, where those are installed."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

pytest.importorskip("launch_ros", reason="launch_ros absent: it is not among the wheels of PyPI")

from ament_index_python import PackageNotFoundError, get_package_prefix
from helpers.environments import REPOSITORY
from helpers.ros_processes import Stage
from helpers.toy_drive import make_toy_bag
from helpers.waiting import wait_until
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters

from effocc_ros.nodes.transport import LARGE_MESSAGES, TRANSPORTS

pytestmark = pytest.mark.integration

NOTHING = MappingProxyType({})

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, GroupAction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace

file, outer, *given = sys.argv[1:]
include = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(file),
    launch_arguments=[tuple(each.split(":=")) for each in given],
)
service = LaunchService()
actions = [PushRosNamespace(outer), include] if outer else [include]
service.include_launch_description(LaunchDescription([GroupAction(actions)]))
sys.exit(service.run())
"""


@pytest.fixture
def launch(stage: Stage, tmp_path: Path):
    """Give a function that runs a launch file with arguments."""
    variables = {"TMPDIR": str(tmp_path)}
    prefixes = [os.environ.get("AMENT_PREFIX_PATH", "")]
    try:
        get_package_prefix("effocc_ros")
    except (PackageNotFoundError, OSError):  # OSError: AMENT_PREFIX_PATH is not set
        prefixes = [str(made_up_prefix(tmp_path / "prefix"))]

    def run(
        name: str,
        outer: str = "",
        more_packages: Path | None = None,
        environment: Mapping[str, str] = NOTHING,
        **arguments,
    ):
        paths = [str(more_packages)] * bool(more_packages) + prefixes
        variables["AMENT_PREFIX_PATH"] = os.pathsep.join(paths)
        file = REPOSITORY / "launch" / f"{name}.launch.py"
        given = [f"{key}:={value}" for key, value in {"device": "cpu", **arguments}.items()]
        command = [sys.executable, "-c", LAUNCH, str(file), outer, *given]
        return stage.run(command, tmp_path / f"{name}-{outer}.log", **{**variables, **environment})

    return run


def made_up_prefix(prefix: Path) -> Path:
    """Make what ros2 launch needs of this package, were it installed."""
    for name in ("occ_node", "bag_player"):
        start = f'#!/bin/sh\nexec {sys.executable} {REPOSITORY}/scripts/{name} "$@"\n'
        add_program(prefix, "effocc_ros", name, start)
    return prefix


def add_program(prefix: Path, package: str, name: str, text: str) -> None:
    """Add a program to a made-up prefix, and the marker of its package."""
    marker = prefix / "share/ament_index/resource_index/packages" / package
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    program = prefix / "lib" / package / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


def parameters(stage, node, *names):
    request = GetParameters.Request(names=list(names))
    values = stage.peer.ask(GetParameters, f"{node}/get_parameters", request).values
    return [(value.string_value or value.double_value or value.bool_value) for value in values]


def test_a_node_in_two_namespaces_comes_up_and_ctrl_c_ends_the_launch(launch, stage, tiny_models):
    run = launch("occ", outer="fleet", namespace="car1", model=tiny_models["lidar"])
    run.wait_for_text("active:", 120)
    state = stage.peer.ask(GetState, "/fleet/car1/occ_node/get_state", GetState.Request())
    assert state.current_state.id == State.PRIMARY_STATE_ACTIVE
    assert run.signal(signal.SIGINT) == 0
    assert "process has finished cleanly" in run.text
    assert not list(Path(run.log.parent).glob("effocc-rviz-*"))


@pytest.mark.parametrize(
    ("environment", "large", "transports"),
    [
        ({}, "false", "UDPv4"),
        ({TRANSPORTS: "DEFAULT"}, "false", "DEFAULT"),
        ({}, "true", LARGE_MESSAGES),
    ],
)
def test_rviz_listens_over_the_same_transports_as_the_node(
    launch, tmp_path, tiny_models, environment, large, transports
):
    prefix, told = tmp_path / "rviz", tmp_path / "told"
    text = f'#!/bin/sh\nprintf "%s" "${TRANSPORTS}" > {told}.new && mv {told}.new {told}\n'
    add_program(prefix, "rviz2", "rviz2", text)
    run = launch(
        "occ",
        more_packages=prefix,
        environment=environment,
        rviz="true",
        large_messages=large,
        model=tiny_models["lidar"],
    )
    wait_until(told.exists, "RViz to be opened", 60)
    assert told.read_text() == transports
    run.wait_for_text("active:", 120)
    assert run.signal(signal.SIGINT) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_launch_that_is_terminated_or_killed_leaves_no_process(
    launch, tmp_path, tiny_models, number
):
    bag = make_toy_bag(tmp_path / "drive", 3)
    run = launch("replay", bag=bag, loop="true", model=tiny_models["lidar"])
    run.wait_for_text("active:", 120)
    begun = children(run.process.pid)
    assert len(begun) == 2
    run.signal(number)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in begun), "their end", 10)
    assert "Traceback" not in run.text.split("active:")[1]


@pytest.mark.parametrize("section", ["/**", "/car1/occ_node"])
def test_the_file_wins_over_the_rig_and_arguments_over_both(
    launch, stage, tmp_path, tiny_models, section
):
    file = tmp_path / "mine.param.yaml"
    file.write_text(
        f"{section}:\n  ros__parameters:\n    base_frame: rear_axle\n    max_wait: 0.3\n"
        "    tolerance: 0.4\n"
    )
    run = launch(
        "occ",
        params_file=file,
        namespace="car1",
        sensors_namespace="car1",
        model=tiny_models["lidar"],
        tolerance="1",
        use_sim_time="1",
        autostart="false",
    )
    names = ["base_frame", "fixed_frame", "max_wait", "tolerance", "use_sim_time"]
    values = parameters(stage, "/car1/occ_node", *names)
    assert values == ["rear_axle", "map", 0.3, 1.0, True]
    state = stage.peer.ask(GetState, "/car1/occ_node/get_state", GetState.Request())
    assert state.current_state.id == State.PRIMARY_STATE_UNCONFIGURED
    assert run.signal(signal.SIGINT) == 0


def test_a_node_that_cannot_start_ends_the_launch(launch):
    run = launch("occ", model="nonsense_r99")
    run.wait(120)
    assert "nonsense_r99" in run.text
    assert "occ_node ended" in run.text or "process has died" in run.text


def test_a_replay_of_one_vehicle_of_several_ends_when_the_bag_does(launch, tmp_path, tiny_models):
    bag = make_toy_bag(tmp_path / "drive", 3)
    run = launch(
        "replay",
        bag=bag,
        lockstep="true",
        namespace="car1",
        sensors_namespace="car1",
        model=tiny_models["vision"],
    )
    assert run.wait(180) == 0, run.text
    assert "3 keyframes: 3 frames, 0 dropped" in run.text
