# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: their arguments, and how their processes end."""

import shutil
from collections.abc import Mapping

from effocc_ros.errors import InputError

NODE = {
    "model": (str, "preset, checkpoint, or fusion, vision, lidar"),
    "fusion_model": (str, "what model:=fusion means: preset or checkpoint"),
    "vision_model": (str, "what model:=vision means: preset or checkpoint"),
    "lidar_model": (str, "what model:=lidar means: preset or checkpoint"),
    "device": (str, "auto, cpu, cuda or cuda:<index>"),
    "precision": (str, "float32, float16 or bfloat16"),
    "threads": (int, "CPU threads of the network; 0: PyTorch decides"),
    "reliability": (str, "auto, best_effort or reliable"),
    "synchronizer": (str, "auto, lidar or anchor"),
    "tolerance": (float, "seconds between the reference stamp and an image, at most"),
    "max_wait": (float, "seconds that a frame waits for images"),
    "trigger_interval": (float, "seconds between frames, at least"),
    "use_sim_time": (bool, "follow /clock"),
    "autostart": (bool, "configure and activate at start"),
}
"""Parameters of ``occ_node`` that launch arguments of the same name set: type, description."""

PLAYER = {
    "bag": (str, "folder of a rosbag2, or one .mcap or .db3 file"),
    "rate": (float, "bag seconds per second"),
    "loop": (bool, "begin again at the end"),
    "lockstep": (bool, "wait for the node's answer to each keyframe"),
    "trigger_interval": (float, "seconds between frames, at least"),
}
"""The same for ``bag_player``."""

FLAGS = {"true": True, "1": True, "yes": True, "on": True}
FLAGS |= {"false": False, "0": False, "no": False, "off": False}


def given_parameters(
    table: Mapping[str, tuple[type, str]], texts: Mapping[str, str]
) -> dict[str, str | int | float | bool]:
    """Return the parameters that launch arguments set, in the types that ROS wants.

    Args:
        table: :data:`NODE` or :data:`PLAYER`.
        texts: Launch arguments by name; an empty text leaves its parameter alone.

    Raises:
        InputError: A text that is not of its parameter's type.
    """
    return {
        name: _value(name, kind, texts[name].strip())
        for name, (kind, _) in table.items()
        if texts.get(name, "").strip()
    }


def _value(name: str, kind: type, text: str) -> str | int | float | bool:
    try:
        return FLAGS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"launch argument {name}",
            found=f"'{text}'",
            expected="true or false" if kind is bool else f"a value of type {kind.__name__}",
            reason="bad_argument",
        ) from error


def process_prefix() -> str | None:
    """Return the command before a process that ends it with launch, however launch ends.

    launch ends its processes on SIGINT alone; SIGTERM and SIGKILL leave them behind. The kernel
    can send them SIGTERM then; setpriv (util-linux) asks it to. None where there is none.
    """
    return "setpriv --pdeathsig TERM" if shutil.which("setpriv") else None


def in_namespace(namespace: str, topic: str) -> str:
    """Return an absolute topic below a namespace, given with or without slashes."""
    namespace = namespace.strip("/")
    return f"/{namespace}{topic}" if namespace else topic
