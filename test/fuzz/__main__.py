# SPDX-License-Identifier: Apache-2.0
"""`make fuzz`: reads changed files of each kind and prints how that ended."""

import argparse
import sys
from collections import Counter

import torch
from fuzz.runner import SLACK_MIB, fuzz
from fuzz.targets import TARGETS

TITLES = ("kind", "seeds", "read", "refused", "bad", "slowest", "good MiB", "most MiB")
WIDTHS = (26, 6, 6, 8, 5, 9, 9, 9)


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="changed files of a kind")
    parser.add_argument("--seconds", type=float, default=120, help="at most, for a kind")
    parser.add_argument("--first", type=int, default=0, help="first seed, to repeat one")
    parser.add_argument("--kinds", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # threads do not survive the forks
    print(_line(TITLES), flush=True)
    bad = []
    for kind in arguments.kinds:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        good, *outcomes = fuzz(kind, seeds, arguments.seconds)
        endings = Counter(outcome.ending for outcome in outcomes)
        bad += [(kind, each) for each in (good, *outcomes) if each.bad]
        slowest = max((each.seconds for each in outcomes), default=0.0)
        most = max((each.mib for each in outcomes), default=0.0)
        wrong = sum(each.bad for each in outcomes)
        counts = (len(outcomes), endings["read"], endings["refused"], wrong)
        times = (f"{slowest:.1f} s", f"{good.mib:.0f}", f"{most:.0f}")
        print(_line((kind, *counts, *times)), flush=True)
    for kind, outcome in bad:
        print(f"\n{kind}, seed {outcome.seed}: {outcome.ending}\n{outcome.text}")
    print(
        "no traceback, no hang over 10 s of CPU, nothing left beside a refusal, memory within "
        f"twice that of a good file and {SLACK_MIB:g} MiB"
        if not bad
        else f"{len(bad)} bad endings"
    )
    return 1 if bad else 0


def _line(cells: tuple) -> str:
    name, *numbers = zip(cells, WIDTHS, strict=True)
    return str(name[0]).ljust(name[1]) + "".join(str(cell).rjust(width) for cell, width in numbers)


if __name__ == "__main__":
    sys.exit(main())
