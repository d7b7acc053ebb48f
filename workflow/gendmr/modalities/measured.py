"""Sources for what a stage measured: a dataset of people, and a table of their quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing, Modality
from gendmr.modalities.matching import Matching, strip_sub_prefix
from gendmr.modalities.store import participants_in, read_modality, write_modality

QUALITY: dict[str, Kind] = {
    "participant_id": "text",
    "status": "text",
    "outlier": "flag",
    "reason": "text",
}


@dataclass(frozen=True)
class MeasuredSource:
    """Reads a modality from the results of a stage; see `gendmr.modalities.base.Source`.

    Parameters
    ----------
    modality : Modality
    stage : str
        In attrition.tsv.
    dataset : str
        Key of `ModalitySection.sources` that holds the measurements; `quality` holds the table.
    """

    modality: Modality
    stage: str
    dataset: str

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who is measured, who has a scan without measurements, and whose are outliers."""
        matching, where = Matching.of(cohort), sources[self.dataset]
        names = matching.keys(self.identifiers(where), where)
        attrition, flagged = Attrition(self.stage), []
        table = read_table(sources["quality"], QUALITY, extra=True, key="participant_id")
        for row in table.to_dict("records"):
            label, reason = strip_sub_prefix(str(row["participant_id"])), str(row["reason"])
            suffix = "" if reason in {"", MISSING} else f": {reason}"
            if matching.key(label) not in names:
                attrition.add([label], f"scan {row['status']}", f"no {self.modality.label}{suffix}")
            elif row["outlier"]:
                flagged.append(label)
                attrition.add([label], "flagged", f"outlier, kept{suffix}")
        return self.listing(names, where, attrition.table(), flagged)

    def identifiers(self, where: str) -> list[str]:
        """Return the participants of a file; no measurement is read."""
        return participants_in(where)

    def listing(
        self,
        names: dict[str, str],
        where: str,
        attrition: pd.DataFrame,
        flagged: Sequence[str] = (),
    ) -> Listing:
        """Return the people of a file that names them in one way."""
        ways = {self.modality.label: list(names.values())}
        return Listing(names, ways, self.modality.label, where, attrition, list(flagged))

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the measurements of the people of the cohort, in the cohort's order."""
        where = sources[self.dataset]
        dataset = read_modality(where, self.modality.name)
        identifiers = dataset["participant"].values.tolist()
        rows = Matching.of(cohort).rows(identifiers, people, where)
        dataset = dataset.isel(participant=[row for row, _ in rows])
        dataset = dataset.assign_coords(
            participant=np.array([name for _, name in rows], dtype=object)
        )
        write_modality(output, dataset, self.modality.name)
