import os
import time
from functools import partial

import pytest
from helpers.waiting import wait_until
from threadpoolctl import threadpool_info

from effocc_ros.errors import InputError
from effocc_ros.simulation.processes import worker_pool


def test_workers_are_prepared_and_have_one_thread_each(tmp_path):
    with worker_pool(2, partial(os.chdir, tmp_path)) as pool:
        assert pool.submit(os.getcwd).result() == str(tmp_path)
        found = pool.submit(threadpool_info).result()
    assert "openblas" in {library["internal_api"] for library in found}
    assert {library["num_threads"] for library in found} == {1}


def test_a_worker_that_the_system_ends_is_said():
    with pytest.raises(InputError, match="--workers") as caught, worker_pool(2) as pool:
        pool.submit(os.abort).result()
    assert caught.value.what == "one of 2 processes"


def interrupt_during(work):
    wait_until(work.running, "start of the work")
    raise KeyboardInterrupt


def test_an_exception_does_not_wait_for_work_that_goes_on():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), worker_pool(1) as pool:
        interrupt_during(pool.submit(time.sleep, 600))
    assert time.monotonic() - started < 60
