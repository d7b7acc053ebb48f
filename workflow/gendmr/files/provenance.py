"""With which versions a result was made, and of which files."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gendmr import __version__
from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json, sha256, write_json

PACKAGE = Path(__file__).resolve().parents[1]
# Of a file changed this shortly before it was read, a later change may leave no trace in its time.
SETTLED_S = 2.0
# Above this number, files of one kind are recorded by one checksum over all of theirs.
LISTED = 20


def versions(*packages: str) -> dict[str, str]:
    """Return what made a result: GenDMR, its commit, Python, the platform, installed packages.

    Parameters
    ----------
    *packages : str
        Names of distributions; one that is not installed has the version `absent`.

    Returns
    -------
    dict of str to str
        `commit` is there only in a git checkout; `-changed` behind it means edited files. The
        platform is operating system and processor, the same on all nodes of most clusters.
    """
    version_of = {"gendmr": __version__}
    if commit := _commit():
        version_of["commit"] = commit
    version_of["python"] = platform.python_version()
    version_of["platform"] = f"{platform.system()} {platform.machine()}"
    for name in packages:
        try:
            version_of[name] = version(name)
        except PackageNotFoundError:
            version_of[name] = "absent"
    return version_of


@cache
def _commit() -> str:
    """Return the commit of the checkout that holds this package, or an empty text."""
    root = PACKAGE.parents[1]
    command = ["git", "-C", str(root), "--no-optional-locks"]
    try:
        # A copy of the workflow inside somebody's own repository is no commit of GenDMR.
        top, commit = subprocess.run(
            [*command, "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.splitlines()
        if Path(top).resolve() != root:
            return ""
        edited = subprocess.run(
            [*command, "diff-index", "--quiet", "HEAD", "--", "workflow"],
            capture_output=True,
            check=False,
            timeout=10,
        ).returncode
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return commit + ("-changed" if edited else "")


@dataclass(frozen=True)
class FileRecord:
    """One file as it was read.

    Attributes
    ----------
    sha256 : str
        64 hexadecimal digits.
    bytes : int
        Size.
    modified : int
        Time of the last change, nanoseconds since the epoch.
    """

    sha256: str
    bytes: int
    modified: int

    def still(self, path: Path | str) -> bool:
        """Return whether size and time of a file are those of this record."""
        status = Path(path).stat()
        return (status.st_size, status.st_mtime_ns) == (self.bytes, self.modified)


@dataclass(frozen=True)
class Change:
    """A file whose content is not what it was.

    Attributes
    ----------
    path : str
        As the configuration writes it.
    before, after : str
        Checksums; `after` is empty where the file is gone.
    """

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.after:
            return f"{self.path} is gone (SHA-256 {self.before[:12]}…)"
        sums = f"SHA-256 {self.before[:12]}… before, {self.after[:12]}… now"
        return f"{self.path} has changed ({sums})"


def record_files(
    files: Mapping[str, Collection[str]],
    output: Path,
    *,
    everything: bool = False,
) -> list[Change]:
    """Write the checksums of the files that a study was given.

    A file whose size and time are those of the last record is not read again. The last record lies
    beside `output`, hidden, for Snakemake removes outputs before it makes them anew.

    Parameters
    ----------
    files : mapping of str to collection of str
        Kind of input (a stage) to paths.
    output : Path
        `cohort/inputs.json`: `files` (kind to path to checksum, size and time) and `changes` (path
        and checksums before and after, in the order in which they were seen).
    everything : bool
        Read every file, whatever its size and time say.

    Returns
    -------
    list of Change
        Files that are not what the last record says, or not there any more.
    """
    memory = output.with_name(f".{output.stem}.memory.json")
    records_before, history = _remembered(memory)
    listed = {path for paths in files.values() for path in paths}
    records: dict[str, FileRecord] = {}
    settled: dict[str, FileRecord] = {}
    for path in sorted(listed):
        record_before = records_before.get(path)
        if record_before and not everything and record_before.still(path):
            records[path] = settled[path] = record_before
            continue
        status = Path(path).stat()
        digest = sha256(path)
        records[path] = FileRecord(digest, status.st_size, status.st_mtime_ns)
        recent = time.time_ns() - status.st_mtime_ns < SETTLED_S * 1e9
        # Size -1 is never that of a file: it is read again next time.
        settled[path] = FileRecord(digest, -1, 0) if recent else records[path]
    changes = [
        Change(path, record_before.sha256, records[path].sha256)
        for path, record_before in records_before.items()
        if path in records and records[path].sha256 != record_before.sha256
    ]
    history += [asdict(change) for change in changes]
    remembered = {
        path: record_before for path, record_before in records_before.items() if path not in listed
    } | settled
    write_json(
        memory,
        {"files": {path: asdict(item) for path, item in remembered.items()}, "changes": history},
    )
    write_json(
        output,
        {
            "files": {
                kind: {path: asdict(records[path]) for path in paths}
                for kind, paths in files.items()
            },
            "changes": history,
        },
    )
    return changes


def _remembered(memory: Path) -> tuple[dict[str, FileRecord], list[dict[str, str]]]:
    try:
        content = read_json(memory)
        files = {path: FileRecord(**item) for path, item in content["files"].items()}
        return files, [asdict(Change(**item)) for item in content["changes"]]
    except (OSError, InputFileError, TypeError, KeyError, AttributeError):
        # The record is a cache: without it every file is read again.
        return {}, []


def changed_since(record: Path | str) -> list[Change]:
    """Return the files of a record whose content is another now.

    Only files whose size or time differs are read.
    """
    record = Path(record)
    if not record.is_file():
        return []
    changes = []
    for paths in _read(record).values():
        for path, record_before in paths.items():
            if not Path(path).is_file():
                changes.append(Change(path, record_before.sha256, ""))
            elif not record_before.still(path) and (digest := sha256(path)) != record_before.sha256:
                changes.append(Change(path, record_before.sha256, digest))
    return changes


def given_checksums(record: Path | str) -> dict[str, Any]:
    """Return what a result says of the files that the study was given.

    Returns
    -------
    dict
        Kind to path to checksum; of many files the number and one checksum over all of theirs
        (`files`, `sha256`). Empty where there is no record: a step run by hand.
    """
    record = Path(record)
    if not record.is_file():
        return {}
    return {
        kind: {path: item.sha256 for path, item in paths.items()}
        if len(paths) <= LISTED
        else {
            "files": len(paths),
            "sha256": joint_checksum((path, vars(item)) for path, item in paths.items()),
        }
        for kind, paths in _read(record).items()
    }


def _read(record: Path) -> dict[str, dict[str, FileRecord]]:
    """Return the files of a record by kind and path.

    Raises
    ------
    InputFileError
        It was cut off or edited.
    """
    try:
        return {
            kind: {path: FileRecord(**item) for path, item in paths.items()}
            for kind, paths in read_json(record)["files"].items()
        }
    except (InputFileError, KeyError, TypeError, AttributeError) as error:
        raise InputFileError(
            f"{record}: no record of checksums ({type(error).__name__}: {error})",
            cause="the file was damaged or edited",
            next_step=f"rm {record}, then the same command: it is made again from the files",
        ) from error


def joint_checksum(files: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return one checksum over many: of the lines that `sha256sum` would print, by path."""
    lines = "".join(f"{item['sha256']}  {path}\n" for path, item in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()
