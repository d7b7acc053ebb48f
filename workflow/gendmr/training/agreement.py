"""Whether folds that are put together were made of one and the same thing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gendmr.errors import FoldError, first_few
from gendmr.files.atomic import read_json, sha256

RUN = "run.json"
# What folds of one method share; `given` may differ, for a new checksum alone retrains nothing.
SHARED = ("method", "outcome", "options")


def check_agreement(
    folders: Sequence[Path],
    null: Mapping[Path, Mapping[str, str]] | None = None,
    present: Sequence[Path] = (),
) -> None:
    """Compare what folds of one method were made of, and with the files that are there now.

    Parameters
    ----------
    folders : sequence of Path
        `training/<method>/repeat-<r>/fold-<k>`, each with run.json; one without any is left to who
        needs it.
    null : mapping of Path to mapping, optional
        Of chunks of the null: the checksums of what they read, by name.
    present : sequence of Path
        Files of the cohort that are read together with the folds.

    Raises
    ------
    FoldError
        Two of them were made of different files or settings; names them.
    InputFileError
        A record is damaged.
    """
    records = [folder / RUN for folder in folders]
    runs = {path: read_json(path) for path in records if path.is_file()}
    inputs = {path: dict(run.get("inputs") or {}) for path, run in runs.items()}
    inputs |= {path: dict(checksums) for path, checksums in (null or {}).items()}
    current = {path.name: sha256(path) for path in present}
    for name in sorted({name for checksums in inputs.values() for name in checksums}):
        of_runs = {path: checksums[name] for path, checksums in inputs.items() if name in checksums}
        _same(name, of_runs, current.get(name), folders)
    for key in SHARED:
        _same(key, {path: _text(run, key) for path, run in runs.items()}, None, folders)


def check_methods(records: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare the first fold of each method with those of the others: one cohort, one split.

    Parameters
    ----------
    records : mapping of str to mapping
        Path of a run.json, or of a summary of a ranking, to its content.

    Raises
    ------
    FoldError
        Two of them read different files of one name.
    """
    first: dict[str, tuple[str, str]] = {}
    for path, record in records.items():
        for name, checksum in (record.get("inputs") or {}).items():
            first_path, first_checksum = first.setdefault(name, (path, checksum))
            if first_checksum != checksum:
                raise FoldError(
                    f"{path} and {first_path} were made of two different {name}:"
                    f" SHA-256 {checksum[:12]}… and {first_checksum[:12]}…",
                    cause="results of two runs of the study, or a file that changed in between",
                    next_step=f"rm {path} {first_path}, then the same command: both are made again",
                )


def _text(run: Mapping[str, Any], key: str) -> str:
    return json.dumps(run.get(key), sort_keys=True)


def _same(
    item: str, values: Mapping[Path, str], current: str | None, folders: Sequence[Path]
) -> None:
    if not values:
        return
    expected = current if current is not None else Counter(values.values()).most_common(1)[0][0]
    deviating = [path for path, value in values.items() if value != expected]
    if not deviating:
        return
    file = "." in item
    deviating_value = values[deviating[0]]
    difference = (
        f"SHA-256 {deviating_value[:12]}… and {expected[:12]}…"
        if file
        else f"{deviating_value} and {expected}"
    )
    reference = "the file that is there now" if current is not None else "the other folds"
    raise FoldError(
        f"{len(deviating)} of {len(values)} results of {folders[0].parent.parent.name} were made"
        f" of another {item} than {reference} ({difference[:200]}): {first_few(deviating)}",
        cause=f"{item} changed, and only some folds were trained again"
        if file
        else "folds of two runs of the study with other settings",
        next_step="they are trained again by: rm "
        + " ".join(map(str, deviating[:20]))
        + ", then the same command",
    )
