"""Whether p-values are uniform when nothing is there, and what they find when something is.

    python benchmarks/calibration.py run null --cohorts 20
    python benchmarks/calibration.py run power --cohorts 10
    python benchmarks/calibration.py run null --cohorts 20 --permutations 999 --methods gendmr
    python benchmarks/calibration.py page

`run` makes cohort k from seed k and the study config/studies/calibration.yaml (`power`: with twelve
planted genes and more people; `linked-null` and `linked-power`: with genes in dense stretches,
where linkage crosses them, ranked with and without their neighbours), trains its methods, runs
their nulls and ranks, all through the workflow, and appends one row per method to
docs/explanation/calibration.tsv. A row that is there already is not made again: a run that was
stopped goes on where it stood. With `--methods` these alone are run, all stages in one process, by
the functions that the rules call. `page` writes the generated part of
docs/explanation/calibration.md and its figures from that file alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from calibration_page import write_page
from gendmr.config.study import Study
from gendmr.files.atomic import read_json
from gendmr.files.fingerprint import fingerprint
from gendmr.files.tables import Kind, read_table
from in_process import make_simulated_cohort, rank_trained, train_method, training_key
from planted import ROOT, run_workflow
from result_table import CommandLine, ResultTable

STUDY = ROOT / "config/studies/calibration.yaml"
TABLE = ROOT / "docs/explanation/calibration.tsv"
PAGE = ROOT / "docs/explanation/calibration.md"
WORK = ROOT / "results/benchmark-calibration"
POWER_PEOPLE = 600
PERMUTATIONS = 99
KINDS = ("null", "power", "linked-null", "linked-power")
GAP = 20_000  # bp between linked genes
# Methods of linked cohorts; `near` ranks the same fits over neighbourhoods of genes.
LINKED: dict[str, dict[str, str]] = {
    "gendmr": {"kind": "gendmr"},
    "gendmr-near": {"kind": "gendmr"},
    "smallest-p": {"kind": "association"},
    "smallest-p-near": {"kind": "association"},
}
LINKED_RANKINGS: dict[str, dict[str, Any]] = {
    "gendmr-near": {"score": "evidence", "aggregation": "bayes", "neighbours_kb": 100},
    "smallest-p": {"aggregation": "max"},
    "smallest-p-near": {"aggregation": "max", "neighbours_kb": 100},
}
LEVEL = 0.05
COLUMNS: dict[str, Kind] = {
    "study": "text",
    "people": "integer",
    "cohort": "integer",
    "method": "text",
    "level": "text",
    "permutations": "integer",
    "tests": "integer",
    "counts": "text",
    "pooled": "text",
    "fwer": "number",
    "found_fwer": "integer",
    "true_fwer": "integer",
    "found_q": "integer",
    "true_q": "integer",
    "found_pooled": "integer",
    "true_pooled": "integer",
    "planted": "integer",
    "first": "integer",
    "seconds": "number",
    "code": "text",
}
KEY = ["study", "people", "cohort", "method", "level"]
ROWS = ResultTable(COLUMNS, key=KEY, order=KEY)
BINS = 20  # of the pooled p-values


def study_of(kind: str, cohort: int, permutations: int = PERMUTATIONS) -> dict[str, Any]:
    """Return the configuration of one cohort."""
    name = f"{kind}-{cohort}"
    text = STUDY.read_text(encoding="utf-8").replace("results/calibration/", f"results/{name}/")
    config: dict[str, Any] = yaml.safe_load(text)
    config |= {"study": name, "seed": cohort}
    config["training"].pop(None)  # YAML reads the key `null` so
    config["training"]["null"] = {"permutations": permutations, "chunk": permutations}
    if kind.endswith("power"):
        config["simulate"] |= {
            "null_mode": False, "people": POWER_PEOPLE, "images": POWER_PEOPLE,
        }  # fmt: skip
    if kind.startswith("linked"):
        # Twelve neighbours on one chromosome are there among 300 genes, not among 100.
        config["simulate"] |= {"gene_gap": GAP, "planted_where": "clustered", "genes": 300}
        config["training"]["methods"] = LINKED
        config["ranking"]["methods"] = LINKED_RANKINGS
    return config


def rows_of(
    kind: str, config: dict[str, Any], folder: Path, seconds: float
) -> list[dict[str, Any]]:
    """Read what the rankings of one cohort say."""
    study = Study.parse(config)
    results = folder / "results" / study.study
    truth = read_json(results / "simulate/truth.json")
    planted = {
        "gene": {item["gene"] for item in truth.get("genes", [])},
        "region": {item["region"] for item in truth.get("regions", [])},
    }
    rows = []
    for name in study.null_methods():
        for level in ("gene", "region"):
            path = results / "ranking" / name / f"{level}s.tsv"
            table = read_table(path, {level: "text"}, extra=True) if path.is_file() else None
            if table is None or table.empty:
                continue
            rows.append(
                {
                    "study": kind,
                    "people": config["simulate"]["people"],
                    "cohort": config["seed"],
                    "method": name,
                    "level": level,
                    "permutations": study.training.null.permutations,
                    "seconds": round(seconds, 1),
                    "code": fingerprint(
                        "ranking.rank", *study.method_options(name).code("training.null")
                    )[:12],
                    **judged(table, level, planted[level], study.training.null.permutations),
                }
            )
    return rows


def judged(table: pd.DataFrame, level: str, planted: set[str], draws: int) -> dict[str, Any]:
    """Return the counts of one table."""
    number = {name: table[name].astype(float) for name in ("p", "p_fwer", "q", "q_pooled")}
    pooled = table["p_pooled"].astype(float)
    true = table[level].isin(planted)
    counts = np.bincount((number["p"] * (draws + 1)).round().astype(int) - 1, minlength=draws + 1)
    counted = {
        "tests": len(table),
        "counts": " ".join(map(str, counts)),
        "pooled": " ".join(map(str, np.histogram(pooled, np.linspace(0, 1, BINS + 1))[0])),
        "fwer": float(number["p_fwer"].min()),
        "planted": len(planted),
        "first": int(true.iloc[: len(planted)].sum()) if planted else 0,
    }
    for name, column in (("fwer", "p_fwer"), ("q", "q"), ("pooled", "q_pooled")):
        significant = number[column] <= LEVEL
        counted |= {
            f"found_{name}": int(significant.sum()),
            f"true_{name}": int((significant & true).sum()),
        }
    return counted


def run_in_process(config: dict[str, Any], methods: Sequence[str], folder: Path) -> None:
    """Make a cohort, train and rank some methods; those alike but for the ranking train once."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    study = Study.parse(config)
    results = Path("results") / study.study
    make_simulated_cohort(study, results)
    trained: dict[tuple[str, bool], str] = {}
    for name in methods:
        key = training_key(study, name)
        if key not in trained:
            train_method(study, name, results)
            trained[key] = name
        rank_trained(study, trained[key], results, ranked_as=name)


