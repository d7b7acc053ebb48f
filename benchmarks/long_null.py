"""How long a null of 999 permutations takes, and what it calls significant.

    python benchmarks/long_null.py run --people 380 --permutations 999 --cores 2
    python benchmarks/long_null.py page

One planted cohort (config/studies/planted.yaml), trained, permuted and ranked through the workflow,
as a user would. Rows go to docs/explanation/long_null.tsv, one per method; a run that was stopped
goes on where it stood, but its wall time then counts the last start alone, and it says so. `page`
writes the generated part of docs/explanation/calibration.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from calibration import judged
from calibration_page import replace_part
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from planted import ROOT, run_workflow, study_of
from planted_page import markdown
from result_table import CommandLine, ResultTable

TABLE = ROOT / "docs/explanation/long_null.tsv"
PAGE = ROOT / "docs/explanation/calibration.md"
WORK = ROOT / "results/benchmark-long-null"
BEGIN, END = "<!-- generated, long null: begin -->", "<!-- generated, long null: end -->"
METHODS = ("gendmr", "association", "two-channel", "polygenic")
COLUMNS: dict[str, Kind] = {
    "people": "integer",
    "cohort": "integer",
    "permutations": "integer",
    "method": "text",
    "tests": "integer",
    "planted": "integer",
    "first": "integer",
    "least_p": "number",
    "true_fwer": "integer",
    "found_fwer": "integer",
    "true_q": "integer",
    "found_q": "integer",
    "true_pooled": "integer",
    "found_pooled": "integer",
    "processor_hours": "number",
    "wall_hours": "number",
    "cores": "integer",
}
KEY = ["people", "cohort", "permutations", "method"]
ROWS = ResultTable(COLUMNS, key=KEY, order=KEY)


def configuration(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the planted study with a null for its methods."""
    config = study_of(arguments.people, arguments.people, arguments.cohort, arguments.methods)
    config["training"].pop(None)  # YAML reads the key `null` so
    config["training"]["null"] = {"permutations": arguments.permutations}
    return config


def row_of(config: dict[str, Any], method: str, folder: Path) -> dict[str, Any]:
    """Return what the ranking of a method says, and the processor time of its null."""
    results = folder / "results" / config["study"]
    planted = {item["gene"] for item in read_json(results / "simulate/truth.json")["genes"]}
    table = read_table(results / "ranking" / method / "genes.tsv", {"gene": "text"}, extra=True)
    permutations = config["training"]["null"]["permutations"]
    logs = folder / "logs" / config["study"] / "training" / method / "null"
    seconds = [
        read_table(path, {"cpu_time": "number"}, extra=True)["cpu_time"].sum()
        for path in sorted(logs.glob("repeat-*/fold-*/chunk-*.benchmark.tsv"))
    ]
    counted = judged(table, "gene", planted, permutations)
    return {
        "people": config["simulate"]["people"],
        "cohort": config["seed"],
        "permutations": permutations,
        "method": method,
        "least_p": float(table["p"].astype(float).min()),
        "processor_hours": round(sum(seconds) / 3600, 3),
        **{name: value for name, value in counted.items() if name in COLUMNS},
    }


def run(arguments: argparse.Namespace) -> int:
    """Run the workflow, then write the rows of its methods."""
    config = configuration(arguments)
    folder = arguments.work / f"{arguments.people}-{arguments.cohort}-{arguments.permutations}"
    if folder.is_dir():
        print(f"{folder} is there: the wall time counts from now on", file=sys.stderr)
    start = time.perf_counter()
    run_workflow(config, folder, arguments.cores)
    hours = round((time.perf_counter() - start) / 3600, 3)
    rows = [
        row_of(config, method, folder) | {"wall_hours": hours, "cores": arguments.cores}
        for method in arguments.methods
    ]
    ROWS.add(arguments.table, rows)
    return 0


def generated(table: pd.DataFrame) -> str:
    """Return the table of the page."""
    lines = [
        [
            f"{row['people']:,}",
            str(row["method"]),
            str(row["permutations"]),
            str(row["tests"]),
            f"{row['least_p']:g}",
            f"{row['first']} of {row['planted']}",
            f"{row['true_fwer']} of {row['found_fwer']}",
            f"{row['true_q']} of {row['found_q']}",
            f"{row['true_pooled']} of {row['found_pooled']}",
            f"{row['processor_hours']:.2f}",
        ]
        for row in table.to_dict("records")
    ]
    head = [
        *("people", "method", "permutations", "genes", "smallest p", "among the first as many"),
        *("planted of those family-wise at 5 %", "of those with q ≤ 0.05"),
        *("of those with pooled q ≤ 0.05", "processor hours of the null"),
    ]
    return markdown(head, lines)


def page(arguments: argparse.Namespace) -> int:
    """Write the page of results."""
    replace_part(arguments.page, BEGIN, END, generated(ROWS.read(arguments.table)))
    return 0


def main() -> int:
    line = CommandLine(__doc__, run, page, table=TABLE, page_path=PAGE, work=WORK)
    options = line.run_options
    options.add_argument("--people", type=int, default=380)
    options.add_argument("--cohort", type=int, default=1, help="cohort k has seed k")
    options.add_argument("--permutations", type=int, default=999)
    options.add_argument("--methods", nargs="+", choices=METHODS, default=["gendmr", "association"])
    options.add_argument("--cores", type=int, default=2)
    return line.main()


if __name__ == "__main__":
    sys.exit(main())
