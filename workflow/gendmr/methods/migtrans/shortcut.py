"""A ridge around the network, which then learns only what ridge does not say of unseen people.

Wide and deep models (Cheng et al. 2016, DLRS) add a linear part to a network; ours is fitted first,
with a penalty chosen by cross-validation within the training people. The network is trained beside
what the ridge says of training people who were left out of it (stacking, Wolpert 1992), since what
it says of people whom it was fitted on leaves nothing to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from gendmr.config.methods.ridge import RidgeMethod
from gendmr.engine.batches import Tensors
from gendmr.methods.base import FitInputs
from gendmr.methods.ridge.method import FittedRidge, Ridge
from gendmr.preprocessing.partition import stratified_parts
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import generator
from gendmr.tasks.base import Outcome, Task

PARTS = 5  # of the training people, each left out once
INTERCEPT, TERMS, OFFSET, SHARE = "ridge_intercept", "ridge_", "ridge_offset", "network_share"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the network's output that are compared


@dataclass(frozen=True)
class RidgeShortcut:
    """A fitted ridge as tensors.

    Parameters
    ----------
    fixed : dict of Tensor
        `ridge_intercept` (output,), and `ridge_` and a modality's name (instance, measure, output):
        what one unit of its design adds.
    offset : Tensor (person, output)
        What it says of each training person when that person's part was left out.
    """

    fixed: Tensors
    offset: torch.Tensor


def fit_shortcut(inputs: FitInputs, modalities: tuple[str, ...]) -> RidgeShortcut:
    """Fit the ridge of some modalities on the training people, and on all but each part of them."""
    fitted = _ridge(inputs, modalities, RidgeMethod())
    penalty = float(fitted.history[0]["penalty"])
    train = inputs.train
    fewest = inputs.task.fewest(train.outcome)
    offset = fitted.predict(train)
    if fewest > 1:
        part = stratified_parts(train, min(PARTS, fewest), generator(inputs.seed, "shortcut"))
        for number in np.unique(part):
            fit_people = train.take(np.flatnonzero(part != number))
            if not inputs.task.fewest(fit_people.outcome):
                continue
            without = _ridge(
                replace(inputs, train=fit_people), modalities, RidgeMethod(penalties=(penalty,))
            )
            left_out = np.flatnonzero(part == number)
            offset[left_out] = without.predict(train.take(left_out))
    terms = {name: np.asarray(value) for name, value in fitted.terms.items()}
    per_unit = fitted.coefficients / fitted.scale[:, None]
    fixed = {INTERCEPT: _tensor(fitted.intercept - fitted.centre @ per_unit)}
    fixed |= {f"{TERMS}{name}": _tensor(value) for name, value in terms.items()}
    return RidgeShortcut(fixed, _tensor(offset))


def _ridge(inputs: FitInputs, modalities: tuple[str, ...], options: RidgeMethod) -> FittedRidge:
    return Ridge(options, modalities).fit(inputs, device="cpu", progress=lambda line: None)


def _tensor(value: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))


def around(network: torch.Tensor, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the ridge's output (person, output) with that of the network; the latter without one.

    Parameters
    ----------
    network : Tensor (person, output)
    batch : mapping of str to Tensor
        Modalities and the tensors of `RidgeShortcut.fixed`; `ridge_offset` of training people
        stands for what the ridge would say of them; `network_share`, where there is one, is how
        much of the network's output counts.
    """
    if INTERCEPT not in batch:
        return network
    ridge = batch.get(OFFSET)
    if ridge is None:
        ridge = batch[INTERCEPT]
        for name, terms in batch.items():
            modality = name.removeprefix(TERMS)
            if modality in batch and modality != name:
                # People without a modality have its training mean, which is 0.
                ridge = ridge + torch.einsum("nim,imo->no", batch[modality], terms)
    return ridge + network * batch.get(SHARE, 1.0)


def nothing_counts(batch: Mapping[str, torch.Tensor]) -> bool:
    """Return whether the network's output counts for nothing, so that it need not be computed."""
    return SHARE in batch and float(batch[SHARE]) == 0


def best_share(
    task: Task, outcome: Outcome, output: Callable[[float], np.ndarray]
) -> tuple[float, dict[float, float]]:
    """Return the share of the network with the smallest loss in some people, and all losses.

    It is 0 unless the loss falls by more than one standard error of its paired difference: among
    some tens of people a smaller gain is chance.

    Parameters
    ----------
    task : Task
    outcome : Outcome
        Of people of the inner validation.
    output : callable
        Gives their output (person, output) with a share of the network's.
    """
    weight = task.weights(outcome)
    weight = weight / weight.sum()
    losses_by_share = {share: weight * task.losses(output(share), outcome) for share in SHARES}
    losses = {share: float(person_losses.sum()) for share, person_losses in losses_by_share.items()}
    best = min(SHARES, key=lambda share: losses[share])
    gain = losses_by_share[SHARES[0]] - losses_by_share[best]
    error = float(np.sqrt(len(gain)) * gain.std(ddof=1)) if len(gain) > 1 else np.inf
    return (best if gain.sum() > error else SHARES[0]), losses


def outputs_with(
    predict: Callable[[PreparedSubset], np.ndarray], fixed: Tensors, people: PreparedSubset
) -> Callable[[float], np.ndarray]:
    """Return a function of the share: an output is linear in it, so that two ends tell all.

    Leaves `network_share` at 1 in `fixed`.
    """
    ends = []
    for share in (0.0, 1.0):
        fixed[SHARE] = torch.tensor(share)
        ends.append(predict(people))
    return lambda share: (1 - share) * ends[0] + share * ends[1]
