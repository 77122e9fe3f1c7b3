# SPDX-License-Identifier: Apache-2.0
"""What is shown of one moment, wherever it comes from and whatever shows it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.frame import Camera, Frame
from effocc_ros.geometry import inverse_rigid
from effocc_ros.occupancy import SemanticOccupancy


@dataclass(frozen=True)
class Moment:
    """One moment of a drive.

    Attributes:
        frame: What the sensors saw; of a bag without sensors only stamp and ego pose.
        prediction: What a network said; the truth itself where no network was asked.
        truth: What is true, of the same grid and classes, or None where it is not known.
    """

    frame: Frame
    prediction: SemanticOccupancy
    truth: SemanticOccupancy | None = None

    @property
    def grids(self) -> dict[str, SemanticOccupancy]:
        """What is known of the voxels, by name, in the order in which it is shown."""
        if self.truth is None:
            return {"prediction": self.prediction}
        if self.prediction is self.truth:
            return {"truth": self.truth}
        return {"prediction": self.prediction, "truth": self.truth}

    @property
    def over_images(self) -> SemanticOccupancy:
        """The occupancy that is drawn over the images.

        Labels of random weights would only hide the images: then it is the truth, if known.
        """
        known = self.truth is not None and not self.prediction.trained
        return self.truth if known else self.prediction


def ego2grid(frame: Frame, occupancy: SemanticOccupancy) -> NDArray[np.float64]:
    """Return where the ego frame stands in the grid's, (4, 4).

    The two are the same, unless the grid is in the LiDAR's frame.
    """
    if frame.cloud is not None and occupancy.frame_id == frame.cloud.frame_id:
        return inverse_rigid(frame.cloud.sensor2ego)
    return np.eye(4)


def camera2ego(frame: Frame, camera: Camera) -> NDArray[np.float64]:
    """Return where a camera was when it took its image, (4, 4), in the ego frame at the stamp."""
    return inverse_rigid(frame.ego2global) @ camera.ego2global @ camera.sensor2ego
