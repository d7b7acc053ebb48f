"""Join participants, genotypes and regions by identifier; list what does not join."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from gendmr.cohort.families import connected_groups
from gendmr.cohort.participants import describe, read_participants, with_diagnosis
from gendmr.cohort.summary import summarise
from gendmr.config.cohort import CohortSection
from gendmr.errors import IdentifierError
from gendmr.files.atomic import write_json
from gendmr.files.datasets import write_dataset
from gendmr.files.tables import Kind, read_table, write_table
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.matching import Matching, check_overlap, hint, loosened
from gendmr.modalities.snp.files import (
    Genotyped,
    Imaged,
    read_genotyped,
    read_imaged,
    region_dataset,
    snp_dataset,
)

KINSHIP: dict[str, Kind] = {"id1": "text", "id2": "text", "kinship": "number", "relation": "text"}
NEEDED: dict[str, tuple[str, ...]] = {
    "any": (),
    "snp": ("genotypes",),
    "region": ("images",),
    "all": ("genotypes", "images"),
}


def join_cohort(
    *,
    genotypes: str,
    genotype_attrition: Path | str,
    kinship: Path | str,
    snp_to_gene: Path | str,
    annotation_summary: Path | str,
    regions: str | None,
    quality: Path | str | None,
    options: CohortSection,
    output: Path,
) -> None:
    """Write the cohort: participants, attrition, one file per modality, summary, flow diagram.

    Parameters
    ----------
    genotypes : str
        Prefix of the filtered PLINK files.
    genotype_attrition, kinship : Path or str
        `genotypes/attrition.tsv` and `genotypes/kinship.tsv`.
    snp_to_gene, annotation_summary : Path or str
        `annotation/snp2gene.tsv` and `annotation/summary.json` (for its `build`).
    regions, quality : path, optional
        `imaging/regions.nc` and `imaging/quality.tsv`; both absent in a study without images.
    options : CohortSection
        The section `cohort`.
    output : Path
        Folder `cohort` of the study.

    Raises
    ------
    TableError
        participants.tsv lacks a configured column, or nobody has a known diagnosis.
    IdentifierError
        Too few people join, or two people have the same identifier.
    """
    from gendmr.cohort.flow import draw_flow

    matching = Matching.of(options)
    attrition = Attrition()
    listed = read_participants(options, attrition)
    keys = matching.keys(listed["participant_id"].tolist(), options.participants)
    listed.index = pd.Index(list(keys))
    genotyped = read_genotyped(genotypes, genotype_attrition, options)
    imaged = read_imaged(regions, quality, matching)
    _check_overlaps(listed, genotyped, imaged, options)

    table = with_diagnosis(listed, options, attrition)
    diagnosed = table.index
    _list_strangers("genotyped", "genotypes", genotyped.names, keys, attrition)
    _list_strangers("imaged", "images", imaged.names, keys, attrition)
    table["has_snp"] = [key in genotyped.keys for key in table.index]
    table["has_region"] = [key in imaged.names for key in table.index]
    table = _with_modalities(table, options, attrition)
    table = table.sort_values("participant_id", kind="stable")
    table["family"] = _families(table, kinship, genotyped, options)
    people = dict(zip(table.index, table["participant_id"], strict=True))

    snp = snp_dataset(genotyped, people, snp_to_gene, annotation_summary, attrition)
    write_dataset(output / "snp.nc", snp, "snp")
    n_variants = snp.sizes["snp"]
    del snp
    if imaged.path is not None:
        regional = region_dataset(imaged.path, imaged.names, people)
        write_dataset(output / "region.nc", regional, "region")

    left = genotyped.attrition.copy()
    of_people = left["kind"] == "participant"
    left.loc[of_people, "id"] = [
        _name(iid, genotyped, keys, matching) for iid in left.loc[of_people, "id"]
    ]
    everything = pd.concat([left, imaged.attrition, attrition.table()], ignore_index=True)
    write_table(output / "attrition.tsv", everything)
    write_json(output / "participants.json", describe(options))
    summary = summarise(
        table,
        everything,
        genotyped,
        imaged,
        options,
        listed=listed.index,
        diagnosed=diagnosed,
        n_variants=n_variants,
    )
    write_json(output / "summary.json", summary)
    draw_flow(summary["flow"], output / "figures" / "flow.png")
    # Last, for the folds are split from it: whoever finds it finds the rest.
    write_table(output / "participants.tsv", table)


def _check_overlaps(
    listed: pd.DataFrame, genotyped: Genotyped, imaged: Imaged, options: CohortSection
) -> None:
    for found, used, where in (
        (genotyped.ways, options.genotype_id, f"{genotyped.prefix}.fam"),
        ({"images": list(imaged.names.values())}, "images", str(imaged.path)),
    ):
        check_overlap(
            listed["participant_id"].tolist(),
            found,
            used,
            matching=Matching.of(options),
            minimum=options.minimum_overlap,
            listed_in=options.participants,
            found_in=where,
        )


def _list_strangers(
    what: str, step: str, names: Mapping[str, str], keys: Mapping[str, str], attrition: Attrition
) -> None:
    """List people of a modality who are not in participants.tsv, with the likely cause."""
    similar = loosened(key for key in keys if key not in names)
    for key in sorted(set(names) - set(keys)):
        meant = hint(key, similar)
        reason = f"{what}, but not in participants.tsv" + (f" ({meant})" if meant else "")
        attrition.add([names[key]], step, reason)


def _with_modalities(
    table: pd.DataFrame, options: CohortSection, attrition: Attrition
) -> pd.DataFrame:
    """Return who has what `require` asks for; list the others."""
    has = {"genotypes": table["has_snp"], "images": table["has_region"]}
    neither = ~has["genotypes"] & ~has["images"]
    attrition.add(table.loc[neither, "participant_id"], "modality", "neither genotypes nor images")
    lacks = neither.copy()
    for name in NEEDED[options.require]:
        lacking = ~has[name] & ~lacks
        reason = f"no {name} (cohort.require: {options.require})"
        attrition.add(table.loc[lacking, "participant_id"], "modality", reason)
        lacks |= lacking
    if lacks.all():
        raise IdentifierError(
            f"nobody of {len(table)} people with a diagnosis has what cohort.require asks for"
            f" ({options.require}): {int(has['genotypes'].sum())} have genotypes,"
            f" {int(has['images'].sum())} images",
            cause="modalities of different people",
            next_step="set cohort.require: any",
        )
    return table[~lacks].copy()


def _families(
    table: pd.DataFrame, kinship: Path | str, genotyped: Genotyped, options: CohortSection
) -> list[str]:
    """Name the family of each person after its first member in the cohort."""
    matching = Matching.of(options)
    pairs = read_table(kinship, KINSHIP, extra=True)
    pairs = pairs[pairs["kinship"] >= options.kinship]
    ties = []
    for one, other in zip(pairs["id1"], pairs["id2"], strict=True):
        # An IID that several people bear ties all of them: one tie too many costs little.
        everyone = [
            *_keys_of(one, genotyped, table.index, matching),
            *_keys_of(other, genotyped, table.index, matching),
        ]
        ties += [(everyone[0], key) for key in everyone[1:]]
    groups = connected_groups(table.index.tolist(), ties)
    name = dict(zip(table.index, table["participant_id"], strict=True))
    first: dict[str, str] = {}
    for key in sorted(groups, key=lambda key: name[key]):
        first.setdefault(groups[key], name[key])
    return [first[groups[key]] for key in table.index]


def _keys_of(iid: str, genotyped: Genotyped, known: Iterable[str], matching: Matching) -> list[str]:
    """Return the keys of the people whom an IID may mean, those removed from genotypes too."""
    if iid in genotyped.persons:
        return genotyped.persons[iid]
    key = matching.key(iid)
    # Their FID is gone with their row, so that FID_IID cannot be formed.
    return [other for other in known if other == key or other.endswith(f"_{key}")] or [key]


def _name(iid: str, genotyped: Genotyped, keys: Mapping[str, str], matching: Matching) -> str:
    """Return the participant_id of an IID where there is exactly one, else the IID."""
    found = [keys[key] for key in _keys_of(iid, genotyped, keys, matching) if key in keys]
    return found[0] if len(found) == 1 else iid
