"""Expression: who was measured in the stage `expression`, and the levels of the cohort's people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.tables import read_table
from gendmr.modalities.attrition import COLUMNS
from gendmr.modalities.base import Listing
from gendmr.modalities.expression.modality import MODALITY
from gendmr.modalities.matching import Matching
from gendmr.modalities.measured import MeasuredSource
from gendmr.modalities.store import participants_in


@dataclass(frozen=True)
class ExpressionSource(MeasuredSource):
    """See `MeasuredSource`; the stage lists who left it."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has expression, and who left the stage."""
        where = sources[self.dataset]
        names = Matching.of(cohort).keys(participants_in(where), where)
        attrition = read_table(sources["attrition"], dict.fromkeys(COLUMNS, "text"))
        return self.listing(names, where, attrition)


SOURCE = ExpressionSource(MODALITY, stage="expression", dataset="expression")
