#!/usr/bin/env bash
# rclpy 9.1.2 (ROS 2 Kilted, wheels of PyPI), rmw_fastrtps_cpp.
#
# A subscription's callback may take a second argument, what the middleware knows of the message: rclpy reads
# the callback's signature to find that out. SingleThreadedExecutor then calls it with message and info.
# EventsExecutor calls it with one argument, a tuple of the two. A callback of two parameters cannot be called
# so, and what spin_once raises is no TypeError that names it, but a SystemError; the message is lost.
#
# Seen: "SingleThreadedExecutor: 2 arguments", "EventsExecutor: 1 argument, a tuple of 2",
# "EventsExecutor: SystemError: null argument to internal routine".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install "ros-kilted-rclpy[fastrtps]==9.1.2" \
    ros-rclpy==9.1.2 ros-std-msgs==5.5.1 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import inspect
import os
import time

os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 90 + 5)
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from std_msgs.msg import String


def spin(kind, callback):
    node = rclpy.create_node("both")
    node.create_subscription(String, "data", callback, 10)
    publisher = node.create_publisher(String, "data", 10)
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    executor = kind()
    executor.add_node(node)
    publisher.publish(String(data="x"))
    try:
        for _ in range(10):
            executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_node()


def any_number(seen):
    def callback(*arguments):
        seen.append(arguments)

    callback.__signature__ = inspect.signature(lambda message, info: None)
    return callback


rclpy.init()
seen = []
spin(SingleThreadedExecutor, any_number(seen))
(arguments,) = seen
assert len(arguments) == 2 and arguments[1]["publication_sequence_number"] == 1, arguments
print("SingleThreadedExecutor: 2 arguments")
seen = []
spin(EventsExecutor, any_number(seen))
((pair,),) = seen
assert isinstance(pair, tuple) and pair[0].data == "x", pair
assert pair[1]["publication_sequence_number"] == 1, pair
print("EventsExecutor: 1 argument, a tuple of 2")
try:
    spin(EventsExecutor, lambda message, info: print("called"))
except SystemError as error:
    print(f"EventsExecutor: SystemError: {error}")
else:
    raise SystemExit("a callback of two parameters was called")
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
