# SPDX-License-Identifier: Apache-2.0
"""Environments of the processes that tests start."""

import os
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def code_environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment in which `import effocc_ros` finds what the test itself imports.

    With a ROS installation that was sourced, that is what was installed, and all of the
    environment is needed. Without one it is the code of this checkout.
    """
    environment = dict(base)
    if not environment.get("AMENT_PREFIX_PATH"):
        paths = [str(REPOSITORY), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment
