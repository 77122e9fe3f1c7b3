# SPDX-License-Identifier: Apache-2.0
"""How a training goes, as numbers: metrics.csv and TensorBoard's events."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from effocc_ros.files import unwritable, whole_file
from effocc_ros.training.learner import StepResult

FIRST = ("step", "epoch", "minutes", "lr", "loss")
LAST = (
    "gradient",
    "samples_per_second",
    "data_wait",
    "val_miou",
    "val_geometric_iou",
)


class MetricsLog:
    """Writes rows; cells that a row does not know stay empty.

    Args:
        path: The CSV file; TensorBoard's events go into ``tensorboard`` beside it.
        terms: Names of the loss's terms; those of the file when empty.
        step: Rows of later steps, from a process that died, are taken out.
    """

    def __init__(self, path: Path, terms: Sequence[str], step: int = 0):
        # Only a training needs it.
        from tensorboardX import SummaryWriter

        self._path, self._columns = path, (*FIRST, *(terms or _terms_of(path)), *LAST)
        kept = [row for row in read_metrics(path) if row.get("step", math.inf) <= step]
        with whole_file(path) as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)
        purge = step + 1 if step else None
        self._events = SummaryWriter(str(path.parent / "tensorboard"), purge_step=purge)

    def write(self, row: Mapping[str, float]) -> None:
        """Add a row.

        Args:
            row: Some of the columns; ``step`` among them.
        """
        cells = [repr(row[name]) if name in row else "" for name in self._columns]
        try:
            with open(self._path, "a", newline="") as file:
                csv.writer(file).writerow(cells)
            for name, value in row.items():
                if name != "step":
                    self._events.add_scalar(name, value, int(row["step"]))
            self._events.flush()
        except OSError as error:
            raise unwritable(f"file {self._path}", error) from error

    def close(self) -> None:
        """Write out what is held back."""
        self._events.close()


class Window:
    """The steps since the last row, of which a row gives the mean.

    Args:
        batch_size: Samples of a step.
    """

    def __init__(self, batch_size: int):
        self._batch_size = batch_size
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._results: list[StepResult] = []
        self._waited = self._seconds = 0.0

    def add(self, result: StepResult, waited: float, seconds: float) -> None:
        """Add a step, the seconds in which it waited for data, and those that it took in all."""
        self._results.append(result)
        self._waited += waited
        self._seconds += seconds

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss's terms."""
        return tuple(self._results[-1].terms)

    def numbers(self) -> dict[str, float]:
        """Return the means by name; ``data_wait`` is a share of the time."""
        count = len(self._results)
        means = {
            name: math.fsum(result.terms[name] for result in self._results) / count
            for name in self.terms
        }
        return means | {
            "loss": math.fsum(result.loss for result in self._results) / count,
            "gradient": math.fsum(result.gradient for result in self._results) / count,
            "samples_per_second": count * self._batch_size / self._seconds,
            "data_wait": self._waited / self._seconds,
        }


def _terms_of(path: Path) -> list[str]:
    if not path.is_file():
        return []
    with open(path, newline="", errors="replace") as file:
        return [name for name in next(csv.reader(file), []) if name not in (*FIRST, *LAST)]


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read the rows of metrics.csv; empty cells and half a last line are left out."""
    if not path.is_file():
        return []
    with open(path, newline="", errors="replace") as file:
        return [_numbers(row) for row in csv.DictReader(file)]


def _numbers(row: Mapping[str, str | None]) -> dict[str, float]:
    numbers = {}
    for name, cell in row.items():
        try:
            numbers[name] = int(cell) if name in ("step", "epoch") else float(cell)
        except (TypeError, ValueError):
            continue
    return numbers
