# SPDX-License-Identifier: Apache-2.0
"""Start the occupancy node for a rig, and RViz when asked; ends when the node ends.

ros2 launch effocc_ros occ.launch.py rig:=nuscenes model:=fusion_r18 rviz:=true

What the node is told, later ones win: the rig, params_file, arguments.
"""

import tempfile
from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from effocc_ros.nodes.launch_arguments import NODE, given_parameters, process_prefix
from effocc_ros.nodes.rig_parameters import (
    parameter_arguments,
    rig_parameters,
    rig_remappings,
    rviz_config,
    rviz_remappings,
    tf_remappings,
)
from effocc_ros.nodes.transport import LARGE_MESSAGES, TRANSPORTS, default_transports
from effocc_ros.resources import resource_path
from effocc_ros.rig import load_rig
from launch import LaunchDescription

NAME = "occ_node"

# Name, default, description.
ARGUMENTS = (
    ("rig", "nuscenes", "rig preset or file"),
    ("params_file", "", "ROS parameter file; what stands in it wins over the rig"),
    ("namespace", "", "namespace of the node"),
    (
        "sensors_namespace",
        "",
        "namespace of the rig's topics and of tf, of one vehicle of several",
    ),
    ("rviz", "false", "open RViz"),
    ("log_level", "info", "debug, info, warn, error or fatal"),
    ("large_messages", "false", "Fast DDS transports for raw images that are sent best effort"),
)


def generate_launch_description():
    unset = "empty: as params_file, the rig or the node's default says"
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS
            ),
            *(
                DeclareLaunchArgument(name, default_value="", description=f"{text}; {unset}")
                for name, (_, text) in NODE.items()
            ),
            SetEnvironmentVariable(
                TRANSPORTS,
                LARGE_MESSAGES,
                condition=IfCondition(LaunchConfiguration("large_messages")),
            ),
            OpaqueFunction(function=start_node),
            OpaqueFunction(
                function=start_rviz, condition=IfCondition(LaunchConfiguration("rviz"))
            ),
        ]
    )


def start_node(context):
    texts = context.launch_configurations
    rig, sensors = load_rig(texts["rig"]), texts["sensors_namespace"]
    parameters = [given_parameters(NODE, texts)]
    if texts["params_file"]:
        parameters.insert(0, texts["params_file"])
    return [
        Node(
            package="effocc_ros",
            executable="occ_node",
            name=NAME,
            namespace=texts["namespace"],
            output="screen",
            prefix=process_prefix(),
            # The rig goes here and not to `parameters`: a file's section for all nodes (/**)
            # would lose against parameters that name the node.
            ros_arguments=[
                *parameter_arguments(rig_parameters(rig)),
                "--log-level",
                texts["log_level"],
            ],
            parameters=[each for each in parameters if each],
            remappings=[*rig_remappings(rig, sensors), *tf_remappings(sensors)],
            on_exit=Shutdown(reason=f"{NAME} ended"),
        )
    ]


def start_rviz(context):
    texts = context.launch_configurations
    rig, sensors = load_rig(texts["rig"]), texts["sensors_namespace"]
    outer = texts.get("ros_namespace", "")
    node = make_namespace_absolute(prefix_namespace(outer, texts["namespace"])).rstrip("/")
    node = f"{node}/{NAME}"
    config = Path(tempfile.mkdtemp(prefix="effocc-rviz-")) / "occ.rviz"
    text = resource_path("config/rviz/occ.rviz").read_text()
    config.write_text(rviz_config(text, rig, node))
    sim_time = {"use_sim_time": (bool, "")}
    parameters = given_parameters(sim_time, texts)
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            prefix=process_prefix(),
            arguments=["-d", str(config)],
            additional_env=default_transports(context.environment),
            parameters=[parameters] if parameters else [],
            remappings=[*rviz_remappings(rig, node, sensors), *tf_remappings(sensors)],
        )
    ]
