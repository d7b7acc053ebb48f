"""Regions: who was measured in the stage `imaging`, and the measurements of the cohort's people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import ImagingSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing
from gendmr.modalities.matching import Matching, strip_sub_prefix
from gendmr.modalities.region.modality import MODALITY
from gendmr.modalities.store import participants_in, read_modality, write_modality

QUALITY: dict[str, Kind] = {"participant_id": "text", "outlier": "flag", "reason": "text"}
STATUS: dict[str, Kind] = {"status": "text"}
# Status of a scan without regions -> step and reason under which it is listed.
UNMEASURED = {
    "refused": ("scan refused", "no regions measured"),
    "excluded": ("scan excluded", "regions left out"),
}


class RegionSource:
    """See `gendmr.modalities.base.Source`."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has regions, who has an image without them, and whose are outliers."""
        matching, where = Matching.of(cohort), sources["regions"]
        names = matching.keys(participants_in(where), where)
        attrition = Attrition("imaging")
        table = read_table(
            sources["quality"], QUALITY, optional=STATUS, extra=True, key="participant_id"
        )
        flagged = []
        for row in table.to_dict("records"):
            name, outlier, reason = row["participant_id"], row["outlier"], row["reason"]
            because = "" if reason in {"", MISSING} else f": {reason}"
            if matching.key(name) not in names:
                step, what = UNMEASURED.get(
                    str(row.get("status")), ("no regions measured", "no regions measured")
                )
                attrition.add([strip_sub_prefix(name)], step, f"{what}{because}")
            elif outlier:
                flagged.append(strip_sub_prefix(name))
                attrition.add([strip_sub_prefix(name)], "flagged", f"outlier, kept{because}")
        return _listing(names, where, attrition.table(), flagged)

    def early(
        self, stage: Mapping[str, Any], section: ModalitySection, cohort: CohortSection
    ) -> Listing | None:
        """Return the people of the BIDS folder; None where measurements are given."""
        from gendmr.imaging.bids import find_images

        imaging = ImagingSection.parse(dict(stage), where="imaging")
        if imaging.bids is None:
            return None
        labels = find_images(imaging.bids, exclude=imaging.exclude)
        names = Matching.of(cohort).keys(list(labels), imaging.bids)
        return _listing(names, imaging.bids, Attrition().table(), [])

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the regions of the people of the cohort, in the cohort's order."""
        where = sources["regions"]
        dataset = read_modality(where, MODALITY.name)
        stored = Matching.of(cohort).keys(dataset["participant"].values.tolist(), where)
        row_of = {key: row for row, key in enumerate(stored)}
        rows = [(row_of[key], name) for key, name in people.items() if key in row_of]
        dataset = dataset.isel(participant=[row for row, _ in rows])
        dataset = dataset.assign_coords(
            participant=np.array([name for _, name in rows], dtype=object)
        )
        write_modality(output, dataset, MODALITY.name)


SOURCE = RegionSource()


def _listing(
    names: dict[str, str], where: str, attrition: pd.DataFrame, flagged: list[str]
) -> Listing:
    ways = {MODALITY.label: list(names.values())}
    return Listing(names, ways, MODALITY.label, where, attrition, flagged)
