# SPDX-License-Identifier: Apache-2.0
"""One moment in a window of Open3D, to be turned by hand."""

from typing import Any

import numpy as np

from effocc_ros.errors import InputError
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization.display import check_display
from effocc_ros.visualization.faces import exposed_faces
from effocc_ros.visualization.scene import Moment
from effocc_ros.visualization.voxel_painter import SHADES

FROM_BEHIND, ZOOM = (-1.0, 0.0, 0.7), 0.35
"""Direction from the voxels to the eye at first, and how near it is: Open3D begins above them."""
TRUTH_ASIDE = 5.0
"""Metres between the prediction and the truth at its right."""


def show_window(moment: Moment) -> None:
    """Open a window with the voxels of a moment, the truth at their right; return when it closes.

    Raises:
        InputError: Open3D is not installed or cannot be loaded, or there is no display.
    """
    check_display("Open3D's window", "--png and --mp4 need none, --web serves to a browser")
    o3d = import_open3d()
    meshes = []
    for number, occupancy in enumerate(moment.grids.values()):
        right = occupancy.grid.lower[1] - occupancy.grid.upper[1] - TRUTH_ASIDE
        meshes.append(voxel_mesh(o3d, occupancy).translate((0.0, number * right, 0.0)))
    title = f"{moment.prediction.model}, {moment.frame.stamp}"
    o3d.visualization.draw_geometries(
        meshes,
        window_name=title,
        front=FROM_BEHIND,
        up=(0.0, 0.0, 1.0),
        lookat=sum(mesh.get_center() for mesh in meshes) / len(meshes),
        zoom=ZOOM,
    )


def import_open3d() -> Any:
    """Return the module ``open3d``.

    Raises:
        InputError: It is not installed, or lacks a library of the system.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise InputError(
            "window",
            found=str(error),
            expected="open3d-cpu 0.20.0",
            do="Install the extra: python -m pip install 'effocc_ros[window]'; on Debian and "
            "Ubuntu also libusb-1.0-0 and libgl1",
            reason="no_open3d",
        ) from error
    return open3d


def voxel_mesh(o3d: Any, occupancy: SemanticOccupancy) -> Any:
    """Return the exposed faces of an occupancy as a TriangleMesh in the grid's frame, coloured."""
    faces = exposed_faces(occupancy.labels, occupancy.classes.free)
    corners = faces.corners(occupancy.grid).reshape(-1, 3)
    first = 4 * np.arange(len(faces))[:, None]
    triangles = np.concatenate([first + np.array(half) for half in ((0, 1, 2), (0, 2, 3))])
    palette = occupancy.classes.palette() / 255.0
    colors = palette[faces.label] * np.asarray(SHADES)[faces.axis][:, None]
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(corners), o3d.utility.Vector3iVector(triangles)
    )
    mesh.vertex_colors = o3d.utility.Vector3dVector(np.repeat(colors, 4, axis=0))
    return mesh
