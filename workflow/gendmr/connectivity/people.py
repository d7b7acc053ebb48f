"""Whose functional data lie where; nothing heavy is imported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gendmr.config.connectivity import PERSON, ConnectivitySection
from gendmr.connectivity.fmriprep import find_bold
from gendmr.errors import IdentifierError, InputFileError, first_few
from gendmr.files.identifiers import refuse_unsafe
from gendmr.files.tables import Kind, read_table

INDEX: dict[str, Kind] = {"participant_id": "text", "file": "text"}
COHORT_FILES = (".npz",)


@dataclass(frozen=True)
class PersonFiles:
    """The files of one person, and what a table says of the scan.

    Parameters
    ----------
    files : tuple of str
        One; of fMRIPrep's output image, confounds with their description, and mask.
    motion : float
        Mean framewise displacement, mm; NaN where no table gives it.
    """

    files: tuple[str, ...]
    motion: float = float("nan")


def find_people(section: ConnectivitySection) -> dict[str, PersonFiles] | None:
    """Return the files of each participant; None where one file holds all people.

    Returns
    -------
    dict of str to PersonFiles
        By label without `sub-`, sorted; those whom `exclude` names are among them, since the
        quality table lists them.

    Raises
    ------
    InputFileError
        Nothing matches the pattern, or an excluded person has no data.
    IdentifierError
        A person has two files, or a label could be taken for something else.
    """
    where = section.series or section.matrices or ""
    if section.fmriprep is not None:
        where = section.fmriprep.folder
        people = {
            label: PersonFiles(bold_files.files)
            for label, bold_files in find_bold(section.fmriprep).items()
        }
    elif PERSON in where:
        people = _by_pattern(where)
    elif _of_cohort(where):
        return None
    else:
        people = _by_table(where)
    unknown = sorted(set(section.exclude) - set(people))
    if unknown:
        raise InputFileError(
            f"{where}: {len(unknown)} excluded participants have no functional data:"
            f" {first_few(unknown)}",
            cause="a misspelt label, or one written with `sub-`",
            next_step="correct `connectivity: exclude:`; labels there: " + first_few(people),
        )
    refuse_unsafe(people, where, "rename these files, or correct the table")
    return dict(sorted(people.items()))


def _of_cohort(path: str) -> bool:
    """Return whether a file holds all people: an archive, or a table without a column `file`."""
    if path.endswith(COHORT_FILES):
        return True
    return "file" not in read_table(path, {"participant_id": "text"}, extra=True)


def label_of(name: str) -> str:
    """Return a participant without `sub-`."""
    return name.removeprefix("sub-")


def _by_pattern(pattern: str) -> dict[str, PersonFiles]:
    pieces = [re.escape(piece) for piece in pattern.split(PERSON)]
    expression = pieces[0] + "(?P<who>[^/]+?)" + "(?P=who)".join(pieces[1:])
    first = next(
        (n for n, component in enumerate(Path(pattern).parts) if PERSON in component), len(pattern)
    )
    root = Path(*Path(pattern).parts[:first]) if first else Path()
    glob_pattern = "/".join(Path(pattern).parts[first:]).replace(PERSON, "*")
    people: dict[str, PersonFiles] = {}
    for path in sorted(root.glob(glob_pattern)):
        match = re.fullmatch(expression, str(path))
        if match is not None and path.is_file():
            _add(people, label_of(match["who"]), PersonFiles((str(path),)), pattern)
    if not people:
        entries = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
        raise InputFileError(
            f"{pattern}: no file matches; {root} holds {len(entries)} entries:"
            f" {first_few(entries)}",
            cause="another folder or another form of names",
            next_step=f"write the name of a file with {PERSON} in place of the participant",
        )
    return people


def _by_table(path: str) -> dict[str, PersonFiles]:
    table = read_table(path, INDEX, optional={"motion": "number"}, extra=True, key="participant_id")
    people: dict[str, PersonFiles] = {}
    for row in table.to_dict("records"):
        file = str(Path(path).parent / str(row["file"]))
        motion = float(row.get("motion", float("nan")))
        _add(people, label_of(str(row["participant_id"])), PersonFiles((file,), motion), path)
    if not people:
        raise InputFileError(f"{path}: no row", next_step="list one file for each person")
    return people


def _add(people: dict[str, PersonFiles], label: str, files: PersonFiles, where: str) -> None:
    if label in people:
        raise IdentifierError(
            f"{where}: {label!r} has two files: {people[label].files[0]} and {files.files[0]}",
            cause="the same person with and without `sub-`, or two sessions",
            next_step="leave one file for each person, or list them in a table",
        )
    people[label] = files
