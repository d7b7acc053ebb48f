"""One fit routine for networks, with a leading replicate axis.

A replicate is one training: a fold, a seed, a permutation of the diagnosis. All replicates take
their steps together, as one computation under `torch.func.vmap`; a fold job is the case of one
replicate, so that a null of a thousand permutations is the same computation as the result it
judges. Weights of all replicates are one matrix (replicate, weight): the optimiser is a handful of
operations on it, whatever the network. Each replicate has its own random generators, gradient
clipping and early stopping, so that it does not depend on its neighbours.

A network may keep a memory between steps (what was found about people, views of earlier batches),
teachers, and further losses: see `gendmr.methods.base.Network`. With a checkpoint, a fit that was
interrupted goes on from the last one and ends with the same bytes on a CPU.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.func import functional_call, vmap

from gendmr.config.optimisation import OptimisationSection
from gendmr.errors import TrainingError
from gendmr.engine.batches import Randomness, Tensors
from gendmr.statistics.classification import auc

if TYPE_CHECKING:
    from gendmr.engine.checkpoint import Checkpoint
    from gendmr.engine.network import Network

Progress = Callable[[str], None]

BETAS, EPSILON = (0.9, 0.999), 1e-8
LARGEST_LOSS = 1e4  # a cross-entropy of thousands: the steps overshoot, whether or not it is finite


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


def set_up_device(wanted: str) -> torch.device:
    """Return the device for a fold, with the same numbers each time.

    Raises
    ------
    TrainingError
        See `choose_device`.
    """
    device = choose_device(wanted)
    torch.set_num_threads(1)
    if device.type == "cuda":
        # On one CPU thread all of its operations are deterministic already.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


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
        One batch with everybody of the inner validation; `y` and `weight` among them.
    random : Randomness
        The generators behind `batches` and `noise`.
    memory : dict of tensors
        What the network starts to remember from.
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
    random: Randomness
    memory: Tensors = field(default_factory=dict)


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


class Runner:
    """A network with a task, run for all replicates at once.

    Parameters
    ----------
    network : Network
    task : Task
    options : OptimisationSection, optional
        `precision` of products, and `compiled`; without it float32, as written.
    """

    def __init__(
        self, network: Network, task: Task, options: OptimisationSection | None = None
    ) -> None:
        self.network = network
        self.task = task
        self.layout = Layout(task.module)
        low = options is not None and options.precision == "bfloat16"
        # Weights, losses and the optimiser stay float32.
        self._precision = torch.autocast(task.start.device.type, torch.bfloat16, enabled=low)
        self._outputs = vmap(self._plain)
        self._losses = vmap(self._step, in_dims=(0, 0, 0, 0, 0, 0, None))
        if options is not None and options.compiled:
            self._outputs = torch.compile(self._outputs)
            self._losses = torch.compile(self._losses)

    def outputs(self, weights: torch.Tensor, batch: Tensors) -> Tensors:
        """Return outputs without dropout: weights (replicate, weight), outputs likewise."""
        with self._precision:
            found: Tensors = self._outputs(weights, self.task.fixed, batch)
        return found

    def losses(
        self, weights: torch.Tensor, batch: Tensors, state: State, scale: Tensors
    ) -> tuple[torch.Tensor, Tensors, Tensors, Tensors, Tensors]:
        """Return the loss, outputs, auxiliary terms, memory and noise of a batch.

        The first four have the replicate axis first.
        """
        noise = self.task.noise(batch)
        with self._precision:
            found: tuple[torch.Tensor, Tensors, Tensors, Tensors] = self._losses(
                weights, self.task.fixed, batch, noise, state.teachers, state.memory, scale
            )
        return (*found, noise)

    def _step(
        self,
        row: torch.Tensor,
        fixed: Tensors,
        batch: Tensors,
        noise: Tensors,
        taught: Tensors,
        memory: Tensors,
        scale: Tensors,
    ) -> tuple[torch.Tensor, Tensors, Tensors, Tensors]:
        """Return the loss, outputs, auxiliary terms and memory of one replicate."""
        network = self.network
        outputs = self._one(row, fixed, batch, noise)
        lessons = {
            name: {key: item.detach() for key, item in given.items()}
            for name, given in (
                (name, self._plain(value, fixed, batch)) for name, value in taught.items()
            )
        }
        total = network.loss(outputs, batch)
        terms = {
            extra.name: extra.term(outputs, lessons, batch, memory)
            for extra in network.auxiliary_losses
        }
        for name, term in terms.items():
            total = total + scale[name] * term
        outputs = {name: value.detach() for name, value in outputs.items()}
        return total, outputs, terms, network.remember(memory, outputs, lessons, batch)

    def _plain(self, row: torch.Tensor, fixed: Tensors, batch: Tensors) -> Tensors:
        return self._one(row, fixed, batch, None)

    def _one(
        self, row: torch.Tensor, fixed: Tensors, batch: Tensors, noise: Tensors | None
    ) -> Tensors:
        parameters = self.layout.unflatten(row)
        outputs = self.network.forward(self.task.module, parameters, fixed, batch, noise)
        return {name: value.float() for name, value in outputs.items()}


@dataclass
class State:
    """Everything that changes from step to step, the replicate axis first.

    `steps` counts those of each replicate: one with fewer people takes fewer.
    """

    weights: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    steps: torch.Tensor
    teachers: Tensors
    memory: Tensors
    epoch: int = 0

    @classmethod
    def start(cls, network: Network, task: Task) -> State:
        """Return the state before the first step."""
        return cls(
            weights=task.start.clone(),
            first=torch.zeros_like(task.start),
            second=torch.zeros_like(task.start),
            steps=torch.zeros(task.start.shape[0], dtype=torch.int64, device=task.start.device),
            teachers={teacher.name: task.start.clone() for teacher in network.teachers},
            memory=dict(task.memory),
        )


class AdamW:
    """AdamW on the weights of all replicates, each with its own clipping.

    Loshchilov & Hutter (2019); weights decay towards where they started (Li, Grandvalet & Davoine
    2018, L2-SP), not to zero.
    """

    def __init__(self, task: Task, layout: Layout, clip: float) -> None:
        self.start = task.start
        self.decay = layout.spread(task.decay).to(task.start.device)
        self.speed = layout.spread(task.speed).to(task.start.device)
        self.clip = clip

    def update(
        self, state: State, gradient: torch.Tensor, rate: torch.Tensor, moving: torch.Tensor
    ) -> None:
        """Move weights and averages in `state` by one step.

        Parameters
        ----------
        state : State
            Its `steps` include this one.
        gradient : float (replicate, weight)
        rate : float (replicate, 1)
        moving : bool (replicate, 1)
            The others stay as they are.
        """
        norm = gradient.norm(dim=1, keepdim=True)
        gradient = gradient * (self.clip / norm.clamp(min=self.clip))
        first = BETAS[0] * state.first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * state.second + (1 - BETAS[1]) * gradient**2
        steps = state.steps[:, None].clamp(min=1).to(first.dtype)
        mean = first / (1 - BETAS[0] ** steps)
        size = (second / (1 - BETAS[1] ** steps)).sqrt() + EPSILON
        pull = self.decay * (state.weights - self.start)
        moved = state.weights - rate * self.speed * (mean / size + pull)
        state.weights = torch.where(moving, moved, state.weights)
        state.first = torch.where(moving, first, state.first)
        state.second = torch.where(moving, second, state.second)


class Keeper:
    """The weights to keep of every replicate, and which replicates still train.

    `best_auc` keeps the epoch with the largest AUC of the inner validation; among equals, the
    smallest loss. `last_good` keeps the last epoch whose validation loss is not worse than the
    smallest by more than one standard error of their difference over people (Breiman et al. 1984):
    a hundred people cannot tell good epochs apart, and the luckiest is a worse choice than the last
    of them.
    """

    def __init__(self, weights: torch.Tensor, options: OptimisationSection) -> None:
        replicates = weights.shape[0]
        self.weights = weights.clone()
        self.epoch = [0] * replicates
        self.value = [(-math.inf, -math.inf)] * replicates
        self.least: list[list[float]] = [[] for _ in range(replicates)]
        self.active = torch.ones(replicates, dtype=torch.bool, device=weights.device)
        self.patience = options.patience
        self.rule = options.stopping

    @property
    def running(self) -> list[int]:
        """Replicates that still train."""
        return [int(number) for number in torch.nonzero(self.active).reshape(-1)]

    def offer(
        self,
        weights: torch.Tensor,
        lines: Mapping[int, dict[str, Any]],
        losses: Mapping[int, np.ndarray],
    ) -> None:
        """Look at the epoch's line, and the losses of people, of every running replicate."""
        kept = torch.zeros(len(self.epoch), dtype=torch.bool)
        for replicate, line in lines.items():
            good = (
                self._is_best(replicate, line)
                if self.rule == "best_metric"
                else self._is_good(replicate, losses[replicate])
            )
            if good:
                self.epoch[replicate] = line["epoch"]
                kept[replicate] = True
            elif line["epoch"] - self.epoch[replicate] >= self.patience:
                self.active[replicate] = False
        self.weights = torch.where(kept.to(weights.device)[:, None], weights, self.weights)

    def _is_best(self, replicate: int, line: dict[str, Any]) -> bool:
        score = line["validation_auc"]
        value = (-1.0 if math.isnan(score) else score, -line["validation_loss"])
        better = value > self.value[replicate]
        if better:
            self.value[replicate] = value
        return better

    def _is_good(self, replicate: int, losses: np.ndarray) -> bool:
        least = self.least[replicate]
        if not least or losses.mean() < np.mean(least):
            self.least[replicate] = losses.tolist()
            return True
        worse = losses - np.array(least)
        return bool(worse.mean() <= worse.std() / math.sqrt(len(worse)))


