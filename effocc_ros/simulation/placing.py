# SPDX-License-Identifier: Apache-2.0
"""Putting meshes along a street, each on the ground at its place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid
from effocc_ros.simulation import furniture as f
from effocc_ros.simulation.agents import corners
from effocc_ros.simulation.buildings import house
from effocc_ros.simulation.ground import Block, Ground
from effocc_ros.simulation.mesh import Mesh
from effocc_ros.simulation.trajectory import planar


@dataclass(frozen=True)
class Footprint:
    """The ground under a house, which nobody sees.

    Attributes:
        map2house: (4, 4), map to the house's frame.
        width: Extent along x from 0, metres.
        depth: Extent along y from 0, metres.
    """

    map2house: NDArray[np.float64]
    width: float
    depth: float

    def covers(self, places: NDArray) -> NDArray[np.bool_]:
        """Tell which places (N, 2) of the map lie more than a wall's thickness inside."""
        x, y = self.map2house[:2, :2] @ np.asarray(places).T + self.map2house[:2, 3:]
        wall = 0.3
        return (x > wall) & (x < self.width - wall) & (y > wall) & (y < self.depth - wall)


@dataclass(frozen=True)
class Plenty:
    """How much there is of what, 1 for a usual street.

    Attributes:
        green: Trees, bushes and hedges.
        things: Lamps, signs, benches, bins, bollards.
        parked: Share of the parking bays that is taken.
    """

    green: float
    things: float
    parked: float


class Roadside:
    """Puts meshes along a street in its coordinates (s, d).

    Attributes:
        parts: Meshes in the map.
        footprints: The ground under houses.
        obstacles: Outlines (4, 2) in the map of what stands where people walk and drive.
    """

    def __init__(self, rng: np.random.Generator, ground: Ground):
        self.rng, self.ground, self.section = rng, ground, ground.section
        self.parts: list[Mesh] = []
        self.footprints: list[Footprint] = []
        self.obstacles: list[NDArray[np.float64]] = []
        self.plenty = Plenty(rng.uniform(0.3, 1.5), rng.uniform(0.3, 1.4), rng.uniform(0.05, 0.9))
        self._trees = [f.tree(rng, height) for height in np.linspace(5.5, 9.5, 7)]
        self._trees += [f.conifer(rng, height) for height in (6.0, 9.0)]
        self._bushes = [f.bush(rng, size) for size in (0.7, 0.9, 1.1, 1.4)]

    def put(self, mesh: Mesh, s: float, d: float, turn: float = 0.0) -> None:
        """Place a mesh, its x axis along the road and then turned by ``turn`` radians."""
        if abs(d) > float(self.ground.line.reach(s, d)) - 1.0:
            return
        points = mesh.vertices.reshape(-1, 3)
        foot = points[points[:, 2] < 0.6]
        low, high = foot.min(axis=0)[:2], foot.max(axis=0)[:2]
        middle, half = (low + high) / 2, np.maximum((high - low) / 2, 0.2)
        kerb = abs(d) > self.section.half
        pose = self.ground.stand(s, d, turn, middle - half, middle + half, kerb=kerb)
        self.parts.append(mesh.transformed(pose))
        if abs(d) < self.section.walk + 2.0:
            body = points[(points[:, 2] < 1.9)][:, :2]
            outline = np.concatenate([body.min(axis=0), body.max(axis=0)])
            place = self.ground.line.pose(s, d) + np.array([0, 0, turn])
            self.obstacles.append(corners(outline, place[None])[0])

    def put_tree(self, s: float, d: float, broad: bool = True) -> None:
        """Place a tree, turned and stretched by chance; a street tree is a broad-leaved one."""
        kind = self._trees[int(self.rng.integers(7 if broad else 9))]
        size = self.rng.uniform(0.9, 1.1)
        self.put(kind.transformed(np.diag([size, size, size, 1])), s, d, turn=self._turn())

    def put_bush(self, s: float, d: float) -> None:
        """Place a bush."""
        self.put(self._bushes[int(self.rng.integers(4))], s, d, turn=self._turn())

    def _turn(self) -> float:
        return float(self.rng.uniform(0, 2 * np.pi))

    def put_house(self, width: float, depth: float, floors: int, s: float, d: float) -> bool:
        """Place a house with its front at ``d``, looking at the road, if there is room for it."""
        turn = 0.0 if d > 0 else np.pi
        x, y, yaw = self.ground.line.pose(s, d)
        around = np.array([[k * width / 2, e * depth] for k in (-1, 0, 1) for e in (0, 0.5, 1)])
        cosine, sine = np.cos(yaw + turn), np.sin(yaw + turn)
        places = around @ np.array([[cosine, sine], [-sine, cosine]]) + [x, y]
        if self.ground.line.distance(places).min() < min(abs(d), self.section.walk + 0.3) - 0.2:
            return False
        low, high = (-width / 2, 0.0), (width / 2, depth)
        pose = self.ground.stand(s, d, turn, low, high, kerb=True)
        pose = pose @ planar(-width / 2, 0, 0)
        self.parts.append(house(self.rng, width, depth, floors).transformed(pose))
        flat = planar(x, y, yaw + turn) @ planar(-width / 2, 0, 0)
        self.footprints.append(Footprint(inverse_rigid(flat), width, depth))
        return True

    def along(self, block: Block, gap: tuple[float, float], margin: float = 5.0):
        """Yield arc lengths through a block at random distances."""
        s = block.start + margin + self.rng.uniform(0, gap[0])
        while s < block.end - margin:
            yield s
            s += self.rng.uniform(*gap)
