# SPDX-License-Identifier: Apache-2.0
"""Say in one line what this machine lacks for `make`; run before anything is installed."""

import importlib.util
import platform
import shutil
import sys
import sysconfig
from pathlib import Path

PYTHONS = ((3, 10), (3, 14))


def complaints():
    """Yield what is wrong, most basic first, each with what to do."""
    version, oldest, newest = (
        ".".join(map(str, each)) for each in (sys.version_info[:2], *PYTHONS)
    )
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        yield f"Python {version} found, {oldest} to {newest} expected; try: make PYTHON=python3.12"
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        yield (
            f"{sys.platform} on {platform.machine()} found, Linux on x86_64 expected: "
            "the ROS 2 wheels exist for it alone; elsewhere use a ROS 2 installation (README)"
        )
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from effocc_ros.nodes.environment import sourced_ros

    sourced = sourced_ros()
    if sourced:
        yield (
            f"a ROS 2 is sourced ({sourced}): open a shell without ROS sourced; "
            "with ROS use colcon (README)"
        )
    for module, package in (("ensurepip", "venv"), ("venv", "venv")):
        if importlib.util.find_spec(module) is None:
            yield f"Python module {module} not found: sudo apt install python{version}-{package}"
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        yield f"{header} not found: sudo apt install python{version}-dev"
    for compiler in ("gcc", "g++"):
        if shutil.which(compiler) is None:
            yield f"{compiler} not found: sudo apt install {compiler}"


def main():
    """Print every complaint; exit 1 when there is one."""
    found = list(complaints())
    for line in found:
        print(f"cannot build here: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
