"""Bags: whose slides the stage `histology` could use, and the bags of the cohort's people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gendmr.config.cohort import CohortSection
from gendmr.config.histology import HistologySection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.opening import opened, texts
from gendmr.files.pieces import write_rows
from gendmr.files.tables import read_table
from gendmr.modalities.attrition import COLUMNS, Attrition
from gendmr.modalities.base import Listing
from gendmr.modalities.matching import Matching
from gendmr.modalities.measured import MeasuredSource
from gendmr.modalities.patch.modality import MODALITY
from gendmr.modalities.store import participants_in


@dataclass(frozen=True)
class PatchSource(MeasuredSource):
    """See `MeasuredSource`; bags are copied one by one."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has a bag, and which people and slides left the stage."""
        where = sources[self.dataset]
        names = Matching.of(cohort).keys(participants_in(where), where)
        attrition = read_table(sources["attrition"], dict.fromkeys(COLUMNS, "text"))
        return self.listing(names, where, attrition)

    def early(
        self, stage: Mapping[str, Any], section: ModalitySection, cohort: CohortSection
    ) -> Listing | None:
        """Return whose slides are listed; None where the table is not made yet."""
        from gendmr.histology.slides import find_slides

        measured = HistologySection.parse(dict(stage), where="histology")
        if not Path(measured.slides).is_file():
            return None
        people = sorted({slide.participant for slide in find_slides(measured) if slide.participant})
        names = Matching.of(cohort).keys(people, measured.slides)
        return self.listing(names, measured.slides, Attrition(self.stage).table())

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the bags of the people of the cohort, in the cohort's order."""
        where = Path(sources[self.dataset])
        selected = Matching.of(cohort).rows(participants_in(where), people, str(where))
        rows = [row for row, _ in selected]
        with opened(where, "run the stage histology again") as stored:
            shape = stored[MODALITY.main].shape
            coordinates: dict[str, np.ndarray] = {
                "participant": np.array([name for _, name in selected], dtype=object),
                MODALITY.name: texts(stored[MODALITY.name][:]),
            }
            for name, declared in MODALITY.schema.items():
                if declared.dims == ("participant", MODALITY.name):
                    coordinates[name] = stored[name][:][rows]

            def bags() -> Iterator[np.ndarray]:
                for row in rows:
                    yield stored[MODALITY.main][row]

            write_rows(
                output,
                MODALITY.schema,
                MODALITY.main,
                (len(rows), shape[1], shape[2]),
                coordinates,
                bags(),
            )


SOURCE = PatchSource(MODALITY, stage="histology", dataset="patches")
