# SPDX-License-Identifier: Apache-2.0
"""What was wrong with messages and moments: counted always, said where it helps."""

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock

from effocc_ros.errors import InputError
from effocc_ros.stream.report import Problem, Remark


class Complaints:
    """Counts problems and passes them on; for any thread.

    Args:
        on_problem: Called with each problem that is worth a line.

    """

    def __init__(self, on_problem: Callable[[Problem], None]):
        self._on_problem = on_problem
        self._lock = Lock()
        self._told: set[tuple[str, str]] = set()
        self._rejected: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()

    def report(self, problem: Problem) -> None:
        """Count a problem, and say it unless saying it once was enough."""
        self.count(problem.source, problem.reason, problem.noted)
        key = problem.source, problem.reason
        with self._lock:
            if problem.once and key in self._told:
                return
            self._told.add(key)
        self._on_problem(problem)

    def error(self, source: str, error: InputError) -> None:
        """Report what a message could not be used for."""
        self.report(Problem.of(source, error))

    def remark(self, source: str, remarks: Iterable[Remark]) -> None:
        """Report what was odd about a message that is used."""
        for remark in remarks:
            self.report(Problem.of_remark(source, remark))

    def count(self, source: str, reason: str, noted: bool = False) -> None:
        """Count what needs no line of its own."""
        with self._lock:
            counts = self._noted if noted else self._rejected
            counts[f"{source}.{reason}"] += 1

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return ``source.reason`` -> messages that could not be used, and those that could."""
        with self._lock:
            return dict(self._rejected), dict(self._noted)
