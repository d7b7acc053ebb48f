"""Who will join, and whether the outcomes can be read, before hours are spent on measuring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.cohort.confounding import confounding_warnings
from gendmr.cohort.fold_values import fold_values
from gendmr.cohort.join import check_joined
from gendmr.cohort.outcomes import tasks_of
from gendmr.cohort.participants import read_participants, with_outcomes
from gendmr.cohort.recorded import compare_recorded
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.atomic import write_json
from gendmr.modalities import source_of
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import EarlySource, Listing
from gendmr.modalities.matching import Matching
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
    options : CohortSection
    sections : mapping of str to ModalitySection
        The modalities of the study.
    stages : mapping of str to mapping
        Section of the study that measures a modality, by the modality's name; its files are looked
        at. A modality that brings its own files is read as the join reads it.
    output : Path
        `cohort/check.json`.
    simulated : bool
        participants.tsv was simulated: the values of `fold_by` are known from the configuration.

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
    """
    matching = Matching.of(options)
    listed = read_participants(options, Attrition())
    ids = listed.people["participant_id"].tolist()
    keys = matching.keys(ids, options.participants)
    table, _ = with_outcomes(listed, options, Attrition())
    known = {name: (labels.reason == "") for name, labels in listed.outcomes.items()}
    counts: dict[str, Any] = {
        "participants": {"listed": len(ids), "with_outcome": len(table)},
        "outcomes": {name: int(who.sum()) for name, who in known.items()},
        "modalities": {},
    }
    if options.fold_by is None:
        # Kin merge groups, which lowers their number: too few groups now are too few later.
        for name, task in tasks_of(options).items():
            if isinstance(task, MeasuredTask):
                continue  # who has it is known when its stage has run
            texts = listed.outcomes[name].columns.astype(object)
            texts = texts.where(texts.notna(), "n/a").astype(str)
            outcome = task.read({s: texts[s] for s in texts.columns}, options.participants)
            task.check_groups(outcome, np.array(ids, dtype=object), options.folds)
    elif not simulated:
        fold_values(options)
    for name, section in sections.items():
        listing = _listing(name, section, stages.get(name, {}), options)
        if listing is None:
            continue
        check_joined(ids, listing, options)
        compare_recorded(listed.people, keys, listing, Attrition(), options.participants)
        theirs = set(listing.names)
        counts["modalities"][name] = {"found": len(theirs), "joined": len(theirs & set(keys))}
    counts["warnings"] = confounding_warnings(table, options)
    write_json(output, counts)
    return list(counts["warnings"])


def _listing(
    name: str, section: ModalitySection, stage: Mapping[str, Any], options: CohortSection
) -> Listing | None:
    """Return who is measured, as far as files that are there already tell."""
    source = source_of(name)
    if section.stage is None:
        return source.people(section.sources(""), section, options)
    return source.early(stage, section, options) if isinstance(source, EarlySource) else None