def run(arguments: argparse.Namespace) -> int:
    """Make the rows that are missing, cohort by cohort."""
    failed = []
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        config = study_of(arguments.kind, cohort, arguments.permutations)
        table = ROWS.read(arguments.table)
        cohort_rows = table[
            (table["study"] == arguments.kind)
            & (table["cohort"] == cohort)
            & (table["permutations"] == arguments.permutations)
        ]
        wanted = arguments.methods or config["training"]["methods"]
        missing = set(wanted) - set(cohort_rows["method"])
        if not missing:
            continue
        folder = arguments.work / f"{arguments.kind}-{cohort}"
        start = time.perf_counter()
        if arguments.methods:
            run_in_process(config, sorted(missing), folder)
        else:
            run_workflow(config, folder, arguments.cores)
        seconds = time.perf_counter() - start
        try:
            rows = rows_of(arguments.kind, config, folder, seconds)
        except OSError as error:
            print(f"cohort {cohort}: {error}", file=sys.stderr)
            failed.append(cohort)
            continue
        ROWS.add(arguments.table, rows)
        print(f"{arguments.kind} {cohort}: {len(rows)} rows, {seconds:.0f} s", flush=True)
        shutil.rmtree(folder)
    return int(bool(failed))


def page(arguments: argparse.Namespace) -> int:
    """Write the page of results."""
    write_page(ROWS.read(arguments.table), arguments.page)
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    line.add_cohorts()
    options = line.run_options
    options.add_argument("kind", choices=KINDS)
    options.add_argument("--methods", nargs="+", help="these alone, all stages in one process")
    options.add_argument("--permutations", type=int, default=PERMUTATIONS)
    options.add_argument("--cores", type=int, default=os.cpu_count())
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
