# SPDX-License-Identifier: Apache-2.0
"""Time what the node's outputs cost: from an occupancy to the bytes that are sent.

    python benchmarks/views.py

CPU time of one thread, so a busy machine changes little. The grid is the truth of a simulated
keyframe, then random labels everywhere, as a network without weights gives them. The last lines
publish both through the node's Outputs to a subscriber of everything in another process, and time
the call that sends the occupancy. Needs rclpy.
"""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import serialize_message

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.nodes.markers import MarkerWriter
from effocc_ros.nodes.outputs import Outputs
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.to_message import BUILDER
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import cubes_per_class, labelled_points, navigation_grid
from effocc_ros.simulation.drive import Drive

SUBSCRIBER = """
import rclpy
from nav_msgs.msg import OccupancyGrid
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray
from effocc_ros.msg import SemanticOccupancy
rclpy.init()
node = rclpy.create_node("listener")
kinds = {"occupancy": SemanticOccupancy, "points": PointCloud2, "markers": MarkerArray}
for name, kind in {**kinds, "grid": OccupancyGrid}.items():
    node.create_subscription(kind, f"/views/output/{name}", lambda raw: None, 1, raw=True)
rclpy.spin(node)
"""
PERIOD = 0.5
"""Seconds between two published occupancies."""


def occupancies() -> dict[str, SemanticOccupancy]:
    drive = Drive(seed=0, duration_s=0.5)
    stamp = next(instant for instant in drive.instants() if instant.keyframe).stamp
    noise = np.random.default_rng(0).integers(0, 17, OCC3D_GRID.shape).astype(np.uint8)
    return {
        name: SemanticOccupancy(stamp, "base_link", OCC3D_GRID, labels, OCC3D_NUSCENES)
        for name, labels in (("simulated street", drive.labels(stamp)), ("random labels", noise))
    }


def outputs_of(occupancy: SemanticOccupancy) -> dict[str, Callable[[], bytes]]:
    stamp, frame_id = occupancy.stamp, occupancy.frame_id
    writer = MarkerWriter()

    def cloud() -> bytes:
        points = labelled_points(occupancy)
        return serialize_message(BUILDER.point_cloud(stamp, frame_id, points))

    def grid() -> bytes:
        return serialize_message(BUILDER.grid(occupancy, navigation_grid(occupancy)))

    return {
        "occupancy": lambda: serialize_message(BUILDER.occupancy(occupancy)),
        "grid": grid,
        "points": cloud,
        "markers": lambda: writer.write(occupancy, cubes_per_class(occupancy)),
    }


def cpu_milliseconds(job: Callable[[], bytes], repeat: int) -> tuple[float, int]:
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        raw = job()
        times.append(1e3 * (time.thread_time() - start))
    return median(times), len(raw)


def time_publishing(occupancy: SemanticOccupancy, repeat: int) -> tuple[float, float, int]:
    """Return CPU and wall milliseconds of publishing, and how many had no views."""
    rclpy.init()
    node = LifecycleNode("views")
    outputs = Outputs(node, NodeSettings)
    node.trigger_configure()
    node.trigger_activate()
    subscriber = subprocess.Popen([sys.executable, "-c", SUBSCRIBER], stderr=subprocess.DEVNULL)
    try:
        while not all(
            node.count_subscribers(f"~/output/{name}") for name in outputs_of(occupancy)
        ):
            time.sleep(0.1)
        cpu, wall = [], []
        for _ in range(repeat):
            time.sleep(PERIOD)
            started, begun = time.perf_counter(), time.thread_time()
            outputs.publish(occupancy)
            cpu.append(1e3 * (time.thread_time() - begun))
            wall.append(1e3 * (time.perf_counter() - started))
    finally:
        outputs.destroy()
        rclpy.shutdown()
        subscriber.terminate()
        subscriber.wait()
    return median(cpu), median(wall), outputs.views_superseded


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    repeat = parser.parse_args().repeat
    print(f"{platform.processor() or platform.machine()}, median of {repeat}")
    for name, occupancy in occupancies().items():
        print(f"{name}: {int(occupancy.visible().sum())} visible voxels")
        for output, job in outputs_of(occupancy).items():
            milliseconds, size = cpu_milliseconds(job, repeat)
            print(f"  {output:<10} {milliseconds:8.2f} ms of CPU, {size:>9,} bytes")
        cpu, wall, superseded = time_publishing(occupancy, repeat)
        print(f"  publish() returns after {wall:.2f} ms ({cpu:.2f} ms of CPU)", end="")
        print(f", {superseded} occupancies without views")


if __name__ == "__main__":
    main()
