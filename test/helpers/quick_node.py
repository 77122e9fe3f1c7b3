# SPDX-License-Identifier: Apache-2.0
"""The occupancy node with a network that costs nothing and runs out of memory when told to."""

import faulthandler
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from effocc_ros.nodes import executables, models
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor, PreparedFrame, mode_of, usable_inputs


class QuickPredictor(Predictor):
    """Says that everything is free."""

    def prepare(self, frame):
        return PreparedFrame(frame, usable_inputs(frame, self.config), None, 0.0)

    def run(self, prepared):
        if Path(os.environ["EFFOCC_TEST_OUT_OF_MEMORY"]).exists():
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.timings = {"preprocess": 0.0, "network": 0.0, "output": 0.0}
        frame = prepared.frame
        return SemanticOccupancy(
            stamp=frame.stamp,
            frame_id=frame.frame_id,
            grid=self.config.grid,
            labels=np.full(self.config.grid.shape, self.classes.free, np.uint8),
            classes=self.classes,
            model=self.name,
            trained=self.trained,
            mode=mode_of(prepared.inputs, frame),
            inputs=prepared.inputs,
        )


def main() -> None:
    """Run the node; SIGUSR1 lets it print where each of its threads is."""
    faulthandler.register(signal.SIGUSR1)
    models.Predictor = QuickPredictor
    sys.exit(executables.occ_node())
