"""The parameter table, the shipped file and what rclpy enforces are one."""

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.errors import InputError
from effocc_ros.nodes.parameters import PARAMETERS, check_values, parameter_file

DEFAULTS = {spec.name: spec.default for spec in PARAMETERS}


def test_the_shipped_file_is_the_table(repository):
    assert (repository / "config" / "occ.param.yaml").read_text() == parameter_file()


def test_the_file_gives_every_parameter_its_default():
    content = yaml.safe_load(parameter_file())
    assert content["/**"]["ros__parameters"] == DEFAULTS


def test_every_default_is_allowed():
    check_values(DEFAULTS)


def test_no_name_stands_twice():
    assert len(DEFAULTS) == len(PARAMETERS)


@pytest.mark.parametrize("spec", PARAMETERS, ids=lambda spec: spec.name)
def test_each_descriptor_says_what_it_is_and_whether_it_may_change(spec):
    descriptor = spec.descriptor()
    assert descriptor.description == spec.description
    assert descriptor.read_only is not spec.dynamic
    if spec.lower is not None:
        (limits,) = descriptor.integer_range or descriptor.floating_point_range
        assert limits.from_value <= spec.default <= limits.to_value


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"precision": "float8"}, "float8"),
        ({"image_transport": "theora"}, "raw, compressed"),
        ({"grid_min_height": 3.0}, "grid_min_height"),
        ({"markers_max_height": -100.0}, "markers_max_height"),
        ({"cameras": ["CAM_FRONT"]}, "6 offsets for 1 cameras"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(change, named):
    with pytest.raises(InputError, match=named):
        check_values({**DEFAULTS, **change})
