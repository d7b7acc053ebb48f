"""A file for HDF5 that a full disk does not crash."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


class Sink(io.RawIOBase):
    """A file for HDF5, which does not survive a full disk: the first error is kept for `check`.

    HDF5 reads again what it has written, and crashes the process where that is not there: what the
    disk did not take stays in memory. It is little, as the writer stops at the next `check`.
    """

    def __init__(self, temporary: Path) -> None:
        self._file = temporary.open("w+b", buffering=0)
        self._place = self._size = 0
        self._unwritten: list[tuple[int, bytes]] = []
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes; after an error keep them in memory."""
        content = bytes(data)
        if self.error is None:
            try:
                self._file.seek(self._place)
                unwritten = memoryview(content)
                while unwritten:
                    unwritten = unwritten[self._file.write(unwritten) :]
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._unwritten.append((self._place, content))
        self._place += len(content)
        self._size = max(self._size, self._place)
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """Read bytes, those that the disk did not take among them."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._place)
        content = self._file.read(len(view))
        view[:] = content + bytes(len(view) - len(content))
        for place, unwritten in self._unwritten:
            first = max(place, self._place)
            last = min(place + len(unwritten), self._place + len(view))
            if first < last:
                view[first - self._place : last - self._place] = unwritten[
                    first - place : last - place
                ]
        self._place += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place; return it."""
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Set the size; return it."""
        self._size = self._place if size is None else size
        if self.error is None:
            try:
                self._file.truncate(self._size)
            except OSError as error:
                self.error = error
        return self._size

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def check(self) -> None:
        """Raise what went wrong while the file was written."""
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Close the file; an error on the way counts like one of writing."""
        if not self.closed:
            try:
                self._file.close()
            except OSError as error:
                self.error = self.error or error
        super().close()
