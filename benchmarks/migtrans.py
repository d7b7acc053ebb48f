"""Does fusing genome, connectome and structure pay? Many simulated cohorts, in the same folds.

    python benchmarks/migtrans.py run --cohorts 4
    python benchmarks/migtrans.py run --cohorts 4 --methods migtrans early-fusion --permuted
    python benchmarks/migtrans.py page

Cohort k is config/studies/migtrans.yaml with the seed k; all its methods are fitted in the same
folds, in one process. With `--permuted` diagnoses change hands before anything reads them, so that
folds are stratified by the permuted ones. A row of docs/explanation/migtrans.tsv that is there,
made by the same code and options, is not made again: a run that was stopped goes on where it stood.
`page` writes the generated part of docs/explanation/migtrans.md.
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

import pandas as pd
import yaml

from calibration_page import BEGIN, END, replace_part
from gendmr.config.study import Study
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table, write_table
from in_process import (
    ROOT,
    auc_of_folds,
    draw_folds,
    make_simulated_cohort,
    permute_diagnoses,
    rank_trained,
    train_folds,
)
from planted import codes
from planted_page import markdown, mean_with_error

STUDY = ROOT / "config/studies/migtrans.yaml"
TABLE = ROOT / "docs/explanation/migtrans.tsv"
PAGE = ROOT / "docs/explanation/migtrans.md"
WORK = ROOT / "results/benchmark-migtrans"
MAIN = "migtrans"
BATCH = 64  # people in a step where epochs are given
FIRST = 10
RANKED = {"network_pairs": "network_pair", "regions": "region", "genes": "gene"}
COLUMNS: dict[str, Kind] = {
    "permuted": "integer",
    "cohort": "integer",
    "method": "text",
    "auc": "number",
    "auc_sd": "number",
    "network_pairs": "number",
    "regions": "number",
    "genes": "number",
    "seconds": "number",
    "code": "text",
}
KEY = ["permuted", "cohort", "method"]


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


def row_of(study: Study, method: str, results: Path, truth: dict[str, Any]) -> dict[str, Any]:
    """Fit a method in all folds, rank what it reads, and count what was planted."""
    start = time.process_time()
    train_folds(study, method, results)
    seconds = time.process_time() - start
    auc = auc_of_folds(results, method)
    row = {"auc": round(auc.mean(), 5), "auc_sd": round(auc.std(ddof=1), 5)}
    return row | planted_first(study, method, results, truth) | {"seconds": round(seconds, 1)}


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
    for name, key in RANKED.items():
        path = results / "ranking" / method / f"{name}.tsv"
        if path.is_file():
            rows = read_table(path, {key: "text", "rank": "number"}, extra=True)
            first = rows.sort_values("rank", kind="stable")[key].head(FIRST)
            counts[name] = len(planted[name] & set(first))
    return counts


# ---- The table -----------------------------------------------------------------------------------


def read_rows(path: Path) -> pd.DataFrame:
    """Read the table of results, empty where there is none."""
    if not path.is_file():
        return pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
    return read_table(path, COLUMNS)


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row; one of the same cohort and method is replaced."""
    added, known = pd.DataFrame([row]).reindex(columns=list(COLUMNS)), read_rows(path)
    table = pd.concat([known, added], ignore_index=True) if len(known) else added
    table = table.drop_duplicates(KEY, keep="last").astype({"permuted": int, "cohort": int})
    write_table(path, table.sort_values(KEY[:2], kind="stable"))


