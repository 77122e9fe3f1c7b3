# SPDX-License-Identifier: Apache-2.0
"""Three networks as one: with all sensors, without the LiDAR, and without cameras."""

from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor, PreparedFrame, mode_of, usable_inputs


class AutoPredictor:
    """Runs the fusion network where cameras and LiDAR take part, else the one made for the rest.

    It is used as a Predictor is; all three stay loaded, so that a change costs no time.

    Args:
        fusion: For frames with images and points.
        vision: For frames without points.
        lidar: For frames without images.

    Raises:
        InputError: They do not say the same classes in the same grid.
    """

    def __init__(self, fusion: Predictor, vision: Predictor, lidar: Predictor):
        self._fusion, self._vision, self._lidar = fusion, vision, lidar
        for other in (vision, lidar):
            _check_alike(fusion, other)
        self._last = fusion

    def __getattr__(self, name: str) -> Any:
        """Give config, classes, device and so on of the fusion network."""
        return getattr(self._fusion, name)

    @property
    def name(self) -> str:
        """The names of all three."""
        return ", ".join(each.name for each in self._all)

    @property
    def trained(self) -> bool:
        """False when the weights of one of them are random."""
        return all(each.trained for each in self._all)

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of each stage of the last run."""
        return self._last.timings

    def prepare(self, frame: Frame) -> tuple[Predictor, PreparedFrame]:
        """Do the first half for the network that fits the sensors of a frame.

        Raises:
            InputError: The frame holds nothing that one of them can use.
        """
        network = self._network(frame)
        return network, network.prepare(frame)

    def run(self, prepared: tuple[Predictor, PreparedFrame]) -> SemanticOccupancy:
        """Do the second half."""
        self._last, frame = prepared
        return self._last.run(frame)

    def close(self) -> None:
        """Free the memory of all three."""
        for each in self._all:
            each.close()

    @property
    def _all(self) -> tuple[Predictor, ...]:
        return self._fusion, self._vision, self._lidar

    def _network(self, frame: Frame) -> Predictor:
        mode = mode_of(usable_inputs(frame, self._fusion.config), frame)
        return {"fusion": self._fusion, "vision": self._vision, "lidar": self._lidar}[mode]


def _check_alike(fusion: Predictor, other: Predictor) -> None:
    for what in ("classes", "grid", "frame"):
        ours, theirs = (getattr(each.config, what) for each in (fusion, other))
        if ours != theirs:
            raise InputError(
                "parameter model: auto",
                found=f"{what} {theirs} of {other.name} beside {ours} of {fusion.name}",
                expected="three networks that say the same",
                do="Set fusion_model, vision_model and lidar_model to such",
                reason="unlike_models",
            )
