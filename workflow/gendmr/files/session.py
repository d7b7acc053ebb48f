"""Runs of Snakemake in one folder: which are alive, and what a killed one has left locked."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from typing import IO

NAME = "gendmr.session"
# Open for as long as this process lives: the kernel gives a lock back when its holder dies.
_lock_streams: list[IO[str]] = []


def join_session(folder: Path | str = ".snakemake") -> str | None:
    """Remove the locks of a run that was killed, if no other run is alive; count as one from now.

    Snakemake's own locks are files that outlive it. Every run holds a shared lock of the kernel on
    a file beside them, which does not: who gets it exclusively is alone.

    Parameters
    ----------
    folder : Path or str
        Snakemake's folder.

    Returns
    -------
    str or None
        What was done, or why a lock that stands was left, in a sentence.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Read and append: the name of the host must survive until it is known that nobody else is here.
    stream = (folder / NAME).open("a+", encoding="utf-8")
    note = None
    try:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            note = _unlock(folder, stream)
        fcntl.flock(stream, fcntl.LOCK_SH)
    except OSError:
        # The disk has no locks: Snakemake's own decide, and its message says how to remove them.
        stream.close()
        return None
    _lock_streams.append(stream)
    return note


def _unlock(folder: Path, stream: IO[str]) -> str | None:
    host = socket.gethostname()
    stream.seek(0)
    last = stream.read().strip()
    locks = sorted((folder / "locks").glob("*"))
    if locks and last and last != host:
        # Some shared disks keep the kernel's locks of each machine apart.
        return (
            f"The last run here was on {last}: if it is over, snakemake --unlock removes its locks."
        )
    if locks and not last:
        # The locks are of a run that recorded no host: they are left to Snakemake.
        return None
    stream.truncate(0)
    stream.write(host)
    stream.flush()
    for path in locks:
        path.unlink(missing_ok=True)
    return (
        "The last run was killed: its locks are removed, its unfinished jobs run again."
        if locks
        else None
    )


def leave_session() -> None:
    """Count no longer as a run."""
    while _lock_streams:
        _lock_streams.pop().close()
