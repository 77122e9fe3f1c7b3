# SPDX-License-Identifier: Apache-2.0
"""From the node's settings to a network that is ready to run."""

import resource
from pathlib import Path

import torch

from effocc_ros.checkpoints import read_card
from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.nodes.auto_predictor import AutoPredictor
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.predictor import Predictor
from effocc_ros.presets import load_preset, preset_names


def load_model(settings: NodeSettings) -> Predictor | AutoPredictor:
    """Load the network that the settings ask for.

    Raises:
        InputError: No such preset, a file that is no checkpoint of a known model, or sensors that
            cannot feed it.
    """
    stream_config(settings, model_config(settings))  # before the slow part
    models, device, precision, confidence, threads = settings.network
    if threads:
        torch.set_num_threads(threads)
    loaded = [Predictor(model, device, precision, confidence) for model in models]
    return loaded[0] if len(loaded) == 1 else AutoPredictor(*loaded)


def model_config(settings: NodeSettings) -> ModelConfig:
    """Return what the network looks like, without loading it; quick.

    Of three it is the one for all sensors.

    Raises:
        InputError: No such preset, or a file that is no checkpoint.
    """
    model = settings.network[0][0]
    if model in preset_names():
        return load_preset(model)
    if Path(model).is_file():
        return read_card(model)[0]
    raise InputError(
        "parameter model",
        found=f"'{model}'",
        expected=f"the path of a checkpoint, or a preset: {', '.join(preset_names())}",
        do="See `effocc models`",
        reason="unknown_model",
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
