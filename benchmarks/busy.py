# SPDX-License-Identifier: Apache-2.0
"""How soon the node answers a request beside busy loops, and how much CPU they leave it.

The car of benchmarks/node.py drives while processes that do nothing but count take the CPU; a
parameter is asked for every three seconds. With --against, the node of a former commit has its
turn first:

    python benchmarks/busy.py --loops 14 --seconds 40 --against c6e3ebc
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from car import Car
from node import REPOSITORY, checkout, node

PAUSE = 3.0
"""Seconds between two requests."""


@contextmanager
def busy_loops(count: int):
    """Keep the CPU busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


class Asker:
    """Asks the node for a parameter, again and again."""

    def __init__(self):
        import rclpy
        from rcl_interfaces.srv import GetParameters
        from rclpy.executors import SingleThreadedExecutor

        self._request = GetParameters.Request(names=["model"])
        self._node = rclpy.create_node("asker")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._client = self._node.create_client(GetParameters, "/occ_node/get_parameters")
        self.seconds: list[float] = []

    def ask(self, stop: threading.Event) -> None:
        """Ask until told to stop; a request under way then counts with the time that it took."""
        while not stop.wait(PAUSE):
            begin, future = time.monotonic(), self._client.call_async(self._request)
            while not future.done() and not stop.is_set():
                self._executor.spin_once(timeout_sec=0.1)
            self.seconds.append(time.monotonic() - begin)


def main_thread(pid: int) -> float:
    """Return the CPU seconds that a process's main thread, the executor's, has had."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", default="", help="a former commit")
    parser.add_argument("--loops", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    from effocc_ros.nodes.rig_parameters import rig_arguments

    head = ("node", "requests", "median s", "longest s", "frames", "main thread", "load")
    print("{:<10} {:>9} {:>9} {:>10} {:>7} {:>12} {:>6}".format(*head))
    with tempfile.TemporaryDirectory() as name:
        folder, car = Path(name), Car()
        arguments = [*rig_arguments(car.rig), "-p", "device:=cpu", "-p", "model:=fusion_tiny"]
        trees = {"today": REPOSITORY}
        if options.against:
            (folder / "tree").mkdir()
            former = checkout(options.against, folder / "tree")
            trees = {options.against: former, **trees}
        try:
            for label, tree in trees.items():
                asker, stop = Asker(), threading.Event()
                asking = threading.Thread(target=asker.ask, args=(stop,))
                with node(tree, folder / f"{label}.log", "--stub", *arguments) as process:
                    car.drive(1.0, process.pid)
                    with busy_loops(options.loops):
                        before, begin = main_thread(process.pid), time.monotonic()
                        asking.start()
                        run = car.drive(options.seconds, process.pid)
                        share = main_thread(process.pid) - before
                        share /= time.monotonic() - begin
                        load = os.getloadavg()[0]
                        stop.set()
                        asking.join()
                times = asker.seconds or [float("nan")]
                cells = (label, len(times), f"{median(times):.1f}", f"{max(times):.1f}")
                cells += (len(run.latencies), f"{100 * share:.0f} %", f"{load:.0f}")
                print("{:<10} {:>9} {:>9} {:>10} {:>7} {:>12} {:>6}".format(*cells), flush=True)
        finally:
            car.close()


if __name__ == "__main__":
    main()
