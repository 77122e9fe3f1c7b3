# SPDX-License-Identifier: Apache-2.0
"""Moments as Rerun's entities, and the layout in which its viewer opens them.

map                          ROS axes; begins where the vehicle was at the first moment
  ego                        the vehicle's pose
    points                   the newest LiDAR returns
    prediction, truth        voxels
    <camera>                 pose and pinhole
      image, voxels          what it saw; the same with voxels painted over it
legend, model                classes and their numbers; which network it was
"""

from collections.abc import Sequence

import cv2
import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from numpy.typing import NDArray

from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.geometry import inverse_rigid, quaternion_of
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import visible_voxels
from effocc_ros.visualization.camera_picture import fitted, voxels_over
from effocc_ros.visualization.faces import exposed_faces
from effocc_ros.visualization.pictures import camera_layout, draw_legend
from effocc_ros.visualization.scene import Moment, camera2ego, ego2grid

APPLICATION = "effocc_ros"
TIMELINE = "ros_time"
PICTURE_BOX = 450, 800
"""Height and width into which images are shrunk: a viewer shows six of them at a time."""
JPEG_QUALITY = 80
LEGEND_HEIGHT = 780
MOST_POINTS = 40_000
"""LiDAR returns of a moment that are shown, the newest: a sweep of nuScenes has 35,000."""
EYE, TARGET = (-38.0, 0.0, 30.0), (4.0, 0.0, -2.0)
"""From where the voxels are seen at first, and whereto, metres in the ego frame."""


class MomentLog:
    """Writes moments to a recording, all on one timeline by the ROS stamps of their frames.

    Images have no stamps of their own there: at a moment's stamp a viewer shows all of it.

    Args:
        recording: Where to.
    """

    def __init__(self, recording: rr.RecordingStream):
        self._recording = recording
        self._start: NDArray[np.float64] | None = None

    def write(self, moment: Moment) -> None:
        """Write a moment."""
        frame = moment.frame
        self._recording.set_time(TIMELINE, timestamp=np.datetime64(frame.stamp, "ns"))
        if self._start is None:
            self._begin(frame)
        pose = frame.ego2global.copy()
        # float32 is what Rerun has: metres of a world-wide grid would be rounded to whole ones.
        pose[:3, 3] -= self._start
        self._log("map/ego", _transform(pose))
        if frame.cloud is not None:
            self._log("map/ego/points", _points(frame.cloud))
        for name, occupancy in moment.grids.items():
            self._log(f"map/ego/{name}", _voxels(frame, occupancy))
        self._cameras(moment)
        self._log("legend", _encoded(draw_legend(moment.prediction, LEGEND_HEIGHT), ".png"))
        self._log("model", _said(moment))

    def _begin(self, frame: Frame) -> None:
        self._start = frame.ego2global[:3, 3].copy()
        axes = rr.ViewCoordinates.FLU
        self._log("map", axes, static=True)
        self._log("map/ego", axes, rr.TransformAxes3D(2.0), static=True)

    def _cameras(self, moment: Moment) -> None:
        frame, shown = moment.frame, moment.over_images
        faces = exposed_faces(shown.labels, shown.classes.free)
        for camera in frame.cameras:
            small = fitted(camera, *PICTURE_BOX)
            path = _camera_path(camera.name)
            self._log(path, _transform(camera2ego(frame, camera)), _pinhole(small))
            self._log(f"{path}/image", _encoded(small.image, ".jpg"))
            self._log(f"{path}/voxels", _encoded(voxels_over(frame, small, shown, faces), ".jpg"))

    def _log(self, path: str, *what: rr.AsComponents, static: bool = False) -> None:
        self._recording.log(path, *what, static=static)


