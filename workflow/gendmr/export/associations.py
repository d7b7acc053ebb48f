"""Association of single variants within the cohort, as GWAS-SSF, by `plink2 --glm`.

It is what a reader of another field asks first, not what methods read: everybody of the cohort is
in it. MAGMA, FUMA and LocusZoom take such files. Format: GWAS-SSF 1.0 (Hayhurst et al. 2022,
https://www.ebi.ac.uk/gwas/docs/summary-statistics-format).
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gendmr import __version__
from gendmr.errors import ToolError
from gendmr.export.results import Export, StudyResults
from gendmr.files.atomic import atomic_path, write_text
from gendmr.files.tables import MISSING
from gendmr.genotypes.plink import FEW_FOUNDERS, Plink, find, workplace
from gendmr.modalities import modality_of
from gendmr.modalities.reader import ArrayReader
from gendmr.simulate.plink import write_fileset

NAME = "snp"
COMPONENTS = 4
# Fewer copies of an allele than this, and the statistic is not normal (the default of PLINK's --mac
# for case and control with Firth's correction is of the same size).
FEWEST_COPIES = 20
FEWEST_PEOPLE = 20
NUMBERS = {"X": "23", "Y": "24", "XY": "23", "MT": "25"}
UNKNOWN = "#NA"


def write_associations(study: StudyResults, output: Path) -> Export:
    """Write `<output>/<outcome>.tsv.gz` and its `-meta.yaml` for each outcome that PLINK can test.

    One person of each family counts. Covariates are those of the methods of the outcome, and four
    components of these people's genotypes.

    Parameters
    ----------
    study : StudyResults
    output : Path
        Folder.

    Raises
    ------
    ToolError
        PLINK 2 is missing or failed.
    """
    export = Export("associations")
    if not (study.folder / "cohort" / f"{NAME}.nc").is_file():
        return export
    for name, task in study.outcomes.items():
        columns = {
            suffix: study.people[f"{name}_{suffix}" if suffix else name] for suffix in task.stored
        }
        trait = task.trait(task.read(columns, "cohort/participants.tsv"))
        if trait is None:
            export.notes.append(f"{name}: PLINK has no model of an outcome that is {task.kind}")
            continue
        people = _independent(study.people, trait)
        if len(people) < FEWEST_PEOPLE or len(np.unique(trait[people])) < 2:
            export.notes.append(
                f"{name}: {len(people)} unrelated people with genotypes and an outcome: too few"
            )
            continue
        path = output / f"{name}.tsv.gz"
        with workplace(output) as folder:
            table, notes = _associate(study, name, people, trait, folder)
        export.notes += [f"{name}: {note}" for note in notes]
        _write(path, table, study, task.label, people, trait)
        export.files += [path, path.with_name(f"{path.name}-meta.yaml")]
    return export


def _independent(people: pd.DataFrame, trait: np.ndarray) -> np.ndarray:
    """Return rows of people with genotypes and outcome, the first of each family, int (person,)."""
    usable = (people[f"has_{NAME}"] == "True").to_numpy() & np.isfinite(trait)
    return np.flatnonzero(usable & ~people["family"].where(usable).duplicated().to_numpy())


def _associate(
    study: StudyResults, outcome: str, rows: np.ndarray, trait: np.ndarray, folder: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Return PLINK's table of all variants, and what was done differently."""
    plink, notes = Plink(), []
    people = study.people.iloc[rows]
    ids = people["participant_id"].to_numpy(dtype=object)
    _write_genotypes(study, ids, folder / "cohort")
    pd.DataFrame({"#IID": ids, "trait": trait[rows]}).to_csv(
        folder / "trait.txt", sep="\t", index=False
    )
    covariates = people[study.covariates(outcome)].replace(MISSING, "NA")
    constant = [name for name in covariates if covariates[name].nunique() < 2]
    covariates = covariates.drop(columns=constant)
    notes += [f"the covariate {name} is the same for all and left out" for name in constant]
    table = pd.concat([pd.Series(ids, name="#IID", index=people.index), covariates], axis=1)
    if len(ids) >= FEW_FOUNDERS:
        table = table.merge(_components(plink, folder, ids), on="#IID")
    else:
        notes.append(f"{len(ids)} people are too few for components of ancestry: none adjusted for")
    command = [
        *("--bfile", "cohort", "--pheno", "trait.txt", "--mac", str(FEWEST_COPIES)),
        *("--glm", "hide-covar", "firth-fallback", *(
            [] if table.shape[1] > 1 else ["allow-no-covars"]
        ), "cols=chrom,pos,ref,alt,a1freq,nobs,beta,se,p"),
    ]  # fmt: skip
    if table.shape[1] > 1:
        # A space inside a label would end PLINK's column.
        table.astype(str).replace(r"\s+", "_", regex=True).to_csv(
            folder / "covariates.txt", sep="\t", index=False
        )
        command += ["--covar", "covariates.txt", "--covar-variance-standardize"]
    plink.run("2", command, out="glm", folder=folder, people=list(ids), variants=None)
    results = sorted(folder.glob("glm.trait.glm.*"))
    results = [path for path in results if not path.name.endswith(".id")]
    if len(results) != 1:
        raise ToolError(
            f"PLINK 2 left {len(results)} tables of associations with {outcome}",
            cause="no variant is frequent enough, or another version of PLINK 2",
            next_step=f"look at its log above; {FEWEST_COPIES} copies of an allele are needed",
        )
    return pd.read_csv(results[0], sep="\t", dtype=str, keep_default_na=False), notes


