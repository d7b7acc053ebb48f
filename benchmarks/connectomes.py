"""MIGTrans on real connectomes alone, beside ridge and amplitudes in the same folds.

    python benchmarks/connectomes.py --set cobre --data <folder with cobre_aal116> --permutations 4
    python benchmarks/connectomes.py --set abide --data <folder with abide_ho111>

COBRE: 87 people, ten folds, tangent space and amplitudes of regional signals. ABIDE: 352 people of
five sites, a site held out in each fold, Fisher z with missing edges. With permutations diagnoses
change hands and folds are drawn anew, stratified by the permuted ones; then the two methods that
matter are fitted. A line per method is printed as it comes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gendmr.config.study import Study
from gendmr.connectivity.collect import collect_connectivity
from in_process import auc_of_folds, draw_folds, join_cohort, permute_diagnoses, train_folds

TANGENT = {"modality_options": {"edge": {"space": "tangent"}}, "reads": ["edge"]}
SETS: dict[str, dict[str, Any]] = {
    "cobre": {
        "connectivity": {
            "series": "cobre_aal116/participants.tsv",
            "variable": "ROISignals",
            "origin": "template",
        },
        "participants": "cobre_aal116/participants.tsv",
        "outcome": {"kind": "binary", "case": ["SCZ"], "control": ["NC"]},
        "cohort": {"folds": 10, "covariates": [], "categorical": []},
        "methods": {
            "tangent": {"kind": "ridge", **TANGENT},
            "fisher-z": {"kind": "ridge", "reads": ["edge"]},
            "amplitude": {"kind": "ridge", "reads": ["amplitude"]},
            "migtrans": {"kind": "migtrans", **TANGENT},
            "network-alone": {"kind": "migtrans", "shortcut": "none", **TANGENT},
        },
        "permuted": ("tangent", "migtrans"),
    },
    "abide": {
        "connectivity": {
            "matrices": "abide_ho111/fc_ho111.npz",
            "variable": "r",
            "origin": "template",
        },
        "participants": "abide_ho111/participants.tsv",
        "outcome": {"kind": "binary", "case": ["ASD"], "control": ["control"]},
        "cohort": {
            "fold_by": "site",
            "covariates": ["age", "sex", "mean_fd_mm"],
            "categorical": ["sex", "site"],
        },
        "methods": {
            "fisher-z": {"kind": "ridge", "reads": ["edge"]},
            "covariates": {"kind": "ridge", "reads": ["covariates"]},
            "migtrans": {"kind": "migtrans", "reads": ["edge"]},
            "network-alone": {"kind": "migtrans", "shortcut": "none", "reads": ["edge"]},
        },
        "permuted": ("fisher-z", "migtrans"),
    },
}


def study_of(name: str, data: Path, methods: list[str], seed: int, epochs: int | None) -> Study:
    """Return the study of a set."""
    described = SETS[name]
    connectivity = dict(described["connectivity"])
    source = "series" if "series" in connectivity else "matrices"
    connectivity[source] = str(data / connectivity[source])
    if name == "abide":
        # Vectors want a table of regions: these have codes and no networks.
        regions = Path(tempfile.mkdtemp()) / "regions.tsv"
        names = "".join(f"region{number:03d}\tall\n" for number in range(1, 112))
        regions.write_text("name\tdomain\n" + names, encoding="utf-8")
        connectivity["components"] = str(regions)
    entries = {method: dict(described["methods"][method]) for method in methods}
    for entry in entries.values():
        if epochs is not None and entry["kind"] == "migtrans":
            entry["optimisation"] = {"epochs": epochs}
    cohort = {"participants": str(data / described["participants"]), **described["cohort"]}
    cohort["outcomes"] = {"diagnosis": described["outcome"]}
    return Study.parse(
        {
            "study": name,
            "seed": seed,
            "connectivity": connectivity,
            "cohort": cohort,
            "training": {"methods": entries},
            "tracking": {"enabled": False},
        }
    )


def prepare(study: Study, results: Path) -> None:
    """Read connectomes, join people, draw folds."""
    if study.connectivity is None:
        raise SystemExit("the study has no connectomes")
    collect_connectivity(study.connectivity, results / "connectivity")
    draw_folds(study, join_cohort(study, results), None)


def judge(study: Study, method: str, results: Path, label: str) -> float:
    """Fit a method in all folds, print its AUC, return the mean."""
    start = time.process_time()
    train_folds(study, method, results)
    seconds = time.process_time() - start
    auc = auc_of_folds(results, method)
    aucs_text = " ".join(f"{value:.3f}" for value in auc)
    print(f"{label} {method}: {auc.mean():.3f} ({auc.std(ddof=1):.3f}), {seconds:.0f} s:"
          f" {aucs_text}", flush=True)  # fmt: skip
    return float(auc.mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--set", choices=list(SETS), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--methods", nargs="+", help="absent: all")
    parser.add_argument("--permutations", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="of networks, in place of their own")
    arguments = parser.parse_args()
    methods = arguments.methods or list(SETS[arguments.set]["methods"])
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results" / arguments.set
        study = study_of(
            arguments.set, arguments.data.resolve(), methods, arguments.seed, arguments.epochs
        )
        prepare(study, results)
        for method in methods:
            judge(study, method, results, arguments.set)
        null: dict[str, list[float]] = {}
        for number in range(arguments.permutations):
            shuffled = Path(folder) / f"permuted-{number}"
            shutil.copytree(results / "cohort", shuffled / "cohort")
            permute_diagnoses(shuffled / "cohort", number)
            draw_folds(study, shuffled / "cohort", None)
            for method in (first for first in SETS[arguments.set]["permuted"] if first in methods):
                label = f"{arguments.set}, permutation {number},"
                null.setdefault(method, []).append(judge(study, method, shuffled, label))
        for method, values in null.items():
            print(f"{method}, permuted: mean {sum(values) / len(values):.3f} of {len(values)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
