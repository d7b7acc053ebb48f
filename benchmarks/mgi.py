"""Genes help to segment lesions where the image hides what they know, or do they not.

    python benchmarks/mgi.py run results/mgi-bench [--seeds 1 2 3] [--truths hidden rim null]
    python benchmarks/mgi.py table results/mgi-bench
    python benchmarks/mgi.py oracle results/mgi-bench

Each cohort has a seed of its own and is simulated three times: how far the mask reaches beyond the
visible core is hidden in the image, shown by a rim, or hidden and genes are those of other people.
A third is held out. The network with genes is compared, person by person, with the same network
whose genes were exchanged, and with one without. Functions of the rules run in one process. The
part `oracle` says what the same cohorts allow without a network (`lesion_oracle.py`).
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
from scipy.stats import wilcoxon

from gendmr.cohort.splits import split_folds
from gendmr.config.simulate import SimulateSection
from gendmr.config.study import Study
from gendmr.expression.join import join_matrices
from gendmr.files.atomic import write_text
from gendmr.lesions.collect import collect_lesions
from gendmr.simulate.lesions import simulate_lesions
from gendmr.training.fold import train_fold
from in_process import join_cohort
from lesion_oracle import PERCENTILES, LesionCohort, lesions_section, oracle

SMALL = {"side": 48, "slices": 3}
REAL, SHUFFLED = "real", "shuffled"
METHODS: dict[str, dict[str, Any]] = {
    REAL: {"kind": "mgi"},
    SHUFFLED: {"kind": "mgi", "shuffled": {"expression": []}},
    "pretrained": {"kind": "mgi", "fusion": "none"},
    "images": {"kind": "mgi", "reads": ["slice"]},
    "unet": {"kind": "unet"},
    "threshold": {"kind": "threshold"},
}
TRUTHS: dict[str, dict[str, Any]] = {
    "hidden": {"margin": "hidden"},
    "rim": {"margin": "rim"},
    "null": {"margin": "hidden"},
}


def simulation_of(truth: str, changes: dict[str, Any]) -> SimulateSection:
    """Return what is simulated."""
    lesions = {**TRUTHS[truth], "hospital_batch": 0.3, **SMALL, **changes}
    return SimulateSection.parse(
        {"people": 100, "sites": 3, "null_mode": truth == "null", "lesions": lesions}
    )


def study_of(folder: Path, seed: int, changes: dict[str, Any]) -> Study:
    """Write and return the study of one cohort."""
    inputs = folder / "simulate"
    methods = {
        name: {**method, **(changes if method["kind"] == "mgi" else {})}
        for name, method in METHODS.items()
    }
    config = {
        "study": "mgi-bench",
        "seed": seed,
        "expression": {"matrices": [{"path": str(inputs / "expression.tsv"), "unit": "log2"}]},
        "lesions": {
            "nifti": f"{inputs}/images/{{participant}}_{{channel}}.nii.gz",
            "masks": f"{inputs}/masks/{{participant}}.nii.gz",
            "channels": ["flair"],
            "percentiles": PERCENTILES,
        },
        "modalities": {"slice": {"side": SMALL["side"]}},
        "cohort": {
            "participants": str(inputs / "participants.tsv"),
            "outcomes": {"tumour": {"kind": "segmentation"}},
            "covariates": ["age", "sex", "site"],
            "require": "all",
            "folds": 3,
            "inner_validation": 0.1,
        },
        "training": {"methods": methods, "covariates": ["age", "sex"]},
    }
    write_text(folder / "study.yaml", yaml.safe_dump(config, sort_keys=False))
    return Study.parse(folder / "study.yaml")


def prepare(folder: Path, study: Study, simulation: SimulateSection) -> None:
    """Simulate a cohort and run the stages before training."""
    if study.expression is None or study.lesions is None:
        raise SystemExit("the study lacks a section")
    simulate_lesions(simulation, study.seed, folder / "simulate")
    join_matrices(study.expression, folder / "expression")
    collect_lesions(study.lesions, folder / "lesions")
    cohort = join_cohort(study, folder)
    split_folds(cohort / "participants.tsv", study.cohort, study.seed, cohort / "splits.tsv")


def run(
    folder: Path,
    seeds: list[int],
    truths: list[str],
    names: list[str],
    changes: dict[str, Any],
    lesions: dict[str, Any],
) -> None:
    """Make the cohorts that are not there, and train methods that are not trained."""
    for seed in seeds:
        for truth in truths:
            place = folder / f"{truth}-{seed}"
            study = study_of(place, seed, changes)
            if not (place / "cohort" / "splits.tsv").is_file():
                prepare(place, study, simulation_of(truth, lesions))
            for name in names:
                fold = place / "training" / name / "repeat-0" / "fold-0"
                if (fold / "run.json").is_file():
                    continue
                started = time.process_time()
                train_fold(
                    place / "cohort",
                    fold,
                    method=name,
                    repeat=0,
                    fold=0,
                    options=study.method_options(name),
                    seed=seed,
                    device="cpu",
                    checkpoint_every=1000,
                    progress=lambda line: print(f"  {line}", flush=True),
                )
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{place.name}, {name}: Dice {dice_of(fold).mean():.3f},"
                    f" {time.process_time() - started:.0f} CPU s, peak so far {peak:.0f} MB",
                    flush=True,
                )


def dice_of(fold: Path) -> pd.Series:
    """Return Dice of the held-out people, by participant."""
    rows = pd.read_csv(fold / "predictions.tsv", sep="\t")
    return rows[rows["set"] == "held-out"].set_index("participant_id")["dice"]


def compared(folder: Path) -> pd.DataFrame:
    """Return the gain in Dice by own genes over each other method, paired by person.

    Means and 95 % intervals are over cohorts; `wilcoxon` is the p-value over all people.
    """
    rows = []
    for truth in TRUTHS:
        for method in METHODS:
            gains, everybody, level = [], [], []
            for place in sorted(folder.glob(f"{truth}-*")):
                real_fold = place / "training" / REAL / "repeat-0" / "fold-0"
                other_fold = place / "training" / method / "repeat-0" / "fold-0"
                if (
                    method != REAL
                    and (real_fold / "run.json").is_file()
                    and (other_fold / "run.json").is_file()
                ):
                    gain = (dice_of(real_fold) - dice_of(other_fold)).to_numpy()
                    gains.append(gain.mean())
                    everybody.append(gain)
                    level.append((dice_of(real_fold).mean(), dice_of(other_fold).mean()))
            if not gains:
                continue
            count, spread = len(gains), np.std(gains, ddof=1) if len(gains) > 1 else np.nan
            half = student.ppf(0.975, count - 1) * spread / np.sqrt(count) if count > 1 else np.nan
            own_mean, other_mean = np.mean(level, axis=0)
            rows.append(
                {
                    "truth": truth,
                    "against": method,
                    "cohorts": count,
                    "dice": own_mean,
                    "dice_other": other_mean,
                    "gain": np.mean(gains),
                    "low": np.mean(gains) - half,
                    "high": np.mean(gains) + half,
                    "wilcoxon": wilcoxon(np.concatenate(everybody)).pvalue,
                }
            )
    return pd.DataFrame(rows)


def retrieved(folder: Path) -> pd.DataFrame:
    """Return retrieval of held-out people by truth, method, retriever and query, over cohorts."""
    tables = []
    for path in sorted(folder.glob("*-*/training/*/repeat-0/fold-0/retrieval.tsv")):
        table = pd.read_csv(path, sep="\t")
        truth = path.parents[4].name.rsplit("-", 1)[0]
        tables.append(table.assign(truth=truth, method=path.parents[2].name))
    keys = ["truth", "method", "retriever", "among", "query"]
    return pd.concat(tables).groupby(keys).mean(numeric_only=True).reset_index()


def read_by_oracle(folder: Path) -> pd.DataFrame:
    """Return what thresholds and ridge regressions find, by truth, means over cohorts."""
    rows = []
    for place in sorted(folder.glob("*-*/simulate")):
        truth = place.parent.name.rsplit("-", 1)[0]
        scores = oracle(LesionCohort.read(place, lesions_section(place)))
        rows.append({"truth": truth, **scores})
    return pd.DataFrame(rows).groupby("truth").mean().reset_index()


def main() -> None:
    """Run a part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("run")
    part.add_argument("folder", type=Path)
    part.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    part.add_argument("--truths", nargs="+", default=list(TRUTHS))
    part.add_argument("--methods", nargs="+", default=[REAL, SHUFFLED, "images"])
    part.add_argument("--options", type=yaml.safe_load, default={}, help="of mgi, YAML")
    part.add_argument("--lesions", type=yaml.safe_load, default={}, help="of the simulation, YAML")
    for name in ("table", "oracle"):
        parts.add_parser(name).add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.part == "run":
        run(
            arguments.folder,
            arguments.seeds,
            arguments.truths,
            arguments.methods,
            arguments.options,
            arguments.lesions,
        )
    else:
        tables = (
            [read_by_oracle(arguments.folder)]
            if arguments.part == "oracle"
            else [compared(arguments.folder), retrieved(arguments.folder)]
        )
        for table in tables:
            table.to_csv(sys.stdout, sep="\t", index=False, float_format="%.3f")


if __name__ == "__main__":
    main()
