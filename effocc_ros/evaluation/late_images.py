# SPDX-License-Identifier: Apache-2.0
"""Images that are a tenth of a second older than they claim."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.files import read_image
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.sample import Sample
from effocc_ros.frame import Camera, Frame
from effocc_ros.geometry import interpolate_rigid, inverse_rigid

LATE_SECONDS = 0.1
NEAR_SECONDS = 0.06
"""An earlier image may be so much older or younger than wanted; nuScenes has one every 83 ms."""

EarlierImage = Callable[[Sample, Camera], NDArray[np.uint8] | None]


def late_images(sample: Sample, earlier: EarlierImage | None) -> Frame:
    """Return a sample's Frame with images that lag 100 ms behind their poses and stamps.

    Where the data set has an image of 100 ms before, it takes the image's place. Else the images
    stay and their claimed places move on: to where the vehicle is going to carry the camera
    within 100 ms. What moves by itself is then not late.
    """
    ahead = ego_motion(sample.frame, LATE_SECONDS)
    cameras = []
    for camera in sample.frame.cameras:
        image = None if earlier is None else earlier(sample, camera)
        if image is not None:
            cameras.append(replace(camera, image=image))
        else:
            cameras.append(replace(camera, sensor2ego=ahead @ camera.sensor2ego))
    return replace(sample.frame, cameras=tuple(cameras))


def ego_motion(frame: Frame, seconds: float) -> NDArray[np.float64]:
    """Return where the vehicle is after so many seconds, (4, 4), in the Frame's ego frame.

    Its motion is that between the Frame's stamp and the camera farthest from it in time; where
    all are of one time it stands still.
    """
    apart = [(camera.stamp - frame.stamp, camera.ego2global) for camera in frame.cameras]
    nanoseconds, pose = max(apart, key=lambda pair: abs(pair[0]), default=(0, np.eye(4)))
    if nanoseconds == 0:
        return np.eye(4)
    then = inverse_rigid(frame.ego2global) @ pose
    return interpolate_rigid(np.eye(4), then, seconds * 1e9 / nanoseconds)


def earlier_images(dataset: NuscenesDataset) -> EarlierImage | None:
    """Return a function that reads the image taken 100 ms before a sample's, or None.

    It returns None for a camera that has no such image, as at the start of a scene. There is no
    function where the data set has no images between the keyframes.
    """
    tables = dataset.tables
    records = {record.token: record for record in dataset.samples}

    def earlier(sample: Sample, camera: Camera) -> NDArray[np.uint8] | None:
        keyframe = tables.keyframe(records[sample.token])[camera.name]
        wanted = keyframe.stamp - LATE_SECONDS * 1e9
        near = [
            record
            for record in tables.earlier(keyframe, 8)
            if abs(record.stamp - wanted) <= NEAR_SECONDS * 1e9 and record.file.is_file()
        ]
        if not near:
            return None
        return read_image(min(near, key=lambda record: abs(record.stamp - wanted)).file)

    between = any(not key_frame for _, key_frame, _ in tables.files(("camera",)))
    return earlier if between else None
