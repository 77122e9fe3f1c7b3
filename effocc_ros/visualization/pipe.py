# SPDX-License-Identifier: Apache-2.0
"""A file that another library fills, without being trusted with what a full disk does."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

BLOCK = 1 << 20


@contextmanager
def filled_through_pipe(file: Path) -> Iterator[Path]:
    """Give a named pipe whose bytes go into a file; all are there at the end of the block.

    Rerun's own sink waits for ever on a disk that is full, or passes over it without a word.

    Args:
        file: What is filled.

    Raises:
        OSError: The file could not be written; whoever writes into the pipe is not told.
    """
    with TemporaryDirectory(prefix="effocc-") as folder:
        pipe = Path(folder) / file.name
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        # Held so that the pipe does not end before its writer has come.
        keeper = os.open(pipe, os.O_WRONLY)
        os.set_blocking(reader, True)
        copy = _Copy(reader, file)
        copy.start()
        try:
            yield pipe
        finally:
            os.close(keeper)
            copy.join()
        if copy.error is not None:
            raise copy.error


class _Copy(threading.Thread):
    """Copies a pipe to its end into a file; reads on when the file takes no more."""

    def __init__(self, reader: int, file: Path):
        super().__init__(daemon=True)
        self._reader, self._file = reader, file
        self.error: OSError | None = None

    def run(self) -> None:
        with open(self._reader, "rb", buffering=0) as pipe:
            try:
                with self._file.open("wb") as file:
                    while block := pipe.read(BLOCK):
                        file.write(block)
            except OSError as error:
                self.error = error
            while pipe.read(BLOCK):
                pass
