# SPDX-License-Identifier: Apache-2.0
"""Large JSON tables, row by row, in the memory of a few rows."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from effocc_ros.errors import InputError
from effocc_ros.plain_files import open_file

CHUNK = 1 << 20
"""Characters read at a time."""
LONGEST_ROW = 1 << 20
"""Characters after which what has no end is taken for broken; rows of nuScenes have some 500."""

_SPACE = re.compile(r"[ \t\r\n]*")


def json_rows(path: Path | str, chunk: int = CHUNK) -> Iterator[dict]:
    """Yield the objects of a JSON file that is a list of objects.

    Args:
        path: The file, UTF-8.
        chunk: Characters to read at a time.

    Raises:
        InputError: The file is absent, cut off, or no list of objects; the file is named.
    """
    try:
        # Tables that Windows wrote may begin with a byte order mark.
        with open_file(path) as data, io.TextIOWrapper(data, "utf-8-sig") as file:
            yield from _rows(_Text(file, chunk))
    except FileNotFoundError as error:
        raise _bad(path, "no such file", "missing_tables") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(path, f"no list of rows ({error})", "bad_table") from error


class _Text:
    """The unread part of a file, of which the beginning is in memory."""

    def __init__(self, file, chunk: int):
        self._file, self._chunk = file, chunk
        self.text, self.place = "", 0

    def more(self) -> bool:
        """Read on; return False at the file's end."""
        if len(self.text) - self.place > LONGEST_ROW:
            raise ValueError(f"no end of a row within {LONGEST_ROW} characters")
        added = self._file.read(self._chunk)
        self.text, self.place = self.text[self.place :] + added, 0
        return bool(added)

    def sign(self) -> str:
        """Take the next character that is not space; empty at the file's end."""
        while True:
            self.place = _SPACE.match(self.text, self.place).end()
            if self.place < len(self.text):
                self.place += 1
                return self.text[self.place - 1]
            if not self.more():
                return ""


def _rows(text: _Text) -> Iterator[dict]:
    _expect(text.sign(), "[")
    sign = text.sign()
    if sign == "]":
        return
    decode = json.JSONDecoder().raw_decode
    while True:
        _expect(sign, "{")
        text.place -= 1
        while True:
            try:
                row, text.place = decode(text.text, text.place)
                break
            except json.JSONDecodeError:
                # Perhaps the row goes on in what is not read yet.
                if not text.more():
                    raise
        yield row
        sign = text.sign()
        if sign != ",":
            break
        sign = text.sign()
    _expect(sign, "]")


def _expect(found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(f"{found or 'the end of the file'!r} where {expected!r} should be")


def _bad(path: Path | str, found: str, reason: str) -> InputError:
    return InputError(
        f"nuScenes table {path}",
        found=found,
        expected="a table of the nuScenes schema",
        do="Unpack the metadata archive again",
        reason=reason,
    )
