# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from effocc_ros.classes import OCC3D_NUSCENES, OCC3D_WAYMO, OPENOCC_FLOW, OPENOCCUPANCY
from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import (
    FLOW_POINT,
    POINT,
    ViewFilter,
    check_ground,
    cubes_per_class,
    labelled_points,
    navigation_grid,
    packed_colors,
    visible_voxels,
)

CAR, ROAD, SIDEWALK, TREE, FREE = 4, 11, 13, 16, 17
GRID = VoxelGrid(lower=(-1.0, -2.0, -1.0), voxel_size=(0.5, 0.5, 0.5), shape=(3, 4, 8))


def occupancy_of(voxels: dict, confidence=None) -> SemanticOccupancy:
    labels = np.full(GRID.shape, FREE, np.uint8)
    for index, label in voxels.items():
        labels[index] = label
    return SemanticOccupancy(0, "base_link", GRID, labels, OCC3D_NUSCENES, confidence=confidence)


def test_a_voxel_becomes_a_point_at_its_centre_with_colour_label_and_confidence():
    confidence = np.full(GRID.shape, 7, np.uint8)
    confidence[2, 1, 0] = 200
    points = labelled_points(occupancy_of({(2, 1, 0): CAR}, confidence))
    assert points.dtype == POINT
    assert points.tolist()[0][:3] == (0.25, -1.25, -0.75)
    assert points["rgb"].view(np.uint32).tolist() == [0x0082FF]
    assert points["label"].tolist() == [CAR]
    assert points["confidence"].tolist() == [200]


def test_points_without_confidence_claim_none():
    assert labelled_points(occupancy_of({(0, 0, 0): CAR}))["confidence"].tolist() == [0]


def test_an_empty_grid_gives_an_empty_cloud():
    assert labelled_points(occupancy_of({})).shape == (0,)
    assert cubes_per_class(occupancy_of({})) == ()


def test_a_voxel_shut_in_by_others_is_in_no_view():
    solid = {(x, y, z): CAR for x in range(3) for y in range(3) for z in range(3)}
    occupancy = occupancy_of(solid)
    assert len(labelled_points(occupancy)) == 26
    assert [len(cubes.centers) for cubes in cubes_per_class(occupancy)] == [26]


def test_colours_are_packed_blue_lowest():
    packed = packed_colors(np.array([[1, 2, 3], [255, 255, 255]], np.uint8))
    assert packed.dtype == np.float32
    assert packed.view(np.uint32).tolist() == [0x010203, 0xFFFFFF]


def test_cubes_come_class_by_class_with_name_and_colour():
    car, tree = cubes_per_class(occupancy_of({(0, 0, 0): TREE, (2, 3, 7): CAR, (0, 2, 0): CAR}))
    assert (car.label, car.name, car.color) == (CAR, "car", (0, 130, 255))
    assert car.centers.tolist() == [[-0.75, -0.75, -0.75], [0.25, -0.25, 2.75]]
    assert (tree.name, len(tree.centers)) == ("vegetation", 1)


def test_the_map_has_rows_along_y_and_tells_free_occupied_and_unknown_apart():
    # z centres: -0.75 -0.25 0.25 0.75 1.25 1.75 2.25 2.75
    grid = navigation_grid(
        occupancy_of({(0, 1, 2): ROAD, (2, 0, 2): ROAD, (2, 0, 3): CAR, (1, 3, 4): TREE})
    )
    assert grid.dtype == np.int8
    assert grid.tolist() == [
        [-1, -1, 100],
        [0, -1, -1],
        [-1, -1, -1],
        [-1, 100, -1],
    ]


def test_what_hangs_above_the_band_is_not_in_the_way():
    grid = navigation_grid(occupancy_of({(0, 0, 1): ROAD, (0, 0, 6): TREE, (1, 0, 7): TREE}))
    assert grid[0, :2].tolist() == [0, -1]


def test_the_ends_of_the_band_belong_to_it():
    occupancy = occupancy_of({(0, 0, 2): CAR, (1, 0, 5): CAR})
    assert navigation_grid(occupancy, 0.25, 1.75)[0, :2].tolist() == [100, 100]
    assert navigation_grid(occupancy, 0.26, 1.74)[0, :2].tolist() == [-1, -1]


def test_what_lies_below_the_band_and_is_no_ground_is_unknown():
    assert navigation_grid(occupancy_of({(0, 0, 0): CAR}))[0, 0] == -1


def test_flat_ground_on_which_the_vehicle_may_not_drive_is_occupied():
    occupancy = occupancy_of({(0, 0, 1): SIDEWALK, (1, 0, 1): ROAD})
    assert navigation_grid(occupancy)[0, :2].tolist() == [100, 0]
    grid = navigation_grid(occupancy, drivable=("driveable_surface", "sidewalk"))
    assert grid[0, :2].tolist() == [0, 0]


def test_the_highest_flat_voxel_decides_what_the_ground_is():
    occupancy = occupancy_of({(0, 0, 0): ROAD, (0, 0, 1): SIDEWALK})
    assert navigation_grid(occupancy)[0, 0] == 100


def test_a_band_below_the_grid_leaves_the_map_unknown():
    grid = navigation_grid(occupancy_of({(0, 0, 0): ROAD}), z_min=-9.0, z_max=-8.0)
    assert (grid == -1).all()


def test_a_waymo_road_is_free():
    labels = np.full(GRID.shape, OCC3D_WAYMO.free, np.uint8)
    labels[:, :, 1] = OCC3D_WAYMO.names.index("road")
    labels[0, 0, 4] = OCC3D_WAYMO.names.index("vehicle")
    grid = navigation_grid(SemanticOccupancy(0, "base_link", GRID, labels, OCC3D_WAYMO))
    assert grid[0, 0] == 100
    assert (grid.ravel()[1:] == 0).all()


