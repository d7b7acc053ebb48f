"""The file of one modality: what was measured of the people of the cohort."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gendmr.cohort.participants import HAS
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import TableError
from gendmr.files.tables import read_table
from gendmr.modalities import modality_of, source_of
from gendmr.modalities.matching import Matching


def collect_modality(
    name: str,
    sources: Mapping[str, str],
    section: ModalitySection,
    participants: Path | str,
    options: CohortSection,
    output: Path,
) -> None:
    """Write the file of a modality: a row for each person of the cohort who has it.

    Parameters
    ----------
    name : str
        Of the modality.
    sources : mapping
        `ModalitySection.sources`.
    section : ModalitySection
    participants : Path or str
        `cohort/participants.tsv`.
    options : CohortSection
    output : Path
        `cohort/<name>.nc`.

    Raises
    ------
    TableError
        participants.tsv is of a study without the modality.
    """
    column = f"{HAS}{name}"
    table = read_table(
        participants, {"participant_id": "text", column: "flag"}, extra=True, key="participant_id"
    )
    having = table.loc[table[column], "participant_id"].tolist()
    if not having:
        raise TableError(
            f"{participants}: nobody has {modality_of(name).label} ({column})",
            cause="a table that was edited, or that the join of another study left",
            next_step="run the rule join_people again",
        )
    people = Matching.of(options).keys(having, str(participants))
    source_of(name).collect(sources, people, section, options, output)
