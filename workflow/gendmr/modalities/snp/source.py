"""Genotypes: who passed the filters, and the dosages of their autosomal variants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.cohort import CohortSection
from gendmr.config.genotypes import GenotypesSection, form_of
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import AnnotationError, GenotypeFileError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.datasets import CHUNK
from gendmr.files.pieces import write_blocks
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.modalities.attrition import COLUMNS, Attrition
from gendmr.modalities.base import Listing
from gendmr.modalities.matching import GENOTYPE_IDS, Matching, genotype_ids
from gendmr.modalities.snp.modality import MODALITY, NO_DISTANCE

SNP_TO_GENE: dict[str, Kind] = {
    "snp": "text",
    "chromosome": "text",
    "position": "integer",
    "gene": "text",
    "distance": "text",
    "relation": "text",
}
KINSHIP: dict[str, Kind] = {"id1": "text", "id2": "text", "kinship": "number", "relation": "text"}
SEX = {"1": "M", "2": "F"}  # as PLINK writes it
AUTOSOMES = frozenset(str(number) for number in range(1, 23))


class SnpSource:
    """See `gendmr.modalities.base.Source`."""

    def people(
        self, sources: Mapping[str, str], section: ModalitySection, cohort: CohortSection
    ) -> Listing:
        """Return who passed the filters, and who and which variants did not.

        Variants that are on no autosome are listed as leaving at the stage `cohort`.

        Raises
        ------
        GenotypeFileError
            No variant is on an autosome.
        IdentifierError
            Two rows of the .fam stand for the same person.
        """
        from gendmr.genotypes.filesets import read_bim, read_fam

        prefix = prefix_of(sources)
        fam = read_fam(prefix)
        variants = read_bim(prefix)
        autosomal = autosomes(prefix, variants)
        attrition = Attrition()
        attrition.add(
            variants.loc[~autosomal, "snp"],
            "autosomes",
            "not on chromosomes 1 to 22",
            kind="variant",
        )
        filtered = read_table(sources["attrition"], dict.fromkeys(COLUMNS, "text"))
        listing = _listed(fam["fid"].tolist(), fam["iid"].tolist(), f"{prefix}.fam", cohort)
        aliases: dict[str, list[str]] = {}
        for iid, key in zip(fam["iid"], listing.names, strict=True):
            aliases.setdefault(iid, []).append(key)
        return Listing(
            names=listing.names,
            ways=listing.ways,
            used=listing.used,
            where=listing.where,
            attrition=pd.concat([filtered, attrition.table()], ignore_index=True),
            aliases=aliases,
            kin=read_table(sources["kinship"], KINSHIP, extra=True),
            instances={"variant": int(autosomal.sum())},
            recorded={"sex": _sex(fam, listing.names)},
        )

    def early(
        self, stage: Mapping[str, Any], section: ModalitySection, cohort: CohortSection
    ) -> Listing | None:
        """Return the people of the .fam and .bgen files of a study; None without any."""
        tables = _recorded_people(GenotypesSection.parse(dict(stage), where="genotypes"))
        if not tables:
            return None
        # A person may be on several arrays; the filters keep one of them.
        rows = pd.concat(tables.values())[["fid", "iid", "sex"]].drop_duplicates(["fid", "iid"])
        ways = {
            scheme: list(
                dict.fromkeys(genotype_ids(rows["fid"].tolist(), rows["iid"].tolist(), scheme))
            )
            for scheme in GENOTYPE_IDS
        }
        matching = Matching.of(cohort)
        names = {matching.key(name): name for name in ways[cohort.genotype_id]}
        identifiers = genotype_ids(rows["fid"].tolist(), rows["iid"].tolist(), cohort.genotype_id)
        return Listing(
            names,
            ways,
            cohort.genotype_id,
            ", ".join(tables),
            Attrition().table(),
            recorded={"sex": _sex(rows, map(matching.key, identifiers))},
        )

    def collect(
        self,
        sources: Mapping[str, str],
        people: Mapping[str, str],
        section: ModalitySection,
        cohort: CohortSection,
        output: Path,
    ) -> None:
        """Write the dosages (participant, snp) of all autosomal variants, with their genes.

        The .bed is read some variants at a time: memory does not grow with people x variants.

        Raises
        ------
        InputFileError, GenotypeFileError, IdentifierError
            See `gendmr.genotypes.filesets.check_fileset`.
        AnnotationError
            No SNP has a gene.
        """
        from gendmr.genotypes.bed import dosage_blocks
        from gendmr.genotypes.filesets import load_fileset

        prefix = prefix_of(sources)
        fileset, fam, variants = load_fileset(prefix)
        places = np.flatnonzero(autosomes(prefix, variants))
        listing = _listed(fam["fid"].tolist(), fam["iid"].tolist(), f"{prefix}.fam", cohort)
        row_of = {key: row for row, key in enumerate(listing.names)}
        rows = [(row_of[key], name) for key, name in people.items() if key in row_of]
        if len(places) < len(variants):
            variants = variants.iloc[places]
        gene, distance = genes_of(variants["snp"], sources["genes"])
        coordinates = {
            "participant": np.array([name for _, name in rows], dtype=object),
            "snp": variants["snp"].to_numpy(),
            "chromosome": variants["chromosome"].to_numpy(),
            "position": variants["position"].to_numpy(),
            "effect_allele": variants["a1"].to_numpy(),
            "other_allele": variants["a2"].to_numpy(),
            "gene": gene,
            "distance": distance,
        }
        del variants, fam
        write_blocks(
            output,
            MODALITY.schema,
            MODALITY.main,
            (len(rows), len(places)),
            coordinates,
            dosage_blocks(fileset, np.array([row for row, _ in rows], int), places, CHUNK[1]),
            {"build": str(read_json(sources["annotation"]).get("build", ""))},
        )


SOURCE = SnpSource()


def prefix_of(sources: Mapping[str, str]) -> str:
    """Return the path of the filtered PLINK files without suffix."""
    return sources["genotypes"].removesuffix(".bed")


def autosomes(prefix: str, variants: pd.DataFrame) -> np.ndarray:
    """Return which variants are on chromosomes 1 to 22, bool (variant,).

    Raises
    ------
    GenotypeFileError
        None is.
    """
    autosomal = variants["chromosome"].isin(AUTOSOMES).to_numpy()
    if not autosomal.any():
        raise GenotypeFileError(
            f"{prefix}.bim: none of {len(variants)} variants is on chromosomes 1 to 22",
            cause="another coding of chromosomes",
            next_step="write 1 to 22 in the first column of the .bim, with or without chr",
        )
    return np.asarray(autosomal)


def _recorded_people(section: GenotypesSection) -> dict[str, pd.DataFrame]:
    """Return `fid`, `iid` and `sex` of the people of each file that names them, by its path."""
    from gendmr.genotypes.bgen import bgen_people, withdrawn
    from gendmr.genotypes.filesets import read_fam

    tables = {}
    for name in section.inputs:
        form = form_of(name)
        if form == "bed":
            tables[f"{name}.fam"] = read_fam(name)
        elif form == "bgen" and section.bgen is not None:
            sample = section.bgen.sample_of(name)
            people = bgen_people(name, sample)
            tables[sample or name] = people[~withdrawn(people)]
    return tables


def _sex(fam: pd.DataFrame, keys: Iterable[str]) -> dict[str, str]:
    """Return the recorded sex of people by key, in the order of the .fam; unknown is left out."""
    pairs = zip(keys, fam["sex"].astype(str), strict=True)
    return {key: SEX[code] for key, code in pairs if code in SEX}


def _listed(fid: list[str], iid: list[str], where: str, cohort: CohortSection) -> Listing:
    """Return the people of a .fam by key, in its order."""
    ways = {scheme: genotype_ids(fid, iid, scheme) for scheme in GENOTYPE_IDS}
    names = Matching.of(cohort).keys(ways[cohort.genotype_id], f"{where} ({cohort.genotype_id})")
    return Listing(names, ways, cohort.genotype_id, where, Attrition().table())


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
    gene : object (n,)
        Text: genes by increasing |distance| (ties by name), joined by `;`; empty where there is
        none.
    distance : int64 (n,)
        Base pairs to the first of them; the smallest int64 where there is none.

    Raises
    ------
    AnnotationError
        No SNP has a gene: the files are not of each other.
    """
    table = read_table(snp_to_gene, SNP_TO_GENE)
    table = table.loc[~table["gene"].isin(["", MISSING]), ["snp", "gene", "distance"]]
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
    return genes.to_numpy(dtype=object), distance.to_numpy().astype(np.int64)
