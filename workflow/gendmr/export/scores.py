"""Scoring files in the format of the PGS Catalog: what an effect allele adds to the prediction.

The weight of a SNP is the mean over folds of what one copy of its effect allele adds to the output
(the logit of a case, the measurement in SDs, the log hazard); in folds that do not read it, it
adds 0. The file is read by pgsc_calc, PLINK (`--score`) and every tool that takes PGS Catalog
files. Format: https://www.pgscatalog.org/downloads/, version 2.0.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.export.results import Export, FinishedFold, StudyResults
from gendmr.files.atomic import atomic_path
from gendmr.modalities import modality_of
from gendmr.modalities.reader import ArrayReader

NAME = "snp"
COLUMNS = ("rsID", "chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")


def write_scores(study: StudyResults, output: Path) -> Export:
    """Write `<output>/<method>.txt.gz` for every method whose output is a sum over SNPs.

    Parameters
    ----------
    study : StudyResults
    output : Path
        Folder.
    """
    export = Export("scores")
    for method, folds in study.folds.items():
        if NAME not in folds[0].run["reads"]:
            continue
        weights = allele_weights(folds)
        if weights is None:
            export.notes.append(
                f"{method}: a network, or trained before version 0.3.0: no sum over SNPs to export"
            )
        elif weights.empty:
            export.notes.append(f"{method}: no SNP has a weight: no scoring file")
        elif weights.shape[1] > 1:
            export.notes.append(
                f"{method}: gives {weights.shape[1]} numbers for a person, a scoring file holds one"
            )
        else:
            path = output / f"{method}.txt.gz"
            _write(path, _table(study, weights[0]), study, method)
            export.files.append(path)
    return export


def allele_weights(folds: Sequence[FinishedFold]) -> pd.DataFrame | None:
    """Return the mean over folds of what an effect allele adds, by SNP (row) and output (column).

    SNPs whose weight is 0 everywhere are left out. None where outputs are no sums.
    """
    total: pd.DataFrame | None = None
    for fold in folds:
        fitted = fold.terms(NAME)
        if fitted is None:
            continue
        # One measure stands behind a SNP: its dosage in SDs of the training people.
        per_allele = fitted["terms"][:, 0, :] / fitted["scale"][:, None]
        fold_weights = pd.DataFrame(per_allele, index=pd.Index(fold.instances(NAME)))
        total = fold_weights if total is None else total.add(fold_weights, fill_value=0.0)
    if total is None:
        return None
    return total[(total != 0).any(axis=1)] / len(folds)


def _table(study: StudyResults, weight: pd.Series) -> pd.DataFrame:
    """Return the SNPs of the scoring file in the order of the genome."""
    nobody = np.zeros(0, dtype=object)
    reader = ArrayReader(
        study.folder / "cohort" / f"{NAME}.nc", modality_of(NAME), nobody, nobody.astype(bool)
    )
    snps = reader.instances
    snps = snps[snps[NAME].isin(weight.index)]
    table = pd.DataFrame(
        {
            "rsID": snps[NAME],
            "chr_name": snps["chromosome"],
            "chr_position": snps["position"],
            "effect_allele": snps["effect_allele"],
            "other_allele": snps["other_allele"],
            "effect_weight": weight.reindex(snps[NAME]).to_numpy(),
        }
    )
    return table[list(COLUMNS)].reset_index(drop=True)


def _write(path: Path, table: pd.DataFrame, study: StudyResults, method: str) -> None:
    task = study.outcomes[study.options(method)["outcome"]]
    header = {
        "format_version": "2.0",
        "pgs_id": f"{study.name}_{method}",
        "pgs_name": f"{study.name}_{method}",
        "trait_reported": task.label,
        "trait_mapped": "",
        "trait_efo": "",
        "genome_build": study.build or "NR",
        "variants_number": len(table),
        "weight_type": "beta",
        "citation": "not published: a result of GenDMR",
    }
    lines = ["###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/"]
    lines += ["#" + f"{key}={value}" for key, value in header.items()]
    text = "\n".join(lines) + "\n" + table.to_csv(sep="\t", index=False, lineterminator="\n")
    with atomic_path(path) as temporary:
        # No time and no name inside, so that the same score has the same bytes.
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
