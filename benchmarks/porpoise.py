"""Baselines of diagnosis, grade and survival on real glioma expression, in the published folds.

    python benchmarks/porpoise.py prepare DATA results/porpoise   # inputs and folds of a study
    python benchmarks/porpoise.py train results/porpoise [METHOD ...]
    python benchmarks/porpoise.py table results/porpoise
    python benchmarks/porpoise.py null results/porpoise METHOD [--permutations 3]
    python benchmarks/porpoise.py stability results/porpoise METHOD METHOD-seed-2 [...]

DATA is a folder with `tcga_gbmlgg.csv.gz`, `signatures.csv` and `labels.tsv`: omics as PORPOISE
publishes them, a row for each slide, and labels with the published fold of each patient. All stages
run in one process: the functions of the rules, but no Snakemake. Each published fold trains on the
other four but for people of the inner validation (`VALIDATION` of them, drawn in proportion to the
classes), which baselines do not need and networks do.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import yaml

from gendmr.cohort.strata import stratify_people
from gendmr.config.study import Study
from gendmr.expression.join import join_matrices
from gendmr.files.atomic import write_text
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import MISSING, write_table
from gendmr.modalities.store import attributions_schema, null_schema
from gendmr.tasks import task_of
from gendmr.training.evaluate import collect_metrics
from gendmr.training.fold import train_fold
from gendmr.training.null import fit_null
from gendmr.training.readout import instance_scores
from in_process import join_cohort

VALIDATION = {"baseline": 0.05, "network": 0.15, "everybody": 0.005}  # at least one a class
FOLDS = 5
MARKERS = {
    "idh": "idh_status",
    "codel": "codel_1p19q",
    "cdkn2a": "cdkn2a_cnv",
    "grade": "grade",
}
GLIOMA = {"kind": "multiclass", "classes": [
    "glioblastoma", "astrocytoma-4", "astrocytoma-2-3", "oligodendroglioma"]}  # fmt: skip
OUTCOMES: dict[str, dict[str, Any]] = {
    "survival": {"kind": "survival", "time": "months", "event": "died", "unit": "months"},
    "diagnosis": {
        **GLIOMA,
        "glioma": {**{marker: marker for marker in MARKERS}, "deletion": "any"},
    },
    "diagnosis-who": {
        **GLIOMA,
        "glioma": {**{marker: marker for marker in MARKERS}, "deletion": "homozygous"},
    },
    "grade-of-three": {"kind": "multiclass", "column": "grade", "classes": ["G2", "G3", "G4"]},
}
METHODS: dict[str, dict[str, Any]] = {
    "clinical-cox": {"kind": "ridge", "outcome": "survival", "reads": ["covariates"]},
    "elastic-net": {"kind": "elastic_net", "outcome": "survival", "reads": ["expression"]},
    "elastic-net-as-given": {
        "kind": "elastic_net",
        "outcome": "survival",
        "reads": ["expression"],
        "modality_options": {"expression": {"clip": None}},
    },
    "elastic-net-clinical": {
        "kind": "elastic_net",
        "outcome": "survival",
        "reads": ["expression", "covariates"],
    },
    "boosting": {"kind": "boosting", "outcome": "survival", "reads": ["expression"]},
    "boosting-clinical": {
        "kind": "boosting",
        "outcome": "survival",
        "reads": ["expression", "covariates"],
    },
    "boosting-markers": {"kind": "boosting", "outcome": "survival", "reads": ["covariates"]},
    "snn-survival": {"kind": "mil", "outcome": "survival", "reads": ["expression"]},
    "snn-diagnosis": {"kind": "mil", "outcome": "diagnosis", "reads": ["expression"]},
    "ridge-cox": {"kind": "ridge", "outcome": "survival", "reads": ["expression"]},
    "ridge-cox-alterations": {"kind": "ridge", "outcome": "survival", "reads": ["alteration"]},
    "ridge-diagnosis": {"kind": "ridge", "outcome": "diagnosis", "reads": ["expression"]},
    "ridge-diagnosis-who": {"kind": "ridge", "outcome": "diagnosis-who", "reads": ["expression"]},
    "subspace-survival": {"kind": "subspace", "outcome": "survival"},
    "subspace-survival-random": {
        "kind": "subspace",
        "outcome": "survival",
        "random_partition": True,
    },
    "subspace-survival-released": {
        "kind": "subspace",
        "outcome": "survival",
        "compat": "released",
    },
    "subspace-survival-released-five": {
        "kind": "subspace",
        "outcome": "survival",
        "compat": "released",
        "seeds": 5,
    },
    "subspace-diagnosis-released": {
        "kind": "subspace",
        "outcome": "diagnosis",
        "compat": "released",
    },
    "subspace-diagnosis": {"kind": "subspace", "outcome": "diagnosis"},
    # One network, as published.
    "subspace-diagnosis-single": {"kind": "subspace", "outcome": "diagnosis", "seeds": 1},
    "subspace-survival-single": {"kind": "subspace", "outcome": "survival", "seeds": 1},
    "subspace-grade-single": {"kind": "subspace", "outcome": "grade-of-three", "seeds": 1},
    "subspace-grade": {"kind": "subspace", "outcome": "grade-of-three"},
    "ridge-grade": {"kind": "ridge", "outcome": "grade-of-three", "reads": ["expression"]},
}


def prepare(data: Path, folder: Path) -> None:
    """Write the inputs of a study, run the stages before training, and write the folds."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    slides = pd.read_csv(data / "tcga_gbmlgg.csv.gz", dtype={"case_id": str}, low_memory=False)
    people = slides.drop_duplicates("case_id").set_index("case_id")
    labels = pd.read_csv(data / "labels.tsv", sep="\t", dtype=str).set_index("case_id")
    labels = labels.loc[people.index]
    names = [str(name) for name in people]
    expression = people[[name for name in names if name.endswith("_rnaseq")]]
    expression.columns = [str(name).removesuffix("_rnaseq") for name in expression]
    expression.T.to_csv(inputs / "expression.tsv", sep="\t", index_label="gene")
    altered = people[[name for name in names if name.endswith(("_cnv", "_mut"))]]
    write_table(inputs / "alteration.tsv", _with_names(altered))
    table = pd.DataFrame(
        {
            "age": people["age"],
            "sex": np.where(people["is_female"] == 1, "F", "M"),
            "months": people["survival_months"],
            "died": (1 - people["censorship"]).astype(int),
            **{ours: labels[theirs] for ours, theirs in MARKERS.items()},
            "published_fold": labels["published_fold"],
        }
    )
    filled = labels["tcga_lgg_grade"].where(labels["tcga_lgg_grade"].isin(["G2", "G3", "G4"]))
    table["grade"] = table["grade"].fillna(filled)
    write_table(inputs / "participants.tsv", _with_names(table.fillna(MISSING)))
    config = {
        "study": folder.name,
        "seed": 1,
        "expression": {
            "matrices": [{"path": str(inputs / "expression.tsv"), "unit": "z"}],
            "groups": str((data / "signatures.csv").resolve()),
        },
        "modalities": {"alteration": {"table": str(inputs / "alteration.tsv")}},
        "cohort": {
            "participants": str(inputs / "participants.tsv"),
            "outcomes": OUTCOMES,
            "covariates": ["age", "sex", "grade", "idh", "codel"],
            "categorical": ["sex", "grade", "idh", "codel"],
            "fold_by": "published_fold",
            "minimum_overlap": 0.1,
        },
        "training": {"covariates": ["age", "sex", "grade", "idh", "codel"], "methods": METHODS},
    }
    write_text(folder / "study.yaml", yaml.safe_dump(config, sort_keys=False))
    study = Study.parse(folder / "study.yaml")
    if study.expression is None:
        raise SystemExit("the study has no expression")
    join_matrices(study.expression, folder / "expression")
    cohort = join_cohort(study, folder)
    for kind, share in VALIDATION.items():
        write_table(folder / f"splits-{kind}.tsv", published_folds(cohort, share))


