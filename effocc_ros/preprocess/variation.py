# SPDX-License-Identifier: Apache-2.0
"""What training changes about a sample, as plain values; how they are drawn is not said here."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ImageVariation:
    """What becomes of one camera's image; by default nothing but what happens at test time.

    Attributes:
        resize: Change of the scale as a share of it: 0.25 makes the image a quarter larger.
        crop: Where the cut stands between the left edge (0) and the right edge (1) of an image
            that is wider than the input.
        flip: Mirror it left to right.
        angle: Turn it about the cut's centre, counter-clockwise as one looks at it, degrees.
        brightness: Factor of all values.
        contrast: Factor of the distance from the image's mean.
        saturation: Factor of the distance from gray.
    """

    resize: float = 0.0
    crop: float = 0.0
    flip: bool = False
    angle: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0


AS_IT_IS = ImageVariation()


@dataclass(frozen=True)
class Variation:
    """What becomes of one sample; by default nothing.

    Attributes:
        images: Camera -> what becomes of its image.
        flip_x: Mirror the world front to back: x becomes -x.
        flip_y: Mirror it left to right: y becomes -y.
    """

    images: Mapping[str, ImageVariation] = field(default_factory=dict)
    flip_x: bool = False
    flip_y: bool = False

    @property
    def signs(self) -> tuple[float, float, float]:
        """Factors of x, y and z."""
        return (-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0, 1.0)


UNCHANGED = Variation()
