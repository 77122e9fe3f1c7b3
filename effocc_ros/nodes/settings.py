# SPDX-License-Identifier: Apache-2.0
"""Every setting of the occupancy node: its parameters, and what follows from them."""

import re
from collections import Counter
from dataclasses import dataclass

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.networks.config import ModelConfig
from effocc_ros.nodes.parameters import Settings, bad_parameter, setting
from effocc_ros.nodes.stream_settings import offsets_by_name
from effocc_ros.precisions import PRECISIONS
from effocc_ros.stream import StreamConfig, SyncConfig

TOPIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*\Z")
"""Names of sensors that have a topic below the node's own name."""

KINDS = ("fusion", "vision", "lidar")
"""Values of ``model`` that stand for a preset of that kind."""

AUTO = "auto"
"""Value of ``model`` that stands for all three."""

NETWORK = (
    "model",
    *(f"{kind}_model" for kind in KINDS),
    *("device", "precision", "confidence", "threads"),
)
"""Parameters that decide which network is loaded, and how."""


@dataclass(frozen=True)
class NodeSettings(Settings):
    """Every parameter of ``occ_node``, checked.

    Raises:
        InputError: A value is out of its range, or two values do not fit together.
    """

    autostart: bool = setting(
        True, "Configure and activate at start; false leaves that to a launch file or a manager."
    )
    model: str = setting(
        "fusion_r18",
        "Network to run: a preset, the path of a checkpoint, or fusion, vision, lidar for the "
        "preset of that kind; auto loads all three, and each frame goes to the one made for the "
        "sensors that are there. Changing it loads the new network, then swaps between frames.",
        dynamic=True,
    )
    fusion_model: str = setting(
        "fusion_r18", "What model:=fusion means: a preset or a checkpoint."
    )
    vision_model: str = setting(
        "vision_r50", "What model:=vision means: a preset or a checkpoint."
    )
    lidar_model: str = setting("lidar", "What model:=lidar means: a preset or a checkpoint.")
    device: str = setting("auto", "Where the network runs: auto, cpu, cuda or cuda:<index>.")
    precision: str = setting(
        "float32",
        "Arithmetic of the network; bfloat16 on a GPU, a CPU with AMX or one of AMD with "
        "AVX512-BF16; float16 on a GPU.",
        choices=tuple(sorted(PRECISIONS, reverse=True)),
    )
    confidence: bool = setting(False, "Send the probability of each voxel's class as well.")
    threads: int = setting(0, "CPU threads of the network; 0 lets PyTorch decide.", 0, 256)
    cameras: tuple[str, ...] = setting(
        NUSCENES_CAMERAS,
        "Camera names; camera X is read from ~/input/X/image and ~/input/X/camera_info. One "
        "empty name means that there is none.",
    )
    lidar: str = setting(StreamConfig.lidar, "Name of the LiDAR that is read from ~/input/points.")
    other_lidars: tuple[str, ...] = setting(
        (),
        "LiDARs whose sweeps are added to it; LiDAR X is read from ~/input/X/points. One empty "
        "name: none.",
    )
    odometry: bool = setting(
        False, "Take the ego motion from ~/input/odometry (nav_msgs/Odometry) too, not tf alone."
    )
    image_transport: str = setting(
        "compressed",
        "Type of the image topics: sensor_msgs/Image or sensor_msgs/CompressedImage.",
        choices=("raw", "compressed"),
    )
    raw_cameras: tuple[str, ...] = setting(
        (), "Cameras whose images are raw though the others' are compressed. One empty name: none."
    )
    reliability: str = setting(
        "auto",
        "Reliability that the sensor subscriptions ask for; auto follows the publishers: reliable "
        "unless one of a topic offers best effort.",
        choices=("auto", "best_effort", "reliable"),
    )
    queue_depth: int = setting(10, "Messages kept per sensor subscription.", 1, 1000)
    base_frame: str = setting(
        StreamConfig.base_frame, "tf frame of the vehicle; the grid lies in it."
    )
    fixed_frame: str = setting(
        StreamConfig.fixed_frame,
        "tf frame that does not move with the vehicle; empty when ego motion is unknown.",
    )
    calibration: str = setting(
        "", "YAML file with intrinsics and sensor poses for rigs without CameraInfo or tf."
    )
    synchronizer: str = setting(
        "auto",
        "What makes a frame: each LiDAR sweep, or each image of the anchor camera; auto takes "
        "the LiDAR where the model uses one and the anchor camera where it does not.",
        choices=("auto", "lidar", "anchor"),
    )
    anchor_camera: str = setting("CAM_FRONT", "Camera that makes the frames without a LiDAR.")
    tolerance: float = setting(
        SyncConfig.tolerance,
        "Seconds between an image and the stamp at which it is expected, at most; 0: half of the "
        "camera's measured period, 0.1 s at most.",
        0.0,
        10.0,
    )
    camera_offsets: tuple[float, ...] = setting(
        (),
        "Seconds by which each camera's stamps lie after the reference stamp, in the order of "
        "cameras; empty: none.",
    )
    clock_offsets: tuple[str, ...] = setting(
        (),
        "Seconds added to the stamps of inputs whose clock is not the others', such as "
        "CAM_FRONT=-0.25 or tf=0.1. One empty text: none.",
    )
    accept_within: float = setting(
        SyncConfig.accept_within,
        "Seconds: an image this close to where it is expected is taken without waiting for a "
        "closer one.",
        0.0,
        10.0,
    )
    max_wait: float = setting(
        SyncConfig.max_wait,
        "Seconds on the node's clock that a frame waits for images and tf after its reference "
        "message, while up to 120 images of each camera are kept; 0: until what is missing is "
        "late by what it used to be, 0.2 s at most.",
        0.0,
        60.0,
    )
    trigger_interval: float = setting(
        SyncConfig.trigger_interval, "Seconds between frames, at least; 0 for all.", 0.0, 3600.0
    )
    sweeps: int = setting(
        -1,
        "Earlier LiDAR sweeps added to the reference sweep; -1: what the model wants.",
        -1,
        100,
    )
    max_extrapolation: float = setting(
        StreamConfig.max_extrapolation,
        "Seconds beyond the newest transform that it is extrapolated, at most.",
        0.0,
        3600.0,
    )
    intensity_scale: float = setting(
        StreamConfig.intensity_scale,
        "Factor that brings the LiDAR's intensity to 0..255; 1 learns it.",
        0.0,
        1e6,
    )
    grid_min_height: float = setting(
        0.2,
        "Metres over the base frame where ~/output/grid begins to count voxels.",
        -100.0,
        100.0,
        dynamic=True,
    )
    grid_max_height: float = setting(
        2.2,
        "Metres over the base frame where ~/output/grid stops counting voxels.",
        -100.0,
        100.0,
        dynamic=True,
    )
    ground_classes: tuple[str, ...] = setting(
        (),
        "Classes that lie on the ground and never block ~/output/grid by themselves. One empty "
        "name: those of the model's class list.",
        dynamic=True,
    )
    drivable_classes: tuple[str, ...] = setting(
        (),
        "Ground classes that the vehicle may drive on: free cells of ~/output/grid. One empty "
        "name: those of the model's class list (driveable_surface, road).",
        dynamic=True,
    )
    voxel_grids: tuple[str, ...] = setting(
        (),
        "Voxel grids of other projects to publish as well, where their messages are installed: "
        "foxglove on ~/output/foxglove_voxels, nav2 on ~/output/nav2_voxels. One empty name: "
        "none.",
    )
    points_min_height: float = setting(
        -100.0,
        "Metres over the base frame below which ~/output/points leaves voxels out.",
        -100.0,
        100.0,
        dynamic=True,
    )
    points_max_height: float = setting(
        100.0,
        "Metres over the base frame above which ~/output/points leaves voxels out.",
        -100.0,
        100.0,
        dynamic=True,
    )
    points_classes: tuple[str, ...] = setting(
        (), "Classes that ~/output/points shows. One empty name: all.", dynamic=True
    )
    markers_min_height: float = setting(
        -100.0,
        "Metres over the base frame below which ~/output/markers leaves voxels out.",
        -100.0,
        100.0,
        dynamic=True,
    )
    markers_max_height: float = setting(
        100.0,
        "Metres over the base frame above which ~/output/markers leaves voxels out.",
        -100.0,
        100.0,
        dynamic=True,
    )
    markers_classes: tuple[str, ...] = setting(
        (), "Classes that ~/output/markers shows. One empty name: all.", dynamic=True
    )
    min_confidence: float = setting(
        0.0,
        "Probability below which ~/output/points and ~/output/markers leave voxels out; needs "
        "confidence.",
        0.0,
        1.0,
        dynamic=True,
    )
    diagnostics_period: float = setting(1.0, "Seconds between two diagnostics.", 0.05, 60.0)

    def __post_init__(self):
        super().__post_init__()
        for output in ("grid", "points", "markers"):
            lower, upper = (getattr(self, f"{output}_{end}_height") for end in ("min", "max"))
            if not lower < upper:
                raise bad_parameter(
                    f"{output}_min_height, {output}_max_height",
                    f"{lower} m, {upper} m",
                    "the first below the second",
                )
        if self.min_confidence > 0 and not self.confidence:
            raise bad_parameter(
                "min_confidence",
                f"{self.min_confidence} with confidence false",
                "0, or confidence true",
            )
        known = ("tf", self.lidar, *self.other_lidars, *self.cameras)
        unknown = [name for name in offsets_by_name(self.clock_offsets) if name not in known]
        if unknown:
            raise bad_parameter(
                "clock_offsets", ", ".join(unknown), f"names out of {', '.join(known)}"
            )
        if not all(abs(seconds) <= 10.0 for seconds in self.camera_offsets):
            found = ", ".join(map(str, self.camera_offsets))
            raise bad_parameter("camera_offsets", found, "seconds, -10 to 10")
        sensors = Counter((*self.cameras, self.lidar, *self.other_lidars, "tf"))
        shared = [name for name, count in sensors.items() if count > 1 or not name.strip()]
        if shared:
            raise bad_parameter(
                "cameras, lidar, other_lidars",
                ", ".join(f"'{name}'" for name in shared),
                "a name of its own for each sensor, other than tf",
            )
        unfit = [name for name in (*self.cameras, *self.other_lidars) if not TOPIC.match(name)]
        if unfit:
            raise bad_parameter(
                "cameras, other_lidars",
                ", ".join(f"'{name}'" for name in unfit),
                "letters, digits and '_', a digit not first: the names are part of topics' names",
            )
        if not self.base_frame.strip("/ "):
            raise bad_parameter("base_frame", f"'{self.base_frame}'", "a tf frame")
        if self.camera_offsets and len(self.camera_offsets) != len(self.cameras):
            raise bad_parameter(
                "camera_offsets",
                f"{len(self.camera_offsets)} offsets for {len(self.cameras)} cameras",
                "one per camera, in the order of cameras, or none",
            )

    @property
    def network(self) -> tuple[tuple[str, ...], str, str, bool, int]:
        """What decides which network is loaded, or which three are, and how."""
        kinds = KINDS if self.model == AUTO else (self.model,)
        models = tuple(getattr(self, f"{each}_model") if each in KINDS else each for each in kinds)
        return models, self.device, self.precision, self.confidence, self.threads

    def unknown_cameras(self, model: ModelConfig) -> tuple[str, ...]:
        """Return the cameras that a model which uses cameras has no place for."""
        return tuple(name for name in self.cameras if model.cameras and name not in model.cameras)

    def stand_in_anchor(self, model: ModelConfig) -> str:
        """Return the camera that stands in for an anchor camera which a model does not use.

        Empty where the anchor camera is used, and where no camera can make the frames.
        """
        # A grid in the LiDAR's frame needs the LiDAR.
        used = [each for each in self.cameras if each in model.cameras and model.frame != "lidar"]
        return used[0] if used and self.anchor_camera not in used else ""
