# SPDX-License-Identifier: Apache-2.0
"""Play a bag into the occupancy node; ends when the bag does.

ros2 launch effocc_ros replay.launch.py bag:=drive.mcap rig:=nuscenes lockstep:=true rviz:=true
"""

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from effocc_ros.nodes.launch_arguments import (
    PLAYER,
    given_parameters,
    in_namespace,
    process_prefix,
)
from effocc_ros.nodes.rig_parameters import rig_remappings
from effocc_ros.resources import resource_path
from effocc_ros.rig import load_rig
from effocc_ros.stream import LONGEST_WAIT
from launch import LaunchDescription

TRANSFORMS = ("/tf", "/tf_static")


def generate_launch_description():
    player = [
        DeclareLaunchArgument(
            name, default_value=None if name == "bag" else "", description=description
        )
        for name, (_, description) in PLAYER.items()
    ]
    # Other defaults than the node's own; all arguments of occ.launch.py pass through.
    player += [
        # In lockstep bag time stands still while the player waits for the node, whose own waits
        # must not stand still with it.
        DeclareLaunchArgument(
            "use_sim_time",
            default_value=_in_lockstep("'false'", "'true'"),
            description="follow /clock",
        ),
        # And messages come in bursts, so how punctual they are tells nothing.
        DeclareLaunchArgument(
            "max_wait",
            default_value=_in_lockstep(f"'{LONGEST_WAIT}'", "''"),
            description="seconds that a frame waits for images",
        ),
    ]
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(resource_path("launch/occ.launch.py")))
    )
    return LaunchDescription([*player, node, OpaqueFunction(function=start_player)])


def _in_lockstep(value, other):
    """Return one Python expression's value in lockstep, another's otherwise."""
    lockstep = ["'", LaunchConfiguration("lockstep"), "'.lower() in ('true', '1')"]
    return PythonExpression([value, " if ", *lockstep, " else ", other])


def start_player(context):
    texts = context.launch_configurations
    rig, sensors = load_rig(texts["rig"]), texts["sensors_namespace"]
    outer = texts.get("ros_namespace", "")
    node = make_namespace_absolute(prefix_namespace(outer, texts["namespace"])).rstrip("/")
    topics = [*TRANSFORMS, *(topic for _, topic in rig_remappings(rig))]
    moved = [(topic, in_namespace(sensors, topic)) for topic in topics] if sensors else []
    return [
        Node(
            package="effocc_ros",
            executable="bag_player",
            namespace=texts["namespace"],
            output="screen",
            prefix=process_prefix(),
            parameters=[
                given_parameters(PLAYER, texts),
                {"node": f"{node}/occ_node", "wait_for": topics},
            ],
            remappings=moved,
            on_exit=Shutdown(reason="the replay is over"),
        )
    ]
