# SPDX-License-Identifier: Apache-2.0
"""The parameter file and the page of parameters that ship say what the settings say."""

from dataclasses import fields

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.nodes.parameter_files import parameter_file, parameter_table
from effocc_ros.nodes.settings import NodeSettings


def test_the_shipped_files_are_what_the_settings_render(repository):
    assert (repository / "config" / "occ.param.yaml").read_text() == parameter_file(NodeSettings)
    assert (repository / "docs" / "parameters.md").read_text() == parameter_table(NodeSettings)


def test_the_file_gives_every_parameter_its_default():
    content = yaml.safe_load(parameter_file(NodeSettings))["/**"]["ros__parameters"]
    assert NodeSettings().changed(content) == NodeSettings()
    assert list(content) == [each.name for each in fields(NodeSettings)]


def test_every_row_of_the_page_has_five_cells():
    rows = [row for row in parameter_table(NodeSettings).splitlines() if row.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [each.name for each in fields(NodeSettings)]
    assert {row.replace("\\\\|", "").count("|") for row in rows} == {6}
