#!/usr/bin/env bash
# rclpy 9.1.2 (ROS 2 Kilted, wheels of PyPI), rmw_fastrtps_cpp.
#
# Publisher.publish holds Python's lock (GIL) until the middleware returns, also where the message is bytes
# that need no conversion. Fast DDS sends in the caller's thread by default, so all that sending waits for,
# every other thread of the process waits for: executors, timers, threads that only sleep. Neither does
# RMW_FASTRTPS_PUBLICATION_MODE=ASYNCHRONOUS change that for the copy of the message; it moves the sending.
#
# Seen: a thread that wakes every millisecond does so all through zlib.compress, which lets go of the lock,
# and not once in the tens of milliseconds that it takes to publish 60 MB of bytes, in either mode.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install "ros-kilted-rclpy[fastrtps]==9.1.2" \
    ros-rclpy==9.1.2 ros-std-msgs==5.5.1 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import os
import threading
import time
import zlib

os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 90 + 5)
import rclpy
from rclpy.serialization import serialize_message
from std_msgs.msg import UInt8MultiArray

beats = []


def beat():
    while True:
        beats.append(time.monotonic())
        time.sleep(0.001)


def beats_during(work):
    begin = time.monotonic()
    work()
    end = time.monotonic()
    # The first and last milliseconds are those of taking and giving back the lock.
    return sum(begin + 0.006 < each < end - 0.001 for each in beats), 1e3 * (end - begin)


rclpy.init()
node = rclpy.create_node("publisher")
publisher = node.create_publisher(UInt8MultiArray, "large", 1)
node.create_subscription(UInt8MultiArray, "large", lambda message: None, 1)
while not publisher.get_subscription_count():
    time.sleep(0.05)
message = bytes(serialize_message(UInt8MultiArray(data=bytes(60_000_000))))
threading.Thread(target=beat, daemon=True).start()
time.sleep(0.2)
compressed, spent = beats_during(lambda: zlib.compress(message))
print(f"zlib.compress: {spent:.0f} ms, {compressed} beats of another thread")
published, spent = beats_during(lambda: publisher.publish(message))
print(f"publish: {spent:.0f} ms, {published} beats of another thread")
assert compressed > 20, "the other thread does not run at all"
assert spent > 15, "too quick to tell"
assert published == 0
os._exit(0)
PYTHON
for mode in SYNCHRONOUS ASYNCHRONOUS; do
    echo "$mode:"
    RMW_FASTRTPS_PUBLICATION_MODE=$mode "$folder/venv/bin/python" "$folder/check.py"
done
