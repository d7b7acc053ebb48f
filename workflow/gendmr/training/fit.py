"""One fit routine for networks, with a leading replicate axis.

A replicate is one training: a fold, a seed, a permutation of the diagnosis. All replicates take
their steps together, as one computation under `torch.func.vmap`; a fold job is the case of one
replicate, so that a null of a thousand permutations is the same computation as the result it
judges. Weights of all replicates are one matrix (replicate, weight): the optimiser is a handful of
operations on it, whatever the network. Each replicate has its own random generators, gradient
clipping and early stopping, so that it does not depend on its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.func import functional_call, vmap

from gendmr.config.training import OptimisationSection
from gendmr.errors import TrainingError
from gendmr.training.scores import auc

if TYPE_CHECKING:
    from gendmr.methods.base import Network, Progress

Tensors = dict[str, torch.Tensor]
BETAS, EPSILON = (0.9, 0.999), 1e-8


def choose_device(wanted: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`.

    Raises
    ------
    TrainingError
        `cuda` was asked for and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "no CUDA device is visible",
            cause="no GPU was assigned to the job, or torch is the CPU build",
            next_step="use --device cpu, or install the CUDA build",
        )
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


class Layout:
    """Where each parameter of a module lies in a row of the weight matrix."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.names = [name for name, _ in module.named_parameters()]
        self.shapes = [tuple(value.shape) for _, value in module.named_parameters()]
        self.sizes = [math.prod(shape) for shape in self.shapes]

    def flatten(self, module: torch.nn.Module) -> torch.Tensor:
        """Return the parameters of a module as one row."""
        return torch.cat([value.detach().reshape(-1) for _, value in module.named_parameters()])

    def unflatten(self, row: torch.Tensor) -> Tensors:
        """Return views of one row by parameter name."""
        pieces = torch.split(row, self.sizes)
        return {
            name: piece.view(shape)
            for name, piece, shape in zip(self.names, pieces, self.shapes, strict=True)
        }

    def spread(self, value_of: Callable[[str], float]) -> torch.Tensor:
        """Return one row with the same value for all weights of a parameter."""
        return torch.cat(
            [
                torch.full((size,), value_of(name))
                for name, size in zip(self.names, self.sizes, strict=True)
            ]
        )


@dataclass(frozen=True)
class Task:
    """What is fitted; every tensor has the replicate axis first.

    Parameters
    ----------
    module : torch.nn.Module
        Its code; its own weights are not used.
    start : float (replicate, weight)
        Initial weights, in the order of `Layout(module)`.
    fixed : dict of tensors
        What all batches share.
    batches : callable
        ``batches(epoch)`` gives the batches of an epoch (counted from 1).
    noise : callable
        ``noise(batch)`` gives dropout masks, from one generator per replicate.
    validation : dict of tensors
        One batch with everybody of the inner validation; `y` among them.
    decay : callable
        Weight decay of a parameter by its name.
    speed : callable
        Multiple of the learning rate of a parameter by its name.
    """

    module: torch.nn.Module
    start: torch.Tensor
    fixed: Tensors
    batches: Callable[[int], Sequence[Tensors]]
    noise: Callable[[Tensors], Tensors]
    validation: Tensors
    decay: Callable[[str], float]
    speed: Callable[[str], float]


@dataclass(frozen=True)
class Fit:
    """Weights of the best epoch of every replicate.

    Parameters
    ----------
    weights : float (replicate, weight)
    history : list of list of dict
        By replicate, then by epoch.
    best_epoch : list of int
        By replicate, counted from 1.
    """

    weights: torch.Tensor
    history: list[list[dict[str, Any]]]
    best_epoch: list[int]


def forward(
    network: Network,
    task: Task,
    layout: Layout,
    weights: torch.Tensor,
    batch: Tensors,
    noise: Tensors | None,
) -> Tensors:
    """Run the module for all replicates: weights (replicate, weight), outputs likewise."""

    def one(row: torch.Tensor, fixed: Tensors, batch: Tensors, noise: Tensors) -> Tensors:
        return network.forward(task.module, layout.unflatten(row), fixed, batch, noise or None)

    outputs: Tensors = vmap(one)(weights, task.fixed, batch, noise or {})
    return outputs


def call(
    module: torch.nn.Module, parameters: Mapping[str, torch.Tensor], *arguments: Any
) -> Tensors:
    """Run a module with the given parameters in place of its own."""
    outputs: Tensors = functional_call(module, dict(parameters), arguments)
    return outputs


