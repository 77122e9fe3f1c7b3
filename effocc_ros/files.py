# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from effocc_ros.errors import InputError

PARTIAL = ".partial-"
"""How the name of a file or folder begins that is not whole yet.

Its writer holds a lock on it, which the system takes away when the writer dies: so the next one
knows what nobody will finish.
"""

_cleared: set[Path] = set()
"""Folders in which this process has looked for what others left."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block succeeds.

    What a writer that was killed left in the folder is removed first.

    Args:
        path: The file that shall appear. Its folder is made when absent.

    Yields:
        A path with the same suffix in the same folder, to be written by the caller.

    Raises:
        InputError: It cannot be written, for want of room for example.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent not in _cleared:
            _cleared.add(path.parent)
            remove_abandoned(path.parent)
        handle, partial = _partial_file(path)
        try:
            yield partial
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
            os.close(handle)
    except OSError as error:
        if error.filename and not _is_part(Path(os.fsdecode(error.filename)), path):
            raise  # the caller's block reads, too
        raise unwritable(f"file {path}", error) from error


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, and remove it at the end of the block.

    What a writer that was killed left beside ``path`` is removed first.

    Args:
        path: What shall appear, moved out of the folder by the caller.
    """
    remove_abandoned(path.parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent))
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            _lock(handle)
            yield folder
        finally:
            os.close(handle)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files and folders in a folder whose writers have died."""
    for path in folder.glob(f"{PARTIAL}*"):
        _remove_unless_held(path)


def _partial_file(path: Path) -> tuple[int, Path]:
    """Make an unfinished file that is held; return what holds it."""
    while True:
        handle, name = tempfile.mkstemp(path.suffix, f"{PARTIAL}{path.stem}-", path.parent)
        # Another process may have taken it for abandoned before it was held.
        if _lock(handle) and os.path.exists(name):
            return handle, Path(name)
        os.close(handle)


def _lock(handle: int) -> bool:
    """Hold an open file or folder; False where another holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the file system knows no locks
    return True


def _remove_unless_held(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        pass  # it is held, or the file system knows no locks
    finally:
        os.close(handle)


def _is_part(name: Path, path: Path) -> bool:
    """Return whether a name is that of a file, of a folder of it, or of its unfinished self."""
    name, path = Path(os.path.abspath(name)), Path(os.path.abspath(path))
    unfinished = name.parent == path.parent and name.name.startswith(PARTIAL)
    return unfinished or name in (path, *path.parents)


def unwritable(what: str, error: OSError) -> InputError:
    """Return the error that says what the system refused to write.

    Args:
        what: What was written: ``file /data/a.png``.
        error: What the system said.
    """
    return InputError(
        what,
        found=error.strerror or str(error),
        expected="room and the right to write it",
        do="Make room, or choose another place, and run the same command again",
        reason="cannot_write",
    )


def clear_partial_files(folder: Path) -> None:
    """Remove, from a folder and all below it, what processes that were killed left unfinished."""
    for path in list(folder.rglob(f"{PARTIAL}*")):
        _remove_unless_held(path)


@contextmanager
def only_writer(lock: Path, *, wait: bool = False) -> Iterator[None]:
    """Let one process at a time into the block; one that dies leaves the way free.

    Where the file system knows no locks, all are let in.

    Args:
        lock: An empty file that stands for the right to write. Its folder is made when absent.
        wait: Wait for the other process instead of refusing.

    Raises:
        InputError: Another process is in the block and is not waited for, or the file cannot be
            made.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = open(lock, "w")  # noqa: SIM115 (closed below; errors of the block are its own)
    except OSError as error:
        raise unwritable(f"file {lock}", error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise InputError(
                f"folder {lock.parent.parent}",
                found="another process that writes there",
                expected="one at a time",
                do="Wait for it, or choose another folder",
                reason="busy_output",
            ) from error
        except OSError:
            pass
        yield
