"""Names of files in BIDS, and files that are there."""

from __future__ import annotations

from pathlib import Path


def if_exists(path: str | None) -> list[str]:
    """Return the path of a file that is there, else nothing.

    A link whose target was not fetched, or a mask that was forgotten, is one participant's trouble:
    as an input of a rule it would stop everybody.
    """
    return [path] if path is not None and Path(path).exists() else []


def entities_of(name: str) -> dict[str, str]:
    """Return the entities of a file name, as they are written.

    Examples
    --------
    >>> entities_of("sub-01_ses-pre_run-02_T1w.nii.gz")
    {'sub': '01', 'ses': 'pre', 'run': '02'}
    """
    pairs = (part.partition("-") for part in name.split("_")[:-1])
    return {key: label for key, mark, label in pairs if mark}
