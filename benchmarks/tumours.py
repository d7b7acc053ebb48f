"""Slides and expression of simulated tumours: what fusion adds, and what each part of it does.

    python benchmarks/tumours.py run results [--seeds 1 2 3 4] [--methods NAME ...]
    python benchmarks/tumours.py table results
    python benchmarks/tumours.py patches results

Each cohort has a seed of its own: people are drawn anew, a third is held out, and all methods
learn the diagnosis of four classes from the same others. The difference from the whole model is
taken within a cohort, so that what all methods find hard in it cancels. Functions of the rules run
in one process, without Snakemake.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import yaml
from scipy.stats import t as student

from gendmr.cohort.splits import split_folds
from gendmr.config.study import Study
from gendmr.expression.join import join_matrices
from gendmr.files.atomic import write_text
from gendmr.files.datasets import read_dataset
from gendmr.files.histology import PATCHES
from gendmr.histology.collect import collect_slides
from gendmr.modalities.store import attributions_schema
from gendmr.simulate.tumours import simulate_tumours
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of
from gendmr.training.evaluate import collect_metrics
from gendmr.training.fold import train_fold
from in_process import join_cohort

SMALL = {"width": 32, "heads": 4, "head_width": 16}
AVERAGED = {"kind": "subspace", **SMALL, "deformable": False, "gene_dropout": 0.7}
GATED = {**AVERAGED, "pooling": "gated"}
THREE = {**GATED, "seeds": 3}
TUMOUR = {"tumour": ["Oncogenes", "Tumor Suppressor Genes"]}
ENVIRONMENT = {"environment": ["Cytokines and Growth Factors", "Cell Differentiation Markers"]}
WHOLE = "whole"
METHODS: dict[str, dict[str, Any]] = {
    WHOLE: {"kind": "subspace", **SMALL},
    # One network, as of all others: without `seeds` it would be five.
    "genes": {"kind": "subspace", **SMALL, "reads": ["expression"], "seeds": 1},
    "slides": {"kind": "subspace", **SMALL, "reads": ["patch"]},
    "tumour": {"kind": "subspace", **SMALL, "subspaces": TUMOUR},
    "environment": {"kind": "subspace", **SMALL, "subspaces": ENVIRONMENT},
    "random-genes": {"kind": "subspace", **SMALL, "random_partition": True},
    "no-coordination": {"kind": "subspace", **SMALL, "coordination": "none"},
    "no-consistency": {"kind": "subspace", **SMALL, "consistency": "none"},
    "no-attention": {"kind": "subspace", **SMALL, "deformable": False},
    "released": {"kind": "subspace", **SMALL, "compat": "released"},
    # What these small bags bear: no sampled places, and genes hidden from most people of a step.
    "averaged": AVERAGED,
    "averaged-slides": {**AVERAGED, "reads": ["patch"]},
    "averaged-tumour": {**AVERAGED, "subspaces": TUMOUR},
    "averaged-environment": {**AVERAGED, "subspaces": ENVIRONMENT},
    "averaged-no-coordination": {**AVERAGED, "coordination": "none"},
    "averaged-all-genes-seen": {**AVERAGED, "gene_dropout": 0.0},
    # The same, with shares of patches that are learned.
    "gated": GATED,
    "gated-slides": {**GATED, "reads": ["patch"]},
    "gated-tumour": {**GATED, "subspaces": TUMOUR},
    "gated-environment": {**GATED, "subspaces": ENVIRONMENT},
    "gated-deformable": {**GATED, "deformable": True},
    "gated-all-genes-seen": {**GATED, "gene_dropout": 0.0},
    "gated-no-coordination": {**GATED, "coordination": "none"},
    # Three such networks, averaged, on both sides of the comparison.
    "three": THREE,
    "three-genes": {**THREE, "reads": ["expression"]},
    "three-slides": {**THREE, "reads": ["patch"]},
    "three-tumour": {**THREE, "subspaces": TUMOUR},
    "three-environment": {**THREE, "subspaces": ENVIRONMENT},
    "attention-mil": {"kind": "mil", "reads": ["patch"]},
    "snn": {"kind": "mil", "reads": ["expression"]},
    "co-attention": {"kind": "mil"},
    "ridge-genes": {"kind": "ridge", "reads": ["expression"]},
}


def study_of(folder: Path, seed: int, changes: dict[str, Any]) -> Study:
    """Write and return the study of one cohort."""
    tumours = {"genes": 600, "features": 32, "patches": [40, 90], **changes}
    inputs = folder / "simulate"
    config = {
        "study": folder.name,
        "seed": seed,
        "simulate": {
            "people": 420,
            "sites": 3,
            "null_mode": bool(tumours.pop("null_mode", False)),
            "tumours": tumours,
        },
        "expression": {
            "matrices": [{"path": str(inputs / "expression.tsv"), "unit": "log2"}],
            "groups": str(inputs / "groups.tsv"),
        },
        "histology": {"slides": str(inputs / "slides.tsv"), "side": 8},
        "cohort": {
            "participants": str(inputs / "participants.tsv"),
            "outcomes": {
                "diagnosis": {
                    "kind": "multiclass",
                    "column": "diagnosis",
                    "classes": ["low-low", "low-high", "high-low", "high-high"],
                }
            },
            "folds": 3,
        },
        "training": {
            "methods": METHODS,
            "optimisation": {"epochs": 25, "patience": 6, "batch_size": 32, "weight_decay": 0.3},
        },
    }
    write_text(folder / "study.yaml", yaml.safe_dump(config, sort_keys=False))
    return Study.parse(folder / "study.yaml")


def run(folder: Path, seeds: list[int], names: list[str], changes: dict[str, Any]) -> None:
    """Make the cohorts that are not there, and train methods that are not trained."""
    studies = {}
    for seed in seeds:
        place = folder / f"cohort-{seed}"
        studies[seed] = study_of(place, seed, dict(changes))
        if not (place / "cohort" / "splits.tsv").is_file():
            prepare(place, studies[seed])
    for name, seed in ((name, seed) for name in names or METHODS for seed in studies):
        place = folder / f"cohort-{seed}"
        target = place / "training" / name / "metrics.tsv"
        if target.is_file():
            continue
        options = studies[seed].method_options(name)
        fold, started = place / "training" / name / "repeat-0" / "fold-0", time.process_time()
        train_fold(
            place / "cohort",
            fold,
            method=name,
            repeat=0,
            fold=0,
            options=options,
            seed=seed,
            device="cpu",
        )
        task = task_of(options.outcome, options.task)
        collect_metrics([fold], target, method=name, task=task, seed=seed)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"cohort {seed}, {name}: macro AUC {macro_auc(target):.3f},"
            f" {time.process_time() - started:.0f} CPU s, peak so far {peak:.0f} MB",
            flush=True,
        )


def prepare(place: Path, study: Study) -> None:
    """Simulate a cohort and run the stages before training."""
    if study.simulate is None or study.expression is None or study.histology is None:
        raise SystemExit("the study lacks a section")
    simulate_tumours(study.simulate, study.seed, place / "simulate")
    join_matrices(study.expression, place / "expression")
    collect_slides(study.histology, place / "histology")
    cohort = join_cohort(study, place)
    split_folds(cohort / "participants.tsv", study.cohort, study.seed, cohort / "splits.tsv")


def macro_auc(path: Path) -> float:
    """Return the macro AUC of the held-out people."""
    metrics = pd.read_csv(path, sep="\t", dtype={"fold": str})
    row = metrics[(metrics["metric"] == "macro_auc") & (metrics["fold"] == "0")]
    return float(row["value"].iloc[0])


def table(folder: Path, seeds: list[int], against: str) -> pd.DataFrame:
    """Return mean AUC of each method, and its difference from one with a 95 % interval."""
    values = pd.DataFrame(
        {
            place.name: {
                path.parent.name: macro_auc(path) for path in place.glob("training/*/metrics.tsv")
            }
            for place in (folder / f"cohort-{seed}" for seed in seeds)
        }
    )
    rows = []
    for name in [method for method in METHODS if method in values.index]:
        aucs = values.loc[name]
        difference = (aucs - values.loc[against]).dropna().to_numpy()
        half = np.nan
        if len(difference) > 1 and name != against:
            reach = float(student.ppf(0.975, len(difference) - 1))
            half = reach * difference.std(ddof=1) / np.sqrt(len(difference))
        rows.append(
            {
                "method": name,
                "auc": aucs.mean(),
                "difference": difference.mean(),
                "low": difference.mean() - half,
                "high": difference.mean() + half,
                "cohorts": " ".join(f"{value:.3f}" for value in aucs),
            }
        )
    return pd.DataFrame(rows)


def patches(folder: Path, seeds: list[int], names: list[str]) -> pd.DataFrame:
    """Return how far planted patches stand out in the attributions of held-out people.

    `precision` is the share of the top decile of a bag that is planted, `base` that of the bag,
    which is precision by chance, and `lift` their ratio. `auc` is the chance that the contribution
    of a planted patch is further from the median of the bag than that of another patch. `recall`
    is the share of planted patches in the top decile, which has no room for more than `most`.
    """
    rows = []
    for place in (folder / f"cohort-{seed}" for seed in seeds):
        planted = pd.read_csv(place / "simulate" / "planted_patches.tsv", sep="\t")
        named = set(zip(planted["slide_id"], planted["x"], planted["y"], strict=True))
        slides = pd.read_csv(place / "simulate" / "slides.tsv", sep="\t")
        slides_of = slides.groupby("participant_id")["slide_id"].apply(sorted)
        bags = read_dataset(place / "cohort" / "patch.nc", PATCHES)
        row_of = {name: row for row, name in enumerate(bags["participant"].values)}
        for name in names:
            fold = place / "training" / name / "repeat-0" / "fold-0"
            if not (fold / "attributions.nc").is_file():
                continue
            stored = read_dataset(
                fold / "attributions.nc", attributions_schema(("patch", "expression"))
            )
            areas, recall, most, precision, base = [], [], [], [], []
            for person, values in zip(
                stored["participant"].values, stored["value_patch"].values, strict=True
            ):
                row = row_of[person]
                # What genes put into every patch alike is no property of a patch.
                size = np.abs(values - np.median(values))
                number = bags["slide"].values[row]
                x, y = bags["x"].values[row], bags["y"].values[row]
                inside = np.array(
                    [
                        (slides_of[person][slide], int(left), int(top)) in named
                        for slide, left, top in zip(number, x, y, strict=True)
                    ]
                )
                areas.append(auc(inside, size))
                first = size >= np.quantile(size, 0.9)
                recall.append(first[inside].mean())
                most.append(min(first.sum() / inside.sum(), 1.0))
                precision.append(inside[first].mean())
                base.append(inside.mean())
            rows.append(
                {
                    "cohort": place.name,
                    "method": name,
                    "precision": np.mean(precision),
                    "base": np.mean(base),
                    "lift": np.mean(precision) / np.mean(base),
                    "auc": np.mean(areas),
                    "recall": np.mean(recall),
                    "most": np.mean(most),
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("folder", type=Path)
    every.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4], help="of cohorts")
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("run", parents=[every])
    part.add_argument("--methods", nargs="*", default=[])
    part.add_argument("--change", type=yaml.safe_load, default={}, help="of simulate.tumours, YAML")
    part = parts.add_parser("table", parents=[every])
    part.add_argument("--against", default=WHOLE, choices=sorted(METHODS))
    part = parts.add_parser("patches", parents=[every])
    part.add_argument(
        "--methods",
        nargs="+",
        default=[WHOLE, "averaged", "gated", "attention-mil", "co-attention"],
    )
    arguments = parser.parse_args()
    if arguments.part == "run":
        run(arguments.folder, arguments.seeds, arguments.methods, arguments.change)
    elif arguments.part == "patches":
        shown = patches(arguments.folder, arguments.seeds, arguments.methods)
        shown.to_csv(sys.stdout, sep="\t", index=False, float_format="%.3f")
    else:
        table(arguments.folder, arguments.seeds, arguments.against).to_csv(
            sys.stdout, sep="\t", index=False, float_format="%.3f"
        )


if __name__ == "__main__":
    main()
