"""One text of configuration, versions and logs, with the names of participants masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gendmr.errors import ConfigurationError, TableError
from gendmr.files.atomic import write_text
from gendmr.files.provenance import versions
from gendmr.files.tables import read_table
from gendmr.files.text import read_text_file

# The end of a log is where it broke.
LONGEST = 200_000  # characters of one log
MOST = 400  # logs, the newest first
# A shorter name is part of too many other words and numbers.
SHORTEST = 3
PACKAGES = ("numpy", "pandas", "pydantic", "scipy", "snakemake", "torch", "xarray")
RULE = "=" * 20  # before the name of each part
# Numbers of groups of people; tables by participant stay where they are.
SUMMARIES = ("genotypes", "annotation", "imaging", "expression", "connectivity")


@dataclass(frozen=True)
class Bundle:
    """What was packed.

    Parameters
    ----------
    path : Path
    names : list of str
        Of the parts.
    notes : list of str
    """

    path: Path
    names: list[str]
    notes: list[str]


def pack(configfile: Path, output: Path | None = None, *, root: Path = Path()) -> Bundle:
    """Write the text of a study.

    Parameters
    ----------
    configfile : Path
        It may be the very thing that is wrong: only the name of the study is read.
    output : Path, optional
    root : Path
        Folder that holds `results/` and `logs/`.

    Raises
    ------
    ConfigurationError
        The file is missing, or names no study.
    """
    text = _configuration(configfile)
    study = _name_of(text, configfile)
    results, logs = root / "results" / study, root / "logs" / study
    mask, notes = _masking(results)
    members = {"configuration.yaml": text}
    members["versions.txt"] = "".join(
        f"{name} {version}\n" for name, version in versions(*PACKAGES).items()
    )
    recent = sorted(logs.rglob("*.log"), key=lambda path: -path.stat().st_mtime)
    recent += sorted((root / ".snakemake" / "log").glob("*.log"))[-3:]
    if len(recent) > MOST:
        notes.append(f"the newest {MOST} of {len(recent)} logs are packed")
    for path in recent[:MOST]:
        content = path.read_text(encoding="utf-8", errors="replace")[-LONGEST:]
        members[path.relative_to(root).as_posix().lstrip(".")] = content
    if not recent:
        notes.append(f"no log below {logs}: the study has not run here")
    for stage in SUMMARIES:
        path = results / stage / "summary.json"
        if path.is_file():
            members[f"results/{stage}/summary.json"] = path.read_text(encoding="utf-8")
    path = output or root / f"gendmr-bundle-{study}.txt"
    names = {mask(name): mask(content) for name, content in members.items()}
    # One text, so that a person sees what leaves before sending it.
    sections = [f"{RULE} {name}\n{content.rstrip()}\n" for name, content in names.items()]
    write_text(path, "\n".join(sections))
    notes.append("paths and labels of your files are in it: look through it before you send it")
    return Bundle(path, list(names), notes)


def _configuration(path: Path) -> str:
    if not path.is_file():
        raise ConfigurationError(
            f"{path}: no such configuration file", next_step="check --configfile"
        )
    return read_text_file(path)


def _name_of(text: str, path: Path) -> str:
    """Return the study of a configuration that may be broken otherwise."""
    match = re.search(r"^study:\s*['\"]?([A-Za-z0-9][A-Za-z0-9_-]*)", text, re.MULTILINE)
    if not match:
        raise ConfigurationError(
            f"{path}: no line `study: <name>`",
            cause="another file than a configuration of a study",
            next_step="name the file that the run was given, such as config/config.yaml",
        )
    return match.group(1)


def _masking(results: Path) -> tuple[Callable[[str], str], list[str]]:
    """Return what replaces names of participants in a text, and notes."""
    identifiers, notes = _identifiers(results)
    long = sorted({name for name in identifiers if len(name) >= SHORTEST}, key=len, reverse=True)
    if len(long) < len(identifiers):
        notes.append(
            f"{len(identifiers) - len(long)} names of fewer than {SHORTEST} characters are not"
            " masked"
        )
    number = {name: f"person{place:05d}" for place, name in enumerate(sorted(long), start=1)}
    home = str(Path.home())
    # Pieces of text that a name of a person can be: all that stands between other characters.
    word = re.compile(r"(?:sub-)?([A-Za-z0-9]+(?:[_.+-][A-Za-z0-9]+)*)")

    def masked(match: re.Match[str]) -> str:
        # The longest beginning that is a name: what follows may be a suffix, `S0042.nii.gz`.
        name = match.group(1)
        ends = [len(name), *(cut.start() for cut in reversed(list(re.finditer(r"[_.+-]", name))))]
        for end in ends:
            if name[:end] in number:
                return number[name[:end]] + name[end:]
        return match.group(0)

    def mask(text: str) -> str:
        text = word.sub(masked, text)
        return text.replace(home, "~") if len(home) > 1 else text

    return mask, notes


def _identifiers(results: Path) -> tuple[set[str], list[str]]:
    """Return all names of people that tables of the study hold."""
    names: set[str] = set()
    for table, column in (
        ("cohort/participants.tsv", "participant_id"),
        ("cohort/attrition.tsv", "id"),
        ("genotypes/attrition.tsv", "id"),
        ("genotypes/components.tsv", "id"),
        ("imaging/quality.tsv", "participant_id"),
    ):
        path = results / table
        if not path.is_file():
            continue
        try:
            rows = read_table(path, {column: "text"}, extra=True)
        except TableError:
            continue
        if "kind" in rows:
            rows = rows[rows["kind"] == "participant"]
        names |= {name.removeprefix("sub-") for name in rows[column]}
    if names:
        return names, []
    return names, ["no table of participants is there: names in logs are not masked"]
