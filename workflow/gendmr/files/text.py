"""Text that users bring: any line ends, one encoding, and a name for whatever is no text."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from gendmr.errors import InputFileError
from gendmr.files.seal import verify

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
# UTF-32 begins as UTF-16 does.
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_text_file(path: Path | str, *, setting: str = "the configuration") -> str:
    """Read a whole file of UTF-8 text, with or without a byte order mark.

    Parameters
    ----------
    path : Path or str
        The file.
    setting : str
        What names it, for the message.

    Raises
    ------
    InputFileError
        The file is missing, empty, compressed, a spreadsheet, in another encoding, or holds NUL
        bytes.
    """
    path = Path(path)
    _require_content(path, setting)
    verify(path)
    data = path.read_bytes()
    _no_text(path, data[:4], b"\0" in data, zipped=False)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _not_utf8(path, error)
    if not text.strip():
        _empty(path)
    return text


def numbered_lines(
    path: Path | str, *, setting: str = "the configuration"
) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, without their ends, numbered from 1; gzip is opened.

    Parameters
    ----------
    path : Path or str
        The file, which may be large.
    setting : str
        What names it, for the message.

    Raises
    ------
    InputFileError
        As `read_text_file`, or the compressed file is damaged.
    """
    path = Path(path)
    _require_content(path, setting)
    verify(path)
    with path.open("rb") as stream:
        head = stream.read(4)
    zipped = head[:2] == GZIP
    _no_text(path, head, False, zipped=zipped)
    opened = gzip.open if zipped else open
    blank = True
    try:
        with opened(path, "rt", encoding="utf-8-sig") as text:
            for number, line in enumerate(text, start=1):
                if "\0" in line:
                    _no_text(path, b"", True, zipped=zipped)
                if line.strip():
                    blank = False
                    yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        _not_utf8(path, error)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputFileError(
            f"{path}: the compressed file is damaged ({error})",
            cause="an interrupted download",
            next_step=f"gzip -t {path}; fetch it again",
        ) from error
    if blank:
        _empty(path)


def _require_content(path: Path, setting: str) -> None:
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause=f"the path in {setting} is wrong, or the step that makes it has not run",
            next_step=f"check the path: ls -l {path.parent}",
        )
    if path.stat().st_size == 0:
        _empty(path)


def _empty(path: Path) -> NoReturn:
    raise InputFileError(
        f"{path}: the file is empty",
        cause="an interrupted copy or download",
        next_step="restore it and run again",
    )


def _no_text(path: Path, head: bytes, nul: bool, *, zipped: bool) -> None:
    if head[:4] == ZIP:
        raise InputFileError(
            f"{path}: a spreadsheet or zip archive, not a text file",
            cause="an .xlsx or .zip under another name",
            next_step="save it as tab-separated text (UTF-8)",
        )
    if head[:2] == GZIP and not zipped:
        raise InputFileError(
            f"{path}: compressed with gzip, not a text file",
            next_step=f"gunzip -c {path} > fixed, and name that file",
        )
    if head[:2] in UTF16:
        raise InputFileError(
            f"{path}: not UTF-8 text but UTF-16",
            cause="saved by a spreadsheet as Unicode text",
            next_step=f"iconv -f UTF-16 -t UTF-8 {path} > fixed, and name that file",
        )
    if nul:
        raise InputFileError(
            f"{path}: has NUL bytes, so it is no UTF-8 text",
            cause="a damaged copy, a binary file, or UTF-16 without a byte order mark",
            next_step=f"file {path}; if it is UTF-16: iconv -f UTF-16LE -t UTF-8 {path} > fixed",
        )


def _not_utf8(path: Path, error: UnicodeDecodeError) -> NoReturn:
    raise InputFileError(
        f"{path}: not UTF-8 text ({error.reason} at byte {error.start})",
        cause="saved by a spreadsheet in another encoding",
        next_step=f"iconv -f LATIN1 -t UTF-8 {path} > fixed, and name that file",
    ) from error