def layout(first: Moment) -> rrb.Blueprint:
    """Return the views with which a viewer opens: cameras above, voxels below, truth beside.

    Args:
        first: A moment, which tells what cameras there are and whether the truth is known.
    """
    cameras = [
        rrb.Horizontal(*(_camera_view(name) for name in names))
        for names in camera_layout(first.frame)
    ]
    kinds = [*first.grids]
    side = rrb.Vertical(
        rrb.Spatial2DView(origin="legend", name="classes"),
        rrb.TextDocumentView(origin="model", name="model"),
        row_shares=[4, 1],
    )
    voxels = rrb.Horizontal(
        *(_voxel_view(kind) for kind in kinds), side, column_shares=[*[4] * len(kinds), 1.5]
    )
    rows = [*cameras, voxels]
    return rrb.Blueprint(
        rrb.Vertical(*rows, row_shares=[*[1] * len(cameras), 2.2]),
        rrb.TimePanel(state="collapsed", timeline=TIMELINE),
        rrb.SelectionPanel(state="collapsed"),
        rrb.BlueprintPanel(state="collapsed"),
    )


def _camera_path(name: str) -> str:
    return f"map/ego/{rr.escape_entity_path_part(name)}"


def _camera_view(name: str) -> rrb.Spatial2DView:
    origin = _camera_path(name)
    return rrb.Spatial2DView(
        origin=origin, name=name, contents=["$origin/image", "$origin/voxels"]
    )


def _voxel_view(kind: str) -> rrb.Spatial3DView:
    return rrb.Spatial3DView(
        origin="map/ego",
        name=kind,
        contents=["$origin", f"$origin/{kind}", "$origin/points"],
        eye_controls=rrb.EyeControls3D(position=EYE, look_target=TARGET, eye_up=(0.0, 0.0, 1.0)),
    )


def _transform(pose: NDArray[np.float64]) -> rr.Transform3D:
    return rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])


def _pinhole(camera: Camera) -> rr.Pinhole:
    height, width = camera.image.shape[:2]
    return rr.Pinhole(
        image_from_camera=camera.intrinsics,
        resolution=(width, height),
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=2.0,
    )


def _points(cloud: PointCloud) -> rr.Points3D:
    """The newest returns, which come first, grey by their height."""
    places = cloud.points[:MOST_POINTS, :3]
    grey = np.interp(places[:, 2], (-2.0, 3.0), (70, 255)).astype(np.uint8)
    return rr.Points3D(places, colors=np.repeat(grey[:, None], 3, axis=1), radii=0.04)


def _voxels(frame: Frame, occupancy: SemanticOccupancy) -> rr.VoxelGridMap:
    voxels, grid = visible_voxels(occupancy), occupancy.grid
    # Colours as bytes: numbers that are no uint8 are taken as floats, or wrap, without a word.
    colors = np.ascontiguousarray(occupancy.classes.palette()[voxels.labels])
    corner = np.eye(4)
    corner[:3, 3] = grid.lower
    pose = inverse_rigid(ego2grid(frame, occupancy)) @ corner
    return rr.VoxelGridMap(
        np.stack(voxels.index, axis=1).astype(np.int32),
        grid.voxel_size,
        colors=colors,
        translation=pose[:3, 3],
        quaternion=_xyzw(pose),
    )


def _xyzw(pose: NDArray[np.float64]) -> Sequence[float]:
    w, x, y, z = quaternion_of(pose)
    return x, y, z, w


def _encoded(picture: NDArray[np.uint8], suffix: str) -> rr.EncodedImage:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    _, data = cv2.imencode(suffix, picture[..., ::-1], quality)
    media_type = "image/jpeg" if suffix == ".jpg" else "image/png"
    return rr.EncodedImage(contents=data.tobytes(), media_type=media_type)


def _said(moment: Moment) -> rr.TextDocument:
    occupancy = moment.prediction
    weights = (
        "trained" if occupancy.trained else "**untrained: random weights, they mean nothing**"
    )
    over = "truth" if moment.over_images is moment.truth else "prediction"
    lines = [
        f"**{occupancy.model}**, {weights}",
        f"{occupancy.mode} of {', '.join(occupancy.inputs) or 'no sensor'}",
        f"over the images: {over}",
    ]
    return rr.TextDocument("\n\n".join(lines), media_type=rr.MediaType.MARKDOWN)
