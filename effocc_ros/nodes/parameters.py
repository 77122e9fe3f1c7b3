"""The occupancy node's parameters: one table that declares, checks and documents them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS

Value = bool | int | float | str | list[str] | list[float]


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter of the node.

    Attributes:
        name: Its name.
        default: Its default; the type of the default is the type of the parameter.
        description: One sentence for people, with the unit.
        lower: Smallest number allowed, or None.
        upper: Largest number allowed, or None.
        choices: The texts allowed, or empty for any.
        dynamic: True when it may change while the node runs.
    """

    name: str
    default: Value
    description: str
    lower: float | None = None
    upper: float | None = None
    choices: tuple[str, ...] = ()
    dynamic: bool = False

    @property
    def constraint(self) -> str:
        """What values are allowed, in words; empty when any value of the type is."""
        if self.choices:
            return f"one of: {', '.join(self.choices)}"
        return "" if self.lower is None else f"{self.lower} to {self.upper}"

    def descriptor(self) -> ParameterDescriptor:
        """Build the descriptor that ``ros2 param describe`` shows and rclpy enforces."""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=self.constraint if self.choices else "",
            read_only=not self.dynamic,
        )
        if self.lower is not None and isinstance(self.default, int):
            limits = IntegerRange(from_value=int(self.lower), to_value=int(self.upper), step=1)
            descriptor.integer_range = [limits]
        elif self.lower is not None:
            limits = FloatingPointRange(from_value=float(self.lower), to_value=float(self.upper))
            descriptor.floating_point_range = [limits]
        return descriptor


def _table() -> tuple[ParameterSpec, ...]:
    spec = ParameterSpec
    return (
        spec(
            "autostart",
            True,
            "Configure and activate at start; false leaves that to a launch file or a manager.",
        ),
        spec(
            "model",
            "fusion_r18",
            "Network to run: a preset, the path of a checkpoint, or fusion, vision, lidar for the "
            "preset of that kind. Changing it loads the new network, then swaps between frames.",
            dynamic=True,
        ),
        spec("fusion_model", "fusion_r18", "What model:=fusion means: a preset or a checkpoint."),
        spec("vision_model", "vision_r50", "What model:=vision means: a preset or a checkpoint."),
        spec("lidar_model", "lidar", "What model:=lidar means: a preset or a checkpoint."),
        spec("device", "auto", "Where the network runs: auto, cpu, cuda or cuda:<index>."),
        spec(
            "precision",
            "float32",
            "Arithmetic of the network.",
            choices=("float32", "float16", "bfloat16"),
        ),
        spec("confidence", False, "Send the probability of each voxel's class as well."),
        spec("threads", 0, "CPU threads of the network; 0 lets PyTorch decide.", 0, 256),
        spec(
            "cameras",
            list(NUSCENES_CAMERAS),
            "Camera names; camera X is read from ~/input/X/image and ~/input/X/camera_info. One "
            "empty name means that there is none.",
        ),
        spec("lidar", "LIDAR_TOP", "Name of the LiDAR that is read from ~/input/points."),
        spec(
            "image_transport",
            "compressed",
            "Type of the image topics: sensor_msgs/Image or sensor_msgs/CompressedImage.",
            choices=("raw", "compressed"),
        ),
        spec(
            "reliability",
            "best_effort",
            "Reliability that the sensor subscriptions ask for.",
            choices=("best_effort", "reliable"),
        ),
        spec("queue_depth", 10, "Messages kept per sensor subscription.", 1, 1000),
        spec("base_frame", "base_link", "tf frame of the vehicle; the grid lies in it."),
        spec(
            "fixed_frame",
            "map",
            "tf frame that does not move with the vehicle; empty when ego motion is unknown.",
        ),
        spec(
            "calibration",
            "",
            "YAML file with intrinsics and sensor poses for rigs without CameraInfo or tf.",
        ),
        spec(
            "synchronizer",
            "auto",
            "What makes a frame: each LiDAR sweep, each image of the anchor camera, or "
            "message_filters' ApproximateTimeSynchronizer; auto takes the LiDAR where the model "
            "uses one and the anchor camera where it does not.",
            choices=("auto", "lidar", "anchor", "approximate"),
        ),
        spec("anchor_camera", "CAM_FRONT", "Camera that makes the frames without a LiDAR."),
        spec(
            "tolerance",
            0.1,
            "Seconds between the reference stamp and an image, offset removed, at most.",
            0.0,
            10.0,
        ),
        spec(
            "camera_offsets",
            [0.0] * len(NUSCENES_CAMERAS),
            "Seconds by which each camera's stamps lie after the reference stamp, in the order of "
            "cameras.",
        ),
        spec(
            "accept_within",
            0.02,
            "Seconds: an image this close to the reference stamp is taken without waiting for a "
            "closer one.",
            0.0,
            10.0,
        ),
        spec(
            "max_wait",
            0.2,
            "Seconds after the reference message that the frame waits for images.",
            0.0,
            60.0,
        ),
        spec("trigger_interval", 0.0, "Seconds between frames, at least; 0 for all.", 0.0, 3600.0),
        spec(
            "sweeps",
            -1,
            "Earlier LiDAR sweeps added to the reference sweep; -1: what the model wants.",
            -1,
            100,
        ),
        spec(
            "max_extrapolation",
            0.1,
            "Seconds beyond the last known transform that it is carried on, at most.",
            0.0,
            10.0,
        ),
        spec(
            "intensity_scale",
            1.0,
            "Factor that brings the LiDAR's intensity to 0..255.",
            0.0,
            100000.0,
        ),
        spec(
            "grid_min_height",
            0.2,
            "Metres over the base frame where ~/output/grid begins to count voxels.",
            -100.0,
            100.0,
            dynamic=True,
        ),
        spec(
            "grid_max_height",
            2.2,
            "Metres over the base frame where ~/output/grid stops counting voxels.",
            -100.0,
            100.0,
            dynamic=True,
        ),
        spec(
            "ground_classes",
            [""],
            "Classes that lie on the ground and never block ~/output/grid by themselves. One "
            "empty name: those of the model's class list.",
            dynamic=True,
        ),
        spec(
            "drivable_classes",
            [""],
            "Ground classes that the vehicle may drive on: free cells of ~/output/grid. One empty "
            "name: those of the model's class list (driveable_surface, road).",
            dynamic=True,
        ),
        *_view_specs("points"),
        *_view_specs("markers"),
        spec(
            "min_confidence",
            0.0,
            "Probability below which ~/output/points and ~/output/markers leave voxels out; needs "
            "confidence.",
            0.0,
            1.0,
            dynamic=True,
        ),
        spec("diagnostics_period", 1.0, "Seconds between two diagnostics.", 0.05, 60.0),
    )


