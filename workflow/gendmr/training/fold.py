"""One job: fit one method on the training people of one fold, predict everybody, attribute."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.cohort.shuffle import Shuffle
from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.engine.checkpoint import Checkpoint
from gendmr.errors import TrainingError
from gendmr.files.atomic import sha256, write_json, write_text
from gendmr.files.datasets import write_dataset
from gendmr.files.fingerprint import fingerprint
from gendmr.files.provenance import given_checksums, versions
from gendmr.files.tables import write_table
from gendmr.methods.base import (
    Attribution,
    FitInputs,
    Fitted,
    LeavesReadouts,
    Method,
    Progress,
)
from gendmr.modalities import modality_of
from gendmr.modalities.store import attributions_schema
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import derive
from gendmr.tasks import task_of
from gendmr.tasks.base import Task
from gendmr.tasks.measured import LeavesFiles
from gendmr.training.model import write_model
from gendmr.training.readout import SCORES, instance_scores, with_evidence


def build_method(options: MethodOptions) -> Method:
    """Return the method for its options, found by its kind."""
    method: Method = importlib.import_module(f"gendmr.{options.method.module}").build(options)
    return method


def train_fold(
    cohort: Path | str,
    output: Path | str,
    *,
    method: str,
    repeat: int,
    fold: int,
    options: MethodOptions,
    seed: int,
    device: str = "auto",
    checkpoint_every: int = 5,
    progress: Progress = lambda line: None,
) -> None:
    """Write the six files of a fold into `output`, and those that its task and its method leave.

    Parameters
    ----------
    cohort : Path or str
        Folder that the stage `cohort` leaves.
    output : Path or str
        Folder of model.safetensors, history.jsonl, fold.json, predictions.tsv, attributions.nc
        and run.json.
    method : str
        Its name in the configuration.
    repeat, fold : int
        Counted from 0.
    options : MethodOptions
        The method's slice of the configuration.
    seed : int
        Of the study; that of the fold derives from it.
    device : str
        `auto`, `cpu` or `cuda`, for networks.
    checkpoint_every : int
        Epochs between checkpoints of a network; they lie in `checkpoints/` beside the repeats and
        are removed when the fold is done.
    progress : callable
        Gets a line now and then.

    Raises
    ------
    OutcomeError
        The training people cannot be trained on: one class only, no event.
    TrainingError
        Nothing to train on, a loss that is not finite.
    FoldError, ConfigurationError, InputFileError, ModalityError
        See `FoldView` and `Preparation`.
    """
    cohort, output = Path(cohort), Path(output)
    within = options.method.shuffled
    shuffle = Shuffle(within, seed=seed, repeat=repeat, fold=fold) if within else None
    view = FoldView.open(
        cohort,
        repeat,
        fold,
        task=task_of(options.outcome, options.task),
        modalities=tuple(options.modalities),
        shuffle=shuffle,
    )
    preparation = Preparation.fit(view, options)
    train, validation = preparation.apply(view.train), preparation.apply(view.validation)
    sizes = [
        f"{len(preparation.instances(modality))} {modality}s" for modality in preparation.reads
    ]
    progress(
        f"{method}, repeat {repeat}, fold {fold}: {len(train)} people to train on,"
        f" {len(validation)} to validate{''.join(f', {size}' for size in sizes)}"
    )
    fold_seed = derive(seed, "training", method, repeat, fold)
    inputs = checksums(cohort, options.files)
    checkpoint = Checkpoint(
        folder=output.parent.parent / "checkpoints",
        key=fold_key(options, method, repeat, fold, fold_seed, inputs, "training.fold"),
        epochs_between=checkpoint_every,
        progress=progress,
        place=(repeat, fold),
    )
    built_method = build_method(options)
    fit_inputs = FitInputs(train, validation, preparation, fold_seed)
    fitted = built_method.fit(fit_inputs, device=device, progress=progress, checkpoint=checkpoint)
    # The last things that are fitted: a threshold, a baseline hazard.
    task = preparation.task
    calibration = task.calibrate(
        fitted.predict(validation), validation.outcome, fitted.predict(train), train.outcome
    )
    view.seal()
    held_out = preparation.apply(view.held_out)

    predictions = pd.concat(
        [
            _predictions(fitted, people, task, calibration)
            for people in (train, validation, held_out)
        ],
        ignore_index=True,
    )
    attributions = with_evidence(fitted.attributions(held_out), built_method, fit_inputs)
    notes = [*preparation.notes, *fitted.notes, *(shuffle.notes("train") if shuffle else ())]
    for subset in (view.train, view.validation):
        notes += preparation.beyond(subset)
    notes += task.notes(validation.outcome, "validation")

    readout_notes = fitted.leave(output, held_out) if isinstance(fitted, LeavesReadouts) else []
    write_model(
        output / "model.safetensors",
        fitted,
        preparation,
        view,
        method=method,
        calibration=calibration,
    )
    write_text(
        output / "history.jsonl",
        "".join(json.dumps(_finite(line), sort_keys=True) + "\n" for line in fitted.history),
    )
    write_json(
        output / "fold.json",
        {
            "method": method,
            "repeat": repeat,
            "fold": fold,
            "outcome": options.outcome,
            "n_train": len(train),
            "n_validation": len(validation),
            "n_held_out": len(held_out),
            "calibration": calibration,
            # Held-out notes stay out of run.json, which the leak test compares byte for byte.
            "notes": [
                *preparation.beyond(view.held_out),
                *task.notes(held_out.outcome, "held-out"),
                *readout_notes,
            ],
        },
    )
    write_table(output / "predictions.tsv", predictions)
    if isinstance(task, LeavesFiles):
        task.leave(
            output, held_out.participants, fitted.predict(held_out), held_out.outcome, calibration
        )
    _write_attributions(output / "attributions.nc", attributions, held_out, preparation)
    write_json(
        output / "run.json",
        {
            "status": "finished",
            "method": method,
            "kind": options.method.kind,
            "outcome": options.outcome,
            "task": options.task.kind,
            "reads": list(options.reads),
            "repeat": repeat,
            "fold": fold,
            "seed": seed,
            "device": fitted.device,
            "epochs": len(fitted.history),
            "best_epoch": fitted.best_epoch,
            "n_parameters": int(sum(value.size for value in fitted.weights.values())),
            "options": json.loads(options.dump()),
            "notes": notes,
            "selection": preparation.counts,
            "people": {
                name: int(value)
                for name, value in sorted(
                    pd.Series(train.patterns).value_counts().to_dict().items()
                )
            },
            "versions": versions(*fitted.packages),
            "inputs": inputs,
            "given": given_checksums(cohort / "inputs.json"),
        },
    )
    checkpoint.discard()
    rows = predictions[predictions["set"] == "held-out"]
    progress(f"held-out {task.summary(rows)} ({len(held_out)} people)")


def checksums(cohort: Path, modalities: tuple[str, ...], *extra_files: str) -> dict[str, str]:
    """Return SHA-256 of the files that a job reads, by name."""
    files = [*FoldView.files(cohort, modalities), *(cohort / name for name in extra_files)]
    return {path.name: sha256(path) for path in files if path.is_file()}


def fold_key(
    options: MethodOptions,
    method: str,
    repeat: int,
    fold: int,
    seed: int,
    inputs: Mapping[str, str],
    module: str,
) -> str:
    """Return a hash of all that decides what a job does; `module` is the one that it runs."""
    code = fingerprint(*options.code(module))
    packages = {name: version(name) for name in ("numpy", "torch")}
    parts = [options.dump(), method, repeat, fold, seed, dict(inputs), code, packages]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _predictions(
    fitted: Fitted, people: PreparedSubset, task: Task, calibration: Mapping[str, Any]
) -> pd.DataFrame:
    output = fitted.predict(people)
    finite = task.finite(output)
    if not finite.all():
        raise TrainingError(
            f"{int((~finite).sum())} of {len(people)} {people.role} people have no finite output",
            cause="training diverged, or measurements of extreme size",
            next_step="lower training.optimisation.learning_rate, or look at the outliers in the"
            " quality tables",
        )
    table = task.predictions(output, people.outcome, calibration)
    table.insert(0, "participant_id", people.participants)
    table.insert(1, "set", people.role)
    table.insert(2, "modalities", people.patterns)
    return table


def _finite(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in line.items()
    }


def _write_attributions(
    path: Path,
    attributions: Mapping[str, Attribution],
    people: PreparedSubset,
    preparation: Preparation,
) -> None:
    import xarray as xr

    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {"participant": ("participant", people.participants)}
    for name, attribution in attributions.items():
        variables[f"value_{name}"] = (("participant", name), attribution.value)
        variables[f"baseline_{name}"] = (("participant",), attribution.baseline)
        if attribution.attention is not None:
            variables[f"attention_{name}"] = (("participant", name), attribution.attention)
        if attribution.evidence is not None:
            variables[f"evidence_{name}"] = ((name,), attribution.evidence)
        if attribution.seeds is not None:
            for score in SCORES:
                variables[f"seed_{score}_{name}"] = (
                    ("seed", name),
                    np.stack(
                        [instance_scores(values, score) for values in attribution.seeds]
                    ).astype(np.float32),
                )
            coordinates["seed"] = ("seed", np.arange(len(attribution.seeds)))
        instances = preparation.instances(name)
        for coordinate in modality_of(name).named:
            coordinates[coordinate] = (name, instances[coordinate].to_numpy())
    write_dataset(
        path, xr.Dataset(variables, coords=coordinates), attributions_schema(tuple(attributions))
    )
