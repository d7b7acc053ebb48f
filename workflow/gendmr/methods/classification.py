"""What networks for cases against controls share."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from gendmr.errors import TrainingError
from gendmr.methods.base import FitInputs
from gendmr.tasks.base import Task

MODALITIES = ("snp", "region")
OTHER = {"snp": "region", "region": "snp"}


def cross_entropy(logit: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean cross-entropy of logits against 0 and 1."""
    each = functional.softplus(logit) - y * logit
    return (weight * each).sum() / weight.sum().clamp(min=1e-6)


def binary_divergence(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """Return KL(teacher || student) of two-class answers given as logits of the second class."""
    p = torch.sigmoid(teacher)
    return p * (functional.logsigmoid(teacher) - functional.logsigmoid(student)) + (1 - p) * (
        functional.logsigmoid(-teacher) - functional.logsigmoid(-student)
    )


def usable_bags(
    inputs: FitInputs, wanted: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the bags that can be trained and a note for each that cannot.

    A bag needs at least one instance and a case and a control among the training people who have
    it; without, it is masked for everybody.

    Raises
    ------
    TrainingError
        None is left.
    """
    bags, notes = [], []
    train = inputs.train
    case = np.asarray(inputs.task.response(train.outcome)[:, 0], dtype=int)
    for name in wanted:
        present, instances = train.present[name], len(inputs.preparation.instances(name))
        cases = int(case[present].sum())
        controls = int(present.sum()) - cases
        if instances and cases and controls:
            bags.append(name)
        else:
            notes.append(
                f"The bag of {name}s is masked for everybody: {instances} instances, {cases} cases"
                f" and {controls} controls among the training people who have it."
            )
    if not bags:
        raise TrainingError(
            "no bag can be trained: " + " ".join(notes),
            cause="no SNP passed the selection and nobody in the fold has region measurements",
            next_step="relax training.selection, or use fewer folds",
        )
    if len(bags) == 2 and not (train.present["snp"] & train.present["region"]).any():
        notes.append(
            "None of the training people has both modalities: what they say together is not"
            " learned."
        )
    return tuple(bags), notes
