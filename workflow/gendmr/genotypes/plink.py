"""Finding and running PLINK 1.9 and 2: lists of arguments, logs kept, failures never ignored."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pandas as pd

from gendmr.errors import ToolError
from gendmr.files.atomic import remove_abandoned

Version = Literal["1.9", "2"]

NAMES: dict[Version, tuple[str, ...]] = {
    "1.9": ("plink1.9", "plink1", "plink", "p-link"),
    "2": ("plink2", "plink2.0", "plink"),
}
PATTERN: dict[Version, str] = {"1.9": r"PLINK v1\.9\S*", "2": r"PLINK v2\.\S*"}
LAST_LINES = 12
PREFIX = ".plink-"
# Below this PLINK 2 refuses to take frequencies or linkage from the people at hand.
FEW_FOUNDERS = 50


@dataclass(frozen=True)
class Program:
    """One PLINK binary.

    Attributes
    ----------
    path : str
        Where it is.
    version : str
        The first words of its ``--version``.
    """

    path: str
    version: str


@lru_cache(maxsize=2)
def find(version: Version) -> Program:
    """Find PLINK 1.9 or 2 by what it says of itself, whatever its name.

    Looked for on the PATH and in ``<sys.prefix>/plink/bin``. PuTTY has a program `plink` too.

    Raises
    ------
    ToolError
        None of the known names is the wanted version.
    """
    folders = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.prefix) / "plink" / "bin")])
    seen = []
    for name in NAMES[version]:
        for folder in folders.split(os.pathsep):
            path = shutil.which(name, path=folder) if folder else None
            if path is None:
                continue
            said = _said(path)
            match = re.match(PATTERN[version], said)
            if match:
                return Program(path, match.group())
            seen.append(f"{path} ({said.splitlines()[0] if said else 'says nothing'})")
    raise ToolError(
        f"PLINK {version} not found under {', '.join(NAMES[version])}"
        + (f"; found {', '.join(seen)}" if seen else ""),
        cause="it is not installed, or its folder is not on the PATH",
        next_step="apt install plink1.9 plink2, or conda install -c bioconda plink plink2",
    )


def _said(path: str) -> str:
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
            check=False,  # another program of that name may fail: it is then not the one
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class Plink:
    """How PLINK is run within one step.

    Attributes
    ----------
    threads : int
        Threads of each call.
    memory : int
        Workspace of each call in MiB; PLINK alone would take half of the machine.
    """

    threads: int = 1
    memory: int = 2000

    def run(
        self, version: Version, arguments: Sequence[str], *, out: Path | str, folder: Path
    ) -> list[str]:
        """Run one PLINK command inside `folder`, print its log and return its lines.

        Parameters
        ----------
        version : {"1.9", "2"}
            Which PLINK.
        arguments : sequence of str
            All but ``--threads``, ``--memory`` and ``--out``.
        out : Path or str
            Prefix of the files it writes, relative to `folder`.
        folder : Path
            Working directory; file names in the arguments are relative to it.

        Raises
        ------
        ToolError
            PLINK is missing or failed; holds the command and the last lines of its log.
        """
        command = [
            find(version).path,
            *arguments,
            *("--threads", str(self.threads)),
            *("--memory", str(self.memory)),
            *("--out", str(out)),
        ]
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,  # the return code is read below, with the log at hand
        )
        # PLINK rewrites its progress in place with carriage returns.
        lines = [
            line.rpartition("\r")[2]
            for line in done.stdout.decode("utf-8", "replace").replace("\b", "").splitlines()
            if line.strip()
        ]
        print("\n".join(lines), flush=True)
        if done.returncode != 0:
            raise ToolError(
                f"PLINK {version} ended with status {done.returncode}; its last lines:\n    "
                + "\n    ".join(lines[-LAST_LINES:])
                + f"\n  command: {' '.join(map(_quoted, command))}",
                cause="named in its last lines; the command ran in a folder that is removed",
                next_step="mend what PLINK names in the inputs, then run the step again",
            )
        return lines


def _quoted(argument: str) -> str:
    return argument if re.fullmatch(r"[\w@%+=:,./#-]+", argument) else f"'{argument}'"


@contextmanager
def workplace(beside: Path) -> Iterator[Path]:
    """Yield an empty folder inside `beside`, removed afterwards; renames out of it are atomic."""
    beside.mkdir(parents=True, exist_ok=True)
    remove_abandoned(beside, f"{PREFIX}*")
    with TemporaryDirectory(prefix=PREFIX, dir=beside) as name:
        yield Path(name).resolve()


def link(prefix: str | Path, folder: Path, name: str, suffixes: Sequence[str]) -> None:
    """Link files of a set into `folder` under a plain name.

    PLINK's lists of files split paths at spaces, and its commands read a leading `-` as an option.
    """
    for suffix in suffixes:
        (folder / f"{name}.{suffix}").symlink_to(Path(f"{prefix}.{suffix}").resolve())


def write_people(path: Path, fam: pd.DataFrame) -> None:
    """Write a list for ``--keep`` and ``--remove``; with a header PLINK 2 takes FID 0 as it is."""
    lines = [f"{fid}\t{iid}\n" for fid, iid in zip(fam["fid"], fam["iid"], strict=True)]
    path.write_text("#FID\tIID\n" + "".join(lines), encoding="utf-8")


def write_names(path: Path, names: Sequence[str]) -> None:
    """Write a list for ``--extract`` and ``--exclude``."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def read_report(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Read columns of a PLINK 2 report; identifiers stay text, `nan` is missing.

    Parameters
    ----------
    path : Path
        A tab-separated report with a header.
    columns : dict
        Column to dtype, `str` or `float64`.
    """
    numbers = [name for name, kind in columns.items() if kind != "str"]
    return pd.read_csv(
        path,
        sep="\t",
        usecols=list(columns),
        dtype=dict(columns),
        keep_default_na=False,
        na_values={name: ["nan", "NA"] for name in numbers},
        quoting=3,
        engine="c",
    )
