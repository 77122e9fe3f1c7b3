#!/usr/bin/env bash
# rclpy 9.1.2 (ROS 2 Kilted, wheels of PyPI), rmw_fastrtps_cpp.
#
# A subscription of depth 3 whose node is busy while ten messages come keeps the last three. The seven others
# were lost to it, and the QoS event "message lost" of that subscription, whose callback was given and is
# supported, says nothing of them. What tells is the info that comes with each message: the publisher counted
# to 8 for the first one that is handed over.
#
# Seen: "handed over: numbers 8, 9, 10; message lost: 0 events".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install "ros-kilted-rclpy[fastrtps]==9.1.2" \
    ros-rclpy==9.1.2 ros-std-msgs==5.5.1 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import os
import time

os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 90 + 5)
import rclpy
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Empty

rclpy.init()
sender, node = rclpy.create_node("sender"), rclpy.create_node("receiver")
numbers, events = [], []
node.create_subscription(
    Empty,
    "data",
    lambda message, info: numbers.append(info["publication_sequence_number"]),
    3,
    event_callbacks=SubscriptionEventCallbacks(message_lost=events.append),
)
publisher = sender.create_publisher(Empty, "data", 100)
while not publisher.get_subscription_count():
    time.sleep(0.05)
for _ in range(10):
    publisher.publish(Empty())
time.sleep(0.5)
executor = SingleThreadedExecutor()
executor.add_node(node)
for _ in range(20):
    executor.spin_once(timeout_sec=0.1)
said = ", ".join(map(str, numbers))
print(f"handed over: numbers {said}; message lost: {len(events)} events")
raise SystemExit(0 if numbers == [8, 9, 10] and not events else 1)
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
