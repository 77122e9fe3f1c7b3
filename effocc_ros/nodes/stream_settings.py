# SPDX-License-Identifier: Apache-2.0
"""From the node's settings and a model to what the stream makes its frames of."""

from typing import TYPE_CHECKING

from effocc_ros import stream
from effocc_ros.networks.config import ModelConfig
from effocc_ros.nodes.parameters import bad_parameter
from effocc_ros.stream import StreamConfig, SyncConfig

if TYPE_CHECKING:
    from effocc_ros.nodes.settings import NodeSettings

FURTHEST_CLOCK = 4e9
"""Seconds between two clocks: those since 1970 and until 2096."""


def stream_config(settings: "NodeSettings", model: ModelConfig) -> StreamConfig:
    """Return how the stream makes frames for a model.

    Raises:
        InputError: No camera of the rig is one of the model's, a vision network is without
            its anchor camera, or the calibration file is bad.
    """
    offsets = settings.camera_offsets or (0.0,) * len(settings.cameras)
    used = {
        name: offset
        for name, offset in zip(settings.cameras, offsets, strict=True)
        if name in model.cameras
    }
    if model.cameras and settings.cameras and not used:
        raise bad_parameter(
            "cameras",
            ", ".join(settings.cameras),
            f"names that {model.name} knows: {', '.join(model.cameras)}",
        )
    anchor = settings.anchor_camera if anchored(settings, model) else ""
    if anchor and anchor not in used:
        raise bad_parameter(
            "anchor_camera",
            f"'{anchor}'",
            f"a camera of the rig that {model.name} uses: " + (", ".join(used) or "there is none"),
        )
    sync = SyncConfig(
        cameras=tuple(used),
        offsets=used,
        tolerance=settings.tolerance,
        accept_within=settings.accept_within,
        max_wait=settings.max_wait,
        trigger_interval=settings.trigger_interval,
    )
    return stream.stream_config(
        model,
        sync,
        lidars=(settings.lidar, *settings.other_lidars),
        anchor=anchor,
        first_camera=settings.anchor_camera,
        calibration=settings.calibration,
        sensors=(*settings.cameras, settings.lidar, *settings.other_lidars),
        base_frame=settings.base_frame,
        fixed_frame=settings.fixed_frame,
        sweeps=model.sweeps if settings.sweeps < 0 else settings.sweeps,
        max_extrapolation=settings.max_extrapolation,
        intensity_scale=settings.intensity_scale,
        clock_offsets=offsets_by_name(settings.clock_offsets),
    )


def anchored(settings: "NodeSettings", model: ModelConfig) -> bool:
    """Return whether an anchor camera makes the frames of a model, and not the LiDAR."""
    if settings.synchronizer == "auto":
        return model.modality == "vision"
    return settings.synchronizer == "anchor"


def offsets_by_name(texts: tuple[str, ...]) -> dict[str, float]:
    """Read ``clock_offsets``: input -> seconds.

    Raises:
        InputError: A text is not a name, ``=`` and a number.
    """
    offsets = {}
    for text in texts:
        name, _, seconds = text.partition("=")
        try:
            offsets[name.strip()] = float(seconds)
        except ValueError:
            name = ""
        if not name.strip() or not abs(offsets[name.strip()]) <= FURTHEST_CLOCK:
            raise bad_parameter("clock_offsets", f"'{text}'", "texts such as CAM_FRONT=-0.25")
    return offsets
