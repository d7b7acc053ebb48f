"""Expression: who was measured in the stage `expression`, and the levels of the cohort's people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.tables import read_table
from gendmr.modalities.attrition import COLUMNS
from gendmr.modalities.base import Listing
from gendmr.modalities.expression.modality import MODALITY
from gendmr.modalities.matching import Matching
from gendmr.modalities.store import participants_in, read_modality, write_modality


class ExpressionSource:
    """See `gendmr.modalities.base.Source`."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has expression, and who left the stage."""
        where = sources["expression"]
        names = Matching.of(cohort).keys(participants_in(where), where)
        attrition = read_table(sources["attrition"], dict.fromkeys(COLUMNS, "text"))
        ways = {MODALITY.label: list(names.values())}
        return Listing(names, ways, MODALITY.label, where, attrition)

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the levels of the people of the cohort, in the cohort's order."""
        where = sources["expression"]
        dataset = read_modality(where, MODALITY.name)
        stored = Matching.of(cohort).keys(dataset["participant"].values.tolist(), where)
        row_of = {key: row for row, key in enumerate(stored)}
        rows = [(row_of[key], name) for key, name in people.items() if key in row_of]
        dataset = dataset.isel(participant=[row for row, _ in rows])
        dataset = dataset.assign_coords(
            participant=np.array([name for _, name in rows], dtype=object)
        )
        write_modality(output, dataset, MODALITY.name)


SOURCE = ExpressionSource()