def published_folds(cohort: Path, share: float) -> pd.DataFrame:
    """Return splits.tsv with the published folds and a share for inner validation.

    Validation people are every so-many-th of those of one diagnosis, ordered by name.
    """
    table = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    folds = table["published_fold"].astype(int)
    columns: dict[str, Any] = {
        "participant_id": table["participant_id"],
        "repeat": 0,
        "fold": folds,
    }
    for fold in range(FOLDS):
        role = np.where(folds == fold, "held-out", "train").astype(object)
        for group in sorted(set(table["diagnosis"])):
            rows = np.flatnonzero((table["diagnosis"] == group) & (folds != fold))
            role[rows[:: round(1 / share)]] = "validation"
        columns[f"inner_{fold}"] = role
    return pd.DataFrame(columns)


def train(
    folder: Path,
    names: list[str],
    folds: list[int],
    as_networks: bool = False,
    everybody: bool = False,
    seed: int | None = None,
) -> None:
    """Train methods of the study, and print what held-out people say.

    `as_networks` keeps the people of the networks' inner validation from baselines too; `everybody`
    keeps one of each class, for comparisons with figures from all people outside a fold. With a
    `seed` that is not the study's, results stand under the name of the method and the seed.
    """
    study = Study.parse(folder / "study.yaml")
    seed = study.seed if seed is None else seed
    for name in names or list(study.methods):
        label = name if seed == study.seed else f"{name}-seed-{seed}"
        label += "-everybody" if everybody else ""
        options = study.method_options(name)
        network = study.methods[name].network or as_networks
        kind = "network" if network else "everybody" if everybody else "baseline"
        use_splits(folder, kind)
        started = time.process_time()
        for fold in folds:
            train_fold(
                folder / "cohort",
                folder / "training" / label / "repeat-0" / f"fold-{fold}",
                method=name,
                repeat=0,
                fold=fold,
                options=options,
                seed=seed,
                device="cpu",
                progress=lambda line: print("  ", line, flush=True),
            )
        if folds == list(range(FOLDS)):
            collect_metrics(
                [folder / "training" / label / "repeat-0" / f"fold-{fold}" for fold in folds],
                folder / "training" / label / "metrics.tsv",
                method=name,
                task=task_of(options.outcome, options.task),
                seed=seed,
            )
        print(f"{label}: {time.process_time() - started:.0f} CPU s", flush=True)


