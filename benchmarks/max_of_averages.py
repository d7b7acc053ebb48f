"""Power of a gene's largest average, beside that of the average of each fold's largest.

    python benchmarks/max_of_averages.py

Cohorts of genes with 1 to 40 SNPs in linkage disequilibrium, one causal SNP in each of four genes.
In each of five folds the statistic of every SNP is |z| in the training people, of the SNPs with the
smallest p only, with the true and with permuted diagnoses. Both ways of combining folds score the
very same statistics, and `gendmr.ranking.significance` judges both. Without an effect, the share of
cohorts in which any gene is family-wise significant is the error rate: 0.05 at most.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

import numpy as np

from gendmr.config.ranking import RankingSection
from gendmr.ranking.groups import Groups
from gendmr.ranking.significance import LEVEL, permutation_p_values

FOLDS, SELECTED, PLANTED = 5, 200, 4
OPTIONS = RankingSection(aggregation="max", ld_weighting=False)


def cohort(
    rng: np.random.Generator, people: int, genes: int, log_odds: float
) -> tuple[np.ndarray, np.ndarray, dict[str, list[int]], list[str]]:
    """Return standardised dosages (person, snp), diagnoses, SNPs of genes, and causal genes."""
    sizes = rng.integers(1, 41, genes)
    ends = np.cumsum(sizes)
    members = {
        f"G{number}": list(range(end - size, end))
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True))
    }
    strands = np.empty((2, people, ends[-1]))
    starts = {int(end - size) for size, end in zip(sizes, ends, strict=True)}
    for column in range(ends[-1]):
        noise = rng.normal(size=(2, people))
        strands[..., column] = (
            noise if column in starts else 0.8 * strands[..., column - 1] + 0.6 * noise
        )
    threshold = rng.normal(0, 0.5, ends[-1])
    dosage = (strands > threshold).sum(axis=0).astype(np.float64)
    dosage = (dosage - dosage.mean(axis=0)) / dosage.std(axis=0)
    causal = [f"G{number}" for number in rng.choice(genes, PLANTED, replace=False)]
    liability = log_odds * sum(dosage[:, rng.choice(members[name])] for name in causal)
    case = rng.random(people) < 1 / (1 + np.exp(-liability))
    return dosage, case.astype(np.float64), members, causal


def statistics(dosage: np.ndarray, outcomes: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return |z| (fold, outcome, snp) of the SNPs that each fold selects; 0 for the others."""
    result = []
    for number in range(FOLDS):
        train = fold != number
        x = dosage[train] - dosage[train].mean(axis=0)
        y = outcomes[:, train] - outcomes[:, train].mean(axis=1, keepdims=True)
        r = (y @ x) / np.sqrt((y**2).sum(axis=1)[:, None] * (x**2).sum(axis=0))
        z = np.abs(r) * np.sqrt(train.sum())
        border = np.sort(z, axis=1)[:, -SELECTED, None]
        result.append(np.where(z >= border, z, 0.0))
    return np.stack(result)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--genes", type=int, default=100)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--effects", type=float, nargs="+", default=[0.0, 0.35, 0.45, 0.55])
    arguments = parser.parse_args()
    print(
        "| log odds ratio per SD | planted genes at family-wise 5 %: average of the largest |"
        " largest average | cohorts with a false gene, before | after |"
    )
    print("| --- | --- | --- | --- | --- |")
    for effect in arguments.effects:
        hits, false = np.zeros(2), np.zeros(2)
        for seed in range(arguments.cohorts):
            rng = np.random.default_rng([seed, int(1000 * effect)])
            dosage, case, members, causal = cohort(rng, arguments.people, arguments.genes, effect)
            outcomes = np.stack(
                [case, *(rng.permutation(case) for _ in range(arguments.permutations))]
            )
            by_fold = statistics(dosage, outcomes, rng.permutation(arguments.people) % FOLDS)
            everything = np.arange(dosage.shape[1])
            groups = Groups(members, partial(np.take, dosage, axis=1), everything, OPTIONS)
            before = np.mean([groups.score(fold) for fold in by_fold], axis=0)
            after = groups.score(by_fold.mean(axis=0))
            is_causal = np.isin(groups.names, causal if effect else [])
            for way, scores in enumerate((before, after)):
                family_wise = permutation_p_values(scores[0], scores[1:]).family_wise
                hits[way] += (family_wise[is_causal] <= LEVEL).sum()
                false[way] += (family_wise[~is_causal] <= LEVEL).any()
        power = hits / (PLANTED * arguments.cohorts) if effect else [np.nan, np.nan]
        cells = [f"{effect:g}", *(f"{value:.3f}" for value in (*power, *false / arguments.cohorts))]
        print("| " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