def fit(
    network: Network, task: Task, options: OptimisationSection, progress: Progress
) -> Fit:
    """Train all replicates; each keeps the weights of its best epoch.

    AdamW (Loshchilov & Hutter 2019) with linear warm-up and cosine decay; weights decay towards
    where they started (Li, Grandvalet & Davoine 2018), not to zero. The best epoch has the
    largest AUC of the inner validation; among equals, the smallest loss there.

    Raises
    ------
    TrainingError
        A loss is not finite; names replicate, epoch and step.
    """
    layout = Layout(task.module)
    weights = task.start.clone()
    device, replicates = weights.device, weights.shape[0]
    decay = layout.spread(task.decay).to(device)
    speed = layout.spread(task.speed).to(device)
    first, second = torch.zeros_like(weights), torch.zeros_like(weights)
    teachers = {teacher.name: weights.clone() for teacher in network.teachers}
    best = weights.clone()
    best_epoch = [0] * replicates
    best_value = [(-math.inf, -math.inf)] * replicates
    history: list[list[dict[str, Any]]] = [[] for _ in range(replicates)]
    active = torch.ones(replicates, dtype=torch.bool, device=device)
    truth = task.validation["y"].cpu().numpy()

    def losses(
        row: torch.Tensor,
        fixed: Tensors,
        batch: Tensors,
        noise: Tensors,
        taught: Tensors,
        scale: Tensors,
    ) -> tuple[torch.Tensor, torch.Tensor, Tensors]:
        outputs = network.forward(task.module, layout.unflatten(row), fixed, batch, noise or None)
        own = network.loss(outputs, batch)
        lessons = {
            name: network.forward(task.module, layout.unflatten(value), fixed, batch, None)
            for name, value in taught.items()
        }
        terms = {
            extra.name: extra.term(outputs, lessons, batch) for extra in network.auxiliary_losses
        }
        total = own
        for name, term in terms.items():
            total = total + scale[name] * term
        return total, outputs["logit"], terms

    step = 0
    for epoch in range(1, options.epochs + 1):
        batches = task.batches(epoch)
        total_steps = options.epochs * len(batches)
        summed = torch.zeros(replicates, device=device)
        terms_summed = {extra.name: torch.zeros_like(summed) for extra in network.auxiliary_losses}
        seen: list[Tensors] = []
        scale = {
            extra.name: torch.full((replicates,), float(extra.weight(epoch)), device=device)
            for extra in network.auxiliary_losses
        }
        rate = 0.0
        for batch in batches:
            weights.requires_grad_(True)
            total, logit, terms = vmap(losses)(
                weights, task.fixed, batch, task.noise(batch), teachers, scale
            )
            (gradient,) = torch.autograd.grad(total.sum(), weights)
            weights = weights.detach()
            _refuse_infinite(total.detach(), active, epoch, step)
            rate = _rate(step, total_steps, options, len(batches))
            norm = gradient.norm(dim=1, keepdim=True)
            gradient = gradient * (options.clip / norm.clamp(min=options.clip))
            step += 1
            first = BETAS[0] * first + (1 - BETAS[0]) * gradient
            second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
            direction = (first / (1 - BETAS[0] ** step)) / (
                (second / (1 - BETAS[1] ** step)).sqrt() + EPSILON
            )
            moved = weights - rate * speed * (direction + decay * (weights - task.start))
            weights = torch.where(active[:, None], moved, weights)
            for teacher in network.teachers:
                keep = teacher.decay(step - 1)
                teachers[teacher.name] = keep * teachers[teacher.name] + (1 - keep) * weights
            summed += total.detach()
            for name, term in terms.items():
                terms_summed[name] += term.detach()
            seen.append(
                {"logit": logit.detach(), "y": batch["y"], "weight": batch["weight"]}
            )
        with torch.no_grad():
            outputs = forward(network, task, layout, weights, task.validation, None)
            loss = vmap(network.loss)(outputs, task.validation)
        _refuse_infinite(loss, active, epoch, step)
        scores = outputs["logit"].cpu().numpy()
        improved = torch.zeros(replicates, dtype=torch.bool)
        for replicate in torch.nonzero(active).reshape(-1).tolist():
            value = auc(truth[replicate], scores[replicate])
            line = {
                "epoch": epoch,
                "step": step,
                "train_loss": float(summed[replicate]) / len(batches),
                "validation_loss": float(loss[replicate]),
                "train_auc": _train_auc(seen, replicate),
                "validation_auc": value,
                "learning_rate": rate,
                **{name: float(term[replicate]) / len(batches)
                   for name, term in terms_summed.items()},
            }
            history[replicate].append(line)
            candidate = (-1.0 if math.isnan(value) else value, -line["validation_loss"])
            if candidate > best_value[replicate]:
                best_value[replicate], best_epoch[replicate] = candidate, epoch
                improved[replicate] = True
            elif epoch - best_epoch[replicate] >= options.patience:
                active[replicate] = False
        best = torch.where(improved.to(device)[:, None], weights, best)
        if epoch % 10 == 0 or epoch == 1 or not active.any():
            last = history[0][-1]
            progress(
                f"epoch {last['epoch']}: loss {last['train_loss']:.3f}, validation loss"
                f" {last['validation_loss']:.3f}, AUC {last['validation_auc']:.3f}"
            )
        if not active.any():
            break
    return Fit(weights=best, history=history, best_epoch=best_epoch)


def _rate(step: int, total: int, options: OptimisationSection, steps: int) -> float:
    warmup = options.warmup * steps
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(total - warmup, 1)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _refuse_infinite(loss: torch.Tensor, active: torch.Tensor, epoch: int, step: int) -> None:
    wrong = ~torch.isfinite(loss) & active
    if wrong.any():
        replicate = int(torch.nonzero(wrong).reshape(-1)[0])
        raise TrainingError(
            f"the loss is not finite in epoch {epoch}, step {step} (replicate {replicate})",
            cause="a learning rate that is too large, or measurements of extreme size",
            next_step="lower training.optimisation.learning_rate, or look at the outliers in the"
            " quality tables",
        )


def _train_auc(seen: Iterable[Tensors], replicate: int) -> float:
    y, score, weight = (
        np.concatenate([item[name][replicate].cpu().numpy() for item in seen])
        for name in ("y", "logit", "weight")
    )
    return auc(y[weight > 0], score[weight > 0])
