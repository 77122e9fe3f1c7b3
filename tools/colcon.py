# SPDX-License-Identifier: Apache-2.0
"""Build this package as a robot does, and import what was installed.

    build/colcon/venv/bin/python tools/colcon.py [--test]

The wheels of requirements-ros.txt and requirements-colcon.txt stand for a ROS 2 installation. The
package is built twice below build/colcon, plainly and with --symlink-install; then a shell sources
each workspace, imports the message and the node from it and runs `effocc`. With --test, `colcon
test` runs all tests on the plain one.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[1]
PREFIX = Path(sys.prefix)
WORK = ROOT / "build" / "colcon"
KINDS = {"plain": [], "symlink": ["--symlink-install"]}

# No wheel has tf2_msgs.
TF2_MSGS = {
    "msg/TFMessage.msg": "geometry_msgs/TransformStamped[] transforms\n",
    "package.xml": """<package format="3">
  <name>tf2_msgs</name><version>0.0.0</version><description>The message of tf.</description>
  <maintainer email="maintainers@effocc-ros.org">effocc_ros maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend><depend>geometry_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
""",
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.16)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(${PROJECT_NAME} "msg/TFMessage.msg" DEPENDENCIES geometry_msgs)
ament_package()
""",
}

CHECK = """
set -e
source {install}/setup.bash
cd /
python - <<'END'
from pathlib import Path
import effocc_ros, effocc_ros.nodes.bag_player, effocc_ros.nodes.occ_node
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.resources import resource_path
from rclpy.type_support import check_for_type_support
check_for_type_support(SemanticOccupancy)
install = Path("{install}")
for found in (effocc_ros.__file__, resource_path("config/occ.param.yaml")):
    assert install in Path(found).parents, f"{{found}} is not below {{install}}"
END
test "$(command -v effocc)" = {install}/effocc_ros/bin/effocc
effocc --version
test -x {install}/effocc_ros/lib/effocc_ros/occ_node
"""


def repair_wheels() -> None:
    """Name this Python's headers in the wheels' cmake files.

    They name those of the machine that built the wheels, and CMake refuses paths that are not
    there.
    """
    headers = sysconfig.get_path("include")
    theirs = {
        r"/opt/python/[^;\"]+/include/python3\.\d+": headers,
        r"/opt/python/[^;\"]+/numpy/_core/include": numpy.get_include(),
    }
    for file in (PREFIX / "share").glob("*/cmake/*.cmake"):
        text = repaired = file.read_text(encoding="utf-8")
        for pattern, ours in theirs.items():
            repaired = re.sub(pattern, ours, repaired)
        if repaired != text:
            file.write_text(repaired, encoding="utf-8")


def write_sources() -> Path:
    """Make the source folder of the workspace: this checkout and tf2_msgs."""
    source = WORK / "src"
    for name, text in TF2_MSGS.items():
        file = source / "tf2_msgs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
    (ROOT / "build" / "AMENT_IGNORE").touch()  # linters look for sources everywhere else
    checkout = source / "effocc_ros"
    if not checkout.is_symlink():
        checkout.symlink_to(ROOT)
    return source


def environment() -> dict[str, str]:
    """Return the environment of a shell that has sourced the wheels, so to speak."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = os.pathsep.join([str(PREFIX / "bin"), ours.get("PATH", "")])
    return ours | {
        "PATH": path,
        "AMENT_PREFIX_PATH": str(PREFIX),
        "CMAKE_PREFIX_PATH": str(PREFIX),
    }


def colcon(verb: str, kind: str, *arguments: str) -> None:
    """Run a verb of colcon on the workspace of one kind; stop when it fails."""
    folder = WORK / kind
    command = ["colcon", "--log-base", str(folder / "log"), verb]
    command += ["--base-paths", str(WORK / "src/effocc_ros"), str(WORK / "src/tf2_msgs")]
    command += ["--build-base", str(folder / "build"), "--install-base", str(folder / "install")]
    run([*command, *arguments])


def run(command: list[str]) -> None:
    """Run a command; stop with its exit code when it fails."""
    code = subprocess.run(command, env=environment(), cwd=WORK).returncode
    if code:
        sys.exit(f"colcon.py: {' '.join(command[:4])} ended with {code}")


def main() -> int:
    """Build, source, import; with --test, run the tests too."""
    parser = argparse.ArgumentParser(description="Build and check this package with colcon.")
    parser.add_argument("--test", action="store_true", help="run colcon test as well")
    arguments = parser.parse_args()
    write_sources()
    repair_wheels()
    cmake = ["--cmake-args", f"-DPython3_EXECUTABLE={PREFIX / 'bin/python'}"]
    for kind, options in KINDS.items():
        colcon("build", kind, *options, *cmake)
        run(["bash", "-c", CHECK.format(install=WORK / kind / "install")])
        print(f"colcon build, {kind}: what was installed can be imported and run")
    if arguments.test:
        colcon("test", "plain", "--packages-select", "effocc_ros", "--return-code-on-test-failure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
