"""One call: list the finished folds, replay them, write down what was replayed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.config.tracking import TrackingSection
from gendmr.errors import TrackingError
from gendmr.files.atomic import read_json, write_json
from gendmr.tracking.listing import find_methods, listing

NOTHING = {"new": 0, "unchanged": 0, "superseded": 0, "withdrawn": 0}


def sync(
    results: Path,
    options: TrackingSection,
    *,
    methods: Sequence[str] | None = None,
    rebuild: bool = False,
    guarded: bool = False,
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
    guarded : bool
        As the workflow calls it: what a database or a server does not take is a note, and a server
        gets `options.patience` seconds. Otherwise it is an error, after all else is done.

    Returns
    -------
    dict
        How many runs of the study's own database are `new`, `unchanged`, `superseded` and
        `withdrawn`, and the `notes` that were written into ``tracking/synced.json``.

    Raises
    ------
    TrackingError
        Nothing is finished; unguarded: a database or a server did not take the runs.
    """
    study = results.resolve().name
    folder = results / "tracking"
    method_results = find_methods(results, methods)
    experiment = options.experiment or study
    counts: dict[str, Any] = dict(NOTHING)
    notes: list[str] = []
    failures: list[TrackingError] = []
    if options.enabled:
        from gendmr.tracking import replay

        try:
            if rebuild:
                replay.remove_store(folder)
            counts = dict(replay.replay_locally(folder, study, experiment, method_results))
        except TrackingError as error:
            failures.append(error)
        if options.uri is not None:
            patience = options.patience if guarded else math.inf
            try:
                # The follower of a running training writes to the server too.
                with replay.exclusive_lock(folder / ".server.lock", replay.LOCK_TIMEOUT_S):
                    replay.replay_to_server(
                        options.uri,
                        options.timeout,
                        study,
                        experiment,
                        method_results,
                        patience=patience,
                    )
            except (TrackingError, OSError) as error:
                failures.append(
                    error if isinstance(error, TrackingError) else TrackingError(str(error))
                )
            notes += _missed_live(folder, options)
    else:
        notes.append("Tracking is switched off: folds are listed, and nothing is in MLflow.")
    notes += [_note(failure) for failure in failures]
    write_json(folder / "synced.json", listing(study, method_results, notes))
    if failures and not guarded:
        raise failures[0]
    return {**counts, "notes": notes}


def _missed_live(folder: Path, options: TrackingSection) -> list[str]:
    """Return a note where live logging was wanted and something was not logged in time."""
    path = folder / "live.json"
    if not options.live:
        return []
    if not path.is_file():
        return ["Live logging did not start: its log is tracking/follow.log among the logs."]
    state = read_json(path)
    if not state["failures"]:
        return []
    return [
        f"Live logging to {state['server']} failed {state['failures']} times, first with"
        f" {state['first']}: curves were not there while folds trained. Finished folds are sent"
        " after training."
    ]


def _note(failure: TrackingError) -> str:
    sentences = [failure.what]
    if failure.cause:
        sentences.append(f"likely {failure.cause}")
    if failure.next_step:
        sentences.append(f"to complete it: {failure.next_step}")
    return "MLflow is incomplete, the results are not: " + "; ".join(sentences) + "."
