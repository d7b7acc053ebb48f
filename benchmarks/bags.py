"""Memory of a fold whose bags are as large as published ones: 2,500 patches of 1,024 features.

    python benchmarks/bags.py [--people 32] [--side 50] [--epochs 1] [--batch 4] [--method mil]

Random bags and expression of so many people, in the file that the stage cohort leaves; one fold of
the method `subspace`, or `mil`, which reads the same bags in little time. Bags are read batch by
batch, so that the peak does not grow with people: run it for two numbers of them. The file of 600
people would have 3.1 GB.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.config.study import Study
from gendmr.files.atomic import write_json
from gendmr.files.histology import PATCHES
from gendmr.files.pieces import write_rows
from gendmr.files.tables import write_table
from gendmr.modalities.store import write_modality
from gendmr.training.fold import train_fold

FEATURES, GENES = 1024, 420


def write_cohort(folder: Path, people: int, side: int) -> None:
    """Write a cohort of people with expression and bags."""
    random = np.random.default_rng(1)
    names = np.array([f"P{number:04d}" for number in range(people)], dtype=object)
    label = np.where(np.arange(people) % 2 == 0, "case", "control")
    table = pd.DataFrame({"participant_id": names, "diagnosis": label, "family": names})
    write_table(folder / "participants.tsv", table.assign(has_expression=True, has_patch=True))
    write_json(folder / "participants.json", {})
    role = np.array(["held-out", "validation", "train", "train"])[np.arange(people) // 2 % 4]
    splits = pd.DataFrame({"participant_id": names, "repeat": 0, "fold": (role != "held-out") * 1})
    write_table(folder / "splits.tsv", splits.assign(inner_0=role, inner_1=role))
    groups = np.where(np.arange(GENES) < 59, "Oncogenes", "Cytokines and Growth Factors")
    expression = xr.Dataset(
        {
            "level": (
                ("participant", "expression"),
                random.normal(size=(people, GENES)).astype(np.float32),
            ),
            "logarithmic": ("participant", np.ones(people, np.int8)),
            "platform": ("participant", np.full(people, "one", dtype=object)),
        },
        coords={
            "participant": names,
            "expression": np.array([f"G{number}" for number in range(GENES)], dtype=object),
            "groups": ("expression", groups.astype(object)),
            "place": ("expression", np.full(GENES, -1, np.int64)),
        },
    )
    write_modality(folder / "expression.nc", expression, "expression")
    shape = (people, side * side)
    coordinates = {
        "participant": names,
        "patch": np.array([f"{number:05d}" for number in range(side * side)], dtype=object),
        **{name: np.zeros(shape, np.float32) for name in ("x", "y")},
        "slide": np.zeros(shape, np.int16),
        "source": np.zeros(shape, np.int32),
    }
    bags = (random.normal(size=(side * side, FEATURES)).astype(np.float16) for _ in range(people))
    write_rows(folder / "patch.nc", PATCHES, "embedding", (*shape, FEATURES), coordinates, bags)


def main() -> None:
    """Print size of the file, peak of memory and processor time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--side", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--method", choices=("subspace", "mil"), default="subspace")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_cohort(folder, arguments.people, arguments.side)
        study = Study.parse(
            {
                "study": "bags",
                "seed": 1,
                "expression": {
                    "matrices": [{"path": "made-up", "unit": "log2"}],
                    "groups": "made-up",
                },
                "histology": {"slides": "made-up", "side": arguments.side},
                "cohort": {
                    "participants": "made-up",
                    "outcomes": {"diagnosis": {"kind": "binary"}},
                    "covariates": [],
                    "categorical": [],
                },
                "training": {
                    "covariates": [],
                    "methods": {
                        arguments.method: {
                            "kind": arguments.method,
                            "optimisation": {
                                "epochs": arguments.epochs,
                                "batch_size": arguments.batch,
                            },
                        }
                    },
                },
            }
        )
        size = (folder / "patch.nc").stat().st_size / 1e6
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.process_time()
        train_fold(
            folder,
            folder / "training" / arguments.method / "repeat-0" / "fold-0",
            method=arguments.method,
            repeat=0,
            fold=0,
            options=study.method_options(arguments.method),
            seed=1,
            device="cpu",
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{arguments.method}, {arguments.people} people, bags of {arguments.side**2} x"
            f" {FEATURES}: file {size:.0f} MB, before {before:.0f} MB, peak of the fold"
            f" {peak:.0f} MB, {time.process_time() - started:.0f} CPU s"
        )


if __name__ == "__main__":
    main()
