#!/usr/bin/env bash
# rclpy 9.1.2 (ROS 2 Kilted, wheels of PyPI), rmw_fastrtps_cpp.
#
# A node whose subscription is fed faster than its callback runs: messages every 5 ms, 10 ms each, depth 10.
# With SingleThreadedExecutor a service call is answered within a few callbacks, for each round of the wait
# set takes one message of the subscription and then the request. EventsExecutor puts every arrival into one
# queue that has no end, and the request behind all of them: the depth of 10 bounds the messages, not the
# events, so the answer takes as long as the overload has lasted, and longer each time. A node that is
# overloaded for a minute answers no parameter or lifecycle request for a minute.
#
# Seen: "SingleThreadedExecutor: answered after 0.0 s", "EventsExecutor: answered after 4.1 s".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install "ros-kilted-rclpy[fastrtps]==9.1.2" \
    ros-rclpy==9.1.2 ros-std-msgs==5.5.1 ros-rcl-interfaces==2.3.0 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import os
import subprocess
import sys
import threading
import time

os.environ["ROS_DOMAIN_ID"] = str(os.getppid() % 90 + 5)
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from std_msgs.msg import String

OVERLOAD = 5.0


def publish():
    rclpy.init()
    publisher = rclpy.create_node("sensor").create_publisher(String, "data", 10)
    while True:
        publisher.publish(String(data="x"))
        time.sleep(0.005)


def answer_time(kind):
    rclpy.init()
    node, client_node = rclpy.create_node("busy"), rclpy.create_node("client")
    node.create_subscription(String, "data", lambda message: time.sleep(0.01), 10)
    executor, own = kind(), SingleThreadedExecutor()
    executor.add_node(node)
    own.add_node(client_node)
    for each in (executor, own):
        threading.Thread(target=each.spin, daemon=True).start()
    client = client_node.create_client(GetParameters, "/busy/get_parameters")
    assert client.wait_for_service(30)
    sensor = subprocess.Popen([sys.executable, __file__, "publish"])
    time.sleep(OVERLOAD + 2.0)
    asked = time.monotonic()
    future = client.call_async(GetParameters.Request(names=["use_sim_time"]))
    while not future.done() and time.monotonic() - asked < 60:
        time.sleep(0.01)
    took = time.monotonic() - asked
    sensor.kill()
    print(f"{kind.__name__}: answered after {took:.1f} s", flush=True)
    os._exit(0 if (took > 1.5) == (kind is EventsExecutor) else 1)


if sys.argv[1] == "publish":
    publish()
answer_time({"single": SingleThreadedExecutor, "events": EventsExecutor}[sys.argv[1]])
PYTHON
for kind in single events; do
    "$folder/venv/bin/python" "$folder/check.py" "$kind"
done