def run(chosen: argparse.Namespace) -> int:
    """Make the rows that are missing, cohort by cohort."""
    every = list(yaml.safe_load(STUDY.read_text(encoding="utf-8"))["training"]["methods"])
    if unknown := sorted(set(chosen.methods or ()) - set(every)):
        raise SystemExit(f"{', '.join(unknown)}: not in {STUDY}; known: {', '.join(every)}")
    for cohort in range(chosen.start, chosen.start + chosen.cohorts):
        config = study_of(cohort, chosen.methods or every, chosen.epochs)
        table, code = read_rows(chosen.table), codes(config)
        same = (table["permuted"] == int(chosen.permuted)) & (table["cohort"] == cohort)
        known = dict(zip(table.loc[same, "method"], table.loc[same, "code"], strict=True))
        study = Study.parse(config)
        missing = [name for name in study.methods if known.get(name) != code[name]]
        if not missing:
            continue
        folder = chosen.work / study.study
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        source = results = Path("results") / study.study
        if not (source / "cohort/strata.tsv").is_file():
            make_simulated_cohort(study, source)
        if chosen.permuted:
            results = Path("results/permuted")
            make_permuted(study, source, results)
        truth = read_json(source / "simulate/truth.json")
        for name in missing:
            row = {"permuted": int(chosen.permuted), "cohort": cohort, "method": name}
            row |= row_of(study, name, results, truth) | {"code": code[name]}
            add_row(chosen.table, row)
            print(f"cohort {cohort}, {name}: {row['auc']:.3f}, {row['seconds']} s", flush=True)
        if not chosen.keep:
            os.chdir(ROOT)
            shutil.rmtree(folder)
    return 0


# ---- The page ------------------------------------------------------------------------------------


def generated(table: pd.DataFrame) -> str:
    """Return the tables of the page: true diagnoses, then permuted ones."""
    parts = []
    for permuted, title in ((0, "True diagnoses"), (1, "Permuted diagnoses")):
        rows = table[table["permuted"] == permuted]
        if len(rows):
            parts += [f"### {title}", section(rows)]
    return "\n\n".join(parts) or "No cohort has been run yet."


def section(rows: pd.DataFrame) -> str:
    """Return a row per method: AUC, the gain of MIGTrans in the same cohorts, what is found."""
    aucs = rows.pivot_table(index="cohort", columns="method", values="auc")
    lines = []
    for name in sorted(aucs, key=lambda one: -aucs[one].mean()):
        own = rows[rows["method"] == name]
        gain = (aucs[MAIN] - aucs[name]).dropna() if MAIN in aucs and name != MAIN else None
        numbers = [
            "–" if own[column].isna().all() else f"{own[column].mean():.1f}" for column in RANKED
        ]
        lines.append(
            [
                f"**{name}**" if name == MAIN else str(name),
                str(len(own)),
                mean_with_error(own["auc"], 3),
                "" if gain is None or not len(gain) else mean_with_error(gain, 3, signed=True),
                *numbers,
                f"{own['seconds'].mean():.0f}",
            ]
        )
    head = [
        *("method", "cohorts", "AUC", "MIGTrans is better by"),
        *("pairs", "regions", "genes", "processor s"),
    ]
    return markdown(head, lines)


def page(chosen: argparse.Namespace) -> int:
    """Write the generated part of the page."""
    replace_part(chosen.page, BEGIN, END, generated(read_rows(chosen.table)))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("run", help="make the rows that are missing")
    make.add_argument("--cohorts", type=int, required=True, help="how many; cohort k has seed k")
    make.add_argument("--start", type=int, default=1, help="the first cohort")
    make.add_argument("--methods", nargs="+", help="names in the study; absent: all")
    make.add_argument("--epochs", type=int, help="of networks, in place of those of the study")
    make.add_argument("--permuted", action="store_true", help="with permuted diagnoses")
    make.add_argument("--keep", action="store_true", help="keep the results of each cohort")
    make.add_argument("--work", type=Path, default=WORK, help="folder for what is in the making")
    make.add_argument("--table", type=Path, default=TABLE)
    make.set_defaults(do=run)
    show = commands.add_parser("page", help="write the page from the table")
    show.add_argument("--page", type=Path, default=PAGE)
    show.add_argument("--table", type=Path, default=TABLE)
    show.set_defaults(do=page)
    chosen = parser.parse_args()
    for name in (one for one in ("table", "work") if hasattr(chosen, one)):
        setattr(chosen, name, getattr(chosen, name).resolve())
    return int(chosen.do(chosen))


if __name__ == "__main__":
    sys.exit(main())
