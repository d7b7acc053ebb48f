"""Predictions of the models of a study for people of another cohort, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.errors import ModelError
from gendmr.files.atomic import write_json
from gendmr.files.provenance import versions
from gendmr.files.tables import write_table
from gendmr.predict.cohort import OtherCohort
from gendmr.predict.matching import TrainingPeople, check_range, match, without_known
from gendmr.predict.models import find_models, read_models
from gendmr.seeds import generator
from gendmr.statistics.intervals import percentile_interval
from gendmr.tasks.base import Task
from gendmr.training.model import FoldModel

RESAMPLES = 500
OVERLAP = 0.8


@dataclass
class Prediction:
    """What the models of one method say of a cohort.

    Parameters
    ----------
    method : str
    people : DataFrame
        A row per person, means over models: predictions.tsv.
    metrics : DataFrame
        `metric`, `value`, `low`, `high` (95 % interval over people), `people`: metrics.tsv; without
        rows where nobody's outcome is known.
    overlap : DataFrame
        What of each model was in the cohort: overlap.tsv.
    notes : list of str
    folder : Path
        Where these are written.
    """

    method: str
    people: pd.DataFrame
    metrics: pd.DataFrame
    overlap: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    folder: Path = Path()


def predict_study(
    source: Path,
    on: Path,
    output: Path | None = None,
    *,
    methods: Sequence[str] = (),
    fold: tuple[int, int] | None = None,
    overlap: float = OVERLAP,
    training_people: TrainingPeople = "refuse",
    progress: Callable[[str], None] = lambda line: None,
) -> list[Prediction]:
    """Apply models to a cohort and write a folder per method.

    Parameters
    ----------
    source : Path
        `results/<study>`, or a model.safetensors.
    on : Path
        Configuration, `results/<study>` or folder `cohort` of the people to predict.
    output : Path, optional
        Without it `<source>/predict/<name of the cohort>`.
    methods : sequence of str
        None: all.
    fold : (repeat, fold), optional
        None: the mean of all folds.
    overlap : float
        Share of the instances of each modality that must be there.
    training_people : str
        What is done with people of the training set: `refuse`, `leave-out`, or `other-people` where
        equal identifiers are of different people.
    progress : callable

    Raises
    ------
    InputFileError
        No model, or no joined cohort.
    ModelError
        The two do not go together.
    """
    paths = find_models(source, methods, fold)
    cohort = OtherCohort.open(on)
    if output is None:
        output = (source if source.is_dir() else source.parent) / "predict" / cohort.name
    predictions = []
    for method, files in paths.items():
        prediction = _predict(read_models(files), cohort, overlap, training_people)
        prediction.folder = output / method
        _write(prediction, on, files)
        progress(_line(prediction))
        predictions.append(prediction)
    return predictions


def _predict(
    models: Sequence[FoldModel], cohort: OtherCohort, least: float, training_people: TrainingPeople
) -> Prediction:
    if not models[0].preparation.task.n_outputs:
        raise ModelError(
            f"{models[0].method} predicts {models[0].preparation.task.label}, whose predictions are"
            " images and not numbers",
            cause="the outcome is measured by a stage of the new cohort too",
            next_step="choose the methods of another outcome with --method",
        )
    cohort, notes = without_known(models, cohort, training_people)
    overlap: list[dict[str, object]] = []
    rows = []
    for model in models:
        matched = match(model, cohort, least)
        subset = cohort.subset(model, matched.alignments)
        people = model.preparation.apply(subset)
        check_range(model, subset, people)
        notes += [*matched.notes, *model.preparation.beyond(subset)]
        overlap += matched.overlap
        output = model.fitted.predict(people)
        finite = np.isfinite(output).all(axis=1)
        if not finite.all():
            raise ModelError(
                f"{model.path}: {int((~finite).sum())} of {len(people)} people have no finite"
                " output",
                cause="measurements of extreme size",
                next_step="look at the quality tables of the new cohort",
            )
        table = model.preparation.task.predictions(output, people.outcome, model.calibration)
        table.insert(0, "participant_id", people.participants)
        table.insert(1, "modalities", people.patterns)
        rows.append(table.assign(repeat=model.repeat, fold=model.fold))
    task = models[0].preparation.task
    pooled = task.pool(pd.concat(rows, ignore_index=True))
    outcome = cohort.outcome(task)
    known_outcome = pooled["participant_id"].isin(cohort.participants[outcome.known])
    metrics, left_out = _metrics(task, pooled[known_outcome.to_numpy()], models[0].method)
    if not known_outcome.any():
        notes.append(f"Nobody's {task.label} is known in the new cohort: no metrics.")
    else:
        notes += [*left_out, *task.notes(outcome.take(outcome.known), "predicted")]
    columns = [name for name in task.columns if name in pooled]
    pooled = pooled[["participant_id", "modalities", *columns]]
    table = pd.DataFrame(overlap)
    return Prediction(models[0].method, pooled, metrics, table, list(dict.fromkeys(notes)))


def _metrics(task: Task, rows: pd.DataFrame, method: str) -> tuple[pd.DataFrame, list[str]]:
    """Return metrics with 95 % intervals over people, and a note on those that cannot be told."""
    judged: list[dict[str, Any]] = []
    left_out = []
    columns = ["metric", "value", "low", "high", "people"]
    for place, metric in enumerate(task.metrics if len(rows) else ()):
        if metric.needs_train:
            left_out.append(metric.label)
            continue
        random = generator(0, "predict", method, metric.name)
        if place == 0:
            low, high = task.interval(rows, random)
        else:
            draws = [
                rows.iloc[random.integers(len(rows), size=len(rows))] for _ in range(RESAMPLES)
            ]
            low, high = percentile_interval(np.array([metric.of(draw) for draw in draws]))
        value = float(metric.of(rows))
        judged.append(dict(zip(columns, (metric.name, value, low, high, len(rows)), strict=True)))
    notes = []
    if left_out:
        notes.append(
            f"{' and '.join(left_out)}: not told, since they need the training people's outcomes,"
            " which a model does not hold."
        )
    return pd.DataFrame(judged, columns=columns), notes


def _write(prediction: Prediction, on: Path, files: Sequence[Path]) -> None:
    write_table(prediction.folder / "predictions.tsv", prediction.people)
    write_table(prediction.folder / "metrics.tsv", prediction.metrics)
    write_table(prediction.folder / "overlap.tsv", prediction.overlap)
    write_json(
        prediction.folder / "predict.json",
        {
            "method": prediction.method,
            "models": [str(path) for path in files],
            "on": str(on),
            "people": len(prediction.people),
            "notes": prediction.notes,
            "versions": versions("numpy", "torch"),
        },
    )


def _line(prediction: Prediction) -> str:
    line = f"{prediction.method}: {len(prediction.people)} people"
    if len(prediction.overlap):
        share = prediction.overlap["share"].min()
        flipped = int(prediction.overlap["flipped"].max())
        line += f", at least {share:.0%} of what each model reads is there, {flipped} flipped"
    for row in prediction.metrics[:1].itertuples():
        line += f"; {row.metric} {row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
    return f"{line}; {prediction.folder}"
