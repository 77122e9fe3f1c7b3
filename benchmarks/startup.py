# SPDX-License-Identifier: Apache-2.0
"""How long the node takes from the start of its process until it is configured, by phase.

    python benchmarks/startup.py --model fusion_tiny

Each phase in wall seconds and in seconds of CPU, the best of several starts: on a busy machine
only the latter tell something about the node.
"""

import argparse
import json
import subprocess
import sys
import time

START = """
import json, sys, time
marks = []
def mark(phase):
    marks.append((phase, time.monotonic(), time.process_time()))
mark("the interpreter")
import rclpy
mark("import rclpy")
import torch
mark("import torch")
from effocc_ros.nodes import occ_node
from effocc_ros.nodes.models import load_model
mark("import the node")
rclpy.init(args=["--ros-args", "-p", f"model:={sys.argv[1]}", "-p", "device:=cpu"])
node = occ_node.OccNode(occ_node.cheapest_executor())
mark("make the node")
node._loading._loaded = (node.settings, load_model(node.settings))
mark("load the network")
assert node.trigger_configure() == occ_node.SUCCESS
mark("configure")
print(json.dumps(marks), flush=True)
"""


def phases(model: str) -> list[tuple[str, float, float]]:
    """Start a node once; return the wall and CPU seconds of each phase."""
    wall, cpu, found = time.monotonic(), 0.0, []
    command = [sys.executable, "-c", START, model]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for phase, at, spent in json.loads(said.splitlines()[-1]):
        found.append((phase, at - wall, spent - cpu))
        wall, cpu = at, spent
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fusion_tiny")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    runs = [phases(options.model) for _ in range(options.repeat)]
    print(f"{'phase':20}{'wall':>8}{'CPU':>8}")
    for each in zip(*runs, strict=True):
        phase = each[0][0]
        print(f"{phase:20}{min(e[1] for e in each):7.2f}s{min(e[2] for e in each):7.2f}s")
    total = [[sum(phase[kind] for phase in run) for run in runs] for kind in (1, 2)]
    print(f"{'all':20}{min(total[0]):7.2f}s{min(total[1]):7.2f}s")


if __name__ == "__main__":
    main()
