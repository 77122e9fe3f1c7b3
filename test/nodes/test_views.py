# SPDX-License-Identifier: Apache-2.0
"""The legend, and what parameters mean for views."""

import json

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.classes import OCC3D_NUSCENES, OCC3D_WAYMO
from effocc_ros.errors import InputError
from effocc_ros.nodes.outputs import check_outputs
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.views import legend, view_filter
from effocc_ros.occupancy_views import ViewFilter


def settings(**changes) -> NodeSettings:
    return NodeSettings().changed(changes)


def test_the_legend_has_id_name_and_colour_of_each_class():
    content = json.loads(legend(OCC3D_WAYMO))
    assert (content["class_list"], content["free"]) == ("occ3d_waymo", 15)
    assert content["classes"][13] == {"id": 13, "name": "road", "color": "#b46eb4"}
    assert len(content["classes"]) == 16


def test_each_view_has_its_own_filter():
    given = settings(
        points_classes=["car"], markers_max_height=2.0, min_confidence=0.5, confidence=True
    )
    assert view_filter(given, "points") == ViewFilter(("car",), -100.0, 100.0, 0.5)
    assert view_filter(given, "markers") == ViewFilter((), -100.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ground_classes": ["road"]}, "ground_classes: found road; expected names of occ3d_nus"),
        ({"drivable_classes": ["drivable_surface"]}, "drivable_classes: found drivable_surface"),
        ({"drivable_classes": ["car"]}, "drivable_classes: found car; expected some of ground"),
        ({"points_classes": ["cars"]}, "points_classes: found cars"),
        ({"markers_classes": ["cars"]}, "markers_classes: found cars"),
        ({"voxel_grids": ["rviz"]}, "voxel_grids: found rviz; expected some of foxglove, nav2"),
    ],
)
def test_names_that_the_models_classes_lack_are_refused(changes, said):
    check_outputs(settings(), OCC3D_NUSCENES)
    with pytest.raises(InputError, match=said):
        check_outputs(settings(**changes), OCC3D_NUSCENES)


def test_a_threshold_without_confidence_is_refused():
    with pytest.raises(InputError, match=r"min_confidence: found 0\.5 with confidence false"):
        settings(min_confidence=0.5)
    assert settings(min_confidence=0.5, confidence=True).min_confidence == 0.5
