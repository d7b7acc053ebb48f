"""Whether p-values are uniform when nothing drives a measurement, a time to an event, or classes.

    python benchmarks/calibration_outcomes.py run null --cohorts 20 --skip gendmr
    python benchmarks/calibration_outcomes.py run null --cohorts 5
    python benchmarks/calibration_outcomes.py run power --cohorts 3 --skip gendmr
    python benchmarks/calibration_outcomes.py page

As `calibration.py`, for the outcomes of config/studies/calibration-outcomes.yaml, which one cohort
has side by side. All stages run in one process (`in_process`): the functions of the rules, but no
Snakemake and one start of Python. A row of docs/explanation/calibration_outcomes.tsv that is there
is not made again; `page` writes the second generated part of docs/explanation/calibration.md and
its figure from that file alone.
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

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import yaml

from calibration import COLUMNS as COLUMNS_OF_DIAGNOSIS
from calibration import POWER_PEOPLE, judged
from calibration_outcomes_page import write_page
from gendmr.config.study import Study
from gendmr.files.atomic import read_json
from gendmr.files.fingerprint import fingerprint
from gendmr.files.tables import Kind, read_table
from gendmr.tasks import task_of
from in_process import make_simulated_cohort, rank_trained, train_method, training_key
from planted import ROOT
from result_table import CommandLine, ResultTable

STUDY = ROOT / "config/studies/calibration-outcomes.yaml"
TABLE = ROOT / "docs/explanation/calibration_outcomes.tsv"
PAGE = ROOT / "docs/explanation/calibration.md"
WORK = ROOT / "results/benchmark-calibration-outcomes"
COLUMNS: dict[str, Kind] = {
    "outcome": "text",
    **COLUMNS_OF_DIAGNOSIS,
    "metric": "text",
    "value": "number",
}
KEY = ["study", "people", "cohort", "outcome", "method", "level"]
ROWS = ResultTable(COLUMNS, key=KEY, order=KEY)


def study_of(kind: str, cohort: int, results: Path) -> Study:
    """Return one cohort's study, with its paths in a folder of results."""
    text = STUDY.read_text(encoding="utf-8")
    text = text.replace("results/calibration-outcomes", str(results))
    config: dict[str, Any] = yaml.safe_load(text)
    config |= {"study": f"{kind}-{cohort}", "seed": cohort}
    if kind == "power":
        config["simulate"] |= {
            "null_mode": False, "people": POWER_PEOPLE, "images": POWER_PEOPLE,
        }  # fmt: skip
    return Study.parse(config)


def shown(name: str, outcome: str) -> str:
    """Return a method's name without that of its outcome."""
    return name.removesuffix(f"-{outcome}")


def rows_of(
    kind: str, study: Study, name: str, trained: str, results: Path, seconds: float
) -> list[dict[str, Any]]:
    """Return a row per level of what one method's ranking says.

    Parameters
    ----------
    kind : str
        `null` or `power`.
    study : Study
    name, trained : str
        The ranked method, and the one whose folds it reads.
    results : Path
    seconds : float
        Of all folds and their nulls.
    """
    options = study.method_options(name)
    metric = task_of(options.outcome, options.task).metrics[0].name
    metrics = read_table(
        results / "training" / trained / "metrics.tsv",
        {"fold": "text", "metric": "text", "value": "number"},
        extra=True,
    )
    mean = metrics.loc[(metrics["metric"] == metric) & (metrics["fold"] == "mean"), "value"]
    truth = read_json(results / "simulate/truth.json")
    permutations = study.training.null.permutations
    rows = []
    for level in ("gene", "region"):
        planted = {item[level] for item in truth.get(f"{level}s", [])}
        table = read_table(
            results / "ranking" / name / f"{level}s.tsv", {level: "text"}, extra=True
        )
        rows.append(
            {
                "study": kind,
                "people": study.simulate.people if study.simulate else 0,
                "cohort": study.seed,
                "outcome": options.outcome,
                "method": shown(name, options.outcome),
                "level": level,
                "permutations": permutations,
                "seconds": round(seconds, 1),
                "code": fingerprint(*options.code("training.null"), "ranking.rank")[:12],
                "metric": metric,
                "value": round(float(mean.iloc[0]), 5),
                **judged(table, level, planted, permutations),
            }
        )
    return rows


def missing_methods(
    table: pd.DataFrame, kind: str, study: Study, skipped: Sequence[str]
) -> list[str]:
    """Return the methods of a cohort without a row, but for those that are skipped."""
    cohort_rows = table[(table["study"] == kind) & (table["cohort"] == study.seed)]
    done = set(zip(cohort_rows["method"], cohort_rows["outcome"], strict=True))
    names = {name: (shown(name, study.outcome_of(name)), study.outcome_of(name))
             for name in study.methods}  # fmt: skip
    return [name for name, pair in names.items() if pair not in done and pair[0] not in skipped]


def run_cohort(kind: str, study: Study, names: Sequence[str], results: Path, table: Path) -> None:
    """Make the rows of some methods of one cohort; those alike but for the ranking train once."""
    if not (results / "cohort/strata.tsv").is_file():
        shutil.rmtree(results, ignore_errors=True)
        make_simulated_cohort(study, results)
    trained: dict[tuple[str, bool], tuple[str, float]] = {}
    for name in names:
        key = training_key(study, name)
        if key not in trained:
            start = time.perf_counter()
            train_method(study, name, results)
            trained[key] = name, time.perf_counter() - start
        source, seconds = trained[key]
        rank_trained(study, source, results, ranked_as=name)
        ROWS.add(table, rows_of(kind, study, name, source, results, seconds))


def run(arguments: argparse.Namespace) -> int:
    """Make the rows that are missing, cohort by cohort."""
    os.chdir(ROOT)  # the study names tables of resources/ from there
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        results = arguments.work / "results" / f"{arguments.kind}-{cohort}"
        study = study_of(arguments.kind, cohort, results)
        names = missing_methods(ROWS.read(arguments.table), arguments.kind, study, arguments.skip)
        if not names:
            continue
        start, processor = time.perf_counter(), time.process_time()
        run_cohort(arguments.kind, study, names, results, arguments.table)
        print(
            f"{arguments.kind} {cohort}: {len(names)} methods, {time.perf_counter() - start:.0f} s,"
            f" {time.process_time() - processor:.0f} s of processor",
            file=sys.stderr,
            flush=True,
        )
        if not missing_methods(ROWS.read(arguments.table), arguments.kind, study, ()):
            shutil.rmtree(results)
    return 0


def page(arguments: argparse.Namespace) -> int:
    """Write the page of results."""
    write_page(ROWS.read(arguments.table), arguments.page)
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    line.add_cohorts()
    options = line.run_options
    options.add_argument("kind", choices=["null", "power"])
    options.add_argument(
        "--skip", nargs="+", default=(), help="methods, without the name of the outcome"
    )
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
