# SPDX-License-Identifier: Apache-2.0
"""The type support appears whole, once, or not at all."""

import importlib.util
import os
import sysconfig
from pathlib import Path

import pytest

if importlib.util.find_spec("ros_wheels_bootstrapper") is None:
    pytest.skip("ROS 2 wheels absent: colcon builds the messages", allow_module_level=True)


@pytest.fixture
def builder(repository, tmp_path, monkeypatch):
    """Return the script as a module that builds one small message below tmp_path."""
    file = repository / "tools/build_messages.py"
    spec = importlib.util.spec_from_file_location("build_messages", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SITE", tmp_path)
    monkeypatch.setattr(module, "TARGET", tmp_path / "ros_effocc_ros_messages.libs")
    monkeypatch.setattr(module, "definitions", lambda: {"tf2_msgs": {"Small": "uint8[] bytes\n"}})
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    return module


def tree(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith("-lock"))


def test_the_result_is_one_folder_that_a_second_run_leaves_alone(builder, tmp_path):
    assert builder.main() == 0
    assert tree(tmp_path) == ["ros_effocc_ros_messages.libs", "ros_effocc_ros_messages.pth"]
    assert (builder.TARGET / "packages/tf2_msgs/msg/_small.py").is_file()
    assert (builder.TARGET / "libtf2_msgs__rosidl_typesupport_c.so").is_file()
    before = builder.TARGET.stat().st_ino
    assert builder.main() == 0
    assert builder.TARGET.stat().st_ino == before


def test_a_failing_compiler_leaves_nothing_behind_and_speaks(builder, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("gcc", "g++"):
        (tools / name).write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(SystemExit, match=r"gcc failed on libtf2_msgs.*\nno space left"):
        builder.main()
    assert tree(tmp_path) == ["tools"]


def test_what_a_killed_builder_left_is_removed(builder, tmp_path):
    left = tmp_path / f"{builder.SCRATCH}killed.tmp"
    left.mkdir()
    with builder.locked_scratch() as scratch:
        assert not left.exists()
        assert scratch.is_dir()
    assert tree(tmp_path) == []


def test_another_text_of_a_message_asks_for_a_new_build(builder, monkeypatch):
    before = builder.stamp()
    assert builder.stamp() == before
    monkeypatch.setattr(builder, "definitions", lambda: {"tf2_msgs": {"Small": "uint16 other\n"}})
    assert builder.stamp() != before


def test_a_missing_python_header_is_named_with_its_package(builder, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")
    with pytest.raises(
        SystemExit, match=r"Python\.h not found; install it: sudo apt install python3"
    ):
        builder.check_tools()


def test_our_own_message_is_what_gets_built(repository):
    file = repository / "tools/build_messages.py"
    spec = importlib.util.spec_from_file_location("build_messages", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    messages = module.definitions()
    ours = Path(repository, "msg", "SemanticOccupancy.msg").read_text()
    assert messages["effocc_ros"] == {"SemanticOccupancy": ours}
    assert set(messages) == set(module.CODE_FOLDER)
