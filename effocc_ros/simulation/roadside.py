# SPDX-License-Identifier: Apache-2.0
"""What stands along a street: houses, trees, lamps, parked vehicles, a building site."""

from collections.abc import Callable

import numpy as np

from effocc_ros.simulation import furniture as f
from effocc_ros.simulation import people, vehicles
from effocc_ros.simulation.buildings import house
from effocc_ros.simulation.ground import Block, Ground
from effocc_ros.simulation.mesh import Mesh
from effocc_ros.simulation.placing import Roadside
from effocc_ros.simulation.trajectory import planar


def furnish(rng: np.random.Generator, ground: Ground) -> Roadside:
    """Fill both sides of a street.

    Args:
        rng: Source of all choices.
        ground: Plan of the ground.

    Returns:
        The meshes in the map, the footprints of the houses and the outlines of obstacles.
    """
    road = Roadside(rng, ground)
    site = float(rng.uniform(100.0, max(110.0, ground.line.length - 100.0)))
    if rng.random() < 0.5:
        site = -1e3  # none
    half = ground.section.cross_half
    for block in ground.blocks:
        has_site = block.start - half <= site < block.end + half
        taken = _building_site(road, block, site) if has_site else (0.0, 0.0)
        for side in (-1, 1):
            if block.yards[(side + 1) // 2] == "lot":
                _parking_lot(road, block, side)
            elif block.houses[(side + 1) // 2]:
                _houses(road, block, side)
            _greenery(road, block, side)
            _lamps_and_signs(road, block, side)
            _parked(road, block, side, taken if side < 0 else (0.0, 0.0))
            _small_things(road, block, side)
    _backdrop(road)
    return road


def _houses(road: Roadside, block: Block, side: int) -> None:
    rng, s, walk = road.rng, block.start + 4.5, road.section.walk
    back = rng.choice([0.0, 0.0, rng.uniform(2.0, 10.0)])
    while s < block.end - 12:
        if rng.random() < 0.14:  # a gap: a small park
            for _ in range(int(rng.integers(3, 6))):
                road.put_tree(
                    s + rng.uniform(1, 13), side * (walk + rng.uniform(3, 14)), broad=False
                )
            s += 15
            continue
        width = float(3 * rng.integers(3, 8))
        width = min(width, block.end - 4.5 - s)
        if width < 8:
            break
        depth, floors = rng.uniform(9, 13), int(rng.choice([1, 2, 2, 3, 3, 4, 5, 6]))
        setback = walk + back + (rng.uniform(0.4, 1.2) if floors > 3 else rng.uniform(1.5, 6.0))
        road.put_house(width, depth, floors, s + width / 2, side * setback)
        s += width + rng.choice([0.0, 0.05, 3.0, 6.0])


def _backdrop(road: Roadside) -> None:
    """A second row of taller houses, and trees between, so that few views end in nothing."""
    rng, line, walk = road.rng, road.ground.line, road.section.walk
    for side in (-1, 1):
        s, built = rng.uniform(5, 15), rng.choice([0.3, 0.9])
        while s < line.length - 10:
            width = float(3 * rng.integers(5, 10))
            if road.ground.block_at(s - width / 2) and road.ground.block_at(s + width / 2):
                floors = int(rng.integers(3, 8))
                if rng.random() < built:
                    at = side * (walk + rng.uniform(30, 42))
                    road.put_house(width, 12.0, floors, s, at)
                else:
                    for _ in range(3):
                        at = side * (walk + rng.uniform(15, 45))
                        road.put_tree(s + rng.uniform(-9, 9), at, broad=False)
            if road.ground.block_at(s + width / 2 + 6):
                at = side * (walk + rng.uniform(18, 26))
                road.put_tree(s + width / 2 + 6, at, broad=False)
            s += width + rng.uniform(6, 22)
    for s, turn in ((2.0, -np.pi / 2), (line.length - 2.0, np.pi / 2)):
        end = house(rng, 60.0, 12.0, int(rng.integers(4, 7))).transformed(planar(-30.0, 0, 0))
        pose = road.ground.stand(s, 0.0, turn + np.pi, (-20, -1), (20, 1))
        road.parts.append(end.transformed(pose))


def _greenery(road: Roadside, block: Block, side: int) -> None:
    rng, section, green = road.rng, road.section, road.plenty.green
    verge, yard = (flags[(side + 1) // 2] for flags in (block.verge, block.yards))
    if rng.random() < 0.6 * green or (verge and green > 0.5):
        for s in road.along(block, (8, 15), 10):
            road.put_tree(s, side * (0.4 * section.half + 0.6 * section.verge))
    if yard != "grass":
        return
    for s in road.along(block, (6 / green, 16 / green), 7):
        kind = rng.random()
        if kind < 0.5:
            road.put_bush(s, side * (section.walk + rng.uniform(0.9, 1.6)))
        elif kind < 0.8:
            road.put(f.hedge(rng, rng.uniform(3, 7)), s, side * (section.walk + 0.6))
    if not block.houses[(side + 1) // 2]:
        for s in road.along(block, (4 / green, 14 / green), 7):
            road.put_tree(s, side * (section.walk + rng.uniform(2, 30)), broad=False)


def _lamps_and_signs(road: Roadside, block: Block, side: int) -> None:
    rng, half, things = road.rng, road.section.half, road.plenty.things
    gap = rng.uniform(22, 38)
    for s in road.along(block, (gap, gap + 4), 9):
        road.put(f.street_lamp(-side), s, side * (half + 0.4))
    for s in road.along(block, (25 / things, 50 / things), 12):
        color = [(0.5, 0.02, 0.02), (0.02, 0.10, 0.45)][int(rng.random() < 0.5)]
        road.put(f.sign(color), s, side * (half + 0.45), 0.0 if side < 0 else np.pi)
    if rng.random() < 0.3:
        return  # no lights at this junction
    last = block is road.ground.blocks[-1]
    back = road.section.corner + 0.6
    if side < 0 and not last:
        road.put(f.traffic_light(1.0), block.end - back, -half - 0.5)
    if side > 0 and block is not road.ground.blocks[0]:
        road.put(f.traffic_light(1.0), block.start + back, half + 0.5, np.pi)


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
    rng, section = road.rng, road.section
    turn = 0.0 if side < 0 else np.pi
    full = np.clip(road.plenty.parked + rng.normal(0, 0.2), 0, 1)
    for s in np.arange(block.start + 13, block.end - 13, 6.4):
        if not section.bay or taken[0] - 4 < s < taken[1] + 4 or rng.random() > full:
            continue
        d = side * (section.bay_middle + rng.uniform(-0.1, 0.12))
        road.put(_parked_vehicle(rng), s, d, turn + rng.normal(0, 0.02))
    if rng.random() < 0.5 and block.end - block.start > 60:
        s = rng.uniform(block.start + 12, block.end - 12)
        for k in range(int(rng.integers(2, 5))):
            color = vehicles.COLORS[int(rng.integers(len(vehicles.COLORS)))]
            road.put(
                people.bicycle(color),
                s + 0.75 * k,
                side * (section.walk - 0.4),
                np.pi / 2 + 0.1 * k,
            )


def _parking_lot(road: Roadside, block: Block, side: int) -> None:
    """Rows of vehicles on a paved yard, their fronts to the road."""
    rng, full = road.rng, road.rng.uniform(0.1, 0.8)
    for row in range(int(rng.integers(1, 3))):
        d = side * (road.section.walk + 4.0 + 11.0 * row)
        for s in np.arange(block.start + 8, block.end - 8, 2.7):
            if rng.random() < full:
                road.put(_parked_vehicle(rng), s, d, rng.choice([-1, 1]) * np.pi / 2)


def _small_things(road: Roadside, block: Block, side: int) -> None:
    rng, section, things = road.rng, road.section, road.plenty.things
    half, walk = section.half, section.walk
    for s in road.along(block, (12 / things, 30 / things), 8):
        pick = rng.random()
        if pick < 0.45:
            color = [(0.02, 0.10, 0.04), (0.02, 0.05, 0.16), (0.05, 0.05, 0.055)][
                int(rng.integers(3))
            ]
            for k in range(int(rng.integers(1, 4))):
                road.put(f.bin_(color), s + 0.7 * k, side * (walk - 0.4), -side * np.pi / 2)
        elif pick < 0.7:
            road.put(f.bench(), s, side * (walk - 0.6), 0.0 if side < 0 else np.pi)
        else:
            for k in range(4):
                road.put(f.bollard(), s + 1.6 * k, side * (half + 0.35))
    if rng.random() < 0.4 and block.end - block.start > 70:
        middle = 0.5 * (block.start + block.end) + 8
        road.put(f.shelter(), middle, side * (walk - 0.9), 0.0 if side < 0 else np.pi)


def _building_site(road: Roadside, block: Block, near: float) -> tuple[float, float]:
    """Close the right edge of the road for an excavator; return the stretch (s) it takes."""
    rng, section = road.rng, road.section
    middle = float(np.clip(near, block.start + 24, max(block.start + 25, block.end - 24)))
    start, end = middle - 8, middle + 8
    edge = section.half - section.bay + 0.1 if section.bay else section.walk + 1.5
    road.put(vehicles.excavator(), middle, -edge - 1.9, rng.uniform(-0.15, 0.15))
    for s in np.arange(start + 1, end, 2.15):
        road.put(f.barrier(), s, -edge)
    for s in (start - 0.4, end + 0.4):
        road.put(f.barrier(striped=False), s, -edge - 0.95, np.pi / 2)
    for k in range(5):
        road.put(f.cone(), start - 2.0 - 1.8 * k, -edge - 0.15 - 0.4 * k)
        road.put(f.cone(), end + 2.0 + 1.8 * k, -edge - 0.15 - 0.4 * k)
    return start - 9, end + 9
