"""Who will join, and all that is missing or does not fit, before hours are spent on measuring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.cohort.confounding import confounding_warnings
from gendmr.cohort.fold_values import fold_values
from gendmr.cohort.join import check_joined
from gendmr.cohort.outcomes import tasks_of
from gendmr.cohort.participants import Listed, read_participants, with_outcomes
from gendmr.cohort.preflight import check_stages
from gendmr.cohort.recorded import compare_recorded
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import FoldError, Problems
from gendmr.files.atomic import write_json
from gendmr.files.tables import read_table
from gendmr.modalities import source_of
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import CheckedSource, EarlySource, Listing
from gendmr.modalities.matching import Matching, strip_sub_prefix
from gendmr.tasks.base import Task
from gendmr.tasks.measured import MeasuredTask


def check_people(
    options: CohortSection,
    sections: Mapping[str, ModalitySection],
    stages: Mapping[str, Mapping[str, Any]],
    output: Path,
    *,
    simulated: bool = False,
) -> list[str]:
    """Write how many people are listed and measured, and how many of them join.

    Parameters
    ----------
    options, sections, stages, simulated
        See `examine`.
    output : Path
        `cohort/check.json`.

    Returns
    -------
    list of str
        Warnings: covariates that tell an outcome.

    Raises
    ------
    InputFileError, TableError, OutcomeError, IdentifierError
        What the join would say of participants.tsv, of outcomes that fit no column, and of
        modalities that nobody has.
    FoldError
        Too few people for so many folds.
    GendmrError
        What a stage says of a file that it is given.
    SeveralErrors
        More than one of these.
    """
    problems = Problems()
    counts = examine(options, sections, stages, problems, simulated=simulated)
    problems.refuse()
    write_json(output, counts)
    return list(counts["warnings"])


def examine(
    options: CohortSection,
    sections: Mapping[str, ModalitySection],
    stages: Mapping[str, Mapping[str, Any]],
    problems: Problems,
    *,
    simulated: bool = False,
) -> dict[str, Any]:
    """Return who is listed, measured and joins; all that does not fit is noted.

    Parameters
    ----------
    options : CohortSection
    sections : mapping of str to ModalitySection
        The modalities of the study.
    stages : mapping of str to mapping
        Sections of the study by stage: those that measure, whose files are looked at. A modality
        that brings its own files is read as the join reads it.
    problems : Problems
        Receives what does not fit.
    simulated : bool
        The cohort is simulated: the values of `fold_by` are known from the configuration, and
        what was made needs no check.

    Returns
    -------
    dict
        Contents of `cohort/check.json`.
    """
    matching = Matching.of(options)
    counts: dict[str, Any] = {"participants": {}, "outcomes": {}, "modalities": {}, "warnings": []}
    listed: Listed | None = problems.attempt(read_participants, options, Attrition())
    ids = _identifiers(options, listed, problems)
    keys: dict[str, str] = problems.attempt(matching.keys, ids, options.participants) or {}
    if listed is not None:
        table, _ = problems.attempt(with_outcomes, listed, options, Attrition()) or (None, None)
        has_value = {name: (labels.reason == "") for name, labels in listed.outcomes.items()}
        with_outcome = 0 if table is None else len(table)
        counts["participants"] = {"listed": len(ids), "with_outcome": with_outcome}
        counts["outcomes"] = {name: int(present.sum()) for name, present in has_value.items()}
        if table is not None:
            counts["warnings"] = confounding_warnings(table, options)
        for task in tasks_of(options).values() if options.fold_by is None else ():
            # Who has an outcome that a stage measures is known when that stage has run.
            if not isinstance(task, MeasuredTask):
                problems.attempt(_check_groups, task, listed, options)
    if options.fold_by is not None and not simulated:
        folds = Problems()
        folds.attempt(fold_values, options)
        for error in folds.errors:
            # That the column is missing, or the table, was said above.
            if listed is not None or isinstance(error, FoldError):
                problems.add(error)
    for name, section in sections.items():
        listing: Listing | None = problems.attempt(
            _listing, name, section, stages.get(section.stage or "", {}), options
        )
        if listing is None or not keys:
            continue
        problems.attempt(check_joined, ids, listing, options)
        if listed is not None:
            problems.attempt(
                compare_recorded, listed.people, keys, listing, Attrition(), options.participants
            )
        theirs = set(listing.names)
        counts["modalities"][name] = {"found": len(theirs), "joined": len(theirs & set(keys))}
    if not simulated:
        check_stages(stages, problems)
    return counts


def _identifiers(options: CohortSection, listed: Listed | None, problems: Problems) -> list[str]:
    """Return who is listed, also where another column stops the table from being read."""
    if listed is not None:
        return [str(name) for name in listed.people["participant_id"]]
    column = options.columns.get("participant_id", "participant_id")
    table = problems.attempt(
        read_table, options.participants, {column: "text"}, extra=True, key=column
    )
    return [] if table is None else [strip_sub_prefix(name) for name in table[column]]


def _check_groups(task: Task, listed: Listed, options: CohortSection) -> None:
    """Refuse too few people for so many folds."""
    texts = listed.outcomes[task.name].columns.astype(object)
    texts = texts.where(texts.notna(), "n/a").astype(str)
    outcome = task.read({suffix: texts[suffix] for suffix in texts.columns}, options.participants)
    # Kin merge groups, which lowers their number: too few groups now are too few later.
    people = np.array(listed.people["participant_id"].tolist(), dtype=object)
    task.check_groups(outcome, people, options.folds)


def _listing(
    name: str, section: ModalitySection, stage: Mapping[str, Any], options: CohortSection
) -> Listing | None:
    """Return who is measured, as far as files that are there already tell."""
    source = source_of(name)
    if section.stage is None:
        listing = source.people(section.sources(""), section, options)
        if isinstance(source, CheckedSource):
            source.check(section.sources(""))
        return listing
    return source.early(stage, section, options) if isinstance(source, EarlySource) else None
