# SPDX-License-Identifier: Apache-2.0
"""Start the real nodes as processes, talk to them over DDS, and end them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import rclpy
from helpers.environments import code_environment
from helpers.toy_drive import Sent
from helpers.waiting import wait_until
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from std_msgs.msg import String

from effocc_ros.nodes.domains import own_domain
from effocc_ros.nodes.handled import REFERENCE, REFERENCE_QOS
from effocc_ros.nodes.rig_parameters import rig_arguments
from effocc_ros.nodes.transport import ros_environment
from effocc_ros.rig import load_rig

ASKED_AGAIN = 2.0
"""Seconds after which a question that is not answered is taken for lost."""

START = "import sys; from effocc_ros.nodes.executables import {0}; sys.exit({0}())"


class RosProcess:
    """A process with a log file, in the test's environment and a ROS domain of its own."""

    def __init__(
        self,
        command: list[str],
        domain: int,
        log: Path,
        stdin: int | None = None,
        **variables: str,
    ):
        self.log = log
        environment = code_environment({**ros_environment(domain), "OMP_NUM_THREADS": "1"})
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                command,
                env={**environment, **variables},
                stdin=stdin,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")

    def wait_for_text(self, text: str, seconds: float = 60.0) -> None:
        """Wait until it has said something."""
        self._wait(lambda: text in self.text, f"'{text}'", seconds)

    def _wait(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            code = self.process.poll()
            assert code is None, f"ended with {code} before {what}:\n{self.text}"
            assert time.monotonic() < deadline, f"no {what} within {seconds} s:\n{self.text}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals, seconds: float = 30.0) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it and what it has started, however they feel about it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Peer:
    """The test's own node: it listens, sends and asks while an executor runs in a thread."""

    def __init__(self, domain: int):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = Node("peer", context=self.context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._clients: dict[str, tuple[Client, Client]] = {}
        self._running = True
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        while self._running:
            self._executor.spin_once(timeout_sec=0.05)

    def listen(self, kind: type, topic: str, qos: QoSProfile | int = 10) -> list:
        """Subscribe; return the list into which messages come."""
        messages = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def ask(self, kind: type, service: str, request, seconds: float = 60.0):
        """Call a service and return its answer."""
        future = self.call(kind, service, request, seconds)
        wait_until(future.done, f"answer of {service}", seconds)
        return future.result()

    def call(self, kind: type, service: str, request, seconds: float = 60.0) -> Future:
        """Call a service and return its answer to come.

        A node that has not discovered a client discards its answer after 0.1 s (rmw_fastrtps),
        however long ago the client discovered the node, and on a busy machine that is too short.
        So a question that may be repeated goes ahead of each call, from a client that was made
        later and so is discovered later.
        """
        if service not in self._clients:
            client = self.node.create_client(kind, service)
            name = f"{service.rpartition('/')[0]}/get_parameters"
            self._clients[service] = client, self.node.create_client(GetParameters, name)
        client, later = self._clients[service]
        assert client.wait_for_service(seconds), f"no service {service}"
        _wait_for_an_answer(later, f"node that answers behind {service}", seconds)
        return client.call_async(request)

    def close(self) -> None:
        """End the thread and the context."""
        self._running = False
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def _wait_for_an_answer(client: Client, what: str, seconds: float) -> None:
    """Ask a question about no parameter again and again, until one is answered."""
    asked: list[Future] = []

    def answered() -> bool:
        if len(asked) <= (time.monotonic() - begin) / ASKED_AGAIN:
            asked.append(client.call_async(GetParameters.Request()))
        return any(each.done() for each in asked)

    begin = time.monotonic()
    wait_until(answered, what, seconds)
    for each in asked:
        if not each.done():
            client.remove_pending_request(each)


@contextmanager
def ros_stage(folder: Path, quiet: bool = False) -> Iterator["Stage"]:
    """Give a ROS domain of its own; whatever runs there at the end is killed.

    Args:
        folder: For logs.
        quiet: Do not print the logs at the end.
    """
    with own_domain() as domain:
        stage = Stage(folder, domain)
        try:
            yield stage
        finally:
            stage.close(quiet)


class Stage:
    """A ROS domain with its processes and the test's own node."""

    def __init__(self, folder: Path, domain: int):
        self._folder, self.domain = folder, domain
        self._processes: list[RosProcess] = []
        self._publishers: dict[str, Publisher] = {}
        self.peer = Peer(domain)

    def start(self, name: str, **parameters) -> RosProcess:
        """Start ``occ_node`` or ``bag_player`` with parameters."""
        return self._start(name, _given(parameters))

    def start_node(
        self, active: bool = True, remapped: Iterable[str] = (), **parameters
    ) -> RosProcess:
        """Start the occupancy node for the toy drive and nuScenes bags; wait until it is up."""
        parameters = {"device": "cpu", "threads": 1, **parameters}
        rules = [text for each in remapped for text in ("-r", each)]  # the first that fits holds
        arguments = [*rules, *rig_arguments(load_rig("nuscenes")), *_given(parameters)]
        if active:
            told = self.peer.listen(String, f"/occ_node/{REFERENCE}", REFERENCE_QOS)
        node = self._start("occ_node", arguments)
        if active:
            node.wait_for_text("active:")
            # What it publishes is lost until it has found its listeners; this topic is latched.
            wait_until(lambda: told, "the node to find those who listen to it")
        return node

    def _start(self, name: str, arguments: list[str]) -> RosProcess:
        log = self._folder / f"{name}-{len(self._processes)}.log"
        command = [sys.executable, "-c", START.format(name), "--ros-args", *arguments]
        return self.run(command, log)

    def run(
        self, command: list[str], log: Path, stdin: int | None = None, **variables: str
    ) -> RosProcess:
        """Start a command in this domain, with more environment variables."""
        process = RosProcess(command, self.domain, log, stdin, **variables)
        self._processes.append(process)
        return process

    def send(self, messages: Iterable[Sent]) -> None:
        """Publish messages to the node, first waiting for it to listen to each topic."""
        for sent in messages:
            publisher = self._publisher(sent.topic, sent.msgtype)
            publisher.publish(sent.raw)

    def offer(self, topic: str, kind: type, qos: QoSProfile) -> Publisher:
        """Publish a topic with a QoS of its own, from now on."""
        self._publishers[topic] = self.peer.node.create_publisher(kind, topic, qos)
        return self._publishers[topic]

    def _publisher(self, topic: str, msgtype: str) -> Publisher:
        if topic not in self._publishers:
            package, _, name = msgtype.split("/")
            qos = QoSProfile(depth=100)
            if topic == "/tf_static":
                qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
            kind = getattr(import_module(f"{package}.msg"), name)
            publisher = self.peer.node.create_publisher(kind, topic, qos)
            wait_until(publisher.get_subscription_count, f"listener of {topic}")
            self._publishers[topic] = publisher
        return self._publishers[topic]

    def close(self, quiet: bool = False) -> None:
        """Kill the processes, print what they said for the reader of a failure, end the node."""
        for process in self._processes:
            process.kill()
            if not quiet:
                print(f"--- {process.log.name}\n{process.text}")
        self.peer.close()


def set_parameter(stage: Stage, name: str, value: Any) -> SetParametersResult:
    """Ask the occupancy node to change a parameter."""
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return stage.peer.ask(SetParameters, "/occ_node/set_parameters", request).results[0]


def _given(parameters: dict) -> list[str]:
    return [
        text for name, value in parameters.items() for text in ("-p", f"{name}:={_yaml(value)}")
    ]


def _yaml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_yaml, value))}]"
    return str(value)
