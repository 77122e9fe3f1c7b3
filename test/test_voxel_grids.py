# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.bags.messages import voxel_grid_message
from effocc_ros.bags.typestore import base_typestore
from effocc_ros.classes import OCC3D_NUSCENES, OPENOCCUPANCY
from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.voxel_grids import VOXEL_GRIDS, check_voxel_grids, nav2_columns

CAR, FREE = 4, 17
GRID = VoxelGrid((-1.0, -2.0, -3.0), (0.5, 0.25, 2.0), (2, 3, 4))


def occupancy(*cells, classes=OCC3D_NUSCENES, shape=GRID.shape):
    labels = np.full(shape, classes.free, np.uint8)
    for cell in cells:
        labels[cell] = CAR
    grid = VoxelGrid(GRID.lower, GRID.voxel_size, shape)
    return SemanticOccupancy(1_500_000_000, "base_link", grid, labels, classes)


def place(message, byte):
    """Return where Foxglove's documentation puts a byte of data, metres from the corner."""
    return (
        byte % message.row_stride // message.cell_stride * message.cell_size.x,
        byte % message.slice_stride // message.row_stride * message.cell_size.y,
        byte // message.slice_stride * message.cell_size.z,
    )


def test_foxglove_finds_the_car_where_it_is_in_its_colour():
    message = voxel_grid_message("foxglove", occupancy((1, 2, 3)))
    assert (message.column_count, message.row_count) == (2, 3)
    assert (message.slice_stride, message.row_stride, message.cell_stride) == (30, 10, 5)
    cells = message.data.reshape(-1, message.cell_stride)
    assert len(cells) == 24
    (car,) = np.flatnonzero(cells[:, 3])
    assert cells[car].tolist() == [*OCC3D_NUSCENES.colors[CAR], 255, CAR]
    assert place(message, car * message.cell_stride) == (0.5, 0.5, 6.0)
    assert (cells[np.arange(24) != car, 4] == FREE).all()
    corner = message.pose.position
    assert (corner.x, corner.y, corner.z) == GRID.lower
    assert [(field.name, field.offset, field.type) for field in message.fields] == [
        ("red", 0, 1),
        ("green", 1, 1),
        ("blue", 2, 1),
        ("alpha", 3, 1),
        ("label", 4, 1),
    ]


def test_nav2_marks_a_level_by_two_bits_sixteen_apart():
    message = voxel_grid_message("nav2", occupancy((1, 2, 3), (1, 2, 0)))
    assert (message.size_x, message.size_y, message.size_z) == (2, 3, 4)
    # Column x 1, y 2 is the last of rows of x; levels 0 and 3.
    assert message.data.tolist() == [0, 0, 0, 0, 0, 0b1001_0000000000001001]
    assert (message.origin.x, message.origin.y, message.origin.z) == GRID.lower
    assert message.resolutions.z == 2.0


def test_the_highest_of_sixteen_levels_fits_and_a_seventeenth_does_not():
    full = occupancy((0, 0, 15), shape=(1, 1, 16))
    assert nav2_columns(full).tolist() == [[1 << 31 | 1 << 15]]
    with pytest.raises(InputError, match="found a grid of 17 levels; expected at most 16"):
        nav2_columns(occupancy(shape=(1, 1, 17)))


def test_a_class_list_in_which_free_is_the_first_works_alike():
    message = voxel_grid_message("foxglove", occupancy((0, 0, 0), classes=OPENOCCUPANCY))
    alpha = message.data.reshape(-1, message.cell_stride)[:, 3]
    assert alpha.tolist() == [255] + 23 * [0]


@pytest.mark.parametrize("name", VOXEL_GRIDS)
def test_what_is_written_is_read_back(name):
    store = base_typestore()
    message = voxel_grid_message(name, occupancy((1, 2, 3)))
    raw = store.serialize_cdr(message, VOXEL_GRIDS[name])
    read = store.deserialize_cdr(raw, VOXEL_GRIDS[name])
    np.testing.assert_array_equal(read.data, message.data)


def test_other_names_are_refused():
    check_voxel_grids(("nav2", "foxglove"), "voxel grids")
    with pytest.raises(InputError, match="found rviz; expected some of foxglove, nav2"):
        check_voxel_grids(("nav2", "rviz"), "voxel grids")
