# SPDX-License-Identifier: Apache-2.0
"""Where the files are that ship beside the code: config, launch, models, messages."""

import os
import sys
from pathlib import Path

from effocc_ros.errors import InputError

PACKAGE = "effocc_ros"


def resource_path(relative: str) -> Path:
    """Return the path of a file or folder that ships with the package.

    Args:
        relative: Its path in the source tree, for example ``config/model``.

    Returns:
        The path in the source checkout when the code runs from one, else under
        ``share/effocc_ros`` of the prefix into which pip or colcon installed it.

    Raises:
        InputError: No known place has it.
    """
    places = _places()
    for place in places:
        if (place / relative).exists():
            return place / relative
    raise InputError(
        f"resource {relative}",
        found=f"nothing in {', '.join(map(str, places))}",
        expected="a file that ships with the package",
        do="install the package again, or run from a whole checkout",
        reason="missing_resource",
    )


def _places() -> list[Path]:
    here = Path(__file__).absolute().parent
    checkout = [here.parent] if (here.parent / "package.xml").is_file() else []
    # An install has <prefix>/lib/.../effocc_ros beside <prefix>/share: each parent is a candidate.
    prefixes = [*here.parents, Path(sys.prefix)]
    prefixes += [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    shares = [prefix / "share" / PACKAGE for prefix in prefixes]
    return checkout + [share for share in dict.fromkeys(shares) if share.is_dir()]
