"""How should the SNPs of a gene be put together? Rankings of one fit of GenDMR, in many cohorts.

    python benchmarks/pooling.py --people 380 --start 11 --cohorts 15
    python benchmarks/pooling.py --people 3000 --cohorts 4 --untrained
    python benchmarks/pooling.py --regime linked --cohorts 4 --neighbours

Cohort k is that of benchmarks/roles.py with the seed k; its five folds are fitted once, and every
ranking of `RANKINGS` is made of the same attributions, or the default one averaged over
neighbourhoods of genes. Printed are the planted genes among the first 25 and 12, those among the
first 25 that act through a region, and the difference from the first ranking in the same cohorts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.methods.base import Attribution
from gendmr.methods.evidence import CHANNELS, CrossFitting, collect_of_all, log_bayes_factors
from gendmr.methods.gendmr.network import TRUST
from gendmr.ranking.levels.snp import members_of
from gendmr.ranking.neighbours import neighbour_weights
from gendmr.ranking.scores import aggregate, ld_weights, squared_correlations
from gendmr.seeds import generator
from gendmr.training.fold import build_method
from gendmr.training.readout import instance_scores
from planted import recall
from planted_page import mean_with_error
from roles import REGIMES, Fold, make_cohort, open_fold

WORK = Path("results/benchmark-roles")
METHOD = "evidence-alone"  # of benchmarks/roles.py: GenDMR by default
Scores = dict[str, np.ndarray]
# Weights of z^2 by channel: outcome, prediction from imaging, what it leaves, single regions.
TWO_WAYS = np.array([[0.8, 0.0, 0.0, 0.0], [0.6, 0.0, 0.0, 0.8]])
# Score of an instance, how those of a gene are put together, and whether linkage weighs.
RANKINGS: dict[str, tuple[Callable[[Scores], np.ndarray], Any, bool]] = {
    "risk, sum": (lambda scores: scores["risk"], "sum", True),
    "risk, max": (lambda scores: scores["risk"], "max", False),
    "attention, mean": (lambda scores: scores["attention"], "mean", False),
    "evidence, bayes": (lambda scores: scores["evidence"], "bayes", False),
    "evidence, max": (lambda scores: scores["evidence"], "max", False),
    "Bayes factor, mean": (lambda scores: np.exp(scores["evidence"]), "mean", False),
    # A gene that acts directly or through a region, whichever, not both at once.
    "two ways, bayes": (
        lambda scores: np.logaddexp(*(scores["z"] ** 2 @ way / 2 for way in TWO_WAYS)),
        "bayes",
        False,
    ),
}
DEFAULT = "evidence, bayes"
UNTRAINED = [DEFAULT, "two ways, bayes"]
# The default averaged over neighbourhoods (`ranking.neighbours_kb`) of so many kb, by where genes
# lie, by their rank along the chromosome, and by places that genes have exchanged.
REACHES = (30, 100, 300)
RANK_STEP = 50_000  # bp from one gene to the next, of ranks


def evidence_of(fold: Fold) -> Scores:
    """Return evidence (snp,) and z (snp, channel) of people who are not held out, without a fit."""
    inputs = fold.inputs
    z, _ = collect_of_all(
        inputs.train.joined(inputs.validation),
        inputs.task,
        CrossFitting(parts=2, partitions=1, channels=CHANNELS),
        generator(inputs.seed, "evidence"),
    )
    return {
        "evidence": log_bayes_factors(z, TRUST["snp"]).astype(np.float64),
        "z": z[..., 0].astype(np.float64),  # of one phenotype
    }


def fitted_scores(attribution: Attribution, fold: Fold) -> Scores:
    """Return what a fit says of each SNP (snp,), by kind, beside the evidence."""
    if attribution.attention is None:
        raise SystemExit("the method gives no attention")
    return evidence_of(fold) | {
        "risk": instance_scores(attribution.value, "mean_abs"),
        "attention": np.nanmean(attribution.attention, axis=0).astype(np.float64),
    }


def gene_scores(
    scores_by_fold: Sequence[Scores], folds: list[Fold], names: Sequence[str]
) -> pd.DataFrame:
    """Return the scores of genes, summed over folds: a row each, a column for each ranking."""
    totals: dict[str, dict[str, float]] = {name: {} for name in names}
    for scores, fold in zip(scores_by_fold, folds, strict=True):
        genes = fold.inputs.preparation.instances("snp")["gene"].tolist()
        dosage = fold.inputs.train.values["snp"]
        for gene, columns in members_of(genes).items():
            read = np.ones((1, len(columns)), dtype=bool)
            weights = ld_weights(squared_correlations(dosage[:, columns]), read)
            for name in names:
                score, how, weighed = RANKINGS[name]
                values = score(scores)[None, columns]
                used = weights if weighed else read.astype(np.float64)
                total = totals[name]
                total[gene] = total.get(gene, 0.0) + float(aggregate(values, used, how)[0])
    return pd.DataFrame(totals)


def over_neighbourhoods(scores: pd.Series, genes: Path, seed: int) -> pd.DataFrame:
    """Return a ranking averaged over neighbourhoods, by reach and by where genes are taken to lie.

    Parameters
    ----------
    scores : pandas.Series
        Scores by gene.
    genes : Path
        `annotation/genes.tsv`.
    seed : int
    """
    kinds: dict[str, Kind] = {"gene": "text", "chromosome": "text", "start": "integer"}
    table = read_table(genes, kinds | {"end": "integer"}, extra=True)
    genomic = table.set_index("gene").loc[scores.index].reset_index()
    rank = genomic.groupby("chromosome")["start"].rank() * RANK_STEP
    exchanged = generator(seed, "benchmark", "exchanged").permutation(len(genomic))
    places = {
        "genomic": genomic,
        "rank": genomic.assign(start=rank, end=rank),
        "exchanged": genomic.iloc[exchanged],
    }
    return pd.DataFrame(
        {
            f"{scores.name}, {reach} kb, {name}": neighbour_weights(where, 1000.0 * reach) @ scores
            for reach in REACHES
            for name, where in places.items()
        },
        index=scores.index,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--regime", choices=list(REGIMES), default="plain")
    parser.add_argument("--people", type=int, default=380)
    parser.add_argument("--cohorts", type=int, required=True, help="how many; cohort k has seed k")
    parser.add_argument("--start", type=int, default=1, help="the first cohort")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of the cohorts")
    parser.add_argument("--untrained", action="store_true", help="fit no network")
    parser.add_argument("--neighbours", action="store_true", help="average over neighbourhoods")
    arguments = parser.parse_args()
    work, regime = arguments.work.resolve(), REGIMES[arguments.regime]
    names = UNTRAINED if arguments.untrained else list(RANKINGS)
    if arguments.neighbours:
        names = [DEFAULT]
    rows: list[dict[str, Any]] = []
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        study, results = make_cohort(regime, arguments.people, cohort, work)
        options = study.method_options(METHOD)
        folds = [open_fold(regime, study, results, k, options) for k in range(study.cohort.folds)]
        if arguments.untrained:
            scores = [evidence_of(fold) for fold in folds]
        else:
            fitted = build_method(options).fit_many(
                [fold.inputs for fold in folds], device="cpu", progress=lambda line: None
            )
            scores = [
                fitted_scores(model.attributions(fold.held_out)["snp"], fold)
                for model, fold in zip(fitted, folds, strict=True)
            ]
        truth = read_json(results / "simulate/truth.json")["genes"]
        by_gene = gene_scores(scores, folds, names)
        if arguments.neighbours:
            annotation = results / "annotation/genes.tsv"
            by_gene = by_gene.join(over_neighbourhoods(by_gene[names[0]], annotation, cohort))
        for name in by_gene:
            order = by_gene[name].sort_values(ascending=False, kind="stable").index.tolist()
            rows.append({"cohort": cohort, "ranking": name} | recall(order, truth))
        print(pd.DataFrame(rows[-len(by_gene.columns) :]).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    by_cohort = table.pivot_table(index="cohort", columns="ranking", values="found25")
    for name in table["ranking"].unique():
        ranking_rows = table[table["ranking"] == name]
        more = by_cohort[name] - by_cohort[names[0]]
        print(
            f"{name:39s} first 25: {mean_with_error(ranking_rows['found25'], 2)}"
            f" (difference {mean_with_error(more, 2, signed=True)}),"
            f" of them through a region {mean_with_error(ranking_rows['region25'], 2)};"
            f" first 12: {mean_with_error(ranking_rows['found12'], 2)}"
        )


if __name__ == "__main__":
    main()
