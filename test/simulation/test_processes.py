# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from helpers.waiting import wait_until
from threadpoolctl import threadpool_info

from effocc_ros.errors import InputError
from effocc_ros.simulation.processes import worker_pool
from effocc_ros.simulation.rig import check_image_size


def test_workers_are_prepared_and_have_one_thread_each(tmp_path):
    with worker_pool(2, partial(os.chdir, tmp_path)) as pool:
        assert pool.submit(os.getcwd).result() == str(tmp_path)
        found = pool.submit(threadpool_info).result()
    assert found, "no library here has threads of its own"
    assert {library["num_threads"] for library in found} == {1}


def test_a_worker_that_the_system_ends_is_said():
    with pytest.raises(InputError, match="--workers") as caught, worker_pool(2) as pool:
        pool.submit(os.abort).result()
    assert caught.value.what == "one of 2 processes"


def test_bad_input_in_a_worker_is_said_as_it_was():
    with pytest.raises(InputError, match="5 x 4 pixels") as caught, worker_pool(2) as pool:
        pool.submit(check_image_size, (4, 5)).result()
    assert caught.value.what == "image size of the drive"
    assert "--image-size" in caught.value.do


PARENT = """
import os, time
from effocc_ros.simulation.processes import worker_pool
with worker_pool(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_when_their_parent_is_killed():
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.kill()
        wait_until(lambda: not is_running(worker), "end of the worker", seconds=30)


def interrupt_during(work):
    wait_until(work.running, "start of the work")
    raise KeyboardInterrupt


def test_an_exception_does_not_wait_for_work_that_goes_on():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), worker_pool(1) as pool:
        interrupt_during(pool.submit(time.sleep, 600))
    assert time.monotonic() - started < 60
