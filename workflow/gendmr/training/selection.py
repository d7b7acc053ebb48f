"""Which SNPs enter a fold, decided by the training people alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.config.methods import OwnSnps, parse_interval
from gendmr.config.training import SelectionSection
from gendmr.files.chromosomes import chromosome_name
from gendmr.training.association import hwe, mean_dosage, prune, score_test


@dataclass(frozen=True)
class Selection:
    """Columns of `dosage`, ordered along the genome, and how many SNPs each step removed."""

    columns: np.ndarray
    counts: dict[str, int]


def within(snps: pd.DataFrame, stretch: str) -> np.ndarray:
    """Return which SNPs lie in a stretch such as `19:44000000-46500000`, bool (snp,)."""
    chromosome, first, last = parse_interval(stretch)
    position = snps["position"].to_numpy(dtype=np.int64)
    here = snps["chromosome"].to_numpy(dtype=str) == chromosome_name(chromosome)
    return np.asarray(here & (position >= first) & (position <= last))


def exclude(snps: pd.DataFrame, stretches: tuple[str, ...], notes: list[str]) -> np.ndarray:
    """Return which SNPs lie in one of the stretches, bool (snp,); says so in `notes`."""
    excluded = np.zeros(len(snps), dtype=bool)
    present = set(snps["chromosome"].to_numpy(dtype=str))
    for stretch in stretches:
        inside = within(snps, stretch)
        excluded |= inside
        chromosome = chromosome_name(parse_interval(stretch)[0])
        if chromosome in present:
            notes.append(
                f"The method does not see the {int(inside.sum())} SNPs of {stretch}; ancestry"
                " components do."
            )
        else:
            notes.append(
                f"The stretch {stretch} excludes nothing: the cohort has no SNP on chromosome"
                f" {chromosome}."
            )
    return excluded


def select(
    dosage: np.ndarray,
    diagnosis: np.ndarray,
    covariates: np.ndarray,
    snps: pd.DataFrame,
    options: SelectionSection,
    excluded: np.ndarray,
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
    excluded : bool (snp,)
        SNPs that are left out before anything else.
    """
    counts = _first_counts(excluded)
    genes = [frozenset(filter(None, text.split(";"))) for text in snps["gene"]]
    wanted = frozenset(options.genes)
    if options.mode == "fold_association":
        candidate = ~excluded
    else:
        mapped = np.array([bool(names & wanted if wanted else names) for names in genes], bool)
        candidate = mapped & ~excluded
    counts["in_genes"] = int(candidate.sum())
    minor = _minor_frequency(dosage)
    columns = _sound(candidate, dosage, diagnosis, minor, options, counts)
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


def select_own(
    dosage: np.ndarray,
    diagnosis: np.ndarray,
    snps: pd.DataFrame,
    own: OwnSnps,
    options: SelectionSection,
    excluded: np.ndarray,
) -> Selection:
    """Select the SNPs that a method asks for: no gene, no pruning and no largest number.

    SNPs of an interval pass the same thresholds as others; those named need only vary among the
    training people. Parameters as for `select`.
    """
    counts = _first_counts(excluded)
    if own.names:
        candidate = snps["snp"].isin(own.names).to_numpy(dtype=bool)
        options = SelectionSection(maf=0.0, missing=1.0, hwe=0.0)
    else:
        candidate = within(snps, own.interval)
    candidate = candidate & ~excluded
    counts["in_locus"] = int(candidate.sum())
    columns = _sound(candidate, dosage, diagnosis, _minor_frequency(dosage), options, counts)
    return Selection(columns, {**counts, "selected": int(columns.size)})


def _first_counts(excluded: np.ndarray) -> dict[str, int]:
    return {"available": int(excluded.size), "excluded": int(excluded.sum())}


def _minor_frequency(dosage: np.ndarray) -> np.ndarray:
    frequency = mean_dosage(dosage) / 2
    return np.asarray(np.minimum(frequency, 1 - frequency))


def _varies(dosage: np.ndarray) -> np.ndarray:
    """Return which SNPs have two different genotypes; all heterozygous is no variation."""
    classes = sum((dosage == copies).any(axis=0).astype(int) for copies in (0, 1, 2))
    return np.asarray(classes) > 1


def _sound(
    candidate: np.ndarray,
    dosage: np.ndarray,
    diagnosis: np.ndarray,
    minor: np.ndarray,
    options: SelectionSection,
    counts: dict[str, int],
) -> np.ndarray:
    """Return the columns of candidates that pass the thresholds; counts the others."""
    called = (dosage >= 0).mean(axis=0) if len(dosage) else np.zeros(dosage.shape[1])
    for reason, fine in (
        ("too_often_missing", called >= 1 - options.missing),
        # A SNP without variation carries nothing and would be divided by zero.
        ("constant", _varies(dosage)),
        ("too_rare", minor >= options.maf),
    ):
        counts[reason] = int((candidate & ~fine).sum())
        candidate = candidate & fine
    columns = np.flatnonzero(candidate)
    fails = np.zeros(columns.size, dtype=bool)
    if options.hwe > 0 and columns.size:
        fails = hwe(dosage[diagnosis == 0][:, columns]) < options.hwe
    counts["hwe"] = int(fails.sum())
    return np.asarray(columns[~fails])


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