def null(folder: Path, name: str, permutations: int, folds: list[int]) -> None:
    """Fit a method with permuted outcomes; print its time and its genes against them.

    A gene stands out where its score, a mean over folds, is above that of each permutation; of
    exchangeable genes a share of 1 / (permutations + 1) does.
    """
    study, cohort = Study.parse(folder / "study.yaml"), folder / "cohort"
    options = study.method_options(name)
    use_splits(folder, "network" if study.methods[name].network else "baseline")
    stratify_people(
        cohort / "participants.tsv", None, study.cohort, study.seed, cohort / "strata.tsv"
    )
    started = time.process_time()
    own: list[pd.Series] = []
    permuted: list[pd.DataFrame] = []
    for fold in folds:
        path = folder / "null" / name / f"fold-{fold}.nc"
        fit_null(
            cohort,
            path,
            method=name,
            repeat=0,
            fold=fold,
            first=0,
            count=permutations,
            options=options,
            seed=study.seed,
            device="cpu",
        )
        stored = read_dataset(path, null_schema(options.reads))
        scores = stored["mean_abs_expression"]  # (permutation, gene)
        permuted.append(pd.DataFrame(scores.values, columns=stored["expression"].values))
        own.append(_gene_scores(folder, name, fold))
    seconds = (time.process_time() - started) / permutations / len(folds)
    by_chance = pd.concat(permuted).groupby(level=0).mean()
    mean = pd.concat(own, axis=1).mean(axis=1).reindex(by_chance.columns)
    above = mean > by_chance.max()
    print(
        f"{name}: {permutations} permutations of {len(folds)} folds, {seconds:.1f} CPU s each, 99"
        f" of {FOLDS} folds {99 * FOLDS * seconds / 3600:.1f} h; {above.sum()} of {len(above)}"
        f" genes ({100 * above.mean():.0f} %) above all permutations,"
        f" {100 / (permutations + 1):.0f} % by chance"
    )


