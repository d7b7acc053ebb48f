"""A job ends with the run of Snakemake that started it, even when that was killed."""

from __future__ import annotations

import os
import select
import signal
import threading
from pathlib import Path

VARIABLE = "GENDMR_RUN"


def end_with_run() -> None:
    """Where `GENDMR_RUN` names the process of the run, kill this job when that process ends.

    An orphan would write the same files as the job that takes its place. Nothing happens where the
    process is not the parent of this one's shell: by hand, or in a container.
    """
    name = os.environ.get(VARIABLE, "")
    if not name.isdigit() or not hasattr(os, "pidfd_open"):
        return
    run = int(name)
    try:
        if run not in (os.getppid(), _parent(os.getppid())):
            return
        descriptor = os.pidfd_open(run)
    except OSError:
        return
    threading.Thread(target=_wait, args=(descriptor,), daemon=True).start()


def _parent(process: int) -> int:
    # The name of the program, in brackets, may hold spaces and brackets.
    status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    return int(status.rpartition(")")[2].split()[1])


def _wait(descriptor: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    waiting.poll()
    os.kill(os.getpid(), signal.SIGKILL)
