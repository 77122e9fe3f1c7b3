# SPDX-License-Identifier: Apache-2.0
"""Where optional reference data is found, and the list of what was skipped."""

import os
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes share the cores; torch reads this when it is first imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests of nodes take the transports that the project takes, not those of who runs them.
for name in ("BUILTIN_TRANSPORTS", "DEFAULT_PROFILES_FILE"):
    os.environ.pop(f"FASTDDS_{name}", None)
os.environ.pop("FASTRTPS_DEFAULT_PROFILES_FILE", None)

try:
    from hypothesis import HealthCheck, settings
except ImportError:
    pass  # tests of properties say that it is not there
else:
    # A busy machine is no fault of the code.
    slow_is_fine = [HealthCheck.too_slow]
    settings.register_profile("any machine", deadline=None, suppress_health_check=slow_is_fine)
    settings.load_profile("any machine")

REPOSITORY = Path(__file__).resolve().parents[1]
# Not by pytest's own setting `pythonpath`, which Humble's pytest does not know.
sys.path.insert(0, str(REPOSITORY / "test"))


def shared_root() -> Path:
    return Path(os.environ.get("EFFOCC_SHARED") or REPOSITORY.parent / "shared")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    folder = shared_root() / "reference"
    if not (folder / "parity").is_dir():
        pytest.skip(f"reference vectors absent: no {_said(folder)}/parity (set EFFOCC_SHARED)")
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    folder = shared_root() / "data"
    if not folder.is_dir():
        pytest.skip(f"recorded data absent: no {_said(folder)} (set EFFOCC_SHARED)")
    return folder


def _said(folder: Path) -> str:
    return os.path.relpath(folder, REPOSITORY)


@pytest.fixture(scope="session")
def simulated_tree(tmp_path_factory) -> Path:
    """A simulated scene of three keyframes in the files of nuScenes and Occ3D: only to be read."""
    pytest.importorskip("embreex", reason="the simulator's ray caster is not installed")
    from effocc_ros.simulation.nuscenes_tree import TreeConfig, simulate_tree

    config = TreeConfig(scenes=1, keyframes=3, seed=9, image_size=(198, 352))
    root = tmp_path_factory.mktemp("simulated") / "nuscenes"
    return simulate_tree(root, config, workers=1, progress=False)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    yield  # The list comes last, where it is seen.
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        terminalreporter.write_line("no test was skipped")
        return
    terminalreporter.section(f"skipped: {len(skipped)}")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
