# SPDX-License-Identifier: Apache-2.0
"""From a trigger to a Frame: find every sensor's pose, decode, put the sweeps together."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.calibration import SensorCalibration, not_filed
from effocc_ros.errors import InputError
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.stream.camera_history import CameraModels
from effocc_ros.stream.camera_view import CameraModel, CameraView, filed_model
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.headers import no_frame_id
from effocc_ros.stream.images import Fallback, ImageDecoder
from effocc_ros.stream.mounts import looks_up, mounting, optical_frame
from effocc_ros.stream.report import Problem, Remark
from effocc_ros.stream.sweep_buffer import RawSweep, SweepBuffer
from effocc_ros.stream.synchronizer import Trigger
from effocc_ros.stream.transform_buffer import TransformBuffer
from effocc_ros.sweeps import Sweep, aggregate_sweeps

Report = Callable[[Problem], None]


@dataclass(frozen=True)
class Scene:
    """A moment of which all poses are known, and nothing is decoded yet.

    Attributes:
        stamp: Of the reference, nanoseconds.
        ego2global: (4, 4) ego pose at ``stamp``; identity where it is not known.
        cameras: Cameras whose ``image`` is still a message, with their models.
        sweeps: The reference sweep and earlier ones, newest first; empty without a LiDAR.
        lidar: Name of the LiDAR of the reference sweep.
        lidar_frame: Its tf frame; empty without one, or where a file says where it is.
        beside: Other LiDARs and their sweeps, newest first.
        ego_lost: Why the ego motion is not known; None where it is, or where there is none.
    """

    stamp: int
    ego2global: NDArray[np.float64]
    cameras: tuple[tuple[Camera, CameraModel], ...] = field(repr=False)
    sweeps: tuple[Sweep, ...] = field(repr=False)
    lidar: str = ""
    lidar_frame: str = ""
    beside: tuple[tuple[str, tuple[Sweep, ...]], ...] = field(default=(), repr=False)
    ego_lost: InputError | None = None


class Assembler:
    """Makes Frames.

    Args:
        config: Names of frames and sensors, calibration, number of sweeps.
        transforms: Poses over time.
        sweeps: LiDAR -> its earlier sweeps.
        fallback: Decodes images of encodings that are not known here.

    Attributes:
        config: As given; may be replaced between two frames.
        models: What CameraInfo has said.
    """

    def __init__(
        self,
        config: StreamConfig,
        transforms: TransformBuffer,
        sweeps: Mapping[str, SweepBuffer],
        fallback: Fallback | None = None,
    ):
        self.config = config
        self._transforms = transforms
        self._sweeps = sweeps
        # OpenCV lets go of the interpreter while it decodes.
        self._decoders = ThreadPoolExecutor(os.cpu_count(), "image-decoder")
        self.models = CameraModels()
        self._images = ImageDecoder(fallback)

    def has_model(self, camera: str) -> bool:
        """Return whether all that is told of a camera's intrinsics has come."""
        filed = self.config.calibration.get(camera, SensorCalibration())
        return filed.intrinsics is not None or camera in self.models

    def locate(self, trigger: Trigger, report: Report, silent: Collection[str] = ()) -> Scene:
        """Find where everything was: quick, and the only part that reads the buffers.

        A sensor or an earlier sweep whose pose cannot be known is reported and left out. Without
        the ego pose the moment is taken as standing still: one sweep, and images of one time.

        Args:
            trigger: The moment.
            report: Called with what is left out.
            silent: Other LiDARs of which nothing comes any more: their last sweeps are not used.

        Raises:
            InputError: No sensor is left.
        """
        ego_lost = self.obstacle(trigger.stamp)
        still = ego_lost is not None
        problems, cameras, sweeps = [], [], ()
        for name, (stamp, message) in trigger.images.items():
            try:
                camera, model, remarks = self._locate_camera(name, stamp, message, still)
                cameras.append((camera, model))
                problems += [Problem.of_remark(name, remark) for remark in remarks]
            except InputError as error:
                problems.append(Problem.of(name, error))
        lidar, reference = trigger.sensor, trigger.reference
        beside = []
        if reference is not None:
            try:
                sweeps = self._locate_sweeps(lidar, reference, problems, still)
                beside = self._locate_others(lidar, reference.stamp, problems, still, silent)
            except InputError as error:
                problems.append(Problem.of(lidar, error))
                if not cameras:
                    raise ego_lost or error from None  # one complaint is enough
        for problem in problems:
            report(problem)
        return Scene(
            stamp=trigger.stamp,
            ego2global=self._ego2global(trigger.stamp, still),
            cameras=tuple(cameras),
            sweeps=sweeps,
            lidar=lidar,
            lidar_frame=reference.frame_id if sweeps else "",
            beside=tuple(beside),
            ego_lost=ego_lost,
        )

    def obstacle(self, stamp: int) -> InputError | None:
        """Return why the ego pose at a stamp cannot be known, None where it can."""
        try:
            self._ego2global(stamp)
        except InputError as error:
            return error
        return None

    def build(self, scene: Scene, report: Report) -> Frame:
        """Decode the images and put the sweeps together.

        An image that cannot be decoded is reported and left out.

        Raises:
            InputError: No camera and no LiDAR is left.
        """
        cameras = []
        decoded = self._decoders.map(self._decode, scene.cameras)
        cloud = self._cloud(scene)  # while the images are decoded
        for (camera, _), view in zip(scene.cameras, decoded, strict=True):
            if isinstance(view, InputError):
                report(Problem.of(camera.name, view))
                continue
            for remark in view.remarks:
                report(Problem.of_remark(camera.name, remark))
            cameras.append(replace(camera, image=view.image, intrinsics=view.intrinsics))
        if not cameras and not scene.sweeps:
            raise InputError(
                f"frame at {scene.stamp}",
                found="no camera and no LiDAR that can be used",
                expected="at least one",
                do="See the complaints about each of them",
                reason="no_inputs",
            )
        return Frame(
            stamp=scene.stamp,
            frame_id=self.config.base_frame,
            cameras=tuple(cameras),
            cloud=cloud,
            ego2global=scene.ego2global,
        )

    def _decode(self, camera_and_model: tuple[Camera, CameraModel]) -> CameraView | InputError:
        camera, model = camera_and_model
        try:
            return model.view(self._images.decode(camera.image, camera.name), camera.name)
        except InputError as error:
            return error

    def _cloud(self, scene: Scene) -> PointCloud | None:
        if not scene.sweeps:
            return None
        reference, *earlier = scene.sweeps
        points = aggregate_sweeps(
            reference,
            earlier,
            count=self.config.sweeps,
            keep_fifth=self.config.elongation,
            beside=[sweeps for _, sweeps in scene.beside],
        )
        frame_id = scene.lidar_frame or scene.lidar
        others = tuple(name for name, _ in scene.beside)
        return PointCloud(points, reference.sensor2ego, scene.lidar, frame_id, others)

    def _locate_camera(
        self, name: str, stamp: int, message: Any, still: bool
    ) -> tuple[Camera, CameraModel, list[Remark]]:
        model = self._model(name, stamp)
        frame_id, remarks = optical_frame(
            self._transforms,
            self.config.base_frame,
            message.header.frame_id.lstrip("/"),
            model.frame_id,
        )
        pose = self._sensor2ego(name, stamp, frame_id)
        camera = Camera(
            name=name,
            image=message,
            intrinsics=model.intrinsics,
            sensor2ego=pose @ self._in_frame(name, model, stamp),
            ego2global=self._ego2global(stamp, still),
            stamp=stamp,
        )
        return camera, model, remarks + looks_up(pose, frame_id)

    def _in_frame(self, name: str, model: CameraModel, stamp: int) -> NDArray[np.float64]:
        """Return the pose of a camera's rectified images in its tf frame."""
        filed = self.config.calibration.get(name, SensorCalibration())
        if filed.sensor2base is not None or not model.first_camera.any():
            return model.pose(shifted=False)
        # By definition the frame is the first camera's; where tf has a frame there already, it is
        # the second camera's own, and the baseline is in tf.
        first = model.rotation.T @ model.first_camera
        own = self._transforms.has_frame_at(model.frame_id, first, stamp)
        return model.pose(shifted=not own)

    def _model(self, name: str, stamp: int) -> CameraModel:
        known = self.config.calibration.get(name, SensorCalibration())
        if known.intrinsics is not None:
            return filed_model(known, name)
        if name not in self.models:
            raise InputError(
                f"camera {name}",
                found="no CameraInfo yet",
                expected="one before its images are used",
                do="Publish it, remap the camera_info topic, or give a calibration file"
                + not_filed(self.config.calibration, name),
                reason="no_camera_info",
            )
        return self.models.at(name, stamp)

    def _sensor2ego(self, name: str, stamp: int, frame_id: str) -> NDArray[np.float64]:
        known = self.config.calibration.get(name, SensorCalibration())
        if known.sensor2base is not None:
            return known.sensor2base
        if not frame_id:
            raise no_frame_id(name)
        try:
            return mounting(self._transforms, self.config.base_frame, frame_id, stamp)
        except InputError as error:
            raise error.advised(not_filed(self.config.calibration, name)) from error

    def _ego2global(self, stamp: int, still: bool = False) -> NDArray[np.float64]:
        if still or not self.config.fixed_frame:
            return np.eye(4)
        return self._transforms.lookup(self.config.fixed_frame, self.config.base_frame, stamp)

    def _locate_sweeps(
        self, lidar: str, reference: RawSweep, problems: list[Problem], still: bool
    ) -> tuple[Sweep, ...]:
        # Without ego motion an earlier sweep would only blur the reference.
        moving = self.config.fixed_frame and not still
        earlier = self._sweeps[lidar].before(reference.stamp) if moving else ()
        return (
            self._locate_sweep(lidar, reference, still),
            *self._locate_earlier(lidar, earlier, problems, still),
        )

    def _locate_others(
        self,
        lidar: str,
        stamp: int,
        problems: list[Problem],
        still: bool,
        silent: Collection[str],
    ) -> list[tuple[str, tuple[Sweep, ...]]]:
        """Return the sweeps of the other LiDARs that go with a reference sweep."""
        found = []
        for name in self.config.lidars:
            if name == lidar or name in silent:
                continue
            sweeps = self._sweeps[name].before(stamp + 1, more=1)
            if not self.config.fixed_frame or still:
                del sweeps[1:]
            located = tuple(self._locate_earlier(name, sweeps, problems, still))
            if located:
                found.append((name, located))
        return found

    def _locate_earlier(
        self, lidar: str, sweeps: Iterable[RawSweep], problems: list[Problem], still: bool
    ) -> list[Sweep]:
        located, lost = [], None
        for sweep in sweeps:
            try:
                located.append(self._locate_sweep(lidar, sweep, still))
            except InputError as error:
                lost = lost or error
        if lost:
            problems.append(Problem.of(f"{lidar} sweeps", lost))
        return located

    def _locate_sweep(self, lidar: str, sweep: RawSweep, still: bool) -> Sweep:
        return Sweep(
            points=sweep.points,
            sensor2ego=self._sensor2ego(lidar, sweep.stamp, sweep.frame_id),
            ego2global=self._ego2global(sweep.stamp, still),
            stamp=sweep.stamp,
        )
