# SPDX-License-Identifier: Apache-2.0
"""From a rig (which topics a vehicle has) to the occupancy node's parameters and remappings."""

import yaml

from effocc_ros.nodes.launch_arguments import in_namespace
from effocc_ros.rig import Rig

ANCHOR = "CAM_FRONT"
"""The camera that makes the frames of a vision network, where the rig has it."""


def rig_parameters(rig: Rig) -> dict:
    """Return the ``occ_node`` parameters that a rig decides.

    Args:
        rig: Cameras, LiDAR and frames of a vehicle or of a bag.

    Returns:
        Parameter name -> value, as launch files and parameter files take them.
    """
    parameters = {
        # ROS has no way to give an empty list.
        "cameras": [camera.name for camera in rig.cameras] or [""],
        "lidar": rig.lidar,
        "image_transport": "compressed" if any(each.compressed for each in rig.cameras) else "raw",
        "reliability": rig.reliability,
        "base_frame": rig.base_frame,
        "fixed_frame": rig.fixed_frame,
        "max_extrapolation": float(rig.max_extrapolation_s),
        "intensity_scale": float(rig.intensity_scale),
    }
    if rig.cameras:
        parameters["camera_offsets"] = [float(camera.offset_s) for camera in rig.cameras]
    names = [camera.name for camera in rig.cameras]
    if names and ANCHOR not in names:
        parameters["anchor_camera"] = names[0]
    raw = [camera.name for camera in rig.cameras if not camera.compressed]
    if raw and parameters["image_transport"] == "compressed":
        parameters["raw_cameras"] = raw
    if not rig.points:
        parameters["synchronizer"] = "anchor"
    if rig.lidars:
        parameters["other_lidars"] = [lidar.name for lidar in rig.lidars]
    if rig.odometry:
        parameters["odometry"] = True
    if rig.clock_offsets:
        parameters["clock_offsets"] = [f"{name}={s}" for name, s in rig.clock_offsets.items()]
    if rig.calibration:
        parameters["calibration"] = str(rig.calibration)
    return parameters


def rig_remappings(rig: Rig, namespace: str = "") -> list[tuple[str, str]]:
    """Return (name inside ``occ_node``, topic of the vehicle) for every input that the rig has.

    Args:
        rig: The vehicle.
        namespace: Where its topics are, when it is one of several.
    """
    remappings = []
    for camera in rig.cameras:
        remappings.append((f"~/input/{camera.name}/image", camera.image))
        if camera.camera_info:
            remappings.append((f"~/input/{camera.name}/camera_info", camera.camera_info))
    if rig.points:
        remappings.append(("~/input/points", rig.points))
    for lidar in rig.lidars:
        remappings.append((f"~/input/{lidar.name}/points", lidar.points))
    if rig.odometry:
        remappings.append(("~/input/odometry", rig.odometry))
    for inside, topic in (("/tf", rig.tf), ("/tf_static", rig.tf_static)):
        if topic != inside:
            remappings.append((inside, topic))
    return [(inside, in_namespace(namespace, topic)) for inside, topic in remappings]


def tf_remappings(namespace: str) -> list[tuple[str, str]]:
    """Return (topic, topic below the namespace) for tf; nothing without a namespace."""
    topics = ("/tf", "/tf_static") if namespace.strip("/") else ()
    return [(topic, in_namespace(namespace, topic)) for topic in topics]


def rig_arguments(rig: Rig) -> list[str]:
    """Return parameters and remappings as command-line arguments, to follow ``--ros-args``."""
    arguments = parameter_arguments(rig_parameters(rig))
    for inside, topic in rig_remappings(rig):
        arguments += ["-r", f"{inside}:={topic}"]
    return arguments


def parameter_arguments(parameters: dict) -> list[str]:
    """Return parameters as command-line arguments, to follow ``--ros-args``."""
    return [
        text
        for name, value in parameters.items()
        for text in ("-p", f"{name}:={_yaml_value(value)}")
    ]


def _yaml_value(value: str | float | list) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_yaml_value(item) for item in value)}]"
    return f"'{value}'" if isinstance(value, str) else repr(value)


def rviz_config(text: str, rig: Rig, node: str = "/occ_node") -> str:
    """Fit the shipped RViz file to a rig: fixed frame, one panel for each camera, node's name.

    RViz asks for a compressed image by the suffix ``/compressed`` of the node's input name;
    ``rviz_remappings`` then leads that name to the rig's topic.

    Args:
        text: The shipped file.
        rig: The vehicle.
        node: Full name of the occupancy node.
    """
    config = yaml.safe_load(text.replace("/occ_node/", f"{node}/"))
    manager = config["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = rig.base_frame
    panels = [each for each in manager["Displays"] if each["Class"].endswith("/Image")]
    others = [each for each in manager["Displays"] if each not in panels]
    for panel in panels:
        config["Window Geometry"].pop(panel["Name"], None)
    manager["Displays"] = others
    for (topic, _), camera in zip(rviz_remappings(rig, node), rig.cameras, strict=True):
        values = {
            **panels[0],
            "Name": camera.name,
            "Topic": {**panels[0]["Topic"], "Value": topic},
        }
        manager["Displays"].append(values)
        config["Window Geometry"][camera.name] = {"collapsed": False}
    return yaml.safe_dump(config, sort_keys=False)


def rviz_remappings(
    rig: Rig, node: str = "/occ_node", namespace: str = ""
) -> list[tuple[str, str]]:
    """Return (name inside RViz, topic of the vehicle) for the image panels."""
    suffixes = ["/compressed" if camera.compressed else "" for camera in rig.cameras]
    return [
        (f"{node}/input/{camera.name}/image{suffix}", in_namespace(namespace, camera.image))
        for camera, suffix in zip(rig.cameras, suffixes, strict=True)
    ]
