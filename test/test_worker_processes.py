# SPDX-License-Identifier: Apache-2.0
"""Worker processes begin well, whatever their parent did before."""

import subprocess
import sys

FORKED = """
import multiprocessing
import time

import cv2
import numpy as np

from effocc_ros.worker_processes import settle

cv2.setNumThreads(2)
picture = np.zeros((2000, 3000, 3), np.uint8)


def turn():
    return cv2.warpAffine(picture, np.float32([[1, 0.1, 0], [0, 1, 0]]), (3000, 2000))


def work():
    settle()
    turn()
    print("threads:", cv2.getNumThreads())


turn()
time.sleep(0.5)  # The threads that OpenCV keeps go to sleep; a forked process has none of them.
worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join(20)
if worker.is_alive():
    worker.kill()
    raise SystemExit("the worker hangs")
"""


def test_a_forked_worker_settles_though_its_parent_used_opencvs_threads():
    run = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "threads: 1\n"