def _view_specs(view: str) -> tuple[ParameterSpec, ...]:
    topic = f"~/output/{view}"
    return (
        ParameterSpec(
            f"{view}_min_height",
            -100.0,
            f"Metres over the base frame below which {topic} leaves voxels out.",
            -100.0,
            100.0,
            dynamic=True,
        ),
        ParameterSpec(
            f"{view}_max_height",
            100.0,
            f"Metres over the base frame above which {topic} leaves voxels out.",
            -100.0,
            100.0,
            dynamic=True,
        ),
        ParameterSpec(
            f"{view}_classes",
            [""],
            f"Classes that {topic} shows. One empty name: all.",
            dynamic=True,
        ),
    )


PARAMETERS = _table()
"""Every parameter of ``occ_node``."""


def declare_parameters(node: Node) -> None:
    """Declare every parameter on a node; a bad override raises rclpy's own exception."""
    for spec in PARAMETERS:
        node.declare_parameter(spec.name, spec.default, spec.descriptor())


def read_parameters(node: Node) -> SimpleNamespace:
    """Return the current value of every parameter as an attribute of its name."""
    return SimpleNamespace(
        **{spec.name: plain_value(node.get_parameter(spec.name).value) for spec in PARAMETERS}
    )


def plain_value(value: Any) -> Value:
    """Return a parameter's value with lists as lists, and one empty text as an empty list.

    rclpy hands arrays out as array.array or list, by how they were set. An empty list cannot be
    given in ROS; a list of one empty text stands for it.
    """
    if isinstance(value, bool | int | float | str):
        return value
    return [item for item in value if item != ""]


def check_values(values: Mapping[str, Value]) -> None:
    """Check what rclpy does not: lists of allowed texts, and parameters that depend on another.

    Args:
        values: The value of every parameter.

    Raises:
        InputError: A value is not one of its choices, or two values do not fit together.
    """
    for spec in PARAMETERS:
        if spec.choices and values[spec.name] not in spec.choices:
            raise InputError(
                f"parameter {spec.name}",
                found=f"'{values[spec.name]}'",
                expected=spec.constraint,
                reason="bad_parameter",
            )
    for output in ("grid", "points", "markers"):
        lower, upper = (values[f"{output}_{end}_height"] for end in ("min", "max"))
        if not lower < upper:
            raise InputError(
                f"parameters {output}_min_height, {output}_max_height",
                found=f"{lower} m, {upper} m",
                expected="the first below the second",
                reason="bad_parameter",
            )
    if values["min_confidence"] > 0 and not values["confidence"]:
        raise InputError(
            "parameter min_confidence",
            found=f"{values['min_confidence']} with confidence false",
            expected="0, or confidence true",
            reason="bad_parameter",
        )
    cameras, offsets = values["cameras"], values["camera_offsets"]
    if cameras and len(offsets) != len(cameras):
        raise InputError(
            "parameter camera_offsets",
            found=f"{len(offsets)} offsets for {len(cameras)} cameras",
            expected="one per camera, in the order of cameras",
            reason="bad_parameter",
        )


def parameter_file() -> str:
    """Render the table as a ROS parameter file, comments included."""
    lines = [
        "# Every parameter of occ_node with its default. Parameters marked (dynamic) may change",
        "# while the node runs: ros2 param set /occ_node <name> <value>",
        "/**:",
        "  ros__parameters:",
    ]
    for spec in PARAMETERS:
        notes = [spec.description, f"[{spec.constraint}]" if spec.constraint else ""]
        notes.append("(dynamic)" if spec.dynamic else "")
        lines += _comment(" ".join(note for note in notes if note))
        lines.append(f"    {spec.name}: {_yaml(spec.default)}")
    return "\n".join(lines) + "\n"


def _comment(text: str, width: int = 95) -> list[str]:
    lines, line = [], "    #"
    for word in text.split():
        if len(line) + 1 + len(word) > width:
            lines.append(line)
            line = "    #"
        line += f" {word}"
    return [*lines, line]


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
