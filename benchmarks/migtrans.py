"""Does fusing genome, connectome and structure pay? Many simulated cohorts, in the same folds.

    python benchmarks/migtrans.py run --cohorts 4
    python benchmarks/migtrans.py run --cohorts 4 --methods migtrans early-fusion --permuted
    python benchmarks/migtrans.py page
    python benchmarks/migtrans.py small > small.yaml
    python benchmarks/migtrans.py cost --method migtrans-maps --resolution 4 --permutations 2

Cohort k is config/studies/migtrans.yaml with the seed k; all its methods are fitted in the same
folds, in one process. With `--permuted` diagnoses change hands before anything reads them, so that
folds are stratified by the permuted ones. A row of docs/explanation/migtrans.tsv that is there,
made by the same code and options, is not made again: a run that was stopped goes on where it stood.
With `--unranked` nothing is attributed or ranked, which takes nearly all the time of maps.
`page` writes the generated part of docs/explanation/migtrans.md. `small` prints a
study of ten methods that goes through the whole workflow in minutes, with five permutations. `cost`
measures one fold of 200 people who have everything, and permutations of it: processor time and the
largest memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from calibration_page import BEGIN, END, replace_part
from gendmr.config.study import Study
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.training.fold import train_fold
from gendmr.training.null import fit_null
from in_process import (
    ROOT,
    auc_of_folds,
    draw_folds,
    judge_folds,
    make_simulated_cohort,
    permute_diagnoses,
    rank_trained,
    train_folds,
)
from migtrans_page import MAIN, generated
from planted import codes
from result_table import CommandLine, ResultTable

STUDY = ROOT / "config/studies/migtrans.yaml"
TABLE = ROOT / "docs/explanation/migtrans.tsv"
PAGE = ROOT / "docs/explanation/migtrans.md"
WORK = ROOT / "results/benchmark-migtrans"
BATCH = 64  # people in a step where epochs are given
FIRST = 10
RANKED = {
    "network_pairs": ("network_pairs", "network_pair"),
    "regions": ("regions", "region"),
    "volume_regions": ("regions", "atlas_region"),
    "genes": ("genes", "gene"),
}  # table of a ranking: column of ours, and the key of its rows
SMALL_METHODS = (
    *("migtrans", "migtrans-maps", "network-alone", "migtrans-edge", "covariates", "amplitude"),
    *("tangent", "early-fusion", "somebody-elses-snp", "late-fusion"),
)
SMALL = {
    **{"people": 120, "images": 110, "genes": 30, "background_snps": 300, "planted": 6},
    **{"strongest_odds_ratio": 4.0, "atrophy": 0.1, "volumes": 100},
}
COLUMNS: dict[str, Kind] = {
    "permuted": "integer",
    "cohort": "integer",
    "method": "text",
    "auc": "number",
    "auc_sd": "number",
    "auc_by_fold": "text",
    "share": "number",
    "network_pairs": "number",
    "regions": "number",
    "genes": "number",
    "seconds": "number",
    "code": "text",
}
ROWS = ResultTable(COLUMNS, key=["permuted", "cohort", "method"], order=["permuted", "cohort"])


# ---- One cohort ----------------------------------------------------------------------------------


def study_of(cohort: int, methods: Sequence[str], epochs: int | None) -> dict[str, Any]:
    """Return the configuration of one cohort: the committed study with another seed."""
    name = f"migtrans-{cohort}"
    text = STUDY.read_text(encoding="utf-8").replace("results/migtrans/", f"results/{name}/")
    config: dict[str, Any] = yaml.safe_load(text)
    config |= {"study": name, "seed": cohort}
    entries = config["training"]["methods"]
    if epochs is not None:
        for entry in entries.values():
            if entry["kind"] == MAIN:
                entry["optimisation"] = {"epochs": epochs, "batch_size": BATCH}
    config["training"]["methods"] = {method: entries[method] for method in methods}
    return config


def make_permuted(study: Study, source: Path, results: Path) -> None:
    """Copy a cohort, give each person the diagnosis of somebody else, and draw folds anew."""
    cohort = results / "cohort"
    shutil.copytree(source / "cohort", cohort, dirs_exist_ok=True)
    shutil.copytree(source / "annotation", results / "annotation", dirs_exist_ok=True)
    permute_diagnoses(cohort, study.seed)
    draw_folds(study, cohort, source / "genotypes/components.tsv")


def row_of(
    study: Study, method: str, results: Path, truth: dict[str, Any], *, ranked: bool
) -> dict[str, Any]:
    """Fit a method in all folds, rank what it reads if asked to, and count what was planted."""
    start = time.process_time()
    if ranked:
        train_folds(study, method, results)
        auc = auc_of_folds(results, method)
    else:
        auc = judge_folds(study, method, results)
    seconds = time.process_time() - start
    row = {
        "auc": round(auc.mean(), 5),
        "auc_sd": round(auc.std(ddof=1), 5),
        "auc_by_fold": " ".join(f"{value:.5f}" for value in auc),
        "share": share_of_network(results / "training" / method),
    }
    planted = planted_first(study, method, results, truth) if ranked else {}
    return row | planted | {"seconds": round(seconds, 1)}


def share_of_network(training: Path) -> float:
    """Return how much of a network counts beside its ridge, mean over folds; NaN without ridge."""
    shares = []
    for path in sorted(training.glob("repeat-*/fold-*/run.json")):
        notes = "\n".join(json.loads(path.read_text(encoding="utf-8"))["notes"])
        shares += [float(value) for value in re.findall(r"the network counts by ([\d.]+):", notes)]
    return float(np.mean(shares)) if shares else np.nan


def planted_first(
    study: Study, method: str, results: Path, truth: dict[str, Any]
) -> dict[str, float]:
    """Return how many planted network pairs, regions and genes are among the first ten."""
    planted = {
        "network_pairs": {
            " ~ ".join(sorted(item["connection"].split(" ~ ")))
            for item in truth.get("connections", [])
        },
        "regions": {item["region"] for item in truth["regions"]},
        "genes": {item["gene"] for item in truth["genes"]},
    }
    if method not in study.ranked_methods():
        return {}
    rank_trained(study, method, results, ranked_as=method)
    counts: dict[str, float] = {}
    for name, (column, key) in RANKED.items():
        path = results / "ranking" / method / f"{name}.tsv"
        if path.is_file():
            rows = read_table(path, {key: "text", "rank": "number"}, extra=True)
            first = rows.sort_values("rank", kind="stable")[key].head(FIRST)
            counts[column] = len(planted[column] & set(first))
    return counts


# ---- The table -----------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    """Make the rows that are missing, cohort by cohort."""
    methods = list(yaml.safe_load(STUDY.read_text(encoding="utf-8"))["training"]["methods"])
    if unknown := sorted(set(arguments.methods or ()) - set(methods)):
        raise SystemExit(f"{', '.join(unknown)}: not in {STUDY}; known: {', '.join(methods)}")
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        config = study_of(cohort, arguments.methods or methods, arguments.epochs)
        table, code = ROWS.read(arguments.table), codes(config)
        cohort_rows = (table["permuted"] == int(arguments.permuted)) & (table["cohort"] == cohort)
        code_of = dict(
            zip(table.loc[cohort_rows, "method"], table.loc[cohort_rows, "code"], strict=True)
        )
        study = Study.parse(config)
        missing = [name for name in study.methods if code_of.get(name) != code[name]]
        if not missing:
            continue
        folder = arguments.work / study.study
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        source = results = Path("results") / study.study
        if not (source / "cohort/strata.tsv").is_file():
            make_simulated_cohort(study, source)
        if arguments.permuted:
            results = Path("results/permuted")
            make_permuted(study, source, results)
        truth = read_json(source / "simulate/truth.json")
        for name in missing:
            row = {"permuted": int(arguments.permuted), "cohort": cohort, "method": name}
            row |= row_of(study, name, results, truth, ranked=not arguments.unranked) | {
                "code": code[name]
            }
            ROWS.add(arguments.table, [row])
            print(f"cohort {cohort}, {name}: {row['auc']:.3f}, {row['seconds']} s", flush=True)
        if not arguments.keep:
            os.chdir(ROOT)
            shutil.rmtree(folder)
    return 0


# ---- A small study -------------------------------------------------------------------------------


def small_study() -> dict[str, Any]:
    """Return the configuration of a study of few people, with stronger effects."""
    config = study_of(1, SMALL_METHODS, None)
    name = config["study"]
    config = json.loads(json.dumps(config).replace(f"results/{name}/", "results/migtrans-small/"))
    config["study"] = "migtrans-small"
    config["simulate"] |= SMALL
    config["cohort"]["folds"] = 3
    for entry in config["training"]["methods"].values():
        if entry["kind"] == MAIN:
            entry["optimisation"] = {"epochs": 4}
    config["training"]["null"] = {"permutations": 5, "methods": [MAIN]}
    return dict(config)


def small(arguments: argparse.Namespace) -> int:
    """Print it."""
    print(yaml.safe_dump(small_study(), sort_keys=False), end="")
    return 0


# ---- What a fold costs ---------------------------------------------------------------------------


def cost(arguments: argparse.Namespace) -> int:
    """Measure one fold of a method, and permutations of it."""
    config = study_of(1, [arguments.method], None)
    config |= {"study": "cost"}
    config = json.loads(json.dumps(config).replace("results/migtrans-1/", "results/cost/"))
    config["simulate"] |= {"people": arguments.people, "images": arguments.people}
    config["modalities"]["volume"]["resolution"] = arguments.resolution
    config["training"]["null"]["permutations"] = arguments.permutations
    study = Study.parse(config)
    arguments.work.mkdir(parents=True, exist_ok=True)
    os.chdir(arguments.work)
    results = Path("results/cost")
    shutil.rmtree(results, ignore_errors=True)
    make_simulated_cohort(study, results)
    options = study.method_options(arguments.method)
    fold = {"method": arguments.method, "repeat": 0, "fold": 0, "options": options}
    print(
        f"{arguments.people} people, {arguments.method}: the cohort alone takes {memory():.2f} GB"
    )
    start = time.process_time()
    train_fold(results / "cohort", results / "fold", **fold, seed=study.seed, device="cpu")
    print(f"a fold: {time.process_time() - start:.0f} processor s, {memory():.2f} GB")
    if arguments.permutations:
        start = time.process_time()
        fit_null(results / "cohort", results / "null.nc", **fold, first=0,
                 count=arguments.permutations, seed=study.seed, device="cpu")  # fmt: skip
        seconds = (time.process_time() - start) / arguments.permutations
        hours = seconds * 99 * study.cohort.folds / 3600
        print(f"a permutation of it: {seconds:.0f} processor s, {memory():.2f} GB; 99 of"
              f" {study.cohort.folds} folds: {hours:.1f} hours of one processor")  # fmt: skip
    return 0


def memory() -> float:
    """Return the most memory that this process has had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


# ---- The page ------------------------------------------------------------------------------------


def page(arguments: argparse.Namespace) -> int:
    """Write the generated part of the page."""
    replace_part(arguments.page, BEGIN, END, generated(ROWS.read(arguments.table)))
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    line.add_cohorts()
    options = line.run_options
    options.add_argument("--methods", nargs="+", help="names in the study; absent: all")
    options.add_argument("--epochs", type=int, help="of networks, in place of those of the study")
    options.add_argument("--permuted", action="store_true", help="with permuted diagnoses")
    options.add_argument(
        "--unranked", action="store_true", help="AUC alone, in a tenth of the time"
    )
    options.add_argument("--keep", action="store_true", help="keep the results of each cohort")
    few = line.commands.add_parser("small", help="print a study that is through in minutes")
    few.set_defaults(do=small)
    fold = line.commands.add_parser("cost", help="measure one fold, and permutations of it")
    fold.add_argument("--method", default=MAIN)
    fold.add_argument("--people", type=int, default=200)
    fold.add_argument("--resolution", type=float, default=4.0, help="of maps, mm")
    fold.add_argument("--permutations", type=int, default=0)
    fold.add_argument("--work", type=Path, default=WORK)
    fold.set_defaults(do=cost)
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