def stability(folder: Path, names: list[str]) -> pd.DataFrame:
    """Return for each pair of runs how their rankings of genes agree, a mean over folds.

    `spearman` of the scores of genes that both read, `of_20` how many of the first 20 they share.
    """
    rows = []
    for one, other in itertools.combinations(names, 2):
        each = []
        for fold in range(FOLDS):
            columns = [_gene_scores(folder, name, fold) for name in (one, other)]
            pair = pd.concat(columns, axis=1, keys=[one, other])
            pair = pair[(pair > 0).any(axis=1)]
            first = [set(pair[name].nlargest(20).index) for name in pair]
            agreement = pair[one].corr(pair[other], method="spearman")
            each.append([float(agreement), float(len(first[0] & first[1]))])
        spearman, shared = np.mean(np.array(each), axis=0)
        rows.append({"one": one, "other": other, "spearman": spearman, "of_20": shared})
    return pd.DataFrame(rows)


def _gene_scores(folder: Path, name: str, fold: int) -> pd.Series:
    """Return the score of each gene over the held-out people of a fold."""
    path = folder / "training" / name / "repeat-0" / f"fold-{fold}" / "attributions.nc"
    stored = read_dataset(path, attributions_schema(("expression",)))
    scores = instance_scores(stored["value_expression"].values, "mean_abs")
    return pd.Series(scores, index=stored["expression"].values)


def use_splits(folder: Path, kind: str) -> None:
    """Let the cohort have the folds of networks or of baselines."""
    source = folder / f"splits-{kind}.tsv"
    (folder / "cohort" / "splits.tsv").write_bytes(source.read_bytes())


def table(folder: Path) -> pd.DataFrame:
    """Return mean and SD over folds of the metrics of all methods that are trained."""
    rows = []
    for path in sorted(folder.glob("training/*/metrics.tsv")):
        metrics = pd.read_csv(path, sep="\t")
        metrics = metrics[metrics["fold"].astype(str).isin([str(fold) for fold in range(FOLDS)])]
        for metric, metric_rows in metrics.groupby("metric", sort=False):
            rows.append(
                {
                    "method": path.parent.name,
                    "metric": metric,
                    "mean": metric_rows["value"].mean(),
                    "sd": metric_rows["value"].std(),
                    "folds": " ".join(f"{value:.3f}" for value in metric_rows["value"]),
                }
            )
    return pd.DataFrame(rows)


def _with_names(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index(names="participant_id")


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("prepare")
    part.add_argument("data", type=Path)
    part.add_argument("folder", type=Path)
    part = parts.add_parser("train")
    part.add_argument("folder", type=Path)
    part.add_argument("methods", nargs="*")
    part.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    part.add_argument("--as-networks", action="store_true", help="baselines, on as few people")
    part.add_argument("--everybody", action="store_true", help="baselines, on all people outside")
    part.add_argument("--seed", type=int, help="in place of the study's")
    parts.add_parser("table").add_argument("folder", type=Path)
    part = parts.add_parser("null")
    part.add_argument("folder", type=Path)
    part.add_argument("method")
    part.add_argument("--permutations", type=int, default=3)
    part.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    part = parts.add_parser("stability")
    part.add_argument("folder", type=Path)
    part.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    if arguments.part == "prepare":
        prepare(arguments.data, arguments.folder)
    elif arguments.part == "train":
        train(
            arguments.folder,
            arguments.methods,
            arguments.folds,
            arguments.as_networks,
            arguments.everybody,
            arguments.seed,
        )
    elif arguments.part == "null":
        null(arguments.folder, arguments.method, arguments.permutations, arguments.folds)
    elif arguments.part == "stability":
        stability(arguments.folder, arguments.runs).to_csv(
            sys.stdout, sep="\t", index=False, float_format="%.3f"
        )
    else:
        table(arguments.folder).to_csv(sys.stdout, sep="\t", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
