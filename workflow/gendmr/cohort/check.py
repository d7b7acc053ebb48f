"""Who will join, before hours are spent on genotypes and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gendmr.cohort.participants import read_participants, with_diagnosis
from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import ImagingSection
from gendmr.files.atomic import write_json
from gendmr.genotypes.filesets import read_fam
from gendmr.imaging.bids import find_images
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.matching import GENOTYPE_IDS, Matching, check_overlap, genotype_ids


def check_people(
    options: CohortSection, imaging: ImagingSection | None, fams: Sequence[str], output: Path
) -> None:
    """Write how many people are listed, genotyped and imaged, and how many of them join.

    Parameters
    ----------
    options : CohortSection
        The section `cohort`.
    imaging : ImagingSection, optional
        Whose BIDS folder is looked at.
    fams : sequence of str
        The .fam files of the study; other forms of genotypes are left to the join.
    output : Path
        `cohort/check.json`.

    Raises
    ------
    InputFileError, TableError, IdentifierError
        What the join would say of participants.tsv and of identifiers that do not match.
    """
    matching = Matching.of(options)
    listed = read_participants(options)
    ids = listed["participant_id"].tolist()
    keys = set(matching.keys(ids, options.participants))
    diagnosed = with_diagnosis(listed, options, Attrition())
    found: dict[str, Any] = {"participants": {"listed": len(ids), "diagnosed": len(diagnosed)}}
    if fams:
        people = [read_fam(fam.removesuffix(".fam")) for fam in fams]
        fid = [name for table in people for name in table["fid"]]
        iid = [name for table in people for name in table["iid"]]
        ways = {way: list(dict.fromkeys(genotype_ids(fid, iid, way))) for way in GENOTYPE_IDS}
        where = ", ".join(fams)
        found["genotypes"] = _joined(ids, keys, ways, options.genotype_id, options, where)
    if imaging is not None and imaging.bids is not None:
        labels = list(find_images(imaging.bids, exclude=imaging.exclude))
        found["images"] = _joined(ids, keys, {"images": labels}, "images", options, imaging.bids)
    write_json(output, found)


def _joined(
    ids: Sequence[str],
    keys: set[str],
    ways: Mapping[str, Sequence[str]],
    used: str,
    options: CohortSection,
    where: str,
) -> dict[str, int]:
    matching = Matching.of(options)
    check_overlap(
        ids,
        ways,
        used,
        matching=matching,
        minimum=options.minimum_overlap,
        listed_in=options.participants,
        found_in=where,
    )
    theirs = {matching.key(identifier) for identifier in ways[used]}
    return {"found": len(theirs), "joined": len(theirs & keys)}
