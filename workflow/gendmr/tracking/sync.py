"""One call: list the finished folds, replay them, write down what was replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.config.tracking import TrackingSection
from gendmr.files.atomic import write_json
from gendmr.tracking.listing import find_methods, listing


def sync(
    results: Path,
    options: TrackingSection,
    *,
    methods: Sequence[str] | None = None,
    rebuild: bool = False,
) -> dict[str, Any]:
    """Replay the finished folds of a study.

    Parameters
    ----------
    results : Path
        ``results/<study>``; its name is the name of the study.
    options : TrackingSection
        Whether, where to and under what name.
    methods : sequence of str, optional
        The methods of the study; absent: all that are finished.
    rebuild : bool
        Throw the database and its artifacts away first.

    Returns
    -------
    dict
        How many runs are `new`, `unchanged`, `superseded` and `withdrawn`, and the `notes` that
        were written into ``tracking/synced.json``.

    Raises
    ------
    TrackingError
        Nothing is finished, or the database is damaged.
    """
    study = results.resolve().name
    folder = results / "tracking"
    found = find_methods(results, methods)
    experiment = options.experiment or study
    notes: list[str] = []
    counts: dict[str, Any] = {"new": 0, "unchanged": 0, "superseded": 0, "withdrawn": 0}
    if options.enabled:
        from gendmr.tracking import replay

        if rebuild:
            replay.remove_store(folder)
        counts = dict(replay.replay_locally(folder, study, experiment, found))
        if options.uri is not None:
            note = replay.replay_to_server(options.uri, options.timeout, study, experiment, found)
            notes += [note] if note else []
    else:
        notes.append("Tracking is switched off: folds are listed, and nothing is in MLflow.")
    write_json(folder / "synced.json", listing(study, found, notes))
    return {**counts, "notes": notes}
