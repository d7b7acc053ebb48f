"""Does the demo show its point for any seed? Its methods on several cohorts like it, without scans.

    python benchmarks/demo_cohorts.py --cohorts 4

Cohort k has the seed k and else the configuration of the demo, config/config.yaml. Scans are
replaced by measurements, whose losses are made smaller until a group differs by as many standard
deviations as it does in measurements of the demo's scans (`SEEN`). Printed are the AUC of everybody
and of people with both modalities, and the planted genes among the first six; there are no
permutations, so that ranks are those of scores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from gendmr.config.simulate import SimulateSection
from gendmr.config.study import Study
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from in_process import make_simulated_cohort, rank_trained, train_folds
from planted import ROOT, ranked_genes

CONFIG = ROOT / "config/config.yaml"
# How much of a loss the measurements of the demo's scans show, with noise as large as that of
# `simulate.measurements`: see "Cohorts like the demo's" in benchmarks/README.md.
SEEN = 0.25
FIRST = 6
METRICS: dict[str, Kind] = {"fold": "text", "metric": "text", "value": "number"}


def study_of(cohort: int, simulated: dict[str, Any], methods: list[str] | None = None) -> Study:
    """Return the study of one cohort, some options of `simulate` changed, and some methods."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["seed"] = cohort
    config["simulate"] |= simulated
    for name in ("atrophy", "susceptibility"):
        fields = SimulateSection.model_fields
        config["simulate"].setdefault(name, fields[name].default)
        config["simulate"][name] *= SEEN
    config["simulate"] |= {"imaging": "measurements"}
    config["imaging"] = {"measurements": "results/demo/simulate/regions.nc"}
    del config["training"][None]  # `null`, as YAML reads the key
    config["training"]["null"] = {"permutations": 0}
    config["ranking"].pop("enrichment", None)
    entries = config["training"]["methods"]
    config["training"]["methods"] = {name: entries[name] for name in methods or entries}
    ranked = config["ranking"]["methods"]
    config["ranking"]["methods"] = {
        name: section for name, section in ranked.items() if not methods or name in methods
    }
    return Study.parse(config)


def judge(study: Study, results: Path) -> list[dict[str, Any]]:
    """Train every method of a cohort and say what it predicts and finds."""
    planted = {item["gene"] for item in read_json(results / "simulate/truth.json")["genes"]}
    rows = []
    for name in study.methods:
        train_folds(study, name, results)
        table = read_table(results / "training" / name / "metrics.tsv", METRICS, extra=True)
        mean = table[table["fold"] == "mean"].set_index("metric")["value"]
        row = {"method": name, "auc": mean["auc"], "auc of both": mean.get("auc:snp+region")}
        if "snp" in study.method_options(name).reads:
            rank_trained(study, name, results, ranked_as=name)
            first = ranked_genes(results / "ranking" / name / "genes.tsv")[:FIRST]
            row["planted"] = len(planted & set(first))
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--cohorts", type=int, required=True, help="how many; cohort k has seed k")
    parser.add_argument("--start", type=int, default=1, help="the first cohort")
    parser.add_argument(
        "--simulate",
        type=yaml.safe_load,
        default={},
        help="other options: '{people: 300}'",
    )
    parser.add_argument("--methods", nargs="+", help="of the demo; absent: all")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for cohort in range(arguments.start, arguments.start + arguments.cohorts):
        study = study_of(cohort, arguments.simulate, arguments.methods)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            results = Path("results") / study.study
            make_simulated_cohort(study, results)
            rows += [{"cohort": cohort} | row for row in judge(study, results)]
            os.chdir(ROOT)
        table = pd.DataFrame(rows)
        print(table[table["cohort"] == cohort].round(3).to_string(index=False), flush=True)
    columns = ["auc", "auc of both", "planted"]
    print(table.groupby("method", sort=False)[columns].agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
