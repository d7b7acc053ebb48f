"""Finding and running PLINK 1.9 and 2: lists of arguments, logs kept, failures never ignored.

`Plink.run` is the only place where PLINK is called on genotypes. It has PLINK write which people
and variants it saw, and compares them with those that were asked for.
"""

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

import numpy as np
import pandas as pd

from gendmr.errors import ToolError, first_few
from gendmr.files.atomic import remove_abandoned

Version = Literal["1.9", "2"]

NAMES: dict[Version, tuple[str, ...]] = {
    "1.9": ("plink1.9", "plink1", "plink", "p-link"),
    "2": ("plink2", "plink2.0", "plink"),
}
PATTERN: dict[Version, str] = {"1.9": r"PLINK v1\.9\S*", "2": r"PLINK v2\.\S*"}
# Releases that are tested: those of Debian 12. conda's are of the same series.
TESTED: dict[Version, str] = {"1.9": "1.90b6.26", "2": "2.00a3.5"}
SERIES: dict[Version, str] = {"1.9": "1.90b6", "2": "2.00a3"}
CONDA = "plink=1.90b6.21 plink2=2.00a3.7"
LAST_LINES = 12
PREFIX = ".plink-"
# Below this PLINK 2 refuses to take frequencies or linkage from the people at hand.
FEW_FOUNDERS = 50
# What writes the variants and people that a command saw.
WRITE_LISTS: dict[Version, tuple[str, ...]] = {
    "1.9": ("--write-snplist", "--make-just-fam"),
    "2": ("--write-snplist", "allow-dups", "--write-samples"),
}


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
    rejected = []
    for name in NAMES[version]:
        for folder in folders.split(os.pathsep):
            path = shutil.which(name, path=folder) if folder else None
            if path is None:
                continue
            version_text = _version_text(path)
            match = re.match(PATTERN[version], version_text)
            if match:
                return Program(path, match.group())
            rejected.append(
                f"{path} ({version_text.splitlines()[0] if version_text else 'says nothing'})"
            )
    raise ToolError(
        f"PLINK {version} not found under {', '.join(NAMES[version])}"
        + (f"; found {', '.join(rejected)}" if rejected else ""),
        cause="it is not installed, or its folder is not on the PATH",
        next_step=f"apt install plink1.9 plink2, or conda install -c bioconda {CONDA}",
    )


def untested() -> list[str]:
    """Return a note for each PLINK that is of another series than the one that is tested."""
    return [
        f"{program.version} was used; tested is PLINK v{TESTED[version]}, and other series read"
        " some inputs otherwise"
        for version, program in ((version, find(version)) for version in TESTED)
        if not program.version.startswith(f"PLINK v{SERIES[version]}")
    ]


def _version_text(path: str) -> str:
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
        self,
        version: Version,
        arguments: Sequence[str],
        *,
        out: Path | str,
        folder: Path,
        people: Sequence[str] | None,
        variants: Sequence[str] | None,
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
        people, variants : sequence of str or None
            IIDs and names of variants that the command must see once its filters are through, in
            the order of the files; PLINK 1.9 may give them another order. None where only PLINK
            knows them, for it converts another form.

        Raises
        ------
        ToolError
            PLINK is missing or failed; holds the command and the last lines of its log. Or it saw
            other people or variants than those asked for.
        """
        writes_set = "--make-bed" in arguments
        lists = () if writes_set else WRITE_LISTS[version]
        command = [
            find(version).path,
            *arguments,
            *lists,
            *("--threads", str(self.threads)),
            *("--memory", str(self.memory)),
            *("--out", str(out)),
        ]
        finished = subprocess.run(
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
            for line in finished.stdout.decode("utf-8", "replace").replace("\b", "").splitlines()
            if line.strip()
        ]
        print("\n".join(lines), flush=True)
        command_line = f"command: {' '.join(map(_quoted, command))}"
        if finished.returncode != 0:
            raise ToolError(
                f"PLINK {version} ended with status {finished.returncode}; its last lines:\n    "
                + "\n    ".join(lines[-LAST_LINES:])
                + f"\n  {command_line}",
                cause="named in its last lines; the command ran in a folder that is removed",
                next_step="mend what PLINK names in the inputs, then run the step again",
            )
        prefix = folder / out
        by_people = "fam" if writes_set or version == "1.9" else "id"
        for noun, names, suffix in (
            ("variants", variants, "bim" if writes_set else "snplist"),
            ("people", people, by_people),
        ):
            if names is not None:
                used_names = _read_names(Path(f"{prefix}.{suffix}"))
                _compare_names(
                    names, used_names, noun, f"PLINK {version}", command_line, version == "2"
                )
        return lines


def _read_names(path: Path) -> list[str]:
    """Read names from a .bim, .fam or .id (their second column), or from a list of names."""
    if not path.exists():
        return []
    rows = [line.split() for line in path.read_bytes().splitlines() if line]
    column = 0 if path.suffix == ".snplist" else 1
    if path.suffix == ".id":
        # Where every FID is 0, PLINK 2 leaves the column out.
        header, *rows = rows
        column = [cell.lstrip(b"#") for cell in header].index(b"IID")
    return [row[column].decode("utf-8", "replace") for row in rows]


def _compare_names(
    requested: Sequence[str], used: list[str], noun: str, program: str, command: str, ordered: bool
) -> None:
    if used == list(requested):
        return
    omitted, further = set(requested) - set(used), set(used) - set(requested)
    if not omitted and not further and len(used) == len(requested) and not ordered:
        return
    differences = [
        f"{len(names)} {verb} ({first_few(sorted(names))})"
        for names, verb in ((omitted, "were left out"), (further, "were not asked for"))
        if names
    ]
    raise ToolError(
        f"{program} was asked for {len(requested)} {noun} and used {len(used)}:"
        f" {'; '.join(differences) or 'in another order'}\n  {command}",
        cause="names with characters that this PLINK reads otherwise, or another release of it",
        next_step=f"give these {noun} names of letters, digits and _ : . - in all input files;"
        " envs/genotypes.yaml names the releases of PLINK that are tested",
    )


def _quoted(argument: str) -> str:
    return argument if re.fullmatch(r"[\w@%+=:,./#-]+", argument) else f"'{argument}'"


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`, removed afterwards; renames out of it are atomic."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder, f"{PREFIX}*")
    with TemporaryDirectory(prefix=PREFIX, dir=folder) as name:
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


def read_scores(path: Path) -> tuple[list[str], np.ndarray]:
    """Read an .eigenvec and the .eigenval beside it.

    Returns
    -------
    iids : list of str
    scores : float (person, component)
        Eigenvectors times the root of their eigenvalue: distances between people are those of their
        genotypes, and a component of noise is as narrow as it is.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0].lstrip("#").split("\t")
    rows = [line.split("\t") for line in lines[1:]]
    first, iid = header.index("PC1"), header.index("IID")
    vectors = np.array([row[first:] for row in rows], dtype=float)
    roots = np.sqrt(np.maximum(np.loadtxt(path.with_suffix(".eigenval"), ndmin=1), 0))
    return [row[iid] for row in rows], vectors * roots


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
