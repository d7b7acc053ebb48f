"""A disk that is full: a small one in memory where that is allowed, else a limit on files."""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """Yield a folder that holds `size` bytes; where mounting is not allowed, no file may be larger.

    The limit counts for processes that are started meanwhile, too.
    """
    # Not below pytest's folders: other runs tidy those up, and a mount must be gone first.
    folder = Path(tempfile.mkdtemp(prefix="gendmr-disk-"))
    mount = shutil.which("mount")
    mounted = (
        mount is not None
        and not subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        ).returncode
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if not mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
