"""Which SNPs enter a fold, decided by the training people alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.config.training import SelectionSection
from gendmr.training.association import hwe, mean_dosage, prune, score_test


@dataclass(frozen=True)
class Selection:
    """Columns of `dosage`, ordered along the genome, and how many SNPs each step removed."""

    columns: np.ndarray
    counts: dict[str, int]


def select(
    dosage: np.ndarray,
    diagnosis: np.ndarray,
    covariates: np.ndarray,
    snps: pd.DataFrame,
    options: SelectionSection,
) -> Selection:
    """Select SNPs by the training people who have genotypes.

    Parameters
    ----------
    dosage : int8 (people, snp)
    diagnosis : int (people,)
    covariates : float (people, covariate)
        For `fold_association` and `both`.
    snps : DataFrame
        Columns `chromosome`, `position`, `gene` (separated by ';'), `distance`.
    options : SelectionSection
    """
    counts = {"available": int(dosage.shape[1])}
    genes = [frozenset(filter(None, text.split(";"))) for text in snps["gene"]]
    wanted = frozenset(options.genes)
    if options.mode == "fold_association":
        candidate = np.ones(dosage.shape[1], dtype=bool)
    else:
        candidate = np.array([bool(names & wanted if wanted else names) for names in genes], bool)
    counts["in_genes"] = int(candidate.sum())

    called = (dosage >= 0).mean(axis=0) if len(dosage) else np.zeros(dosage.shape[1])
    frequency = mean_dosage(dosage) / 2
    minor = np.minimum(frequency, 1 - frequency)
    enough = called >= 1 - options.missing
    counts["too_often_missing"] = int((candidate & ~enough).sum())
    candidate &= enough
    # A SNP without variation carries nothing and would be divided by zero.
    counts["constant"] = int((candidate & (minor <= 0)).sum())
    candidate &= minor > 0
    counts["too_rare"] = int((candidate & (minor < options.maf)).sum())
    candidate &= minor >= options.maf
    if options.hwe > 0 and candidate.any():
        columns = np.flatnonzero(candidate)
        fails = hwe(dosage[diagnosis == 0][:, columns]) < options.hwe
        counts["hwe"] = int(fails.sum())
        candidate[columns[fails]] = False
    else:
        counts["hwe"] = 0

    columns = np.flatnonzero(candidate)
    if not columns.size:
        return Selection(columns, {**counts, "in_ld": 0, "over_maximum": 0, "selected": 0})
    chromosome = snps["chromosome"].to_numpy(dtype=str)[columns]
    position = snps["position"].to_numpy(dtype=np.int64)[columns]
    if options.mode == "genes":
        # Blind to the diagnosis: nearest to its gene first, then the more informative SNP.
        distance = np.nan_to_num(np.abs(snps["distance"].to_numpy(dtype=np.float64)[columns]))
        priority = np.lexsort((position, -minor[columns].round(3), distance))
        rank = np.empty(columns.size)
        rank[priority] = np.arange(columns.size)
    else:
        z, _ = score_test(dosage[:, columns], diagnosis, covariates)
        rank = -np.abs(z[:, 0])
    limit = None
    if options.mode == "fold_association":
        limit = options.maximum
    kept = prune(dosage[:, columns], chromosome, position, rank, options.r2, stop_after=limit)
    counts["in_ld"] = 0 if limit == kept.size else int(columns.size - kept.size)
    if options.mode == "fold_association":
        chosen = kept
    else:
        chosen = _per_gene(kept, [genes[column] for column in columns], wanted, options)
    counts["over_maximum"] = int(columns.size - counts["in_ld"] - chosen.size)
    counts["selected"] = int(chosen.size)
    return Selection(np.sort(columns[chosen]), counts)


def _per_gene(
    kept: np.ndarray,
    genes: list[frozenset[str]],
    wanted: frozenset[str],
    options: SelectionSection,
) -> np.ndarray:
    """Keep the first `per_gene` SNPs of each gene, then the first rounds up to `maximum`."""
    taken: dict[str, int] = {}
    rounds = np.full(kept.size, options.per_gene, dtype=np.int64)
    for order, column in enumerate(kept):
        names = genes[column] & wanted if wanted else genes[column]
        # A SNP of several genes counts for the one that has fewest so far.
        turn = min(taken.get(name, 0) for name in names)
        if turn < options.per_gene:
            rounds[order] = turn
            for name in names:
                taken[name] = taken.get(name, 0) + 1
    inside = np.flatnonzero(rounds < options.per_gene)
    inside = inside[np.argsort(rounds[inside], kind="stable")][: options.maximum]
    return kept[inside]
