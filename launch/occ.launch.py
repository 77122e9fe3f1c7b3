"""Start the occupancy node for a rig, bring it up, and open RViz when asked.

ros2 launch effocc_ros occ.launch.py rig:=nuscenes model:=fusion_r18 rviz:=true
"""

import tempfile
from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState, matches_node_name
from lifecycle_msgs.msg import Transition

from effocc_ros.nodes.rig_parameters import (
    rig_parameters,
    rig_remappings,
    rviz_config,
    rviz_remappings,
)
from effocc_ros.nodes.transport import LARGE_MESSAGES, TRANSPORTS
from effocc_ros.resources import resource_path
from effocc_ros.rig import load_rig
from launch import LaunchDescription

NODE = "occ_node"

# Parameters of the node that may be given on the command line: how to read them, what they are.
OVERRIDES = {
    "model": (str, "preset or checkpoint"),
    "device": (str, "auto, cpu or cuda"),
    "reliability": (str, "best_effort or reliable"),
    "trigger_interval": (float, "seconds between frames, at least"),
}


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "rig", default_value="nuscenes", description="rig preset or file"
            ),
            *(
                DeclareLaunchArgument(
                    name,
                    default_value="",
                    description=f"{text}; empty: as the parameter file says",
                )
                for name, (_, text) in OVERRIDES.items()
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=str(resource_path("config/occ.param.yaml")),
                description="ROS parameter file",
            ),
            DeclareLaunchArgument("use_sim_time", default_value="false"),
            DeclareLaunchArgument("rviz", default_value="false", description="open RViz"),
            DeclareLaunchArgument("log_level", default_value="info"),
            DeclareLaunchArgument(
                "large_messages",
                default_value="false",
                description="true: Fast DDS transports for raw images that are sent best effort",
            ),
            SetEnvironmentVariable(
                TRANSPORTS,
                LARGE_MESSAGES,
                condition=IfCondition(LaunchConfiguration("large_messages")),
            ),
            OpaqueFunction(function=start_node),
            OpaqueFunction(function=start_rviz),
        ]
    )


def start_node(context):
    rig = load_rig(LaunchConfiguration("rig").perform(context))
    given = {
        name: convert(LaunchConfiguration(name).perform(context))
        for name, (convert, _) in OVERRIDES.items()
        if LaunchConfiguration(name).perform(context)
    }
    sim_time = LaunchConfiguration("use_sim_time").perform(context).lower() == "true"
    node = LifecycleNode(
        package="effocc_ros",
        executable="occ_node",
        name=NODE,
        namespace="",
        output="screen",
        parameters=[
            LaunchConfiguration("params_file").perform(context),
            rig_parameters(rig),
            given,
            {"autostart": False, "use_sim_time": sim_time},
        ],
        remappings=rig_remappings(rig),
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
    )
    activate_when_configured = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state="configuring",
            goal_state="inactive",
            entities=[change_state(Transition.TRANSITION_ACTIVATE)],
        )
    )
    return [activate_when_configured, node, change_state(Transition.TRANSITION_CONFIGURE)]


def change_state(transition):
    return EmitEvent(
        event=ChangeState(
            lifecycle_node_matcher=matches_node_name(f"/{NODE}"), transition_id=transition
        )
    )


def start_rviz(context):
    rig = load_rig(LaunchConfiguration("rig").perform(context))
    config = Path(tempfile.mkdtemp(prefix="effocc-rviz-")) / "occ.rviz"
    config.write_text(rviz_config(resource_path("config/rviz/occ.rviz").read_text(), rig))
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", str(config)],
            remappings=rviz_remappings(rig, f"/{NODE}"),
            condition=IfCondition(LaunchConfiguration("rviz")),
        )
    ]
