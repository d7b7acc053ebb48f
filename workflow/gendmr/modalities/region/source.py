"""Regions: who was measured in the stage `imaging`, and the measurements of the cohort's people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import ImagingSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing
from gendmr.modalities.matching import Matching, strip_sub_prefix
from gendmr.modalities.measured import MeasuredSource
from gendmr.modalities.region.modality import MODALITY
from gendmr.modalities.store import participants_in

QUALITY: dict[str, Kind] = {"participant_id": "text", "outlier": "flag", "reason": "text"}
STATUS: dict[str, Kind] = {"status": "text"}
# Status of a scan without regions -> step and reason under which it is listed.
UNMEASURED = {
    "refused": ("scan refused", "no regions measured"),
    "excluded": ("scan excluded", "regions left out"),
}


@dataclass(frozen=True)
class RegionSource(MeasuredSource):
    """See `MeasuredSource`; who will be imaged is known before the stage has run."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has regions, who has an image without them, and whose are outliers."""
        matching, where = Matching.of(cohort), sources[self.dataset]
        names = matching.keys(participants_in(where), where)
        attrition = Attrition(self.stage)
        table = read_table(
            sources["quality"], QUALITY, optional=STATUS, extra=True, key="participant_id"
        )
        flagged = []
        for row in table.to_dict("records"):
            name, outlier, reason = row["participant_id"], row["outlier"], row["reason"]
            suffix = "" if reason in {"", MISSING} else f": {reason}"
            if matching.key(name) not in names:
                step, description = UNMEASURED.get(
                    str(row.get("status")), ("no regions measured", "no regions measured")
                )
                attrition.add([strip_sub_prefix(name)], step, f"{description}{suffix}")
            elif outlier:
                flagged.append(strip_sub_prefix(name))
                attrition.add([strip_sub_prefix(name)], "flagged", f"outlier, kept{suffix}")
        return self.listing(names, where, attrition.table(), flagged)

    def early(
        self, stage: Mapping[str, Any], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return the people of the BIDS folder, or of the measurements that are given."""
        from gendmr.imaging.bids import find_images
        from gendmr.imaging.measurements import measured_people

        imaging = ImagingSection.parse(dict(stage), where="imaging")
        if imaging.bids is None:
            where = imaging.measured_paths[0]
            names = Matching.of(cohort).keys(measured_people(imaging), where)
            return self.listing(names, where, Attrition().table())
        labels = find_images(imaging.bids, exclude=imaging.exclude, wanted=imaging.select.wanted())
        names = Matching.of(cohort).keys(list(labels), imaging.bids)
        return self.listing(names, imaging.bids, Attrition().table())


SOURCE = RegionSource(MODALITY, stage="imaging", dataset="regions")