def _write_genotypes(study: StudyResults, ids: np.ndarray, prefix: Path) -> None:
    """Write the cohort's genotypes of some people as a PLINK file set named by participant_id."""
    reader = ArrayReader(
        study.folder / "cohort" / f"{NAME}.nc",
        modality_of(NAME),
        ids,
        np.ones(len(ids), dtype=bool),
    )
    snps = reader.instances
    # PLINK 2 takes no file set in which a chromosome is split.
    number = snps["chromosome"].replace(NUMBERS).astype(int)
    order = np.lexsort((snps["position"].to_numpy(), number.to_numpy()))
    place = np.empty(len(snps), dtype=np.int64)
    place[order] = np.arange(len(snps))
    snps = snps.iloc[order]
    dosage = np.empty((len(snps), len(ids)), dtype=np.int8)
    for start, block in reader.blocks("dosage", np.arange(len(ids))):
        dosage[place[start : start + block.shape[1]]] = block.T
    variants = pd.DataFrame(
        {
            "chromosome": snps["chromosome"],
            "snp": snps[NAME],
            "position": snps["position"],
            "a1": snps["effect_allele"],
            "a2": snps["other_allele"],
        }
    )
    write_fileset(
        prefix, dosage, variants, pd.DataFrame({"fid": "0", "iid": ids, "sex": _sexes(study, ids)})
    )


def _sexes(study: StudyResults, ids: np.ndarray) -> np.ndarray:
    """Return sex as PLINK writes it, int (person,): 1, 2, or 0 where it is not known."""
    if "sex" not in study.people:
        return np.zeros(len(ids), dtype=int)
    sex = study.people.set_index("participant_id")["sex"].reindex(ids)
    return sex.str.upper().str[:1].map({"M": 1, "F": 2}).fillna(0).to_numpy(dtype=int)


def _components(plink: Plink, folder: Path, ids: np.ndarray) -> pd.DataFrame:
    """Return components of these people's genotypes at variants in linkage equilibrium."""
    prune = ["--maf", "0.05", "--indep-pairwise", "50", "5", "0.2", "--autosome"]
    fit = ["--extract", "pruned.prune.in", "--pca", str(COMPONENTS)]
    for arguments, out in ((prune, "pruned"), (fit, "components")):
        # Which variants pass is for PLINK to decide; all people must.
        plink.run(
            "2",
            ["--bfile", "cohort", *arguments],
            out=out,
            folder=folder,
            people=list(ids),
            variants=None,
        )
    table = pd.read_csv(folder / "components.eigenvec", sep="\t", dtype={"#IID": str, "IID": str})
    table = table.rename(columns={"IID": "#IID"})
    return table[["#IID", *(name for name in table if str(name).startswith("PC"))]]


def _write(
    path: Path,
    results: pd.DataFrame,
    study: StudyResults,
    label: str,
    people: np.ndarray,
    trait: np.ndarray,
) -> None:
    table = ssf_table(results)
    text = table.to_csv(sep="\t", index=False, na_rep=UNKNOWN, lineterminator="\n")
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
    sample: dict[str, Any] = {"sample_size": len(people), "case_control_study": False}
    if set(np.unique(trait[people]).tolist()) == {1.0, 2.0}:
        cases = int((trait[people] == 2).sum())
        sample |= {"case_control_study": True, "case_count": cases}
        sample["control_count"] = len(people) - cases
    frequency = table["effect_allele_frequency"]
    described = {
        "gwas_id": study.name,
        "trait_description": [label],
        "samples": [sample],
        "genome_assembly": study.build or "unknown",
        "coordinate_system": "1-based",
        "minor_allele_freq_lower_limit": float(np.minimum(frequency, 1 - frequency).min()),
        "analysis_software": f"{find('2').version} through GenDMR {__version__}",
        "data_file_name": path.name,
        "data_file_md5sum": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(),
        "file_type": "GWAS-SSF v1.0",
        "is_harmonised": False,
        "is_sorted": True,
    }
    sidecar = path.with_name(f"{path.name}-meta.yaml")
    write_text(sidecar, yaml.safe_dump(described, sort_keys=False))


def ssf_table(results: pd.DataFrame) -> pd.DataFrame:
    """Return PLINK's table in the columns of GWAS-SSF, by chromosome and position.

    Variants without a statistic (too rare, or separated) are left out.

    Parameters
    ----------
    results : DataFrame of text
        Output of `--glm` with the columns chrom, pos, ref, alt, a1freq, nobs, beta, se, p.
    """
    chromosome = results["#CHROM"].replace(NUMBERS)
    effect = results["A1"]
    other_allele = results["ALT"].where(results["REF"] == effect, results["REF"])
    # Identifiers that are no rs numbers have no column in the format: alleles and position name it.
    variant_names = chromosome + "_" + results["POS"] + "_" + results["REF"] + "_" + results["ALT"]
    table = pd.DataFrame(
        {
            "chromosome": chromosome.astype(int),
            "base_pair_location": results["POS"].astype(int),
            "effect_allele": effect,
            "other_allele": other_allele,
            "beta": pd.to_numeric(results["BETA"], errors="coerce"),
            "standard_error": pd.to_numeric(results["SE"], errors="coerce"),
            "effect_allele_frequency": pd.to_numeric(results["A1_FREQ"], errors="coerce"),
            "p_value": pd.to_numeric(results["P"], errors="coerce"),
            "variant_id": variant_names,
            "rsid": results["ID"].where(results["ID"].str.fullmatch(r"rs\d+"), UNKNOWN),
            "n": results["OBS_CT"].astype(int),
        }
    )
    table = table[table["p_value"].notna()]
    order = ["chromosome", "base_pair_location", "variant_id"]
    return table.sort_values(order, kind="stable").reset_index(drop=True)
