#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 on Linux, which brings its own threads (pthreads).
#
# cv2.setNumThreads(1) in a forked process never returns, if the parent ran something on several
# threads and these have gone to sleep since: the child waits for threads that only the parent has.
# It is what a worker of torch's DataLoader is often told to do first, and the loader then waits for
# ever. cv2.setNumThreads(0), which also means one thread, returns, and so does everything after it
# but another setNumThreads(1).
#
# Seen: "setNumThreads(1) hangs", "setNumThreads(0) ends".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install opencv-python-headless==5.0.0.93 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import os
import signal
import time

import cv2
import numpy as np

picture = np.zeros((2000, 3000, 3), np.uint8)


def turn():
    return cv2.warpAffine(picture, np.float32([[1, 0.1, 0], [0, 1, 0]]), (3000, 2000))


def ends(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def sequential():
    cv2.setNumThreads(0)
    turn()
    assert cv2.getNumThreads() == 1


cv2.setNumThreads(2)
turn()
time.sleep(1)
found = {
    "setNumThreads(1)": ends(lambda: cv2.setNumThreads(1)),
    "setNumThreads(0)": ends(sequential),
}
for name, ended in found.items():
    print(name, "ends" if ended else "hangs")
assert found == {"setNumThreads(1)": False, "setNumThreads(0)": True}
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
