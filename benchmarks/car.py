# SPDX-License-Identifier: Apache-2.0
"""A car at nuScenes' rates, for benchmarks of the node: it sends, and hears the answers."""

import os
import threading
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

CAMERA_HZ, LIDAR_HZ, TF_HZ = 12.0, 20.0, 100.0
POINTS = 34_688
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """One node, one drive.

    Attributes:
        cpu_seconds: CPU time of the node.
        car_share: Share of a core that the car took, to send and to hear the answers.
        messages: How many were sent.
        sent: When each sweep was sent.
        latencies: Milliseconds from a sweep to its occupancy.
        drops: How many frames were dropped, by reason.
    """

    cpu_seconds: float = 0.0
    car_share: float = 0.0
    messages: int = 0
    sent: dict[int, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    drops: dict[str, int] = field(default_factory=dict)

    def latency(self, share: float) -> float:
        """Return the ms from sweep to occupancy that this share of the frames does not exceed."""
        times = sorted(self.latencies) or [float("nan")]
        return times[int(share * (len(times) - 1))]


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Car:
    """Sends the drive and listens to the answers.

    Args:
        raw: Send images as they are, of 4.3 MB each, instead of JPEGs.
    """

    def __init__(self, raw: bool = False):
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray

        from effocc_ros.msg import SemanticOccupancy
        from effocc_ros.nodes.executor import cheapest_executor
        from effocc_ros.rig import load_rig

        rclpy.init()
        self.node, self.executor = rclpy.create_node("car"), cheapest_executor()
        self.executor.add_node(self.node)
        self.rig, self.run, self.active = load_rig("nuscenes"), Run(), True
        self._messages(raw)
        self.node.create_subscription(
            SemanticOccupancy, "/occ_node/output/occupancy", self._answered, 10
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _messages(self, raw: bool) -> None:
        from geometry_msgs.msg import TransformStamped
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
        from tf2_msgs.msg import TFMessage

        random = np.random.default_rng(0)
        noise = random.integers(0, 255, (225, 400, 3), np.uint8)
        picture = cv2.resize(noise, (1600, 900), interpolation=cv2.INTER_CUBIC)
        jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
        pixels = array("B", (picture if raw else jpeg).tobytes())
        matrix = [1260.0, 0.0, 800.0, 0.0, 1260.0, 450.0, 0.0, 0.0, 1.0]
        projection = [1260.0, 0.0, 800.0, 0.0, 0.0, 1260.0, 450.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = self.node.create_publisher
        self.images, self.edges = [], []
        for camera in self.rig.cameras:
            if raw:
                image = Image(height=900, width=1600, step=4800, encoding="bgr8", data=pixels)
            else:
                image = CompressedImage(format="jpeg", data=pixels)
            info = CameraInfo(height=900, width=1600, k=matrix, p=projection)
            info.distortion_model, info.d = "plumb_bob", [0.0] * 5
            image.header.frame_id = info.header.frame_id = camera.name
            self.images.append(
                (
                    camera.offset_s,
                    (publisher(type(image), camera.image, 10), image),
                    (publisher(CameraInfo, camera.camera_info, 10), info),
                )
            )
        points = random.uniform(-40, 40, (POINTS, 5)).astype(np.float32)
        names = ("x", "y", "z", "intensity", "ring")
        cloud = PointCloud2(height=1, width=POINTS, point_step=20, row_step=20 * POINTS)
        cloud.fields = [
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(names)
        ]
        cloud.data, cloud.is_dense = array("B", points.tobytes()), True
        cloud.header.frame_id = "LIDAR_TOP"
        self.cloud = (publisher(PointCloud2, self.rig.points, 10), cloud)
        for child in ("LIDAR_TOP", *(camera.name for camera in self.rig.cameras)):
            edge = TransformStamped(child_frame_id=child)
            edge.header.frame_id, edge.header.stamp.sec = "base_link", 1
            edge.transform.rotation.w = 1.0
            self.edges.append(edge)
        self.static = publisher(TFMessage, "/tf_static", latched)
        self.static.publish(TFMessage(transforms=self.edges))
        pose = TransformStamped(child_frame_id="base_link")
        pose.header.frame_id, pose.transform.rotation.w = "map", 1.0
        self.tf = (publisher(TFMessage, "/tf", 100), TFMessage(transforms=[pose]))

    def drive(self, seconds: float, pid: int) -> Run:
        """Send so many seconds of driving to the node of a process."""
        self._wait_for_node()
        self.run = run = Run()
        events = [(k / LIDAR_HZ, 0, None) for k in range(int(seconds * LIDAR_HZ))]
        events += [(k / TF_HZ, 1, None) for k in range(int(seconds * TF_HZ))]
        for offset, image, info in self.images:
            stamps = (0.1 + k / CAMERA_HZ + offset for k in range(int(seconds * CAMERA_HZ)))
            events += [(stamp, 2, (info, image)) for stamp in stamps]
        before, own, start = cpu_seconds(pid), time.process_time(), time.time() + 0.1
        began = time.monotonic()
        for due, kind, pair in sorted(events, key=lambda event: event[:2]):
            time.sleep(max(start + due - time.time(), 0.0))
            stamp = round((start + due) * 1e9)
            if kind == 0:
                self._send(self.cloud, stamp)
                run.sent[stamp] = time.time()
            elif kind == 1:
                self.tf[1].transforms[0].transform.translation.x = 10.0 * due
                self._send(self.tf, stamp)
            else:
                for each in pair:
                    self._send(each, stamp)
            run.messages += 1 if pair is None else 2
        run.car_share = (time.process_time() - own) / (time.monotonic() - began)
        time.sleep(2.0)
        run.cpu_seconds = cpu_seconds(pid) - before
        return run

    def _send(self, pair, stamp: int) -> None:
        publisher, message = pair
        headed = message.transforms[0] if hasattr(message, "transforms") else message
        time_field = headed.header.stamp
        time_field.sec, time_field.nanosec = divmod(stamp, 1_000_000_000)
        publisher.publish(message)

    def _wait_for_node(self) -> None:
        deadline = time.monotonic() + 120
        publishers = [self.cloud[0], self.tf[0]]  # not every network wants cameras
        while not all(publisher.get_subscription_count() for publisher in publishers):
            if time.monotonic() > deadline:
                raise RuntimeError("the node did not subscribe within two minutes")
            time.sleep(0.05)
        time.sleep(2.0)

    def _answered(self, message) -> None:
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        if stamp in self.run.sent:
            self.run.latencies.append(1e3 * (time.time() - self.run.sent[stamp]))

    def _diagnosed(self, message) -> None:
        for status in message.status:
            for pair in status.values:
                if pair.key.startswith("drop."):
                    self.run.drops[pair.key[5:]] = int(pair.value)

    def _spin(self) -> None:
        while self.active:
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """End the listening thread."""
        self.active = False
        self._thread.join()