def test_the_band_is_over_the_base_frame_wherever_the_grid_stands():
    # Voxel 3 is 0.75 m high in the grid's frame: 2.59 m over the base under a LiDAR at 1.84 m.
    in_ego_frame = occupancy_of({(0, 0, 2): ROAD, (0, 0, 3): CAR, (1, 0, 0): CAR})
    in_lidar_frame = replace(in_ego_frame, up=(0.0, 0.0, 1.0, 1.84))
    assert navigation_grid(in_ego_frame)[0, :2].tolist() == [100, -1]
    assert navigation_grid(in_lidar_frame)[0, :2].tolist() == [0, 100]


def test_heights_follow_the_tilt_of_the_lidar():
    # x centres: -0.75 -0.25 0.25; the frame leans by 0.8 m a metre forward.
    low = occupancy_of({(x, 0, 0): CAR for x in range(3)})
    leaning = replace(low, up=(0.8, 0.0, 0.6, 1.0))
    # Heights: -0.05 0.35 0.75
    assert navigation_grid(leaning)[0].tolist() == [-1, 100, 100]
    assert navigation_grid(leaning, 0.2, 0.5)[0].tolist() == [-1, 100, -1]
    assert shown(leaning, z_max=0.5) == [(0, 0, 0), (1, 0, 0)]
    ground = replace(
        leaning, labels=np.where(low.labels == CAR, ROAD, low.labels).astype(np.uint8)
    )
    assert navigation_grid(ground, 0.0, 0.5)[0].tolist() == [0, 0, -1]


@pytest.mark.parametrize("classes", [OCC3D_NUSCENES, OPENOCCUPANCY, OPENOCC_FLOW, OCC3D_WAYMO])
def test_every_class_list_knows_its_ground_and_where_a_car_drives(classes):
    labels = np.full((2, 1, 4), classes.free, np.uint8)
    labels[0, 0, 1] = classes.names.index(classes.drivable[0])
    labels[1, 0, 2] = classes.names.index(next(iter(set(classes.ground) - {*classes.drivable})))
    grid = VoxelGrid(lower=(0.0, 0.0, -0.5), voxel_size=(0.5, 0.5, 0.5), shape=labels.shape)
    cells = navigation_grid(SemanticOccupancy(0, "base_link", grid, labels, classes))
    assert cells.tolist() == [[0, 100]]


def test_unknown_class_names_and_an_empty_band_are_refused():
    with pytest.raises(InputError, match="ground_classes: found lawn; expected names of occ3d_n"):
        navigation_grid(occupancy_of({}), ground=("lawn", "sidewalk"))
    with pytest.raises(InputError, match="drivable_classes: found road;"):
        navigation_grid(occupancy_of({}), drivable=("road",))
    with pytest.raises(InputError, match=r"z_min 2.0 m, z_max 1.0 m"):
        navigation_grid(occupancy_of({}), z_min=2.0, z_max=1.0)


def test_a_drivable_class_has_to_be_ground():
    with pytest.raises(InputError, match="drivable_classes: found car; expected some of ground"):
        check_ground(OCC3D_NUSCENES, (), ("car",))
    assert check_ground(OCC3D_NUSCENES, ("terrain",), ()) == (("terrain",), ())


def shown(occupancy, **chosen) -> list[tuple[int, ...]]:
    voxels = visible_voxels(occupancy, ViewFilter(**chosen))
    return [tuple(map(int, index)) for index in zip(*voxels.index, strict=True)]


def test_a_filter_shows_the_classes_it_names_and_what_they_hid():
    solid = {(x, y, z): TREE for x in range(3) for y in range(3) for z in range(3)}
    occupancy = occupancy_of({**solid, (1, 1, 1): CAR})
    assert (1, 1, 1) not in shown(occupancy)
    assert shown(occupancy, classes=("car",)) == [(1, 1, 1)]
    with pytest.raises(InputError, match="found lawn"):
        shown(occupancy, classes=("car", "lawn"))


def test_a_filter_shows_a_band_of_heights_over_the_base_frame():
    # z centres: -0.75 -0.25 0.25 0.75
    occupancy = occupancy_of({(0, 0, z): CAR for z in range(4)})
    assert shown(occupancy, z_min=-0.25, z_max=0.25) == [(0, 0, 1), (0, 0, 2)]
    raised = replace(occupancy, up=(0.0, 0.0, 1.0, 1.0))
    assert shown(raised, z_min=-0.25, z_max=0.25) == [(0, 0, 0)]


def test_a_filter_leaves_out_what_the_network_is_not_sure_of():
    confidence = np.zeros(GRID.shape, np.uint8)
    confidence[0, 0, 0], confidence[1, 0, 0] = 127, 128
    occupancy = occupancy_of({(0, 0, 0): CAR, (1, 0, 0): CAR}, confidence)
    assert shown(occupancy, min_confidence=0.5) == [(1, 0, 0)]
    assert len(shown(replace(occupancy, confidence=None), min_confidence=0.5)) == 2


def test_a_network_with_flow_gives_points_with_velocity():
    flow = np.zeros((*GRID.shape, 2), np.float32)
    flow[2, 1, 0] = 3.0, -0.5
    points = labelled_points(replace(occupancy_of({(2, 1, 0): CAR}), flow=flow))
    assert points.dtype == FLOW_POINT
    assert (points["vx"].tolist(), points["vy"].tolist()) == ([3.0], [-0.5])
    assert points["label"].tolist() == [CAR]
