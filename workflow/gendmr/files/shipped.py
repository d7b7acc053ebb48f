"""Where rules, environments and reference tables lie: in the checkout, or inside a wheel."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parents[1]
# setup.py copies these into a wheel.
INSIDE = PACKAGE / "shipped"
ROOT = INSIDE if INSIDE.is_dir() else CHECKOUT


def shipped_file(path: str) -> str:
    """Return a path that the configuration names, or the file that came with the code.

    `resources/…` lies beside the package, wherever Snakemake runs.
    """
    if Path(path).is_absolute() or Path(path).exists():
        return path
    inside = ROOT / path
    return str(inside) if inside.is_file() else path


def import_folder() -> Path:
    """Return a folder in `.snakemake` from which jobs import this package, and nothing but it.

    Where the package was installed by name, other packages lie beside it, which must not stand in
    for those of a job's own environment.
    """
    folder = Path(".snakemake").resolve() / "gendmr"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "gendmr"
    if not link.is_symlink() or link.resolve() != PACKAGE:
        # Renamed into place, because a run beside this one may make the same link.
        temporary = folder / f".{os.getpid()}"
        temporary.symlink_to(PACKAGE)
        temporary.replace(link)
    return folder
