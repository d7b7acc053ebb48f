"""Nothing half-written is ever taken for a result: write beside, fsync, rename."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gendmr.errors import InputFileError, OutputError
from gendmr.files.seal import break_seal, replace_sealed, sha256, verify

__all__ = ["sha256"]

FULL = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the file is larger than is allowed here",
    errno.EROFS: "the disk is read-only",
}


@contextmanager
def atomic_path(path: Path | str, *, empty: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` (same suffix); rename it into place when the block succeeds.

    Parameters
    ----------
    path : Path or str
        Where the file will stand.
    empty : bool
        Whether a file of no bytes is meant.

    Raises
    ------
    OutputError
        The disk is full or read-only, or the block wrote nothing; `path` stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent, temporaries(path.name))
        yield temporary
        move_into_place(temporary, path, empty=empty)
    except OSError as error:
        raise _output_error(error, path) from error
    finally:
        # On a read-only disk removing raises although the file is absent.
        if temporary.exists():
            temporary.unlink()


def move_into_place(source: Path, target: Path, *, empty: bool = False) -> None:
    """Rename a finished file of the same disk: its bytes first, then its name, reach the disk.

    Parameters
    ----------
    source, target : Path
        In folders of the same disk.
    empty : bool
        Whether a file of no bytes is meant.

    Raises
    ------
    OutputError
        The file is empty, or the disk is full or read-only.
    """
    try:
        if not empty and source.stat().st_size == 0:
            raise OutputError(
                f"{target}: what was to be written has no content",
                cause="a program that failed without saying so, or a disk that lost data",
                next_step=f"look at the log and at the disk (df -h {target.parent}),"
                " then give the same command again",
            )
        _fsync(source)
        replace_sealed(source, target)
        _fsync(target.parent)
    except OSError as error:
        raise _output_error(error, target) from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _output_error(error: OSError, path: Path) -> OSError | OutputError:
    """Return an error about the disk under its name, any other as it is."""
    if error.errno not in FULL:
        return error
    folder = next(parent for parent in path.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    return OutputError(
        f"{path}: not written, {FULL[error.errno]} ({free / 1e6:.0f} MB are free); what stood there"
        " before is unchanged",
        cause="results, temporary files or other people's files filled it",
        next_step=f"make room (df -h {folder}), then give the same command again",
    )


def temporaries(name: str) -> str:
    """Return the pattern of temporary files for a file of this name."""
    return f".{'[0-9a-f]' * 8}.{glob.escape(name)}"


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove what killed processes left of something that is now made again.

    Of two live writers of one file the later thus wins and the earlier fails, loudly.

    Parameters
    ----------
    folder : Path
    pattern : str
        Of names of temporary files or folders only, as for `Path.glob`.
    """
    for leftover in folder.glob(pattern):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with Unix line ends."""
    with atomic_path(path, empty=not text) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON with sorted keys; NaN and infinities are refused, for they are not JSON."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def read_text(path: Path | str) -> str:
    """Read UTF-8 text that an earlier step wrote.

    Raises
    ------
    InputFileError
        It is missing, damaged, or no text.
    """
    path = Path(path)
    if not path.is_file():
        raise InputFileError(f"{path}: no such file", next_step="run the step that makes it")
    verify(path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"not UTF-8 text: {error.reason} at byte {error.start}") from error


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputFileError
        It is missing, damaged, or no JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise damaged(Path(path), f"not JSON: {error}") from error


def read_json_lines(path: Path | str) -> list[Any]:
    """Read a file with a JSON value in each line.

    Raises
    ------
    InputFileError
        It is missing, damaged, or a line is no JSON.
    """
    try:
        return [json.loads(line) for line in read_text(path).splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise damaged(Path(path), f"a line is not JSON: {error}") from error


def remove(path: Path) -> None:
    """Remove a file and its seal, where they are."""
    path.unlink(missing_ok=True)
    break_seal(path)


def damaged(path: Path, why: str) -> InputFileError:
    """Return the error of a damaged file, which may be a result or one that the user brought."""
    return InputFileError(
        f"{path}: {why}",
        cause="the file was damaged, cut off or edited",
        next_step=f"a result is made again: rm {path}, then the same command; a file of yours:"
        " restore it",
    )
