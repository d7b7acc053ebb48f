"""A finished training folder in the form of the contracts, without any training."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def write_fold(folder: Path, method: str, epochs: int, threshold: float = 0.5) -> None:
    repeat, fold = (int(part.split("-")[1]) for part in folder.parts[-2:])
    folder.mkdir(parents=True, exist_ok=True)
    run = {
        "status": "finished",
        "method": method,
        "kind": "network",
        "outcome": "diagnosis",
        "task": "binary",
        "repeat": repeat,
        "fold": fold,
        "seed": 7,
        "device": "cpu",
        "epochs": epochs,
        "best_epoch": epochs // 2,
        "options": {"learning_rate": 1e-4, "layers": [64, 32], "nested": {"position": "genomic"}},
        "notes": ["no distillation"],
        "people": {"snp+region": 60},
        "selection": {"n_snp": 40},
        "versions": {"torch": "2.13.0"},
        "inputs": {"snp.nc": "ab12"},
    }
    described = {
        "method": method,
        "repeat": repeat,
        "fold": fold,
        "outcome": "diagnosis",
        "n_train": 60,
        "n_validation": 10,
        "n_held_out": 20,
        "calibration": {"threshold": threshold},
        "notes": ["region r7 is missing in 3 held-out people"] if fold == 1 else [],
    }
    history = [
        {"epoch": e, "step": e * 3, "train_loss": 1 / (e + 1), "validation_auc": 0.5 + e / 100}
        for e in range(epochs)
    ]
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "fold.json").write_text(json.dumps(described))
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history))


def write_metrics(results: Path, method: str, repeats: int, folds: int) -> None:
    rows = ["method\trepeat\tfold\tmetric\tvalue"]
    for repeat in range(repeats):
        for fold in range(folds):
            auc = 0.6 + fold / 100
            values = {"auc": auc, "brier": 0.2, "f1": "n/a", "auc:snp+region": auc}
            for metric, value in values.items():
                rows.append(f"{method}\t{repeat}\t{fold}\t{metric}\t{value}")
    for kind, value in (("mean", 0.62), ("low", 0.55), ("high", 0.69), ("pooled", 0.61)):
        rows.append(f"{method}\tn/a\t{kind}\tauc\t{value}")
    path = results / "training" / method / "metrics.tsv"
    path.write_text("\n".join(rows) + "\n")


Maker = Callable[..., Path]


def make_finished(
    folder: Path,
    *methods: str,
    study: str = "tiny",
    repeats: int = 1,
    folds: int = 2,
    epochs: int = 4,
) -> Path:
    """Make `results/<study>` with finished folds of some methods."""
    results = folder / "results" / study
    for method in methods or ("gendmr", "ridge_snp"):
        for repeat in range(repeats):
            for fold in range(folds):
                place = results / "training" / method / f"repeat-{repeat}" / f"fold-{fold}"
                write_fold(place, method, epochs)
        write_metrics(results, method, repeats, folds)
    figures = results / "ranking" / "gendmr" / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    pixel = np.zeros((2, 2))
    import matplotlib.image

    blank: Any = {"Software": None}
    matplotlib.image.imsave(figures / "genome.png", pixel, metadata=blank)
    (results / "ranking" / "gendmr" / "genes.tsv").write_text("gene\trank\nAPOE\t1\n")
    summary = json.dumps({"notes": ["no p-values"]})
    (results / "ranking" / "gendmr" / "summary.json").write_text(summary)
    return results


@pytest.fixture
def finished(tmp_path: Path) -> Maker:
    """Make finished studies in a folder of the test."""
    return functools.partial(make_finished, tmp_path)
