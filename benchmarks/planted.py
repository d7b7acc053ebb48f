"""What do methods find when the answer is known? Many simulated cohorts, and a page of results.

    python benchmarks/planted.py run --people 1000 --cohorts 5 --ablations
    python benchmarks/planted.py page

`run` makes cohort k from seed k and the study config/studies/planted.yaml, trains and ranks its
methods through the workflow, and appends one row per method to docs/explanation/planted.tsv. A row
that is there already, made by the same code and options, is not made again: a run that was stopped
goes on where it stood. `page` writes the tables and figures of docs/explanation/planted.md from
that file alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gendmr.config.study import Study
from gendmr.files.atomic import read_json, write_text
from gendmr.files.fingerprint import fingerprint
from gendmr.files.tables import Kind, read_table
from planted_oracle import oracle
from planted_page import write_page
from result_table import CommandLine, ResultTable

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "config/studies/planted.yaml"
TABLE = ROOT / "docs/explanation/planted.tsv"
PAGE = ROOT / "docs/explanation/planted.md"
WORK = ROOT / "results/benchmark-planted"
MAIN, ORACLE = "gendmr", "oracle"
FIRST = (12, 25)
COLUMNS: dict[str, Kind] = {
    "people": "integer",
    "imaged": "integer",
    "cohort": "integer",
    "method": "text",
    "auc": "number",
    "auc_sd": "number",
    "found12": "number",
    "found25": "number",
    "direct12": "number",
    "direct25": "number",
    "region12": "number",
    "region25": "number",
    "planted_direct": "integer",
    "planted_region": "integer",
    "seconds": "number",
    "wall": "number",
    "code": "text",
}
ROWS = ResultTable(
    COLUMNS, key=["people", "imaged", "cohort", "method"], order=["people", "imaged", "cohort"]
)


# ---- One cohort ----------------------------------------------------------------------------------


def study_of(people: int, imaged: int, cohort: int, methods: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of one cohort: the committed study with other people and seed."""
    name = f"planted-{people}-{cohort}"
    text = STUDY.read_text(encoding="utf-8").replace("results/planted/", f"results/{name}/")
    config: dict[str, Any] = yaml.safe_load(text)
    config |= {"study": name, "seed": cohort}
    config["simulate"] |= {"people": people, "images": imaged}
    entries = config["training"]["methods"]
    config["training"]["methods"] = {method: entries[method] for method in methods}
    return config


def codes(config: dict[str, Any]) -> dict[str, str]:
    """Return for each method a hash of the options and the code that its row depends on."""
    study = Study.parse(config)
    shared = study.model_dump(mode="json", exclude={"training": True, "study": True, "seed": True})
    # Cohorts of one version differ in their seed and in the name of their folder only.
    shared = json.loads(json.dumps(shared).replace(f"results/{study.study}/", ""))
    stages = ("simulate.cohort", "simulate.measurements", "cohort.join", "cohort.splits")
    common = [fingerprint(*stages), fingerprint("ranking.rank"), shared]
    result = {ORACLE: _digest(common)}
    for name in study.methods:
        options = study.method_options(name)
        code = fingerprint(*options.code("training.fold"))
        result[name] = _digest([*common, code, options.dump()])
    return result


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def run_workflow(config: dict[str, Any], folder: Path, cores: int) -> None:
    """Train and rank every method of the configuration; one that fails does not stop the others."""
    (folder / "resources").unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "resources").symlink_to(ROOT / "resources")
    write_text(folder / "study.yaml", yaml.safe_dump(config, sort_keys=False))
    study = Study.parse(config)
    results = f"results/{study.study}"
    targets = [f"{results}/training/{name}/metrics.tsv" for name in study.methods]
    targets += [f"{results}/ranking/{name}/genes.tsv" for name in rankable(study)]
    # The oracle reads all modalities, whichever the methods do.
    targets += [f"{results}/cohort/{name}.nc" for name in study.modality_sections()]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--configfile", str(folder / "study.yaml")),
            *("--profile", str(ROOT / "workflow/profiles/local")),
            *("--cores", str(cores), "--quiet", "all", "--", *targets),
        ],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        print(f"{study.study}: some jobs failed; their methods get no row", file=sys.stderr)


def rankable(study: Study) -> list[str]:
    """Return the methods that can rank genes: those that read SNPs."""
    return [name for name in study.ranked_methods() if "snp" in study.method_options(name).reads]


def rows_of(config: dict[str, Any], folder: Path, wall: float) -> list[dict[str, Any]]:
    """Read what each method of one cohort found, and what the oracle finds in the same people."""
    study = Study.parse(config)
    results = folder / "results" / study.study
    if not (results / "cohort/snp.nc").is_file():
        return []
    planted_truth = read_json(results / "simulate/truth.json")
    truth = planted_truth["genes"]
    code = codes(config)
    simulated = config["simulate"]
    common = {
        "people": simulated["people"],
        "imaged": simulated["images"],
        "cohort": config["seed"],
        "planted_direct": sum(item["through"] == "diagnosis" for item in truth),
        "planted_region": sum(item["through"] != "diagnosis" for item in truth),
        "wall": round(wall, 1),
    }
    start = time.perf_counter()
    order = oracle(results, planted_truth, config["seed"])
    seconds = time.perf_counter() - start
    rows = [common | {"method": ORACLE, "code": code[ORACLE], "auc": np.nan, "auc_sd": np.nan}]
    rows[0] |= recall(order, truth) | {"seconds": round(seconds, 1)}
    for name in study.methods:
        metrics = results / "training" / name / "metrics.tsv"
        if not metrics.is_file():
            continue
        auc = fold_aucs(metrics)
        row = common | {"method": name, "code": code[name], "auc": round(auc.mean(), 5)}
        row |= {"auc_sd": round(auc.std(ddof=1), 5), "seconds": fold_seconds(folder, study, name)}
        if name in rankable(study):
            row |= recall(ranked_genes(results / "ranking" / name / "genes.tsv"), truth)
        rows.append(row)
    return rows


