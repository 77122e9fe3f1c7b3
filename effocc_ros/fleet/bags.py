# SPDX-License-Identifier: Apache-2.0
"""The bags that arguments stand for: bags themselves, folders that hold some, globs."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from effocc_ros.bags.folder import PART, bag_files
from effocc_ros.errors import InputError


@dataclass(frozen=True)
class Bag:
    """A bag to process.

    Attributes:
        path: Where it is, as it was found.
        name: What its output will be called: that of its folder or file, without a file's ending.
    """

    path: Path
    name: str

    @classmethod
    def at(cls, path: Path) -> "Bag":
        """Name a bag after its path."""
        name = path.absolute().name  # "." has none
        # Folders too: `ros2 bag record -o drive.mcap` makes one of that name.
        if match := PART.fullmatch(name):
            name = name.removesuffix(match[4] or "").removesuffix(match[3])
        return cls(path, name)


def find_bags(arguments: Sequence[str], out: Path) -> list[Bag]:
    """Return the bags that arguments stand for, sorted by the names of their outputs.

    Args:
        arguments: Bags, folders that hold bags at any depth, or globs of either.
        out: Where outputs go; it is not searched.

    Raises:
        InputError: An argument stands for no bag, a bag was named twice, two bags would write one
            output, or outputs would lie among the bags.
    """
    bags = [Bag.at(path) for argument in arguments for path in _expand(argument, out)]
    _check_distinct(bags)
    _check_out(bags, out)
    return sorted(bags, key=lambda bag: bag.name)


def _expand(argument: str, out: Path) -> Iterator[Path]:
    """Yield the bags of one argument."""
    there = os.path.lexists(argument)
    paths = [argument] if there else sorted(glob.glob(argument, recursive=True))
    if not paths:
        raise _no_bag(argument, "nothing there")
    found = False
    for path in map(Path, paths):
        if path.resolve() == out.resolve():
            raise _bad_out(out, path)
        for bag in [path] if path.is_file() else _below(path, out.resolve(), set()):
            found = True
            yield bag
    if not found:
        raise _no_bag(argument, "a folder without bags")


def _below(folder: Path, out: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield the bags in a folder and below it, without ``out`` and hidden folders."""
    place = folder.resolve()
    if place == out or place in seen:
        return
    seen.add(place)
    if (folder / "metadata.yaml").is_file():
        yield folder
        return
    # Links last: what `latest` points to shall not be called so where it is found itself.
    children = [child for child in folder.iterdir() if not child.name.startswith(".")]
    children.sort(key=lambda child: (child.is_symlink(), child.name))
    parts = [child for child in children if child.is_file() and PART.fullmatch(child.name)]
    if parts and _is_one_recording(folder):
        yield folder
        return
    for part in parts:
        place = part.resolve()
        if place not in seen:
            seen.add(place)
            yield part
    for child in children:
        if child.is_dir():
            yield from _below(child, out, seen)


def _is_one_recording(folder: Path) -> bool:
    try:
        bag_files(folder)
    except InputError:
        return False
    return True


def _check_distinct(bags: Sequence[Bag]) -> None:
    places: dict[Path, Bag] = {}
    names: dict[str, Bag] = {}
    for bag in bags:
        other = places.setdefault(bag.path.resolve(), bag)
        if other is not bag:
            again = "twice" if other.path == bag.path else f"as {other.path} and as {bag.path}"
            raise InputError(
                f"bag {bag.path.resolve()}",
                found=f"the same bag {again}",
                expected="each bag once",
                do="Leave one out",
                reason="bag_twice",
            )
        other = names.setdefault(bag.name, bag)
        if other is not bag:
            raise InputError(
                f"bags {other.path} and {bag.path}",
                found=f"one name for the output of both: {bag.name}",
                expected="a name of its own for each",
                do="Rename one, or process them with an --out each",
                reason="same_output",
            )


def _check_out(bags: Sequence[Bag], out: Path) -> None:
    target = out.resolve()
    if out.exists() and not out.is_dir():
        raise InputError(
            f"--out {out}",
            found="a file",
            expected="a folder, or a name that is free",
            do="Choose another",
            reason="bad_output",
        )
    for bag in bags:
        place = bag.path.resolve()
        if place in target.parents or place.parent == target:
            raise _bad_out(out, bag.path)


def _bad_out(out: Path, path: Path) -> InputError:
    return InputError(
        f"--out {out}",
        found=f"{path}, which is to be read, there",
        expected="a folder of its own",
        do="Choose another; one below the folder of the bags will do",
        reason="bad_output",
    )


def _no_bag(argument: str, found: str) -> InputError:
    return InputError(
        f"bags {argument}",
        found=found,
        expected="a bag (a rosbag2 folder, an .mcap or .db3 file), a folder that holds some, or "
        "a glob of either",
        do="Name where the recordings are",
        reason="no_bags",
    )
