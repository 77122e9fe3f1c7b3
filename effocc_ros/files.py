"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from effocc_ros.errors import InputError

PARTIAL = ".partial-"
"""How the name of a file begins that is not whole yet."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block succeeds.

    Args:
        path: The file that shall appear. Its folder is made when absent.

    Yields:
        A path with the same suffix in the same folder, to be written by the caller.

    Raises:
        InputError: It cannot be written, for want of room for example.
    """
    path = Path(path)
    with named_when_unwritable(f"file {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(path.suffix, f"{PARTIAL}{path.stem}-", path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def clear_partial_files(folder: Path) -> None:
    """Remove, from a folder and all below it, what processes that were killed left unfinished.

    Nobody else may be writing there.
    """
    for path in folder.rglob(f"{PARTIAL}*"):
        path.unlink(missing_ok=True)


@contextmanager
def named_when_unwritable(what: str) -> Iterator[None]:
    """Turn an error of the system in the block, which only writes, into one that says what fails.

    Args:
        what: What is written: ``file /data/a.png``.

    Raises:
        InputError: The system refused something.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            what,
            found=error.strerror or str(error),
            expected="room and the right to write it",
            do="Make room, or choose another place, and run the same command again",
            reason="cannot_write",
        ) from error