def fold_aucs(path: Path) -> np.ndarray:
    """Return the AUC of each fold of a metrics.tsv."""
    table = read_table(path, {"fold": "text", "metric": "text", "value": "number"}, extra=True)
    return table.loc[(table["metric"] == "auc") & table["fold"].str.isdigit(), "value"].to_numpy()


def fold_seconds(folder: Path, study: Study, method: str) -> float:
    """Return the seconds that the folds of a method took, one after another."""
    logs = folder / "logs" / study.study / "training" / method
    durations = [
        read_table(path, {"s": "number"}, extra=True)["s"].sum()
        for path in sorted(logs.glob("repeat-*/fold-*.benchmark.tsv"))
    ]
    return round(float(np.sum(durations)), 1)


def ranked_genes(path: Path) -> list[str]:
    """Return the genes of a genes.tsv in their order; those without any score are no finding."""
    table = read_table(path, {"gene": "text", "score": "number", "rank": "number"}, extra=True)
    table = table[table["score"] > 0].sort_values("rank", kind="stable")
    return table["gene"].tolist()


def recall(order: Sequence[str], truth: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Count the planted genes among the first ones, in all and by their way to the disease."""
    direct = {item["gene"] for item in truth if item["through"] == "diagnosis"}
    planted = {item["gene"] for item in truth}
    counts: dict[str, float] = {}
    for length in FIRST:
        first = set(order[:length])
        counts |= {
            f"found{length}": len(first & planted),
            f"direct{length}": len(first & direct),
            f"region{length}": len(first & (planted - direct)),
        }
    return counts


# ---- The table -----------------------------------------------------------------------------------


def missing_methods(table: pd.DataFrame, config: dict[str, Any], *, any_code: bool) -> list[str]:
    """Return the methods of a configuration that have no row of its cohort by today's code."""
    simulated = config["simulate"]
    cohort_rows = table[
        (table["people"] == simulated["people"])
        & (table["imaged"] == simulated["images"])
        & (table["cohort"] == config["seed"])
    ]
    code_of = dict(zip(cohort_rows["method"], cohort_rows["code"], strict=True))
    return [
        name
        for name, code in codes(config).items()
        if name != ORACLE and (name not in code_of or not (any_code or code_of[name] == code))
    ]


def run(arguments: argparse.Namespace) -> int:
    """Make the rows that are missing, cohort by cohort."""
    methods = wanted(arguments.methods, arguments.ablations)
    imaged = round(arguments.people * arguments.imaged)
    failed = []
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        config = study_of(arguments.people, imaged, cohort, methods)
        missing = missing_methods(ROWS.read(arguments.table), config, any_code=arguments.any_code)
        if not missing:
            continue
        config = study_of(arguments.people, imaged, cohort, missing)
        folder = arguments.work / config["study"]
        start = time.perf_counter()
        run_workflow(config, folder, arguments.cores)
        wall = time.perf_counter() - start
        rows = rows_of(config, folder, wall)
        if rows:
            ROWS.add(arguments.table, rows)
        lost = set(missing) - {row["method"] for row in rows}
        failed += [f"{config['study']}: {name}" for name in sorted(lost)]
        print(
            f"{arguments.people} people, cohort {cohort}: {len(rows)} rows, {wall:.0f} s",
            flush=True,
        )
        if not arguments.keep and not lost:
            shutil.rmtree(folder)
    if failed:
        print(f"without a row: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def wanted(named: Sequence[str] | None, ablations: bool) -> list[str]:
    """Return the methods to run: those named; or GenDMR and the baselines, and its ablations."""
    entries = yaml.safe_load(STUDY.read_text(encoding="utf-8"))["training"]["methods"]
    if named:
        unknown = sorted(set(named) - set(entries))
        if unknown:
            raise SystemExit(f"{', '.join(unknown)}: not in {STUDY}; known: {', '.join(entries)}")
        return list(named)
    return [name for name in entries if ablations or not is_ablation(name, entries)]


def is_ablation(name: str, entries: dict[str, Any]) -> bool:
    """Whether an entry is GenDMR with a part changed."""
    return name != MAIN and entries.get(name, {}).get("kind") == "gendmr"


def page(arguments: argparse.Namespace) -> int:
    """Write the page of results."""
    entries = yaml.safe_load(STUDY.read_text(encoding="utf-8"))["training"]["methods"]
    ablations = [name for name in entries if is_ablation(name, entries)]
    baselines = [name for name in entries if name not in {MAIN, *ablations}]
    write_page(ROWS.read(arguments.table), arguments.page, baselines, ablations)
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    line.add_cohorts()
    options = line.run_options
    options.add_argument("--people", type=int, required=True)
    options.add_argument(
        "--imaged", type=float, default=1.0, help="share of people with measurements"
    )
    options.add_argument("--methods", nargs="+", help="names in the study; absent: no ablations")
    options.add_argument("--ablations", action="store_true", help="GenDMR without its parts too")
    options.add_argument("--any-code", action="store_true", help="keep rows made by other code")
    options.add_argument("--keep", action="store_true", help="keep the results of each cohort")
    options.add_argument("--cores", type=int, default=os.cpu_count())
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
