"""One file per modality: genotypes with their genes, and regions, of the people of the cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.errors import AnnotationError, GenotypeFileError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.modalities.attrition import COLUMNS, Attrition
from gendmr.modalities.matching import GENOTYPE_IDS, Matching, bare, genotype_ids

if TYPE_CHECKING:
    import xarray as xr

SNP_TO_GENE: dict[str, Kind] = {
    "snp": "text",
    "chromosome": "text",
    "position": "integer",
    "gene": "text",
    "distance": "text",
    "relation": "text",
}
# Status of a scan without regions -> step and reason under which it is listed.
UNMEASURED = {
    "refused": ("scan refused", "no regions measured"),
    "excluded": ("scan excluded", "regions left out"),
}
AUTOSOMES = frozenset(str(number) for number in range(1, 23))
# `distance` of a SNP that no gene is near; never 0, which means inside a gene.
NO_DISTANCE = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Genotyped:
    """Who is in the filtered genotypes.

    Attributes
    ----------
    prefix : str
        Prefix of the PLINK files.
    keys : dict of str to int
        Key to row of the .fam.
    names : dict of str to str
        Key to the identifier in the .fam.
    persons : dict of str to list of str
        IID to keys: kinship.tsv and attrition.tsv name people by IID.
    ways : dict of str to list of str
        Each way of naming the people: IID, FID_IID, FID.
    attrition : DataFrame
        `genotypes/attrition.tsv`, all text.
    """

    prefix: str
    keys: dict[str, int]
    names: dict[str, str]
    persons: dict[str, list[str]]
    ways: dict[str, list[str]]
    attrition: pd.DataFrame


@dataclass(frozen=True)
class Imaged:
    """Who has regions.

    Attributes
    ----------
    path : str or None
        `imaging/regions.nc`; None in a study without images.
    names : dict of str to str
        Key to the identifier in the file.
    flagged : list of str
        Outliers, kept.
    attrition : DataFrame
        Flagged people and people with an image but no regions.
    """

    path: str | None
    names: dict[str, str]
    flagged: list[str]
    attrition: pd.DataFrame


def read_genotyped(prefix: str, attrition: Path | str, options: CohortSection) -> Genotyped:
    """Read who is in the filtered genotypes, and who left them.

    Raises
    ------
    IdentifierError
        Two rows of the .fam stand for the same person.
    """
    from gendmr.genotypes.filesets import read_fam

    fam = read_fam(prefix)
    fid, iid = fam["fid"].tolist(), fam["iid"].tolist()
    ways = {way: genotype_ids(fid, iid, way) for way in GENOTYPE_IDS}
    where = f"{prefix}.fam ({options.genotype_id})"
    names = Matching.of(options).keys(ways[options.genotype_id], where)
    persons: dict[str, list[str]] = {}
    for person, key in zip(iid, names, strict=True):
        persons.setdefault(person, []).append(key)
    return Genotyped(
        prefix=prefix,
        keys={key: row for row, key in enumerate(names)},
        names=names,
        persons=persons,
        ways=ways,
        attrition=read_table(attrition, dict.fromkeys(COLUMNS, "text")),
    )


def read_imaged(regions: str | None, quality: Path | str | None, matching: Matching) -> Imaged:
    """Read who has regions, who has an image without them, and whose are outliers."""
    attrition = Attrition("imaging")
    if regions is None or quality is None:
        return Imaged(None, {}, [], attrition.table())
    import xarray as xr

    with xr.open_dataset(regions, engine="h5netcdf", mask_and_scale=False) as stored:
        names = matching.keys(stored["participant"].values.astype(str).tolist(), regions)
    columns: dict[str, Kind] = {"participant_id": "text", "outlier": "flag", "reason": "text"}
    status: dict[str, Kind] = {"status": "text"}
    table = read_table(quality, columns, optional=status, extra=True, key="participant_id")
    flagged = []
    for row in table.to_dict("records"):
        name, outlier, reason = row["participant_id"], row["outlier"], row["reason"]
        said = "" if reason in {"", MISSING} else f": {reason}"
        if matching.key(name) not in names:
            step, what = UNMEASURED.get(str(row.get("status")), ("regions", "no regions measured"))
            attrition.add([bare(name)], step, f"{what}{said}")
        elif outlier:
            flagged.append(bare(name))
            attrition.add([bare(name)], "flagged", f"outlier, kept{said}")
    return Imaged(regions, names, flagged, attrition.table())


def snp_dataset(
    genotyped: Genotyped,
    people: Mapping[str, str],
    snp_to_gene: Path | str,
    annotation_summary: Path | str,
    attrition: Attrition,
) -> xr.Dataset:
    """Return the dosages (participant, snp) of all autosomal variants, with their genes.

    Parameters
    ----------
    genotyped : Genotyped
        The filtered genotypes.
    people : mapping of str to str
        Key to `participant_id` of the cohort, in the order of the rows; who has no genotypes gets
        no row.
    snp_to_gene, annotation_summary : Path or str
        Of the stage `annotation`.
    attrition : Attrition
        Variants on other chromosomes are added.

    Raises
    ------
    GenotypeFileError
        No variant is on an autosome.
    """
    import xarray as xr

    from gendmr.genotypes.filesets import read_bim, read_dosages

    variants = read_bim(genotyped.prefix)
    autosomal = variants["chromosome"].isin(AUTOSOMES).to_numpy()
    attrition.add(
        variants.loc[~autosomal, "snp"], "autosomes", "not on chromosomes 1 to 22", kind="variant"
    )
    if not autosomal.any():
        raise GenotypeFileError(
            f"{genotyped.prefix}.bim: none of {len(variants)} variants is on chromosomes 1 to 22",
            cause="another coding of chromosomes",
            next_step="plink2 --output-chr 26",
        )
    rows = [(genotyped.keys[key], name) for key, name in people.items() if key in genotyped.keys]
    dosage = read_dosages(genotyped.prefix)
    index = np.array([row for row, _ in rows], dtype=int)
    if not np.array_equal(index, np.arange(len(dosage))):
        dosage = dosage[index]
    if not autosomal.all():
        dosage = dosage[:, autosomal]
    variants = variants[autosomal].reset_index(drop=True)
    gene, distance = genes_of(variants["snp"], snp_to_gene)
    dataset = xr.Dataset(
        {"dosage": (("participant", "snp"), dosage)},
        coords={
            "participant": np.array([name for _, name in rows], dtype=str),
            "snp": variants["snp"].to_numpy(dtype=str),
            "chromosome": ("snp", variants["chromosome"].to_numpy(dtype=str)),
            "position": ("snp", variants["position"].to_numpy(dtype=np.int64)),
            "effect_allele": ("snp", variants["a1"].to_numpy(dtype=str)),
            "other_allele": ("snp", variants["a2"].to_numpy(dtype=str)),
            "gene": ("snp", gene),
            "distance": ("snp", distance),
        },
        attrs={"build": str(read_json(annotation_summary).get("build", ""))},
    )
    dataset["dosage"].attrs = {"missing": "-1", "units": "copies of effect_allele"}
    dataset["distance"].attrs = {"missing": str(NO_DISTANCE), "units": "bp"}
    return dataset


def genes_of(snps: pd.Series, snp_to_gene: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Look up the genes of each SNP.

    Parameters
    ----------
    snps : Series of str
        Variant names.
    snp_to_gene : Path or str
        `annotation/snp2gene.tsv`. A SNP of several genes has several rows.

    Returns
    -------
    gene : ndarray of str
        Genes by increasing |distance| (ties by name), joined by `;`; empty where there is none.
    distance : ndarray of int64
        Base pairs to the first of them; the smallest int64 where there is none.

    Raises
    ------
    AnnotationError
        No SNP has a gene: the files are not of each other.
    """
    table = read_table(snp_to_gene, SNP_TO_GENE)
    table = table[~table["gene"].isin(["", MISSING])]
    table["distance"] = pd.to_numeric(table["distance"]).astype("int64")
    table["away"] = table["distance"].abs()
    table = table.sort_values(["snp", "away", "gene"], kind="stable")
    first = table.drop_duplicates("snp").set_index("snp")
    genes, distance = first["gene"].copy(), first["distance"]
    several = table[table["snp"].duplicated(keep=False)]
    genes.update(several.groupby("snp", sort=False)["gene"].agg(";".join))
    genes = genes.reindex(snps).fillna("")
    distance = distance.reindex(snps).fillna(NO_DISTANCE)
    if len(snps) and not (genes != "").any():
        raise AnnotationError(
            f"{snp_to_gene}: none of {len(snps)} variants of the cohort has a gene;"
            f" the first are {first_few(snps, 3)}, the table's {first_few(table['snp'], 3)}",
            cause="the genes are of another build, or the windows are too narrow",
            next_step="check annotation.build, or widen the windows",
        )
    return genes.to_numpy(dtype=str), distance.to_numpy().astype(np.int64)


def region_dataset(
    regions: Path | str, imaged: Mapping[str, str], people: Mapping[str, str]
) -> xr.Dataset:
    """Return the regions of the people of the cohort who have images, in the cohort's order."""
    dataset = read_dataset(regions, "region")
    index = pd.Index(dataset["participant"].values)
    wanted = [(imaged[key], name) for key, name in people.items() if key in imaged]
    dataset = dataset.isel(participant=index.get_indexer([old for old, _ in wanted]))
    return dataset.assign_coords(participant=np.array([new for _, new in wanted], dtype=str))
