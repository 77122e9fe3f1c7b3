#!/usr/bin/env bash
# rosbags 0.11.9 beside mcap 1.6.0, on valid MCAP files that rosbag2's own defaults never write.
#
# The same three messages of /chatter are written by the mcap package in five ways. rosbags reads
# the usual file. Where chunks have an index but messages have none (an option of the format and of
# its writers) it returns no message and raises nothing, though the file's own statistics count
# three; where a second channel is JSON it ends in KeyError 'jsonschema'; without chunks it refuses
# messages that lie out of order by a nanosecond; and it wants the profile "ros2", which tools that
# merge files leave empty. The mcap package reads all five. effocc_ros/bags/mcap_file.py makes its
# own index and compares it with the statistics.
#
# Seen, rosbags then mcap:
#   usual [1, 2, 3] [1, 2, 3]
#   no message index [] [1, 2, 3]
#   a JSON channel KeyError [1, 2, 3]
#   no chunks, two swapped ReaderError [1, 2, 3]
#   no profile AnyReaderError [1, 2, 3]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install rosbags==0.11.9 mcap==1.6.0
cat > "$folder/try.py" <<'PYTHON'
import sys
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer
from rosbags.highlevel import AnyReader

DATA = bytes.fromhex("0001000003000000") + b"hi\0"  # std_msgs/String in CDR


def write(path, profile="ros2", chunks=True, indexes=IndexType.ALL, order=(1, 2, 3), extra=False):
    with open(path, "wb") as file:
        writer = Writer(
            file, use_chunking=chunks, compression=CompressionType.NONE, index_types=indexes
        )
        writer.start(profile=profile, library="")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data\n")
        channel = writer.register_channel("/chatter", "cdr", schema)
        if extra:
            event = writer.register_schema("log.Event", "jsonschema", b"{}")
            writer.add_message(writer.register_channel("/events", "json", event), 1, b"{}", 1)
        for time in order:
            writer.add_message(channel, time, DATA, time)
        writer.finish()


def by_rosbags(path):
    try:
        with AnyReader([path]) as reader:
            return [time for each, time, _ in reader.messages() if each.topic == "/chatter"]
    except Exception as error:
        return type(error).__name__


def by_mcap(path):
    with open(path, "rb") as file:
        found = make_reader(file).iter_messages(topics=["/chatter"])
        return [message.log_time for _, _, message in found]


for name, how in {
    "usual": {},
    "no message index": {"indexes": IndexType.CHUNK},
    "a JSON channel": {"extra": True},
    "no chunks, two swapped": {"chunks": False, "order": (1, 3, 2)},
    "no profile": {"profile": ""},
}.items():
    path = Path(sys.argv[1]) / "file.mcap"
    write(path, **how)
    print(name, by_rosbags(path), by_mcap(path))
PYTHON
"$folder/venv/bin/python" "$folder/try.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
