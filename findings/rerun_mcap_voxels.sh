#!/usr/bin/env bash
# rerun-sdk 0.41.0: what its MCAP loader makes of ROS 2 messages that hold voxels and colours.
#
# nav2_msgs/VoxelGrid becomes a VoxelGridMap in which free voxels are drawn too, green beside red ones
# that are occupied: two voxels of which one is occupied give two. foxglove_msgs/VoxelGrid, which is
# drawn as protobuf, is kept as a message and not drawn where it comes as ROS 2 serialises it. A
# PointCloud2 keeps its rgb as numbers and gets no colours. A TFMessage is not on the timeline of ROS
# stamps, on which the others are. So `effocc view` writes its own recordings.
#
# Seen:
#   /nav2 2 voxels, colors ['0x00ff00ff', '0xff0000ff']
#   /foxglove ['foxglove_msgs.msg.VoxelGrid:message']
#   /points colors False, rgb True
#   /tf on ros2_timestamp False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install rerun-sdk==0.41.0 rosbags==0.11.9
cat > "$folder/try.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import rerun.chunk
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

DEFINITIONS = {
    "nav2_msgs/msg/VoxelGrid": "std_msgs/Header header\nuint32[] data\ngeometry_msgs/Point32 origin\n"
    "geometry_msgs/Vector3 resolutions\nuint32 size_x\nuint32 size_y\nuint32 size_z\n",
    "foxglove_msgs/msg/PackedElementField": "string name\nuint32 offset\nuint8 type\n",
    "foxglove_msgs/msg/VoxelGrid": "builtin_interfaces/Time timestamp\nstring frame_id\n"
    "geometry_msgs/Pose pose\nuint32 row_count\nuint32 column_count\ngeometry_msgs/Vector3 cell_size\n"
    "uint32 slice_stride\nuint32 row_stride\nuint32 cell_stride\n"
    "foxglove_msgs/PackedElementField[] fields\nuint8[] data\n",
}
store = get_typestore(Stores.ROS2_JAZZY)
for name, text in DEFINITIONS.items():
    store.register(get_types_from_msg(text, name))


def make(msgtype, /, **fields):
    package, _, kind = msgtype.partition("/")
    return store.types[f"{package}/msg/{kind}"](**fields)


time = make("builtin_interfaces/Time", sec=1, nanosec=0)
header = make("std_msgs/Header", stamp=time, frame_id="base_link")
meter = make("geometry_msgs/Vector3", x=1.0, y=1.0, z=1.0)
still = make("geometry_msgs/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
nav2 = make(
    "nav2_msgs/VoxelGrid", header=header, data=np.array([1 << 16 | 1, 0], np.uint32),
    origin=make("geometry_msgs/Point32", x=0.0, y=0.0, z=0.0), resolutions=meter,
    size_x=2, size_y=1, size_z=1,
)
channels = ("red", "green", "blue", "alpha")
fields = [make("foxglove_msgs/PackedElementField", name=n, offset=i, type=1) for i, n in enumerate(channels)]
pose = make("geometry_msgs/Pose", position=make("geometry_msgs/Point", x=0.0, y=0.0, z=0.0), orientation=still)
foxglove = make(
    "foxglove_msgs/VoxelGrid", timestamp=time, frame_id="base_link", pose=pose, row_count=1,
    column_count=2, cell_size=meter, slice_stride=8, row_stride=8, cell_stride=4, fields=fields,
    data=np.array([255, 0, 0, 255, 0, 0, 0, 0], np.uint8),
)
floats = [make("sensor_msgs/PointField", name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(("x", "y", "z", "rgb"))]
point = np.array([1, 2, 3, 0], "<f4")
point[3:].view(np.uint32)[0] = 0xFF0000
points = make(
    "sensor_msgs/PointCloud2", header=header, height=1, width=1, fields=floats, is_bigendian=False,
    point_step=16, row_step=16, data=point.view(np.uint8), is_dense=True,
)
moved = make("geometry_msgs/Transform", translation=meter, rotation=still)
tf = make("tf2_msgs/TFMessage", transforms=[make(
    "geometry_msgs/TransformStamped", header=header, child_frame_id="camera", transform=moved)])
bag = Path(sys.argv[1])
with Writer(bag, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
    for topic, message in (("/nav2", nav2), ("/foxglove", foxglove), ("/points", points), ("/tf", tf)):
        connection = writer.add_connection(topic, message.__msgtype__, typestore=store)
        writer.write(connection, 1_000_000_000, store.serialize_cdr(message, message.__msgtype__))

columns, timelines, batches = {}, {}, {}
for chunk in rerun.chunk.McapReader(str(next(bag.glob("*.mcap")))).stream():
    if not chunk.is_static:
        batch = chunk.to_record_batch()
        columns.setdefault(chunk.entity_path, set()).update(batch.schema.names)
        timelines.setdefault(chunk.entity_path, set()).update(chunk.timeline_names)
        batches[chunk.entity_path] = batch
nav2 = batches["/nav2"]
colors = np.array(nav2["VoxelGridMap:colors"][0].as_py(), np.uint32)
voxels = len(nav2["VoxelGridMap:voxel_indices"][0])
print(f"/nav2 {voxels} voxels, colors {[f'0x{c:08x}' for c in sorted(set(colors.tolist()))]}")
print("/foxglove", sorted(name for name in columns["/foxglove"] if ":" in name))
print(f"/points colors {'Points3D:colors' in columns['/points']}, rgb {'Points3D:rgb' in columns['/points']}")
print(f"/tf on ros2_timestamp {'ros2_timestamp' in timelines['/tf']}")
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder/bag" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
/nav2 2 voxels, colors ['0x00ff00ff', '0xff0000ff']
/foxglove ['foxglove_msgs.msg.VoxelGrid:message']
/points colors False, rgb True
/tf on ros2_timestamp False
SEEN
echo "as described"
