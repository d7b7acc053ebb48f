"""One job: fit one method on the training people of one fold, predict everybody, read risks out."""

from __future__ import annotations

import hashlib
import importlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.cohort.view import FoldView
from gendmr.config.training import MethodOptions
from gendmr.errors import TrainingError
from gendmr.files.atomic import atomic_path, sha256, write_json, write_text
from gendmr.files.datasets import write_dataset
from gendmr.files.fingerprint import fingerprint
from gendmr.files.provenance import given_checksums, versions
from gendmr.files.tables import write_table
from gendmr.methods.base import Bag, Fitted, Method, Progress
from gendmr.seeds import derive
from gendmr.engine.checkpoint import Checkpoint
from gendmr.preprocessing.preparation import People, Preparation
from gendmr.training.scores import best_threshold, evaluate, sigmoid

INPUTS = ("participants.tsv", "participants.json", "splits.tsv", "snp.nc", "region.nc")
PATTERNS = ("snp+region", "snp", "region", "none")


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
    """Write the six files of a fold into `output`.

    Parameters
    ----------
    cohort : Path or str
        Folder that the stage `cohort` leaves.
    output : Path or str
        Folder of model.safetensors, history.jsonl, metrics.json, predictions.tsv, attention.nc
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
    TrainingError
        One class only among the training people, nothing to train on, a loss that is not finite.
    FoldError, ConfigurationError, InputFileError, ModalityError
        See `FoldView` and `Preparation`.
    """
    output = Path(output)
    view = FoldView.open(cohort, repeat, fold)
    preparation = Preparation.fit(view, options)
    train = preparation.apply(view.train)
    validation = preparation.apply(view.validation)
    progress(
        f"{method}, repeat {repeat}, fold {fold}: {len(train)} people to train on,"
        f" {len(validation)} to validate, {len(preparation.snps)} SNPs,"
        f" {len(preparation.regions)} regions"
    )
    module = importlib.import_module(f"gendmr.{options.method.module}")
    model: Method = module.build(options)
    fold_seed = derive(seed, "training", method, repeat, fold)
    inputs = {
        name: sha256(Path(cohort) / name) for name in INPUTS if (Path(cohort) / name).is_file()
    }
    checkpoint = Checkpoint(
        folder=output.parent.parent / "checkpoints",
        key=fold_key(options, method, repeat, fold, fold_seed, inputs, "training.fold"),
        every=checkpoint_every,
        say=progress,
        place=(repeat, fold),
    )
    fitted = model.fit(
        train,
        validation,
        preparation,
        seed=fold_seed,
        device=device,
        progress=progress,
        checkpoint=checkpoint,
    )
    # The threshold is the last thing that is fitted.
    threshold = best_threshold(validation.diagnosis, sigmoid(fitted.logits(validation)))
    view.seal()
    held_out = preparation.apply(view.held_out)

    predictions = pd.concat(
        [
            _predictions(fitted, people, name, threshold)
            for name, people in (
                ("train", train),
                ("validation", validation),
                ("held-out", held_out),
            )
        ],
        ignore_index=True,
    )
    bags = fitted.bags(held_out)
    notes = [*preparation.notes, *fitted.notes]
    for rows in (view.train, view.validation):
        notes += preparation.beyond(rows)
    notes += _one_class(validation, "validation")

    _write_weights(output / "model.safetensors", fitted, preparation)
    write_text(
        output / "history.jsonl",
        "".join(json.dumps(_plain(line), sort_keys=True) + "\n" for line in fitted.history),
    )
    write_json(
        output / "metrics.json",
        {
            "method": method,
            "repeat": repeat,
            "fold": fold,
            "n_train": len(train),
            "n_validation": len(validation),
            "n_held_out": len(held_out),
            "threshold": threshold,
            "held_out": _evaluate(predictions, "held-out"),
            "validation": _evaluate(predictions, "validation"),
            "by_modality": _by_modality(predictions),
            # Apart from those on the fit in run.json, which no held-out person can change.
            "notes": [*preparation.beyond(view.held_out), *_one_class(held_out, "held-out")],
        },
    )
    write_table(output / "predictions.tsv", predictions)
    _write_attention(output / "attention.nc", bags, held_out, preparation)
    write_json(
        output / "run.json",
        {
            "status": "finished",
            "method": method,
            "kind": options.method.kind,
            "repeat": repeat,
            "fold": fold,
            "seed": seed,
            "device": fitted.device,
            "epochs": len(fitted.history),
            "best_epoch": fitted.best_epoch,
            "options": json.loads(options.dump()),
            "notes": notes,
            "selection": preparation.selection,
            "people": {
                name: int(value)
                for name, value in sorted(
                    pd.Series(train.modalities).value_counts().to_dict().items()
                )
            },
            "versions": versions(*fitted.packages),
            "inputs": inputs,
            "given": given_checksums(Path(cohort) / "inputs.json"),
        },
    )
    checkpoint.discard()
    held = _evaluate(predictions, "held-out")["auc"]
    progress(f"held-out AUC {'n/a' if held is None else f'{held:.3f}'} ({len(held_out)} people)")


