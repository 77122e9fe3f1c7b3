# SPDX-License-Identifier: Apache-2.0
"""Training's variety: how images, the BEV and the sensors of a sample are changed at random."""

import random
from dataclasses import dataclass, replace

import numpy as np

from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.networks.config import ModelConfig
from effocc_ros.preprocess.variation import ImageVariation, Variation

_PROBABILITIES = (
    "image_flip",
    "flip_x",
    "flip_y",
    "silent_camera",
    "silent_cameras",
    "silent_lidar",
)
_FACTORS = ("brightness", "contrast", "saturation")


@dataclass(frozen=True)
class Augmentation:
    """How much is changed; by default what EFFOcc's configs change.

    Every camera's image is changed on its own. It is scaled, cut at the bottom and at a random
    place from left to right, mirrored and turned; its matrices say so, and the BEV does not move.
    Mirroring the BEV moves points, matrices, labels and flow alike.

    Attributes:
        resize: Least and greatest change of an image's scale, as a share of the scale. EFFOcc
            adds -0.06 to 0.11 to 704 / 1600 = 0.44; other sizes keep the proportion.
        rotation: An image is turned by up to so many degrees either way.
        image_flip: Probability that an image is mirrored.
        flip_x: Probability that the BEV is mirrored front to back.
        flip_y: Probability that it is mirrored left to right.
        brightness: Colours: factors are drawn from 1 - value to 1 + value.
        contrast: Likewise.
        saturation: Likewise.
        silent_camera: Probability that a camera is silent, each on its own.
        silent_cameras: Probability that all cameras of a fusion network are silent.
        silent_lidar: Probability that the LiDAR of a fusion network is silent. At least one
            sensor always speaks.

    Raises:
        InputError: A number is out of its range.
    """

    resize: tuple[float, float] = (-0.06 / 0.44, 0.11 / 0.44)
    rotation: float = 5.4
    image_flip: float = 0.5
    flip_x: float = 0.5
    flip_y: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    silent_camera: float = 0.0
    silent_cameras: float = 0.0
    silent_lidar: float = 0.0

    def __post_init__(self):
        least, greatest = self.resize
        if not -1.0 < least <= greatest < 10.0:
            raise _bad("resize", self.resize, "two numbers above -1, the lesser first")
        if not 0.0 <= self.rotation <= 180.0:
            raise _bad("rotation", self.rotation, "degrees from 0 to 180")
        for name in (*_PROBABILITIES, *_FACTORS):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise _bad(name, getattr(self, name), "a number from 0 to 1")
        if self.silent_cameras + self.silent_lidar > 1.0:
            found = f"{self.silent_cameras} and {self.silent_lidar}"
            raise _bad("silent_cameras and silent_lidar", found, "at most 1 together")

    def draw(
        self, frame: Frame, config: ModelConfig, *, seed: int, epoch: int, token: str
    ) -> tuple[Frame, Variation]:
        """Draw what becomes of one sample in one epoch.

        Args:
            frame: The sample's Frame.
            config: The network's preset.
            seed: Seed of the training.
            epoch: Which epoch.
            token: The sample's token. The same seed, epoch and token draw the same.

        Returns:
            The Frame without the sensors that are silent, and the Variation.
        """
        images = random.Random(f"images {seed} {epoch} {token}")
        bev = random.Random(f"bev {seed} {epoch} {token}")
        sensors = random.Random(f"sensors {seed} {epoch} {token}")
        variation = Variation(
            images={name: self._image(images) for name in config.cameras},
            flip_x=bev.random() < self.flip_x,
            flip_y=bev.random() < self.flip_y,
        )
        return self._with_silence(frame, config, sensors), variation

    def _image(self, draw: random.Random) -> ImageVariation:
        # Always as many draws, so that what is off changes nothing else.
        return ImageVariation(
            resize=draw.uniform(*self.resize),
            crop=draw.random(),
            flip=draw.random() < self.image_flip,
            angle=draw.uniform(-self.rotation, self.rotation),
            **{
                name: draw.uniform(1.0 - getattr(self, name), 1.0 + getattr(self, name))
                for name in _FACTORS
            },
        )

    def _with_silence(self, frame: Frame, config: ModelConfig, draw: random.Random) -> Frame:
        known = [name for name in config.cameras if frame.camera(name) is not None]
        which = draw.random()
        speaking = {name for name in known if draw.random() >= self.silent_camera}
        kept = draw.choice(known) if known else None
        if config.modality == "lidar" or not known:
            return frame
        has_lidar = config.modality == "fusion" and frame.cloud is not None
        if has_lidar and which < self.silent_cameras:
            return replace(frame, cameras=())
        if has_lidar and which >= 1.0 - self.silent_lidar:
            has_lidar = False
            # Not None: networks in the LiDAR frame need to know where it is.
            frame = replace(frame, cloud=replace(frame.cloud, points=_NO_POINTS))
        if not speaking and not has_lidar:
            speaking = {kept}
        cameras = tuple(c for c in frame.cameras if c.name in speaking or c.name not in known)
        return replace(frame, cameras=cameras)


_NO_POINTS = np.zeros((0, 5), np.float32)


def _bad(name: str, found: object, expected: str) -> InputError:
    return InputError(
        f"augmentation, {name}", found=str(found), expected=expected, reason="bad_augmentation"
    )
