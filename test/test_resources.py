# SPDX-License-Identifier: Apache-2.0
"""Shipped files are found in a checkout, below a prefix, and through AMENT_PREFIX_PATH."""

from pathlib import Path

import pytest

from effocc_ros import resources
from effocc_ros.errors import InputError
from effocc_ros.resources import resource_path


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Make the module believe that it lies in <tmp_path>/prefix/lib/python3/site-packages."""
    code = tmp_path / "prefix/lib/python3/site-packages/effocc_ros"
    code.mkdir(parents=True)
    monkeypatch.setattr(resources, "__file__", str(code / "resources.py"))
    return tmp_path


def shipped(prefix):
    file = prefix / "share/effocc_ros/config/made_up.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def test_a_checkout_has_its_own_files(repository):
    if not Path(resources.__file__).absolute().is_relative_to(repository / "effocc_ros"):
        pytest.skip("what was installed is tested, not the checkout")
    assert resource_path("msg/SemanticOccupancy.msg") == repository / "msg/SemanticOccupancy.msg"


def test_an_install_finds_the_share_folder_of_its_prefix(installed):
    file = shipped(installed / "prefix")
    assert resource_path("config/made_up.yaml") == file


def test_a_prefix_of_the_ament_index_is_searched_too(installed, monkeypatch):
    file = shipped(installed / "overlay")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{installed / 'overlay'}")
    assert resource_path("config/made_up.yaml") == file


def test_the_own_prefix_wins_over_an_overlay(installed, monkeypatch):
    file = shipped(installed / "prefix")
    shipped(installed / "overlay")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(installed / "overlay"))
    assert resource_path("config/made_up.yaml") == file


def test_a_file_that_is_nowhere_is_named():
    with pytest.raises(InputError, match=r"config/no_such\.yaml"):
        resource_path("config/no_such.yaml")
