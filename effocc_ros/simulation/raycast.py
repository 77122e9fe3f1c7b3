# SPDX-License-Identifier: Apache-2.0
"""Rays against triangles, by Embree."""

from functools import cached_property

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from effocc_ros.simulation.mesh import Mesh


class Surface:
    """A mesh made ready for ray casting and shading.

    The hit of a ray with a known triangle follows from the triangle's plane alone, so a renderer
    needs to cast only where it does not yet know which triangle a pixel sees.

    Attributes:
        mesh: The triangles.
        normals: (3, F) float32 unit normals.
        offset: (F,) float32; the plane of a triangle is ``normal . x = offset``.
        center: (3,) middle of the box around the mesh.
        radius: Radius of the sphere around ``center`` that holds the mesh, metres.
    """

    def __init__(self, mesh: Mesh):
        self.mesh = mesh
        corners = mesh.vertices.astype(np.float64)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self.area = np.linalg.norm(normal, axis=1) / 2
        normal /= np.maximum(2 * self.area, 1e-12)[:, None]
        self.normals = np.ascontiguousarray(normal.T, np.float32)
        self.offset = np.einsum("fi,fi->f", normal, corners[:, 0]).astype(np.float32)
        low, high = mesh.bounds()
        self.center = (low + high) / 2
        self.radius = float(np.linalg.norm(high - low) / 2)

    @cached_property
    def _scene(self) -> EmbreeScene:
        scene = EmbreeScene()
        TriangleMesh(scene, np.ascontiguousarray(self.mesh.vertices))
        return scene

    def faces(self, origins: NDArray, directions: NDArray) -> NDArray[np.int32]:
        """Find the first triangle on each ray.

        Args:
            origins: (N, 3) float32, or (3,) for all rays.
            directions: (N, 3) float32.

        Returns:
            (N,) triangle indices, -1 where nothing is hit.
        """
        if not len(directions):
            return np.zeros(0, np.int32)
        origins = np.ascontiguousarray(
            np.broadcast_to(np.asarray(origins, np.float32), directions.shape)
        )
        return self._scene.run(origins, np.ascontiguousarray(directions, np.float32))

    def distance(
        self, faces: NDArray[np.int32], origins: NDArray, directions: NDArray
    ) -> NDArray[np.float32]:
        """Return where rays meet the planes of their triangles, in lengths of the direction.

        Args:
            faces: (N,) triangle indices; -1 gives infinity.
            origins: (N, 3) or (3,) metres.
            directions: (N, 3).
        """
        x, y, z = (np.take(row, faces) for row in self.normals)
        ox, oy, oz = np.asarray(origins, np.float32).T
        toward = x * directions[:, 0] + y * directions[:, 1] + z * directions[:, 2]
        away = np.take(self.offset, faces) - (x * ox + y * oy + z * oz)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = away / toward
        distance[faces < 0] = np.inf
        return distance

    def planes(self, camera2surface: NDArray) -> NDArray[np.float32]:
        """Return the triangles' planes (4, F) in a camera's frame: normal and offset."""
        normal = camera2surface[:3, :3].T.astype(np.float32) @ self.normals
        offset = self.offset - camera2surface[:3, 3].astype(np.float32) @ self.normals
        return np.concatenate([normal, offset[None]])


def depth_of(planes: NDArray, faces: NDArray[np.int32], rays: NDArray) -> NDArray[np.float32]:
    """Return where rays of a camera meet the planes of their triangles.

    Args:
        planes: (4, F) planes in the camera's frame.
        faces: (N,) triangle indices; -1 gives infinity.
        rays: (3, N) float32 directions in the camera's frame.

    Returns:
        (N,) float32 lengths in units of the rays.
    """
    faces = faces.astype(np.intp)
    toward = np.take(planes[0], faces) * rays[0]
    toward += np.take(planes[1], faces) * rays[1]
    toward += np.take(planes[2], faces) * rays[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.take(planes[3], faces) / toward
    depth[faces < 0] = np.inf
    return depth
