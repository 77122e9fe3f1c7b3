# SPDX-License-Identifier: Apache-2.0
"""What is in an .rrd file, read back by Rerun; `make view-test` has what is needed."""

import numpy as np
import pytest
from helpers.full_disk import no_file_above
from helpers.occupancy_bags import CAR, ROAD, make_demo, street
from helpers.toy_drive import PERIOD, START

pytest.importorskip("rerun", reason="rerun-sdk is not installed: see make view-test")
import pyarrow as pa
import rerun.chunk

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS, Frame
from effocc_ros.visualization.rerun_sinks import save
from effocc_ros.visualization.scene import Moment


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rrd")
    path = folder / "demo.rrd"
    assert main(["view", str(make_demo(folder / "demo")), "--save", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def rows(file):
    """Entity -> its rows as dicts, in the order of time; stamps are nanoseconds."""
    found = {}
    for chunk in rerun.chunk.RrdReader(str(file)).stream():
        found.setdefault(chunk.entity_path, []).extend(rows_of(chunk))
    for each in found.values():
        each.sort(key=lambda row: row.get("ros_time", -1))
    return found


def rows_of(chunk) -> list[dict]:
    batch = chunk.to_record_batch()
    columns = [c.cast("int64") if pa.types.is_timestamp(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()


def test_everything_is_on_the_timeline_of_ros_stamps(file, rows):
    moving = [c for c in rerun.chunk.RrdReader(str(file)).stream() if not c.is_static]
    assert {tuple(chunk.timeline_names) for chunk in moving} == {("ros_time",)}
    stamps = [row["ros_time"] for row in rows["/map/ego/prediction"]]
    assert stamps == [START + PERIOD, START + 3 * PERIOD]


def test_voxels_have_the_colours_of_their_classes_and_lie_where_they_are(rows):
    row = rows["/map/ego/prediction"][0]
    index = np.array(row["VoxelGridMap:voxel_indices"])
    colors = np.array(row["VoxelGridMap:colors"], np.uint32)
    labels = street().labels[tuple(index.T)]
    for label in (CAR, ROAD):
        red, green, blue = OCC3D_NUSCENES.colors[label]
        expected = red << 24 | green << 16 | blue << 8 | 255
        assert set(colors[labels == label].tolist()) == {expected}
    assert set(labels.tolist()) == {CAR, ROAD}
    np.testing.assert_allclose(row["VoxelGridMap:translation"][0], (-40, -40, -1))
    np.testing.assert_allclose(row["VoxelGridMap:voxel_size"][0], (0.4, 0.4, 0.4))


def test_the_truth_stands_beside_the_prediction_where_it_is_known(rows):
    (row,) = rows["/map/ego/truth"]
    assert row["ros_time"] == START + PERIOD


def test_each_camera_has_its_image_with_and_without_voxels(rows):
    for name in NUSCENES_CAMERAS:
        for what in ("image", "voxels"):
            assert len(rows[f"/map/ego/{name}/{what}"]) == 2
        (width, height) = rows[f"/map/ego/{name}"][0]["Pinhole:resolution"][0]
        assert (width, height) == (800, 450)


def test_the_map_begins_where_the_vehicle_was(rows):
    first, second = rows["/map/ego"][-2:]
    np.testing.assert_allclose(first["Transform3D:translation"][0], 0, atol=1e-6)
    assert np.linalg.norm(second["Transform3D:translation"][0]) > 0.1


def test_sweeps_and_the_models_name_are_there(rows):
    assert len(rows["/map/ego/points"]) == 2
    assert "**fusion_tiny**, trained" in rows["/model"][0]["TextDocument:text"][0]


def test_a_disk_without_room_leaves_no_half_file_and_is_said(tmp_path):
    (moment,) = [Moment(Frame(START, "base_link", (), None, np.eye(4)), street())]
    path = tmp_path / "street.rrd"
    save([moment], path)
    size = path.stat().st_size
    path.unlink()
    # Without its end the voxels are there, and what tells viewers where they are is not. Two files
    # of a moment differ by some hundred bytes, for they say when they were written.
    for limit in (size - 1000, size // 2, 100):
        with no_file_above(limit), pytest.raises(InputError, match="Make room") as caught:
            save([moment], path)
        assert caught.value.what == f"file {path}"
        assert not list(tmp_path.iterdir())
