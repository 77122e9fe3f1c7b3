"""Where DDS may hang at its end, a process ends without it."""

import subprocess
import sys

import pytest

CODE = """
import atexit, sys
from effocc_ros.nodes.leaving import leave
atexit.register(print, "taken down")
print("said before")
sys.exit(leave({code}))
"""


@pytest.mark.parametrize(
    ("transport", "expected"),
    [
        ("LARGE_DATA?max_msg_size=1MB", "said before\n"),
        ("DEFAULT", "said before\ntaken down\n"),
        ("", "said before\ntaken down\n"),
    ],
)
def test_only_over_tcp_the_end_comes_at_once(transport, expected, repository, monkeypatch):
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", transport)
    monkeypatch.setenv("PYTHONPATH", str(repository))
    command = [sys.executable, "-c", CODE.format(code=7)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (7, expected)
