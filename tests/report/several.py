"""A finished study of several outcomes: predictions by the tasks, metrics by the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.cohort.outcomes import everybody
from gendmr.config.outcomes.base import OutcomeSection
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.outcomes.multiclass import MulticlassOutcome
from gendmr.config.outcomes.quantitative import QuantitativeOutcome
from gendmr.config.outcomes.survival import SurvivalOutcome
from gendmr.tasks import task_of
from gendmr.tasks.base import Outcome, Task
from gendmr.training.evaluate import collect_metrics
from report.studies import write_json, write_tsv

SEVERAL: dict[str, OutcomeSection] = {
    "diagnosis": MulticlassOutcome(column="diagnosis", classes=("CN", "MCI", "AD")),
    "memory": QuantitativeOutcome(column="memory", unit="points"),
    "conversion": SurvivalOutcome(
        label="time to conversion", time="months", event="converted", unit="months"
    ),
    "stroke": BinaryOutcome(column="stroke"),
}
LEARNERS = ("diagnosis", "memory", "conversion")  # nobody learns the last outcome


def make_several_outcomes(
    results: Path,
    *,
    n: int = 150,
    folds: int = 3,
    modalities: Sequence[str] = ("region",),
    covariates: Sequence[str] = (),
) -> Path:
    """Write a study of four outcomes, three of which are learned by two methods each.

    Predictions come from the tasks and metrics from predictions. Ten people lack `memory`.
    """
    rng = np.random.default_rng(7)
    signal = rng.normal(size=n)
    people = pd.DataFrame({"participant_id": [f"{i:03d}" for i in range(n)]})
    stage = np.digitize(signal + rng.normal(size=n), [-0.5, 0.5])
    people["diagnosis"] = np.array(["CN", "MCI", "AD"], dtype=object)[stage]
    people["memory"] = (25 - 2 * signal + rng.normal(0, 2, n)).round(1)
    people.loc[:9, "memory"] = np.nan
    until, follow_up = rng.exponential(20 * np.exp(-signal)), rng.uniform(5, 40, n)
    people["conversion_time"] = np.minimum(until, follow_up).round(2) + 0.01
    people["conversion_event"] = (until <= follow_up).astype(int)
    people["stroke"] = np.where(rng.random(n) < 0.3, "case", "control")
    if "age" in covariates:
        people["age"] = rng.normal(70, 5, n).round(1)
    if "sex" in covariates:
        people["sex"] = rng.choice(["F", "M"], n)
    for name in modalities:
        people[f"has_{name}"] = True
    write_tsv(results / "cohort" / "participants.tsv", people)
    write_tsv(
        results / "cohort" / "attrition.tsv",
        pd.DataFrame(columns=["kind", "id", "stage", "step", "reason", "value", "threshold"]),
    )
    for outcome in LEARNERS:
        task = task_of(outcome, SEVERAL[outcome])
        participants, outcome_of_people = everybody(results / "cohort" / "participants.tsv", task)
        position = people.set_index("participant_id").index.get_indexer(pd.Index(participants))
        for kind, noise in (("ridge", 0.6), ("linear", 2.0)):
            name = f"{kind}-{outcome}"
            _write_learner(
                results, name, kind, task, participants, outcome_of_people, signal[position],
                noise, folds, [*modalities],
            )  # fmt: skip
    return results


def _write_learner(
    results: Path,
    name: str,
    kind: str,
    task: Task,
    participants: np.ndarray,
    outcome: Outcome,
    signal: np.ndarray,
    noise: float,
    folds: int,
    reads: list[str],
) -> None:
    """Write the folds of a method that sees the signal with some noise, and its metrics."""
    rng = np.random.default_rng(len(name))
    feature = (signal + rng.normal(0, noise, len(signal)))[:, None]
    folders = []
    for fold in range(folds):
        held_out = np.arange(len(participants)) % folds == fold
        inner = np.arange(len(participants)) % folds == (fold + 1) % folds
        train = ~held_out & ~inner
        fitted = task.fit(outcome.take(train))
        slope, level = fitted.linear(feature[train], outcome.take(train), penalty=1.0)
        output = feature @ slope + level
        calibration = fitted.calibrate(
            output[inner], outcome.take(inner), output[train], outcome.take(train)
        )
        tables = []
        for part, rows in (("train", train), ("held-out", held_out)):
            table = fitted.predictions(output[rows], outcome.take(rows), calibration)
            table.insert(0, "participant_id", participants[rows])
            table.insert(1, "set", part)
            table.insert(2, "modalities", "+".join(reads))
            tables.append(table)
        place = results / "training" / name / "repeat-0" / f"fold-{fold}"
        described = {"method": name, "repeat": 0, "fold": fold, "outcome": task.name}
        sizes = {"n_train": int(train.sum()), "n_held_out": int(held_out.sum())}
        write_json(place / "fold.json", described | sizes | {"notes": []})
        run = {"kind": kind, "reads": reads, "seed": fold, "device": "cpu", "options": {}}
        write_json(place / "run.json", described | run | {"notes": [], "versions": {}})
        (place / "history.jsonl").write_text("")
        write_tsv(place / "predictions.tsv", pd.concat(tables))
        folders.append(place)
    path = results / "training" / name / "metrics.tsv"
    collect_metrics(folders, path, method=name, task=task, seed=1)
