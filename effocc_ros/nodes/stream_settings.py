"""From the node's parameters and a model to the stream's settings."""

from types import SimpleNamespace

from effocc_ros.calibration import load_calibration
from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.stream import INTENSITY, StreamConfig, SyncConfig


def stream_config(settings: SimpleNamespace, model: ModelConfig) -> StreamConfig:
    """Return how the stream makes frames for a model.

    Args:
        settings: The node's parameters.
        model: The network; cameras that it has no place for are not used.

    Raises:
        InputError: A vision network without its anchor camera, or a bad calibration file.
    """
    offsets = {
        name: offset
        for name, offset in zip(settings.cameras, settings.camera_offsets, strict=False)
        if name in model.cameras
    }
    anchor = settings.anchor_camera if anchored(settings, model) else ""
    if anchor and anchor not in offsets:
        raise InputError(
            "parameter anchor_camera",
            found=f"'{anchor}'",
            expected=f"a camera of the rig that {model.name} uses: "
            + (", ".join(offsets) or "there is none"),
            reason="bad_parameter",
        )
    return StreamConfig(
        sync=SyncConfig(
            cameras=tuple(offsets),
            offsets=offsets,
            tolerance=settings.tolerance,
            accept_within=settings.accept_within,
            max_wait=settings.max_wait,
            trigger_interval=settings.trigger_interval,
        ),
        lidar=settings.lidar,
        anchor=anchor,
        base_frame=settings.base_frame,
        fixed_frame=settings.fixed_frame,
        sweeps=model.sweeps if settings.sweeps < 0 else settings.sweeps,
        max_extrapolation=settings.max_extrapolation,
        intensity_scale=settings.intensity_scale,
        learn_intensity=INTENSITY not in model.tanh_columns,
        calibration=load_calibration(settings.calibration) if settings.calibration else {},
    )


def anchored(settings: SimpleNamespace, model: ModelConfig) -> bool:
    """Return whether an anchor camera makes the frames, and not the LiDAR."""
    if settings.synchronizer == "auto":
        return model.modality == "vision"
    return settings.synchronizer == "anchor"