def call(
    module: torch.nn.Module, parameters: Mapping[str, torch.Tensor], *arguments: Any
) -> Tensors:
    """Run a module with the given parameters in place of its own."""
    outputs: Tensors = functional_call(module, dict(parameters), arguments)
    return outputs


def fit(
    network: Network,
    task: Task,
    options: OptimisationSection,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train all replicates; each keeps the weights of its best epoch.

    Linear warm-up, then cosine decay. Which epoch is kept: `Keeper`.

    Parameters
    ----------
    network : Network
        What is trained.
    task : Task
        On what, for all replicates.
    options : OptimisationSection
    progress : callable
        Gets a line now and then.
    checkpoint : Checkpoint, optional
        Where to go on from, and where to leave the state now and then.

    Raises
    ------
    TrainingError
        A loss is not finite or above `LARGEST_LOSS`; names replicate, epoch and step.
    """
    runner = Runner(network, task, options)
    optimiser = AdamW(task, runner.layout, options.clip)
    state = State.start(network, task)
    keeper = Keeper(state.weights, options)
    history: list[list[dict[str, Any]]] = [[] for _ in keeper.epoch]
    if checkpoint is not None and (found := checkpoint.load()) is not None:
        _restore(*found, state=state, keeper=keeper, history=history, task=task)
    while state.epoch < options.epochs and keeper.active.any():
        state.epoch += 1
        seen, rate = _train_epoch(runner, optimiser, state, keeper, options)
        state.memory = vmap(network.turn)(state.memory) if state.memory else {}
        lines, losses = _judge(runner, state, keeper, seen, rate)
        for replicate, line in lines.items():
            history[replicate].append(line)
        keeper.offer(state.weights, lines, losses)
        finished = state.epoch == options.epochs or not keeper.active.any()
        if state.epoch % 5 == 0 or state.epoch == 1 or finished:
            progress(_describe(history[0][-1]))
        if checkpoint is not None:
            checkpoint.show(history[0])
        if checkpoint is not None and state.epoch % checkpoint.every == 0 and not finished:
            checkpoint.save(*_pack(state, keeper, history, task))
    return Fit(weights=keeper.weights, history=history, best_epoch=keeper.epoch)


def _train_epoch(
    runner: Runner, optimiser: AdamW, state: State, keeper: Keeper, options: OptimisationSection
) -> tuple[list[Tensors], torch.Tensor]:
    """Take the steps of an epoch; return what was seen in each and the last learning rates."""
    network, task = runner.network, runner.task
    batches = task.batches(state.epoch)
    own = torch.stack([_takes_part(batch) for batch in batches]).sum(0)
    scale = {
        extra.name: torch.tensor(float(extra.weight(state.epoch)), device=state.weights.device)
        for extra in network.auxiliary_losses
    }
    seen: list[Tensors] = []
    rate = torch.zeros(len(own), 1, device=state.weights.device)
    for batch in batches:
        here = _takes_part(batch)
        weights = state.weights.requires_grad_(True)
        total, outputs, terms, memory, noise = runner.losses(weights, batch, state, scale)
        (gradient,) = torch.autograd.grad(total.sum(), weights)
        state.weights = weights.detach()
        _refuse_divergence(total, keeper.active, state)
        if network.modulate is not None:
            gradient = network.modulate(gradient, outputs, batch, noise, runner.layout)
        rate = torch.where(here[:, None], _rates(state.steps, options, own)[:, None], rate)
        decays = {
            teacher.name: torch.tensor(
                [[teacher.decay(step)] for step in state.steps.tolist()], device=rate.device
            )
            for teacher in network.teachers
        }
        state.steps = state.steps + here
        optimiser.update(state, gradient, rate, (keeper.active & here)[:, None])
        for name, keep in decays.items():
            moved = keep * state.teachers[name] + (1 - keep) * state.weights
            state.teachers[name] = torch.where(here[:, None], moved, state.teachers[name])
        state.memory = {
            name: torch.where(
                here.reshape(here.shape + (1,) * (value.ndim - 1)),
                value.detach(),
                state.memory[name],
            )
            for name, value in memory.items()
        }
        seen.append(
            {
                "train_loss": total.detach(),
                **{name: term.detach() for name, term in terms.items()},
                "logit": outputs["logit"],
                "y": batch["y"],
                "weight": batch["weight"],
                "here": here,
            }
        )
    return seen, rate


def _takes_part(batch: Tensors) -> torch.Tensor:
    """Return which replicates have people of their own in a batch, bool (replicate,)."""
    return (batch["weight"] > 0).any(dim=1)


def _judge(
    runner: Runner, state: State, keeper: Keeper, seen: list[Tensors], rate: torch.Tensor
) -> tuple[dict[int, dict[str, Any]], dict[int, np.ndarray]]:
    """Return the epoch's line of every running replicate, and the losses of its people."""
    network, validation = runner.network, runner.task.validation
    with torch.no_grad():
        outputs = runner.outputs(state.weights, validation)
        loss = vmap(network.loss)(outputs, validation)
        remembered = vmap(network.summarise)(state.memory) if state.memory else {}
    _refuse_divergence(loss, keeper.active, state)
    scores = outputs["logit"].cpu().numpy()
    truth, real = (validation[name].cpu().numpy() for name in ("y", "weight"))
    told = ("train_loss", *(extra.name for extra in network.auxiliary_losses))
    lines = {
        replicate: {
            "epoch": state.epoch,
            "step": int(state.steps[replicate]),
            "validation_loss": float(loss[replicate]),
            "train_auc": _train_auc(seen, replicate),
            "validation_auc": auc(
                truth[replicate][real[replicate] > 0], scores[replicate][real[replicate] > 0]
            ),
            "learning_rate": float(rate[replicate]),
            **{
                name: _mean([item[name][replicate] for item in seen if item["here"][replicate]])
                for name in told
            },
            **{name: float(value[replicate]) for name, value in remembered.items()},
        }
        for replicate in keeper.running
    }
    signed = np.where(truth > 0.5, -scores, scores).astype(np.float64)
    each = np.logaddexp(0, signed) * real
    return lines, {number: each[number][real[number] > 0] for number in lines}


def _pack(
    state: State, keeper: Keeper, history: list[list[dict[str, Any]]], task: Task
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors and the rest of what a checkpoint holds."""
    shuffles, dropouts = task.random.state()
    tensors = {
        "weights": state.weights,
        "first": state.first,
        "second": state.second,
        "steps": state.steps,
        "best": keeper.weights,
        "active": keeper.active,
        **{f"teacher.{name}": value for name, value in state.teachers.items()},
        **{f"memory.{name}": value for name, value in state.memory.items()},
        **dropouts,
    }
    return {name: value.cpu().numpy() for name, value in tensors.items()}, {
        "epoch": state.epoch,
        "best_epoch": keeper.epoch,
        "best_value": keeper.value,
        "least": keeper.least,
        "history": history,
        "shuffles": shuffles,
    }


def _restore(
    tensors: dict[str, np.ndarray],
    values: dict[str, Any],
    *,
    state: State,
    keeper: Keeper,
    history: list[list[dict[str, Any]]],
    task: Task,
) -> None:
    """Bring everything to where a checkpoint stands."""
    device = state.weights.device
    # A copy: what safetensors hands out cannot be written to.
    here = {name: torch.from_numpy(value.copy()).to(device) for name, value in tensors.items()}
    state.weights, state.first, state.second = here["weights"], here["first"], here["second"]
    state.teachers = {name: here[f"teacher.{name}"] for name in state.teachers}
    state.memory = {name: here[f"memory.{name}"] for name in state.memory}
    state.epoch, state.steps = values["epoch"], here["steps"]
    keeper.weights, keeper.active = here["best"], here["active"]
    keeper.epoch = list(values["best_epoch"])
    keeper.least = [list(losses) for losses in values["least"]]
    keeper.value = [(float(a), float(b)) for a, b in values["best_value"]]
    history[:] = values["history"]
    dropouts = {name: value.cpu() for name, value in here.items() if name.startswith("dropout.")}
    task.random.restore(values["shuffles"], dropouts)


def _describe(line: dict[str, Any]) -> str:
    return (
        f"epoch {line['epoch']}: loss {line['train_loss']:.3f}, validation loss"
        f" {line['validation_loss']:.3f}, AUC {line['validation_auc']:.3f}"
    )


def _mean(values: Sequence[torch.Tensor]) -> float:
    return float(torch.stack(list(values)).mean()) if values else math.nan


def _rates(done: torch.Tensor, options: OptimisationSection, steps: torch.Tensor) -> torch.Tensor:
    """Return learning rates (replicate,): linear warm-up, then cosine.

    Parameters
    ----------
    done : int (replicate,)
        Steps taken.
    options : OptimisationSection
    steps : int (replicate,)
        Of an epoch.
    """
    # On the host in float64: the same rates on every device.
    taken, steps = done.double().cpu(), steps.double().cpu().clamp(min=1)
    warmup, total = options.warmup * steps, options.epochs * steps
    share = ((taken - warmup) / (total - warmup).clamp(min=1)).clamp(max=1)
    cosine = 0.5 * (1 + torch.cos(math.pi * share))
    rising = (taken + 1) / warmup.clamp(min=1)
    rates = options.learning_rate * torch.where(taken < warmup, rising, cosine)
    return rates.to(device=done.device, dtype=torch.float32)


def _refuse_divergence(loss: torch.Tensor, active: torch.Tensor, state: State) -> None:
    wrong = ~(loss <= LARGEST_LOSS) & active  # a loss that is not a number compares as false
    if wrong.any():
        replicate = int(torch.nonzero(wrong).reshape(-1)[0])
        value = float(loss[replicate].detach())
        size = f"{value:.3g}" if math.isfinite(value) else "not finite"
        raise TrainingError(
            f"the loss is {size} in epoch {state.epoch}, step {int(state.steps[replicate])}"
            f" (replicate {replicate})",
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
