"""What can be said of functional data before a scan is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gendmr.config.connectivity import ConnectivitySection
from gendmr.connectivity.people import find_people
from gendmr.errors import InputFileError, first_few


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield the check of the scans: people are told apart, and their files are there.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `connectivity` is among them.
    """
    yield partial(
        check_scans, ConnectivitySection.parse(dict(stages["connectivity"]), where="connectivity")
    )


def check_scans(connectivity: ConnectivitySection) -> None:
    """Refuse data none of which is there: one person's scan is for the stage to list.

    Raises
    ------
    InputFileError, TableError, IdentifierError
        See `find_people`; or no file is there.
    """
    people = find_people(connectivity)
    paths = [path for person in (people or {}).values() for path in person.files]
    if paths and not any(Path(path).is_file() for path in paths):
        raise InputFileError(
            f"none of {len(paths)} files of functional data is there: {first_few(paths)}",
            cause="another folder, or a disk that is not mounted",
            next_step="correct the column `file`; it is relative to the folder of its table",
        )
