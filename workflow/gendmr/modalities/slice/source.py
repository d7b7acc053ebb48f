"""Slices: whose volumes the stage `lesions` could use, and the slices of the cohort's people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gendmr.config.cohort import CohortSection
from gendmr.config.lesions import LesionsSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.slice import SliceSection
from gendmr.files.lesions import read_volume
from gendmr.files.opening import opened
from gendmr.files.pieces import write_instances
from gendmr.files.tables import read_table
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing
from gendmr.modalities.matching import Matching, strip_sub_prefix
from gendmr.modalities.measured import MeasuredSource
from gendmr.modalities.slice.modality import MODALITY
from gendmr.statistics.resize import resize

if TYPE_CHECKING:
    import h5py

VOXELS = "lesion_voxels"  # of quality.tsv, which outcomes are made of


@dataclass(frozen=True)
class SliceSource(MeasuredSource):
    """See `MeasuredSource`; volumes are read one by one."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who has a volume, and how many voxels of it are lesion."""
        listing = super().people(sources, section, cohort)
        matching = Matching.of(cohort)
        table = read_table(
            sources["quality"],
            {"participant_id": "text", VOXELS: "integer"},
            extra=True,
            key="participant_id",
        )
        voxels = {
            matching.key(strip_sub_prefix(str(name))): float(count)
            for name, count in zip(table["participant_id"], table[VOXELS], strict=True)
        }
        outcomes = {VOXELS: {key: voxels[key] for key in listing.names if key in voxels}}
        return replace(listing, outcomes=outcomes)

    def early(
        self, stage: Mapping[str, Any], section: ModalitySection, cohort: CohortSection
    ) -> Listing | None:
        """Return whose images are there; None where none is made yet."""
        from gendmr.lesions.people import find_people

        measured = LesionsSection.parse(dict(stage), where="lesions")
        root = str(measured.tif or measured.nifti).partition("{")[0]
        if not (Path(root) if measured.tif else Path(root).parent).is_dir():
            return None
        people = [name for name in find_people(measured) if name not in measured.exclude]
        names = Matching.of(cohort).keys(people, root)
        return self.listing(names, root, Attrition(self.stage).table())

    def identifiers(self, where: str) -> list[str]:
        """Return the participants of the volumes."""
        with opened(Path(where), "run the rule collect_lesions") as stored:
            return list(stored)

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the slices of the people of the cohort, in the cohort's order."""
        if not isinstance(section, SliceSection):
            raise TypeError(f"a section {type(section).__name__}, not SliceSection")
        where, side = sources[self.dataset], section.side
        with opened(Path(where), "run the rule collect_lesions") as stored:
            identifiers = list(stored)
            selected = [
                (identifiers[row], name)
                for row, name in Matching.of(cohort).rows(identifiers, people, where)
            ]
            channels = [str(name) for name in stored.attrs["channels"]]
            shapes = np.array([stored[label]["mask"].shape for label, _ in selected])
            most, rows, columns = shapes.max(axis=0).tolist()
            coordinates = _coordinates(stored, selected, most, channels)

        def volumes() -> Iterator[dict[str, np.ndarray]]:
            for label, _ in selected:
                volume = read_volume(where, label)
                image = resize(volume.normalised(), side, side)
                inside = np.pad(
                    volume.mask.astype(np.int8),
                    [(0, 0), (0, rows - volume.mask.shape[1]), (0, columns - volume.mask.shape[2])],
                    constant_values=-1,
                )
                yield {"image": image.swapaxes(0, 1), "mask": inside}

        shape = (len(selected), most)
        write_instances(
            output,
            MODALITY.schema,
            {
                "image": (*shape, len(channels), side, side),
                "mask": (*shape, rows, columns),
            },
            coordinates,
            volumes(),
        )


def _coordinates(
    stored: h5py.File, selected: list[tuple[str, str]], most: int, channels: list[str]
) -> dict[str, np.ndarray]:
    """Return all variables but images and masks."""
    numbers = np.full((len(selected), most), -1, dtype=np.int64)
    for row, (label, _) in enumerate(selected):
        slice_numbers = stored[label]["slice_number"][:]
        numbers[row, : len(slice_numbers)] = slice_numbers
    return {
        "participant": np.array([name for _, name in selected], dtype=object),
        "slice": np.array([str(place + 1) for place in range(most)], dtype=object),
        "channel": np.array(channels, dtype=object),
        "slice_number": numbers,
        **{
            name: np.stack([stored[label][name][:] for label, _ in selected])
            for name in ("channel_known", "voxel_size", "affine")
        },
    }


SOURCE = SliceSource(MODALITY, stage="lesions", dataset="volumes")
