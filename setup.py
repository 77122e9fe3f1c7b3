# SPDX-License-Identifier: Apache-2.0
"""The pip side of the package; colcon builds it from CMakeLists.txt."""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
SHARED = ("config", "launch", "models", "msg")


def data_files() -> list[tuple[str, list[str]]]:
    """Return (target folder, files) of everything that goes to share/effocc_ros."""
    share = Path("share/effocc_ros")
    targets: dict[str, list[str]] = {str(share): ["package.xml"]}
    for folder in SHARED:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                relative = file.relative_to(ROOT)
                targets.setdefault(str(share / relative.parent), []).append(str(relative))
    return sorted(targets.items())


setup(data_files=data_files())
