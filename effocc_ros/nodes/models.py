"""From the node's ``model`` parameter to a network that is ready to run."""

import resource
from types import SimpleNamespace

import torch

from effocc_ros.predictor import Predictor

KINDS = ("fusion", "vision", "lidar")


def model_of(value: str, settings: SimpleNamespace) -> str:
    """Return the preset or checkpoint that a value of the ``model`` parameter means."""
    return getattr(settings, f"{value}_model") if value in KINDS else value


def load_model(value: str, settings: SimpleNamespace) -> Predictor:
    """Load the network that a value of the ``model`` parameter means.

    Args:
        value: A preset, the path of a checkpoint, or ``fusion``, ``vision``, ``lidar``.
        settings: The node's parameters.

    Raises:
        InputError: No such preset, or a file that is no checkpoint of a known model.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return Predictor(
        model_of(value, settings), settings.device, settings.precision, settings.confidence
    )


def device_memory(predictor: Predictor) -> dict[str, float]:
    """Return MiB of memory by name: of the GPU the network is on, or of this process."""
    if predictor.device.type == "cuda":
        return {
            "allocated_mib": torch.cuda.memory_allocated(predictor.device) / 2**20,
            "peak_mib": torch.cuda.max_memory_allocated(predictor.device) / 2**20,
        }
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    return {"resident_mib": pages * resource.getpagesize() / 2**20}
