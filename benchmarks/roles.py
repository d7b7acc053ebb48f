"""Who should teach whom? GenDMR without evidence, with other roles, where they could matter.

    python benchmarks/roles.py run --regime plain --cohorts 4
    python benchmarks/roles.py page

A regime is a planted cohort (benchmarks/planted.py) seen otherwise: images of a fifth, wrong
diagnoses in training, stronger imaging, genes that act recessively, by dominance, in pairs or side
by side; and every fit is judged once more by people whose images are withheld. Cohort k has the
seed k; all methods are fitted in the same folds of it, in one process. A row of
docs/explanation/roles.tsv that is there is not made again, so a run that was stopped goes on where
it stood. `page` writes the generated part of docs/explanation/roles.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from calibration_page import BEGIN, END, replace_part
from gendmr.cohort.view import FoldView
from gendmr.config.study import Study
from gendmr.config.training import MethodOptions
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind
from gendmr.methods.base import FitInputs
from gendmr.preprocessing.preparation import OutcomeFree
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import derive, generator
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of
from gendmr.tasks.base import Outcome
from gendmr.tasks.binary.outcome import CaseStatus
from gendmr.training.fold import build_method
from gendmr.training.readout import instance_scores
from in_process import make_simulated_cohort
from planted import ROOT, study_of
from planted_page import markdown, mean_with_error
from result_table import CommandLine, ResultTable

TABLE = ROOT / "docs/explanation/roles.tsv"
PAGE = ROOT / "docs/explanation/roles.md"
WORK = ROOT / "results/benchmark-roles"
EXCHANGE = "exchange"
# Single SNPs whose scores are averaged over the chromosome: what position could tell of genes.
SMOOTHED, ELSEWHERE = "single SNPs smoothed", "single SNPs smoothed elsewhere"
REACH = 100_000  # bp, of the average: weights are exp(-distance / REACH)
NETWORK: dict[str, Any] = {"kind": "gendmr", "design": "network", "roles": "exchange"}
METHODS: dict[str, dict[str, Any]] = {
    EXCHANGE: NETWORK,
    "imaging teaches": NETWORK | {"roles": "imaging"},
    "genetics teaches": NETWORK | {"roles": "genetics"},
    "each teaches itself": NETWORK | {"roles": "self"},
    "both teach": NETWORK | {"dominance": "none"},
    "no distillation": NETWORK | {"distillation": 0.0},
    "with contrast": NETWORK | {"contrast": 0.1},
    "evidence alone": {"kind": "gendmr"},
    "evidence and network": NETWORK | {"evidence": "all"},
    **{
        f"{name}position {position}": design | {"position": position}
        for name, design in (("", NETWORK), ("evidence ", {"kind": "gendmr"}))
        for position in ("index", "none", "shuffled")
    },
    "ridge on regions": {"kind": "ridge", "reads": ["region"]},
    "concatenation": {"kind": "fusion", "mode": "concatenation"},
    "fixed teachers": {"kind": "fusion", "mode": "fixed_teacher"},
    "single SNPs": {"kind": "association"},
    SMOOTHED: {"kind": "association"},
    ELSEWHERE: {"kind": "association"},
    "SNPs to genes": {"kind": "gene_network", "mode": "sparse"},
    "sets of SNPs": {"kind": "gene_network", "mode": "set"},
    "hierarchical attention": {"kind": "gene_network", "mode": "attention"},
}


@dataclasses.dataclass(frozen=True)
class Regime:
    """A way to see a planted cohort.

    Parameters
    ----------
    words : str
    imaged : float
        Share of the people with images.
    atrophy : float
        Share of a region that cases lose.
    wrong : float
        Share of the people to train on and to validate with whose diagnosis is turned around.
    action : str
        How planted genes act: `simulate.gene_action`.
    where : str
        Where they lie: `simulate.planted_where`.
    gap : int or None
        bp between genes, which are then in linkage: `simulate.gene_gap`.
    strongest : float
        Odds ratio of the first planted gene, APOE.
    """

    words: str
    imaged: float = 1.0
    atrophy: float = 0.04
    wrong: float = 0.0
    action: str = "additive"
    where: str = "anywhere"
    gap: int | None = None
    strongest: float = 3.0

    def folder(self, people: int, cohort: int) -> str:
        """Return the name of the folder of a cohort; regimes with the same people share it."""
        name = f"{people}-{self.imaged:g}-{self.atrophy:g}-{cohort}"
        usual = Regime("")
        others = [
            f"{getattr(self, field)}"
            for field in ("action", "where", "gap", "strongest")
            if getattr(self, field) != getattr(usual, field)
        ]
        return "-".join([name, *others])


REGIMES = {
    "plain": Regime("everybody has images, as on the page of planted truth"),
    "fifth-imaged": Regime("a fifth of the people have images", imaged=0.2),
    "wrong": Regime("20 % of the diagnoses in training are wrong", wrong=0.2),
    "wrong-tenth": Regime("10 % of the diagnoses in training are wrong", wrong=0.1),
    "strong-imaging": Regime("atrophy twice as large", atrophy=0.08),
    "recessive": Regime("a gene acts with two copies of its risk allele", action="recessive"),
    "dominant": Regime(
        "a gene acts with one copy of its risk allele as with two", action="dominant"
    ),
    "pairs": Regime("genes act in pairs, where both have a risk allele", action="epistatic"),
    "clustered": Regime(
        "planted genes are neighbours, their causal SNPs near the start", where="clustered"
    ),
    "linked": Regime(
        "planted genes are neighbours in dense stretches, where linkage crosses genes",
        where="clustered",
        gap=20_000,
    ),
    "linked-weak": Regime(
        "the same, and no gene is stronger than the others",
        where="clustered",
        gap=20_000,
        strongest=1.4,
    ),
}
COLUMNS: dict[str, Kind] = {
    "regime": "text",
    "people": "integer",
    "cohort": "integer",
    "method": "text",
    "auc": "number",
    "auc_blind": "number",
    "auc_train": "number",
    "found25": "number",
    "seconds": "number",
}
ROWS = ResultTable(
    COLUMNS, key=["regime", "people", "cohort", "method"], order=["regime", "people", "cohort"]
)


# ---- One cohort ----------------------------------------------------------------------------------


def make_cohort(regime: Regime, people: int, cohort: int, work: Path) -> tuple[Study, Path]:
    """Return the study of a cohort and its results, made where they are not there."""
    config = study_of(people, round(people * regime.imaged), cohort, ["gendmr"])
    config["simulate"] |= {
        "atrophy": regime.atrophy,
        "gene_action": regime.action,
        "planted_where": regime.where,
        "gene_gap": regime.gap,
        "strongest_odds_ratio": regime.strongest,
    }
    config["training"]["methods"] = {
        name.replace(" ", "-"): options for name, options in METHODS.items()
    }
    study = Study.parse(config)
    folder = work / regime.folder(people, cohort)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    results = Path("results") / study.study
    if not (results / "cohort/strata.tsv").is_file():
        make_simulated_cohort(study, results)
    return study, results


@dataclasses.dataclass(frozen=True)
class Fold:
    """What a fold gives to every method that reads the same."""

    inputs: FitInputs
    held_out: PreparedSubset


def open_fold(
    regime: Regime, study: Study, results: Path, number: int, options: MethodOptions
) -> Fold:
    """Prepare a fold as the regime sees it."""
    task = task_of(options.outcome, options.task)
    view = FoldView.open(
        results / "cohort", 0, number, task=task, modalities=tuple(options.modalities)
    )
    train, validation = view.train, view.validation
    if regime.wrong:
        random = generator(study.seed, "benchmark", "wrong", number)
        train, validation = (
            subset.with_outcome(turned(subset.outcome, regime.wrong, random))
            for subset in (train, validation)
        )
    outcome_free = OutcomeFree(view, options)
    (strength,) = outcome_free.abs_z([train.outcome])
    preparation = outcome_free.condition(train.outcome, strength)
    seed = derive(study.seed, "benchmark", "roles", number)
    inputs = FitInputs(preparation.apply(train), preparation.apply(validation), preparation, seed)
    view.seal()
    return Fold(inputs, preparation.apply(view.held_out))


def blind(people: PreparedSubset) -> PreparedSubset:
    """Return the same people without images: for methods that ask who has one, and for others."""
    if "region" not in people.values:
        return people
    nobody = np.zeros(len(people), dtype=bool)
    return dataclasses.replace(
        people,
        present={**people.present, "region": nobody},
        values={**people.values, "region": np.zeros_like(people.values["region"])},
    )


def turned(outcome: Outcome, share: float, random: np.random.Generator) -> CaseStatus:
    """Return the diagnoses with a share of them turned around."""
    case = case_of(outcome)
    return CaseStatus(np.where(random.random(len(case)) < share, 1 - case, case))


def case_of(outcome: Outcome) -> np.ndarray:
    """Return who is a case, int64 (person,)."""
    return cast("CaseStatus", outcome).case


def smoothed(places: pd.DataFrame, scores: np.ndarray) -> np.ndarray:
    """Return scores (snp,) averaged over the chromosome.

    Parameters
    ----------
    places : pandas.DataFrame
        Where each SNP is taken to lie: `chromosome` and `position`.
    scores : ndarray, shape (snp,)
    """
    chromosome, position = places["chromosome"].to_numpy(), places["position"].to_numpy(float)
    near = np.exp(-np.abs(position[:, None] - position) / REACH)
    near *= chromosome[:, None] == chromosome
    return np.asarray(near @ scores / near.sum(axis=1))


def scores_of_genes(genes: pd.Series, scores: np.ndarray, *, mean: bool) -> pd.Series:
    """Return the sum or mean of SNPs' scores by gene; a SNP counts for each of its genes.

    Parameters
    ----------
    genes : pandas.Series, shape (snp,)
        Joined by semicolons.
    scores : ndarray, shape (snp,)
    mean : bool
    """
    table = pd.DataFrame({"gene": genes.str.split(";").to_numpy(), "score": scores})
    by_gene = table.explode("gene").groupby("gene", sort=False)["score"]
    return by_gene.mean() if mean else by_gene.sum()


def row_of(
    name: str, study: Study, folds: list[Fold], planted: set[str], options: MethodOptions
) -> dict[str, Any]:
    """Fit a method in all folds and say what it predicts and finds."""
    start = time.process_time()
    fitted = build_method(options).fit_many(
        [fold.inputs for fold in folds], device="cpu", progress=lambda line: None
    )
    aucs: dict[str, list[float]] = {"auc": [], "auc_blind": [], "auc_train": []}
    scores = pd.Series(dtype=np.float64)
    for model, fold in zip(fitted, folds, strict=True):
        for column, people in (
            ("auc", fold.held_out),
            ("auc_blind", blind(fold.held_out)),
            ("auc_train", fold.inputs.train),
        ):
            case = case_of(people.outcome)
            aucs[column].append(auc(case, model.predict(people)[:, 0]))
        attribution = model.attributions(fold.held_out).get("snp")
        if attribution is None:
            continue
        snps = fold.inputs.preparation.instances("snp")
        snp_scores = instance_scores(attribution.value, "mean_abs")
        if name in (SMOOTHED, ELSEWHERE):
            random = generator(study.seed, "benchmark", "shuffled")
            places = random.permutation(len(snps)) if name == ELSEWHERE else np.arange(len(snps))
            snp_scores = smoothed(snps.iloc[places], snp_scores)
        pooled = scores_of_genes(snps["gene"], snp_scores, mean=name in (SMOOTHED, ELSEWHERE))
        scores = scores.add(pooled, fill_value=0.0)
    order = scores.sort_values(ascending=False, kind="stable").index
    return {
        "method": name,
        **{column: round(float(np.mean(values)), 5) for column, values in aucs.items()},
        "found25": len(planted & set(order[:25])) if len(order) else np.nan,
        "seconds": round(time.process_time() - start, 1),
    }


# ---- The table -----------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    """Make the rows that are missing, cohort by cohort."""
    regime = REGIMES[arguments.regime]
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        table = ROWS.read(arguments.table)
        setting_rows = (table["regime"] == arguments.regime) & (table["people"] == arguments.people)
        methods_done = set(table.loc[setting_rows & (table["cohort"] == cohort), "method"])
        missing = [name for name in arguments.methods if name not in methods_done]
        if not missing:
            continue
        study, results = make_cohort(regime, arguments.people, cohort, arguments.work)
        truth = read_json(results / "simulate/truth.json")
        planted = {item["gene"] for item in truth["genes"]}
        opened: dict[tuple[str, ...], list[Fold]] = {}
        for name in missing:
            options = study.method_options(name.replace(" ", "-"))
            if options.reads not in opened:
                opened[options.reads] = [
                    open_fold(regime, study, results, number, options)
                    for number in range(study.cohort.folds)
                ]
            row = {"regime": arguments.regime, "people": arguments.people, "cohort": cohort}
            row |= row_of(name, study, opened[options.reads], planted, options)
            ROWS.add(arguments.table, [row])
            print(f"{arguments.regime}, cohort {cohort}, {name}: {row['auc']:.3f}", flush=True)
    return 0


# ---- The page ------------------------------------------------------------------------------------


def generated(table: pd.DataFrame) -> str:
    """Return the tables of the page: a section for each regime and number of people."""
    parts = []
    for regime, words in ((name, item.words) for name, item in REGIMES.items()):
        part = table[table["regime"] == regime]
        for people, rows in part.groupby("people"):
            parts += [f"### {people:,} people: {words}", section(rows)]
    return "\n\n".join(parts) or "No cohort has been run yet."


def section(rows: pd.DataFrame) -> str:
    """Return the table of one regime: each method, and how much better the exchange is."""
    aucs = rows.pivot_table(index="cohort", columns="method", values="auc")
    blinded = rows.pivot_table(index="cohort", columns="method", values="auc_blind")
    first_genes = rows.pivot_table(index="cohort", columns="method", values="found25")
    seconds = rows.groupby("method")["seconds"].mean()
    lines = []
    for name in (name for name in METHODS if name in aucs):
        difference = (
            ""
            if EXCHANGE not in aucs
            else mean_with_error((aucs[EXCHANGE] - aucs[name]).dropna(), 3)
        )
        lines.append(
            [
                name,
                str(aucs[name].count()),
                mean_with_error(aucs[name].dropna(), 3),
                "" if name == EXCHANGE else difference,
                mean_with_error(blinded[name].dropna(), 3),
                mean_with_error(first_genes[name].dropna(), 1) if name in first_genes else "–",
                f"{seconds[name]:.0f}",
            ]
        )
    head = [
        *("method", "cohorts", "AUC", "exchange is better by", "AUC without their images"),
        *("planted genes in first 25", "processor seconds"),
    ]
    return markdown(head, lines)


def page(arguments: argparse.Namespace) -> int:
    """Write the page of results."""
    replace_part(arguments.page, BEGIN, END, generated(ROWS.read(arguments.table)))
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    line.add_cohorts()
    options = line.run_options
    options.add_argument("--regime", choices=list(REGIMES), required=True)
    options.add_argument("--people", type=int, default=1000)
    options.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
