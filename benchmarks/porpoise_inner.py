"""Choose between settings of a method without the people of the published fold that is reported.

    python benchmarks/porpoise.py prepare DATA results/porpoise
    python benchmarks/porpoise_inner.py results/porpoise METHOD METHOD [...]

Each pair of published folds is left out, and the methods learn from the other three. For a fold
that is to be reported, they are compared on the other fold of each of its four pairs: people of the
reported fold neither train nor judge.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.study import Study
from gendmr.files.tables import read_table, write_table
from gendmr.tasks import task_of
from gendmr.training.evaluate import evaluate
from gendmr.training.fold import train_fold
from porpoise import FOLDS, VALIDATION

PAIRS = tuple(itertools.combinations(range(FOLDS), 2))


def pairs_left_out(participants: pd.DataFrame) -> pd.DataFrame:
    """Return splits.tsv with a fold for each pair of published folds."""
    folds = participants["published_fold"].astype(int).to_numpy()
    columns: dict[str, Any] = {
        "participant_id": participants["participant_id"],
        "repeat": 0,
        "fold": folds,
    }
    for number, pair in enumerate(PAIRS):
        outside = np.isin(folds, pair)
        role = np.where(outside, "held-out", "train").astype(object)
        for group in sorted(set(participants["diagnosis"])):
            rows = np.flatnonzero((participants["diagnosis"] == group) & ~outside)
            role[rows[:: round(1 / VALIDATION["network"])]] = "validation"
        columns[f"inner_{number}"] = role
    return pd.DataFrame(columns)


def compare(folder: Path, names: list[str]) -> pd.DataFrame:
    """Return the primary metric by method and reported fold, a mean over its four other folds."""
    study, rows = Study.parse(folder / "study.yaml"), []
    participants = pd.read_csv(
        folder / "cohort" / "participants.tsv", sep="\t", dtype=str, keep_default_na=False
    )
    fold_of = dict(
        zip(participants["participant_id"], participants["published_fold"].astype(int), strict=True)
    )
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cohort = Path(place) / "cohort"
        cohort.mkdir()
        for source in (folder / "cohort").iterdir():
            if source.name != "splits.tsv":
                (cohort / source.name).symlink_to(source.resolve())
        write_table(cohort / "splits.tsv", pairs_left_out(participants))
        for name, (number, pair) in itertools.product(names, enumerate(PAIRS)):
            options = study.method_options(name)
            task = task_of(options.outcome, options.task)
            target = Path(place) / name / "repeat-0" / f"fold-{number}"
            train_fold(
                cohort,
                target,
                method=name,
                repeat=0,
                fold=number,
                options=options,
                seed=study.seed,
                device="cpu",
            )
            people = read_table(target / "predictions.tsv", {"participant_id": "text"}, extra=True)
            fold = people["participant_id"].map(fold_of)
            train = people[people["set"] == "train"]
            for reported, other in (pair, pair[::-1]):
                value = evaluate(task.metrics[0], people[fold == other], train)
                rows.append({"method": name, "fold": reported, "value": value})
            print(f"{name}, {pair[0]} and {pair[1]} left out", file=sys.stderr, flush=True)
    table = pd.DataFrame(rows).pivot_table(index="method", columns="fold", values="value")
    return table.assign(mean=table.mean(axis=1)).loc[names]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("methods", nargs="+")
    arguments = parser.parse_args()
    compare(arguments.folder, arguments.methods).to_csv(sys.stdout, sep="\t", float_format="%.4f")


if __name__ == "__main__":
    main()
