# SPDX-License-Identifier: Apache-2.0
"""Tasks go to workers and, when these die, to others: without any process."""

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effocc_ros.errors import InputError
from effocc_ros.fleet.schedule import Died, Done, Ready, Schedule, work_through


class Scripted:
    """Workers that do a task at once, or die of it as often as they are told to."""

    def __init__(self, count, deaths=()):
        self.deaths = Counter(deaths)
        self.names = iter(range(1000))
        self.queue = deque(Ready(self.hire()) for _ in range(count))
        self.most, self.busy = 0, set()

    def hire(self):
        return f"worker {next(self.names)}"

    def give(self, worker, task):
        assert worker not in self.busy
        self.busy.add(worker)
        self.most = max(self.most, len(self.busy))
        if self.deaths[task]:
            self.deaths[task] -= 1
            self.queue += [Died(worker, "signal 9"), Ready(self.hire())]
        else:
            self.queue.append(Done(worker, task * 10))

    def events(self):
        event = self.queue.popleft()
        if not isinstance(event, Ready):
            self.busy.discard(event.worker)
        return [event]


def test_every_task_is_done_once_and_no_worker_has_two():
    workers = Scripted(3)
    outcomes = list(work_through(range(10), workers))
    assert [outcome.result for outcome in outcomes] == [10 * n for n in range(10)]
    assert {outcome.tries for outcome in outcomes} == {1}
    assert workers.most == 3


def test_the_task_of_a_worker_that_died_goes_to_another():
    outcomes = {o.task: o for o in work_through(range(4), Scripted(2, [1, 1]))}
    assert outcomes[1].result == 10
    assert outcomes[1].tries == 3
    assert outcomes[1].worker not in {outcomes[0].worker, "worker 1"}


def test_a_task_that_kills_its_workers_is_given_up_and_the_others_are_done():
    outcomes = {o.task: o for o in work_through(range(4), Scripted(1, [0, 0, 0, 0]))}
    assert outcomes[0].result is None
    assert outcomes[0].error == "each of its 3 workers ended before it was done (signal 9)"
    assert [outcomes[task].result for task in (1, 2, 3)] == [10, 20, 30]


def test_workers_that_die_before_they_are_ready_end_the_run():
    workers = Scripted(0)
    workers.queue += [Died("", "signal 9")] * 3
    with pytest.raises(InputError, match="3 in a row that ended while they began") as caught:
        list(work_through([1], workers))
    assert caught.value.reason == "worker_died"


def test_an_idle_worker_that_dies_takes_no_task_with_it():
    schedule = Schedule([1])
    assert schedule.died("nobody", "signal 9") is None
    assert schedule.assign("other") == 1
    assert schedule.assign("third") is None


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(1, 4))
def test_each_task_is_done_or_given_up_whoever_dies(deaths, count):
    lost = [task for task, number in enumerate(deaths) for _ in range(number)]
    outcomes = list(work_through(range(len(deaths)), Scripted(count, lost)))
    assert sorted(outcome.task for outcome in outcomes) == list(range(len(deaths)))
    for outcome in outcomes:
        number = deaths[outcome.task]
        assert bool(outcome.error) == (number >= 3)
        assert outcome.tries == min(number + 1, 3)
