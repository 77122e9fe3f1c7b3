# SPDX-License-Identifier: Apache-2.0
"""How a training goes, for the one who waits for it."""

import sys

from tqdm import tqdm


class Progress:
    """A bar on a terminal, lines elsewhere.

    Args:
        name: What the training is called.
        step: Steps done before.
        total: Steps in all; None when time alone ends it.
        shown: False for all processes but the first.
    """

    def __init__(self, name: str, step: int, total: int | None, shown: bool):
        self._name, self._total, self._shown = name, total, shown
        self._bar = None
        if shown and sys.stderr.isatty():
            self._bar = tqdm(initial=step, total=total, desc=name, unit="step")

    def step(self, **values: float) -> None:
        """Count a step and show its numbers on the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(_said(values), refresh=False)
            self._bar.update()

    def row(self, step: int, **values: float) -> None:
        """Say the numbers of a row of metrics.csv where there is no bar."""
        if self._shown and self._bar is None:
            total = "" if self._total is None else f"/{self._total}"
            print(f"{self._name} {step}{total} {_said(values)}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._shown:
            tqdm.write(text, file=sys.stderr)
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _said(values: dict[str, float]) -> str:
    forms = {"lr": ".2e", "wait": ".0%", "samples/s": ".2f"}
    return " ".join(f"{name} {value:{forms.get(name, '.4g')}}" for name, value in values.items())