def fold_key(
    options: MethodOptions,
    method: str,
    repeat: int,
    fold: int,
    seed: int,
    inputs: dict[str, str],
    module: str,
) -> str:
    """Return a hash of all that decides what a job does; `module` is the one that it runs."""
    code = fingerprint(module, options.method.module)
    packages = {name: version(name) for name in ("numpy", "torch")}
    parts = [options.dump(), method, repeat, fold, seed, inputs, code, packages]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _one_class(people: People, name: str) -> list[str]:
    """Return a note where no metric that compares cases with controls can be told."""
    cases = int(people.diagnosis.sum())
    if 0 < cases < len(people):
        return []
    rule = "; the threshold is 0.5" if name == "validation" else ""
    return [
        f"All {len(people)} {name} people are {'cases' if cases else 'controls'}: their AUC is"
        f" n/a{rule}."
    ]


def _predictions(fitted: Fitted, people: People, name: str, threshold: float) -> pd.DataFrame:
    logit = fitted.logits(people)
    if not np.isfinite(logit).all():
        raise TrainingError(
            f"{int((~np.isfinite(logit)).sum())} of {len(people)} {name} people have no finite"
            " score",
            cause="training diverged, or measurements of extreme size",
            next_step="lower training.optimisation.learning_rate, or look at the outliers in the"
            " quality tables",
        )
    probability = sigmoid(logit)
    return pd.DataFrame(
        {
            "participant_id": people.participants,
            "set": name,
            "diagnosis": people.diagnosis.astype(int),
            "score": probability,
            "logit": logit,
            "predicted": (probability >= threshold).astype(int),
            "modalities": people.modalities,
        }
    )


def _evaluate(predictions: pd.DataFrame, name: str) -> dict[str, float | None]:
    chosen = predictions[predictions["set"] == name]
    return evaluate(
        chosen["diagnosis"].to_numpy(), chosen["score"].to_numpy(), chosen["predicted"].to_numpy()
    )


def _by_modality(predictions: pd.DataFrame) -> dict[str, dict[str, float | int | None]]:
    held_out = predictions[predictions["set"] == "held-out"]
    found: dict[str, dict[str, float | int | None]] = {}
    for pattern in PATTERNS:
        chosen = held_out[held_out["modalities"] == pattern]
        if len(chosen):
            found[pattern] = {"n": len(chosen), **_evaluate(chosen, "held-out")}
    return found


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in line.items()
    }


def _write_weights(path: Path, fitted: Fitted, preparation: Preparation) -> None:
    from safetensors.numpy import save

    tensors = {**fitted.weights, **preparation.tensors()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(
            save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})
        )


def _write_attention(
    path: Path, bags: dict[str, Bag], people: People, preparation: Preparation
) -> None:
    import xarray as xr

    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {"participant": ("participant", people.participants.astype(str))}
    for name, bag in bags.items():
        variables[f"risk_{name}"] = (("participant", name), bag.risk)
        variables[f"attention_{name}"] = (("participant", name), bag.attention)
        variables[f"bias_{name}"] = (("participant",), bag.bias)
    if "snp" in bags:
        for name in ("snp", "chromosome", "gene"):
            coordinates[name] = ("snp", preparation.snps[name].to_numpy(dtype=str))
        coordinates["position"] = ("snp", preparation.snps["position"].to_numpy(dtype=np.int64))
    if "region" in bags:
        coordinates["region"] = ("region", preparation.regions.astype(str))
    write_dataset(path, xr.Dataset(variables, coords=coordinates), "attention")
