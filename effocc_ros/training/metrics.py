"""How a training goes, as numbers: metrics.csv and TensorBoard's events."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from effocc_ros.files import unwritable, whole_file

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
        terms: Names of the loss's terms.
        step: Rows of later steps, from a process that died, are taken out.
    """

    def __init__(self, path: Path, terms: Sequence[str], step: int = 0):
        # Only a training needs it.
        from tensorboardX import SummaryWriter

        self._path, self._columns = path, (*FIRST, *terms, *LAST)
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


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read the rows of metrics.csv; empty cells and half a last line are left out."""
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return [_numbers(row) for row in csv.DictReader(file)]


def _numbers(row: Mapping[str, str | None]) -> dict[str, float]:
    numbers = {}
    for name, cell in row.items():
        try:
            numbers[name] = int(cell) if name in ("step", "epoch") else float(cell)
        except (TypeError, ValueError):
            continue
    return numbers
