#!/usr/bin/env bash
# rclpy 9.1.2 (ROS 2 Kilted, wheels of PyPI), rmw_fastrtps_cpp, two processes of one machine.
#
# Sixty messages of 700,000 bytes, as a LiDAR of 35,000 points sends them, go out at 12 Hz, best effort. With
# the default transports, where shared memory is to spare copies, fewer of them arrive than by UDP alone, though
# the subscriber does nothing but count. Reliable ones all arrive either way. Neither side is told of a loss.
#
# Seen on two idle cores, in two runs: "best effort, default: 3 of 60; best effort, UDPv4: 20; reliable: 60 and
# 60", then 2 and 27. How many come by UDP depends on the kernel's buffers, so that is printed, not judged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install "ros-kilted-rclpy[fastrtps]==9.1.2" \
    ros-rclpy==9.1.2 ros-std-msgs==5.5.1 numpy==2.3.5
cat > "$folder/side.py" <<'PYTHON'
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import UInt8MultiArray

side, reliability = sys.argv[1:]
rclpy.init()
node = rclpy.create_node(side)
qos = QoSProfile(depth=10, reliability=getattr(ReliabilityPolicy, reliability))
if side == "sends":
    publisher = node.create_publisher(UInt8MultiArray, "sweeps", qos)
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    time.sleep(1.0)
    message = UInt8MultiArray(data=bytes(700_000))
    due = time.monotonic()
    for _ in range(60):
        publisher.publish(message)
        due += 1 / 12
        time.sleep(max(due - time.monotonic(), 0.0))
    time.sleep(2.0)
else:
    came = []
    node.create_subscription(UInt8MultiArray, "sweeps", came.append, qos, raw=True)
    end = time.monotonic() + 13.0
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    print(len(came))
PYTHON
export ROS_DOMAIN_ID=$(($$ % 90 + 5))
count() {
    env ${2:+FASTDDS_BUILTIN_TRANSPORTS=$2} "$folder/venv/bin/python" "$folder/side.py" counts "$1" \
        > "$folder/came" &
    local counting=$!
    env ${2:+FASTDDS_BUILTIN_TRANSPORTS=$2} "$folder/venv/bin/python" "$folder/side.py" sends "$1"
    wait "$counting"
    cat "$folder/came"
}
default=$(count BEST_EFFORT "") udp=$(count BEST_EFFORT UDPv4)
reliable=$(count RELIABLE "") reliable_udp=$(count RELIABLE UDPv4)
echo "best effort, default: $default of 60; best effort, UDPv4: $udp; reliable: $reliable and $reliable_udp"
[ "$default" -lt 40 ] && [ "$reliable" = 60 ] && [ "$reliable_udp" = 60 ]
