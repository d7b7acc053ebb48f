"""Checksums beside results, so that no step reads other bytes than the one before it wrote.

A result `NAME` has a hidden file `.NAME.sha256` in the form of `sha256sum`; `sha256sum -c` in the
folder checks it too. What users bring has none. Inputs that were simulated have none either, since
they stand for what users bring.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from gendmr.errors import InputFileError

_STATE = {"sealing": False}
# Files that were verified in this process, with size, time and inode at that moment.
_VERIFIED: dict[str, tuple[int, int, int]] = {}


def sha256(path: Path | str) -> str:
    """Return the checksum of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def seal_results(on: bool = True) -> None:
    """Say whether files that this process writes from now on get a seal."""
    _STATE["sealing"] = on


def seal_of(path: Path | str) -> Path:
    """Return where the checksum of a result stands."""
    path = Path(path)
    return path.with_name(f".{path.name}.sha256")


def break_seal(path: Path) -> None:
    """Remove the checksum of a file."""
    seal_of(path).unlink(missing_ok=True)


def replace_sealed(source: Path, target: Path) -> None:
    """Rename a finished file, with its seal where this process seals what it writes.

    Between old and new a file has no seal: a killed process leaves none that does not fit.
    """
    new_seal = seal_of(target).with_suffix(".new")
    if _STATE["sealing"]:
        new_seal.write_text(f"{sha256(source)}  {target.name}\n", encoding="utf-8")
    break_seal(target)
    source.replace(target)
    if _STATE["sealing"]:
        new_seal.replace(seal_of(target))


def verify(path: Path | str) -> None:
    """Compare a file with its seal; nothing happens where it has none, or is not there.

    Raises
    ------
    InputFileError
        It holds other bytes than were written.
    """
    path = Path(path)
    seal = seal_of(path)
    if not (seal.is_file() and path.is_file()):
        return
    status = path.stat()
    state = (status.st_size, status.st_mtime_ns, status.st_ino)
    if _VERIFIED.get(str(path)) == state:
        return
    recorded = seal.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
    if recorded != sha256(path):
        raise InputFileError(
            f"{path}: holds other bytes than were written (SHA-256 in {seal.name})",
            cause="a damaged disk or copy, or somebody edited a result",
            next_step=f"rm {path}, then the same command: it is made again; where the file was"
            f" edited on purpose: rm {seal}",
        )
    _VERIFIED[str(path)] = state
