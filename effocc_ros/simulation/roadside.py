"""What stands along a street: houses, trees, lamps, parked vehicles, a building site."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid
from effocc_ros.simulation import furniture as f
from effocc_ros.simulation import people, vehicles
from effocc_ros.simulation.buildings import house
from effocc_ros.simulation.ground import (
    CYCLE_LANE,
    KERB,
    ROAD_HALF,
    VERGE,
    WALK,
    Block,
    Ground,
)
from effocc_ros.simulation.mesh import Mesh
from effocc_ros.simulation.trajectory import planar

BAY = CYCLE_LANE + 1.25
"""Distance of parked vehicles from the centre line, metres."""


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


class Roadside:
    """Puts meshes along a street in its coordinates (s, d)."""

    def __init__(self, rng: np.random.Generator, ground: Ground):
        self.rng, self.ground, self.parts = rng, ground, []
        self.footprints: list[Footprint] = []
        self._trees = [f.tree(rng, height) for height in np.linspace(5.5, 9.5, 7)]
        self._trees += [f.conifer(rng, height) for height in (6.0, 9.0)]
        self._bushes = [f.bush(rng, size) for size in (0.7, 0.9, 1.1, 1.4)]

    def put(self, mesh: Mesh, s: float, d: float, z: float = KERB, turn: float = 0.0) -> None:
        """Place a mesh, its x axis along the road and then turned by ``turn`` radians."""
        x, y, yaw = self.ground.line.pose(s, d)
        if abs(d) > WALK:
            z += float(self.ground.height(s, d))
        self.parts.append(mesh.transformed(planar(x, y, yaw + turn, z)))

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

    def put_house(self, width: float, depth: float, floors: int, s: float, d: float) -> None:
        """Place a house with its front at ``d``, looking at the road."""
        mesh = house(self.rng, width, depth, floors)
        x, y, yaw = self.ground.line.pose(s, d)
        pose = planar(x, y, yaw + (0.0 if d > 0 else np.pi), KERB - 0.02)
        pose = pose @ planar(-width / 2, 0, 0)
        self.parts.append(mesh.transformed(pose))
        self.footprints.append(Footprint(inverse_rigid(pose), width, depth))

    def along(self, block: Block, gap: tuple[float, float], margin: float = 5.0):
        """Yield arc lengths through a block at random distances."""
        s = block.start + margin + self.rng.uniform(0, gap[0])
        while s < block.end - margin:
            yield s
            s += self.rng.uniform(*gap)


def furnish(rng: np.random.Generator, ground: Ground) -> Roadside:
    """Fill both sides of a street.

    Args:
        rng: Source of all choices.
        ground: Plan of the ground.

    Returns:
        The meshes in the map, and the footprints of the houses.
    """
    road = Roadside(rng, ground)
    site = float(rng.uniform(115.0, max(125.0, ground.line.length - 115.0)))
    for block in ground.blocks:
        has_site = block.start - ROAD_HALF <= site < block.end + ROAD_HALF
        taken = _building_site(road, block, site) if has_site else (0.0, 0.0)
        for side in (-1, 1):
            _houses(road, block, side)
            _greenery(road, block, side)
            _lamps_and_signs(road, block, side)
            _parked(road, block, side, taken if side < 0 else (0.0, 0.0))
            _small_things(road, block, side)
    _backdrop(road)
    return road


def _houses(road: Roadside, block: Block, side: int) -> None:
    rng, s = road.rng, block.start + 4.5
    while s < block.end - 12:
        if rng.random() < 0.14:  # a gap: a small park
            for _ in range(int(rng.integers(3, 6))):
                road.put_tree(
                    s + rng.uniform(1, 13), side * (WALK + rng.uniform(3, 14)), broad=False
                )
            s += 15
            continue
        width = float(3 * rng.integers(3, 8))
        width = min(width, block.end - 4.5 - s)
        if width < 8:
            break
        depth, floors = rng.uniform(9, 13), int(rng.choice([2, 2, 3, 3, 4, 5, 6]))
        setback = WALK + (rng.uniform(0.4, 1.2) if floors > 3 else rng.uniform(2.5, 6.0))
        road.put_house(width, depth, floors, s + width / 2, side * setback)
        s += width + rng.choice([0.0, 0.05, 3.0, 6.0])


def _backdrop(road: Roadside) -> None:
    """A second row of taller houses, and trees between, so that no view ends in nothing."""
    rng, line = road.rng, road.ground.line
    for side in (-1, 1):
        s = rng.uniform(5, 15)
        while s < line.length - 10:
            width = float(3 * rng.integers(5, 10))
            if road.ground.block_at(s - width / 2) and road.ground.block_at(s + width / 2):
                floors = int(rng.integers(3, 8))
                road.put_house(width, 12.0, floors, s, side * rng.uniform(40, 52))
            if road.ground.block_at(s + width / 2 + 6):
                road.put_tree(s + width / 2 + 6, side * rng.uniform(30, 38), broad=False)
            s += width + rng.uniform(6, 22)
    for s, turn in ((2.0, np.pi / 2), (line.length - 2.0, -np.pi / 2)):
        mesh = house(rng, 60.0, 12.0, int(rng.integers(4, 7)))
        road.put(mesh, s, -30.0 * np.sin(turn), 0.0, turn)


def _greenery(road: Roadside, block: Block, side: int) -> None:
    rng, verge = road.rng, block.verge[(side + 1) // 2]
    if rng.random() < 0.75 or verge:
        for s in road.along(block, (8, 15), 10):
            road.put_tree(s, side * (VERGE - 0.4))
    if block.plaza[(side + 1) // 2]:
        return
    for s in road.along(block, (6, 16), 7):
        kind = rng.random()
        if kind < 0.5:
            road.put_bush(s, side * (WALK + rng.uniform(0.9, 1.6)))
        elif kind < 0.8:
            road.put(f.hedge(rng, rng.uniform(3, 7)), s, side * (WALK + 0.6))


def _lamps_and_signs(road: Roadside, block: Block, side: int) -> None:
    rng = road.rng
    for s in road.along(block, (26, 30), 9):
        road.put(f.street_lamp(-side), s, side * (ROAD_HALF + 0.4))
    for s in road.along(block, (30, 50), 12):
        color = [(0.5, 0.02, 0.02), (0.02, 0.10, 0.45)][int(rng.random() < 0.5)]
        road.put(f.sign(color), s, side * (ROAD_HALF + 0.45), turn=0.0 if side < 0 else np.pi)
    last = block is road.ground.blocks[-1]
    if side < 0 and not last:
        road.put(f.traffic_light(1.0), block.end - 4.7, -ROAD_HALF - 0.5)
    if side > 0 and block is not road.ground.blocks[0]:
        road.put(f.traffic_light(1.0), block.start + 4.7, ROAD_HALF + 0.5, turn=np.pi)


def _parked_vehicle(rng: np.random.Generator) -> Mesh:
    color = vehicles.COLORS[int(rng.integers(len(vehicles.COLORS)))]
    makers: list[tuple[float, Callable[[], Mesh]]] = [
        (0.74, lambda: vehicles.car(color, str(rng.choice(["sedan", "hatch", "suv", "van"])))),
        (0.08, lambda: vehicles.trailer((0.5, 0.5, 0.48))),
        (0.10, lambda: people.motorcycle(color)),
        (0.08, lambda: people.bicycle(color)),
    ]
    weights = np.array([w for w, _ in makers])
    return makers[int(rng.choice(len(makers), p=weights / weights.sum()))][1]()


def _parked(road: Roadside, block: Block, side: int, taken: tuple[float, float]) -> None:
    rng = road.rng
    turn = 0.0 if side < 0 else np.pi
    for s in np.arange(block.start + 13, block.end - 13, 6.4):
        if taken[0] - 4 < s < taken[1] + 4 or rng.random() > 0.6:
            continue
        d = side * (BAY + rng.uniform(-0.1, 0.15))
        road.put(_parked_vehicle(rng), s, d, 0.0, turn + rng.normal(0, 0.02))
    if rng.random() < 0.5 and block.end - block.start > 60:
        s = rng.uniform(block.start + 12, block.end - 12)
        for k in range(int(rng.integers(2, 5))):
            color = vehicles.COLORS[int(rng.integers(len(vehicles.COLORS)))]
            road.put(
                people.bicycle(color), s + 0.75 * k, side * (WALK - 0.4), turn=np.pi / 2 + 0.1 * k
            )


def _small_things(road: Roadside, block: Block, side: int) -> None:
    rng = road.rng
    for s in road.along(block, (12, 30), 8):
        pick = rng.random()
        if pick < 0.45:
            color = [(0.02, 0.10, 0.04), (0.02, 0.05, 0.16), (0.05, 0.05, 0.055)][
                int(rng.integers(3))
            ]
            for k in range(int(rng.integers(1, 4))):
                road.put(f.bin_(color), s + 0.7 * k, side * (WALK - 0.4), turn=-side * np.pi / 2)
        elif pick < 0.7:
            road.put(f.bench(), s, side * (WALK - 0.6), turn=0.0 if side < 0 else np.pi)
        else:
            for k in range(4):
                road.put(f.bollard(), s + 1.6 * k, side * (ROAD_HALF + 0.35))
    if rng.random() < 0.4 and block.end - block.start > 70:
        road.put(
            f.shelter(),
            0.5 * (block.start + block.end) + 8,
            side * (WALK - 0.9),
            turn=0.0 if side < 0 else np.pi,
        )


def _building_site(road: Roadside, block: Block, near: float) -> tuple[float, float]:
    """Close the right parking lane for an excavator; return the stretch (s) that it takes."""
    rng = road.rng
    middle = float(np.clip(near, block.start + 24, max(block.start + 25, block.end - 24)))
    start, end = middle - 8, middle + 8
    edge = CYCLE_LANE + 0.1
    road.put(vehicles.excavator(), middle, -edge - 1.7, 0.0, rng.uniform(-0.15, 0.15))
    for s in np.arange(start + 1, end, 2.15):
        road.put(f.barrier(), s, -edge, 0.0)
    for s in (start - 0.4, end + 0.4):
        road.put(f.barrier(striped=False), s, -edge - 0.95, 0.0, np.pi / 2)
    for k in range(5):
        road.put(f.cone(), start - 2.0 - 1.8 * k, -edge - 0.15 - 0.4 * k, 0.0)
        road.put(f.cone(), end + 2.0 + 1.8 * k, -edge - 0.15 - 0.4 * k, 0.0)
    return start - 9, end + 9
