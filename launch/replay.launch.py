"""Play a bag into the occupancy node.

ros2 launch effocc_ros replay.launch.py bag:=drive.mcap rig:=nuscenes lockstep:=true rviz:=true
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from effocc_ros.nodes.rig_parameters import rig_remappings
from effocc_ros.resources import resource_path
from effocc_ros.rig import load_rig
from launch import LaunchDescription

# Name, default, type, description.
PLAYER = (
    ("bag", None, str, "folder of a rosbag2, or one .mcap or .db3 file"),
    ("rate", "1.0", float, "bag seconds per second"),
    ("loop", "false", bool, "begin again at the end"),
    ("lockstep", "false", bool, "wait for the node's answer to each LiDAR keyframe"),
    ("trigger_interval", "0.0", float, "seconds between keyframes: the node's own value"),
)


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, default, _, text in PLAYER
    ]
    arguments.append(
        DeclareLaunchArgument("rig", default_value="nuscenes", description="rig preset or file")
    )
    # The arguments of occ.launch.py, such as rig, model and rviz, pass through.
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(resource_path("launch/occ.launch.py"))),
        launch_arguments={
            # In lockstep bag time stands still while the player waits for the node, whose own
            # waits must not stand still with it.
            "use_sim_time": PythonExpression(
                ["str('", LaunchConfiguration("lockstep"), "'.lower() != 'true')"]
            ),
            "reliability": "reliable",
            "trigger_interval": LaunchConfiguration("trigger_interval"),
        }.items(),
    )
    return LaunchDescription([*arguments, node, OpaqueFunction(function=start_player)])


def start_player(context):
    rig = load_rig(LaunchConfiguration("rig").perform(context))
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, _, kind, _ in PLAYER
    }
    parameters["points_topic"] = rig.points
    parameters["wait_for"] = ["/tf", "/tf_static", *(topic for _, topic in rig_remappings(rig))]
    return [
        Node(
            package="effocc_ros",
            executable="bag_player",
            output="screen",
            parameters=[parameters],
        )
    ]
