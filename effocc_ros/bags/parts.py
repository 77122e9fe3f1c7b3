# SPDX-License-Identifier: Apache-2.0
"""Open one storage file of a bag, packed or not, finished or not."""

from pathlib import Path
from tempfile import TemporaryDirectory

from effocc_ros.bags.mcap_file import McapFile
from effocc_ros.bags.sqlite_file import SqliteFile, journal_of, with_journal
from effocc_ros.bags.storage import Storage
from effocc_ros.bags.storage_files import identify
from effocc_ros.bags.unpacking import UnpackError, unpack_file
from effocc_ros.errors import InputError
from effocc_ros.files import unwritable


def open_part(bag: Path, file: Path, *, unfinished: bool) -> Storage:
    """Open a storage file.

    Args:
        bag: The bag that it belongs to, for errors.
        file: The file.
        unfinished: Read an MCAP file as far as it goes where it has no end.

    Raises:
        InputError: It cannot be read as what it is.
    """
    kind = identify(file, unfinished=unfinished)
    try:
        return _unpacked(file) if kind == "zstd" else _opened(file, kind, unfinished)
    except InputError:
        raise
    except Exception as error:  # mcap, rosbags and sqlite3 raise whatever the bytes lead them to
        raise damaged(bag, file.name, error) from error


def damaged(bag: Path, name: str, error: Exception) -> InputError:
    """Return what to say of a storage file that cannot be read on.

    Args:
        bag: The bag.
        name: The storage file's name.
        error: What its bytes led to.
    """
    said = " ".join(str(error).split()) or type(error).__name__
    advice = (
        "Copy it again; an MCAP file may be saved with mcap recover, a .db3 file with sqlite3's "
        ".recover"
    )
    if isinstance(error, UnpackError):
        advice += ". If it is meant to unpack to so much, unpack it with zstd -d or mcap compress"
    return InputError(
        f"bag {bag}",
        found=f"damage in {name} ({said})",
        expected="a rosbag2 storage file that reads to its end",
        do=advice,
        reason="damaged_bag",
    )


def _opened(file: Path, kind: str, unfinished: bool, name: str = "") -> Storage:
    name = name or file.name
    if kind == "mcap":
        handle = file.open("rb")
        try:
            return McapFile(handle, name, unfinished=unfinished)
        except BaseException:
            handle.close()
            raise
    # What is open needs no name any more.
    with TemporaryDirectory(prefix="effocc-") as folder:
        journal = journal_of(file)
        if journal.is_file() and journal.stat().st_size:
            return SqliteFile(with_journal(file, Path(folder)), name)
        # rosbags goes by the suffix, and writes the path into a URI as it is.
        link = Path(folder) / "bag.db3"
        link.symlink_to(file.absolute())
        return SqliteFile(link, name)


def _unpacked(file: Path) -> Storage:
    """Open what a zstd file holds; the copy is gone with the last who reads it."""
    with TemporaryDirectory(prefix="effocc-") as folder:
        target = Path(folder) / "bag"
        try:
            with target.open("wb") as sink:
                unpack_file(file, sink)
        except OSError as error:
            raise unwritable(f"unpacked copy of {file} in {folder}", error) from error
        kind = identify(target)
        if kind == "zstd":
            raise UnpackError("a file packed twice")
        return _opened(target, kind, unfinished=False, name=file.name)
