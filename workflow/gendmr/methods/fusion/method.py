"""Plain networks over a vector of SNPs and a vector of region measurements.

Each modality has a linear layer, GELU and dropout: its code. A person who lacks a modality has a
code of zeros. What is done with the codes is the mode:

- `concatenation`: one linear head over both codes, which is the sum of a part per modality;
- `late`: a network for each modality, with a loss each; they share the clipping of the gradient and
  the epoch that is kept, nothing else; the score is the mean of the logits that a person has;
- `ogm_ge`: concatenation with on-the-fly gradient modulation and generalisation enhancement (Peng,
  Wei, Deng, Wang & Hu 2022, CVPR, eq. 8-11): the gradient of the encoder of the modality that is
  ahead is damped, and both encoders get Gaussian noise of the gradient's SD. Ours: only people with
  both modalities decide who is ahead. AdamW divides a gradient by its own running size, so that a
  damping that stays the same has no effect here; the published method used SGD;
- `fixed_teacher`: concatenation that also learns from the networks of `late`, which were fitted
  before and stay as they are, in the manner of G2D (Rakib & Bagavathi 2025, ICCV): softened KL from
  each teacher to the part of the same modality, where the teacher is right. Ours: answers only, no
  features, no modality in turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.fusion import FusionMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs, Progress
from gendmr.methods.classification import (
    MODALITIES,
    OTHER,
    binary_divergence,
    cross_entropy,
    usable_bags,
)
from gendmr.seeds import derive, generator
from gendmr.engine.batches import (
    Randomness,
    Tensors,
    gather_epoch,
    plan_epoch,
    stack,
    torch_generator,
)
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.fit import Fit, Layout, Task, call, choose_device, fit, set_up_device
from gendmr.engine.network import AuxiliaryLoss, Network
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

START = 0.3  # SD of what a layer gives for standardised inputs before the first step
PACE = 1000  # inputs of a modality that learns at the stated rate; fewer learn faster
HEAD_SPEED = 3.0  # of heads and biases, which are few
Outputs = Mapping[str, torch.Tensor]


def build(options: MethodOptions) -> Fusion:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, FusionMethod):
        raise TypeError(f"options of {method.kind}, not of fusion")
    return Fusion(method, options.optimisation or OptimisationSection(), options.reads)


class Net(nn.Module):
    """A code per modality, and one head or two.

    Parameters
    ----------
    width : int
        Length of a code.
    sizes : dict
        Number of inputs by modality.
    late : bool
        A network for each modality.
    """

    def __init__(self, width: int, sizes: Mapping[str, int], late: bool) -> None:
        super().__init__()
        self.width, self.late = width, late
        self.encode = nn.ModuleDict({name: nn.Linear(size, width) for name, size in sizes.items()})
        self.head = nn.ModuleDict({name: nn.Linear(width, 1, bias=late) for name in sizes})
        if not late:
            self.bias = nn.Parameter(torch.zeros(1))

    def reset(self, random: torch.Generator, sizes: Mapping[str, int]) -> None:
        """Draw initial weights for as many inputs as there are; those of padding are 0."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                value.zero_()
                if value.ndim == 2:
                    coded = name.startswith("encode")
                    width = sizes[_bag(name)] if coded else value.shape[1]
                    drawn = torch.randn(value.shape[0], width, generator=random)
                    scale = width**0.5 / PACE if coded else width**-0.5
                    value[:, :width] = drawn * START * scale

    def forward(self, batch: Tensors, noise: Tensors | None) -> Tensors:
        """Return the logit of people and of each of their modalities."""
        outputs: Tensors = {}
        total = torch.zeros_like(batch["has_snp"])
        present = torch.zeros_like(total)
        for name, encode in self.encode.items():
            code = functional.gelu(encode(batch[name]))
            if noise is not None:
                code = code * noise[name]
            part = self.head[name](code).squeeze(-1)
            total = total + part * batch[f"has_{name}"]
            present = present + batch[f"has_{name}"]
            # Half of a shared bias belongs to each modality (Peng et al. 2022, eq. 6).
            outputs[f"logit_{name}"] = part if self.late else part + self.bias / len(self.encode)
        outputs["logit"] = total / present.clamp(min=1) if self.late else total + self.bias
        return outputs


class FusionNetwork(Network):
    """Loss, distillation and modulation for the shared fit.

    Parameters
    ----------
    options : FusionMethod
        `mode` among them: that of the network, which for a teacher is `late`.
    bags : tuple of str
        Modalities that can be trained.
    """


    def __init__(self, options: FusionMethod, bags: tuple[str, ...]) -> None:
        self.options = options
        self.bags = bags
        if options.mode == "ogm_ge" and len(bags) == 2:
            self.modulate = self._modulate
        if options.mode == "fixed_teacher":
            self.auxiliary_losses = (
                AuxiliaryLoss("distillation", lambda epoch: options.distillation, self._distil),
            )

    def forward(
        self,
        module: nn.Module,
        parameters: Outputs,
        fixed: Outputs,
        batch: Outputs,
        noise: Outputs | None,
    ) -> Tensors:
        """Return the outputs for one replicate."""
        return call(module, parameters, batch, noise)

    def loss(self, outputs: Outputs, batch: Outputs) -> torch.Tensor:
        """Return the cross-entropy of the score; of each network where they are separate."""
        y, weight = batch["y"], batch["weight"]
        if self.options.mode != "late":
            return cross_entropy(outputs["logit"], y, weight)
        each = [
            cross_entropy(outputs[f"logit_{name}"], y, weight * batch[f"has_{name}"])
            for name in self.bags
        ]
        return torch.stack(each).sum()

    def _distil(
        self,
        student: Outputs,
        teachers: Mapping[str, Outputs],
        batch: Outputs,
        memory: Outputs,
    ) -> torch.Tensor:
        """Return T^2 KL(teacher || student) of each modality where its teacher is right, summed."""
        heat = self.options.temperature
        total = torch.zeros_like(batch["weight"][0])
        for name in self.bags:
            taught, found = batch[f"taught_{name}"] / heat, student[f"logit_{name}"] / heat
            right = (taught > 0) == (batch["y"] > 0.5)
            weight = batch["weight"] * batch[f"has_{name}"] * right
            each = binary_divergence(taught, found)
            total = total + heat**2 * (weight * each).sum() / weight.sum().clamp(min=1e-6)
        return total

    def _modulate(
        self,
        gradient: torch.Tensor,
        outputs: Outputs,
        batch: Outputs,
        noise: Outputs,
        layout: Layout,
    ) -> torch.Tensor:
        """Damp the encoder that is ahead by 1 - tanh(alpha rho), and add noise to both.

        rho is the sum of one modality's probabilities of the true class over the other's; the noise
        has the SD of the undamped gradient of each tensor, as in the authors' code.
        """
        both = batch["has_snp"] * batch["has_region"] * (batch["weight"] > 0)
        side = 2 * batch["y"] - 1
        score = {
            name: (both * torch.sigmoid(side * outputs[f"logit_{name}"])).sum(1, keepdim=True)
            for name in self.bags
        }
        pieces = []
        for name, piece, drawn in zip(
            layout.names,
            gradient.split(layout.sizes, dim=1),
            noise["gradient"].split(layout.sizes, dim=1),
            strict=True,
        ):
            if name.startswith("encode"):
                bag = _bag(name)
                ratio = (score[bag] + 1e-6) / (score[OTHER[bag]] + 1e-6)
                damping = 1 - torch.tanh(self.options.strength * ratio)
                kept = torch.where(ratio > 1, damping, torch.ones_like(ratio))
                pieces.append(piece * kept + drawn * _spread(piece, drawn != 0))
            else:
                pieces.append(piece)
        return torch.cat(pieces, dim=1)


def _is_table(name: str) -> bool:
    return name.startswith("encode") and name.endswith("weight")


def _bag(name: str) -> str:
    """Return the modality of a parameter such as `encode.snp.weight`."""
    return name.split(".")[1]


def _spread(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the SD of the real values of each row, (row, 1)."""
    count = real.sum(1, keepdim=True).clamp(min=2)
    mean = (values * real).sum(1, keepdim=True) / count
    return (((values - mean) ** 2 * real).sum(1, keepdim=True) / (count - 1)).sqrt()


@dataclass(frozen=True)
class Replicate:
    """What one replicate brings: tensors without the replicate axis, and numbers of inputs."""

    people: Tensors
    validation: Tensors
    sizes: dict[str, int]
    seed: int


@dataclass(frozen=True)
class FusionFit:
    """The fit of all replicates with its module, and that of the teachers where there are any."""

    found: Fit
    module: Net
    teachers: FusionFit | None = None

    def of(self, row: int, sizes: Mapping[str, int]) -> tuple[Net, torch.Tensor]:
        """Return the network of one replicate without padding, and its weights."""
        own = Net(self.module.width, sizes, self.module.late)
        whole = Layout(self.module).unflatten(self.found.weights[row])
        pieces = [
            whole[name][tuple(slice(size) for size in value.shape)].reshape(-1)
            for name, value in own.named_parameters()
        ]
        return own.to(self.found.weights.device), torch.cat(pieces)


class Fusion:
    """Plain fusion with its options; `fit` is one replicate, `fit_replicates` any number."""

    kind = "fusion"

    def __init__(
        self, options: FusionMethod, optimisation: OptimisationSection, reads: tuple[str, ...]
    ) -> None:
        self.options = options
        self.reads = reads
        self.optimisation = optimisation

    def fit(
        self,
        inputs: FitInputs,
        *,
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> FittedFusion:
        """Fit on `train`; see `Method.fit`.

        Raises
        ------
        TrainingError
            No modality can be trained, or the loss is not finite.
        """
        (fitted,) = self._fit_lots([inputs], device, progress, checkpoint)
        return fitted

    def fit_many(
        self, inputs: Sequence[FitInputs], *, device: str, progress: Progress
    ) -> list[FittedFusion]:
        """Fit each lot as `fit` does, all of them together; see `Method.fit_many`."""
        return self._fit_lots(inputs, device, progress, None)

    def _fit_lots(
        self, inputs: Sequence[FitInputs], device: str, progress: Progress, checkpoint: Checkpoint | None
    ) -> list[FittedFusion]:
        where = set_up_device(device)
        alike: dict[tuple[str, ...], list[int]] = {}
        made: list[tuple[Replicate, list[str]]] = []
        for number, given in enumerate(inputs):
            bags, notes = usable_bags(given, self.reads)
            if len(bags) == 1:
                notes.append(
                    f"There is nothing to fuse: the network sees the modality {bags[0]} only."
                )
            replicate = self.replicate(given, bags)
            made.append((replicate, notes))
            alike.setdefault(bags, []).append(number)
        fitted: dict[int, FittedFusion] = {}
        for bags, numbers in alike.items():
            found = self.fit_replicates(
                [made[number][0] for number in numbers],
                bags,
                device=device,
                progress=progress,
                checkpoint=checkpoint,
            )
            for row, number in enumerate(numbers):
                replicate, notes = made[number]
                module, own = found.of(row, replicate.sizes)
                taught = {}
                if found.teachers is not None:
                    named = _named(*found.teachers.of(row, replicate.sizes))
                    taught = {f"teacher.{name}": value for name, value in named.items()}
                fitted[number] = FittedFusion(
                    module=module,
                    bag_names=bags,
                    preparation=inputs[number].preparation,
                    row=own,
                    taught=taught,
                    history=found.found.history[row],
                    best_epoch=found.found.best_epoch[row],
                    device=where.type,
                    notes=notes,
                )
        return [fitted[number] for number in range(len(inputs))]

    def fit_replicates(
        self,
        replicates: list[Replicate],
        bags: tuple[str, ...],
        *,
        device: str = "cpu",
        progress: Progress = lambda line: None,
        checkpoint: Checkpoint | None = None,
    ) -> FusionFit:
        """Fit replicates together, their teachers first where there are any."""
        where = choose_device(device)
        if self.options.mode != "fixed_teacher":
            return self._fit(self.options, replicates, bags, {}, where, progress, checkpoint)
        early = checkpoint
        if checkpoint is not None:
            key = f"{checkpoint.key}-teachers"
            early = dataclasses.replace(checkpoint, key=key, place=None)
        options = self.options.model_copy(update={"mode": "late"})
        pupils = [
            dataclasses.replace(item, seed=derive(item.seed, "teachers")) for item in replicates
        ]
        progress("teachers: a network for each modality")
        teachers = self._fit(options, pupils, bags, {}, where, progress, early)
        progress("student")
        fitted = self._fit(
            self.options,
            replicates,
            bags,
            self._answers(teachers, replicates, bags, where),
            where,
            progress,
            checkpoint,
        )
        if early is not None:
            early.discard()
        return dataclasses.replace(fitted, teachers=teachers)

    def replicate(self, given: FitInputs, bags: tuple[str, ...]) -> Replicate:
        """Make the tensors of one replicate."""
        people, outside = (
            tensors_of(rows, given.preparation, bags) for rows in (given.train, given.validation)
        )
        sizes = {name: people[name].shape[1] for name in bags}
        return Replicate(people, outside, sizes, given.seed)

    def _answers(
        self,
        teachers: FusionFit,
        replicates: list[Replicate],
        bags: tuple[str, ...],
        device: torch.device,
    ) -> Tensors:
        """Return what the teachers say of all training people, (replicate, person)."""
        people = stack([item.people for item in replicates], device)

        def answer(row: torch.Tensor, people: Tensors) -> Tensors:
            return call(teachers.module, Layout(teachers.module).unflatten(row), people, None)

        with torch.no_grad():
            found = torch.func.vmap(answer)(teachers.found.weights, people)
        return {f"taught_{name}": found[f"logit_{name}"] for name in bags}

    def _fit(
        self,
        options: FusionMethod,
        replicates: list[Replicate],
        bags: tuple[str, ...],
        answers: Tensors,
        device: torch.device,
        progress: Progress,
        checkpoint: Checkpoint | None,
    ) -> FusionFit:
        network = FusionNetwork(options, bags)
        task = self._task_of(options, replicates, bags, answers, device)
        found = fit(network, task, self.optimisation, progress, checkpoint)
        return FusionFit(found, cast(Net, task.module))

    def _task_of(
        self,
        options: FusionMethod,
        replicates: list[Replicate],
        bags: tuple[str, ...],
        answers: Tensors,
        device: torch.device,
    ) -> Task:
        """Stack replicates into what the shared fit takes."""
        people = {**stack([item.people for item in replicates], device), **answers}
        module = Net(
            options.width,
            {name: people[name].shape[2] for name in bags},
            late=options.mode == "late",
        )
        layout = Layout(module)
        rows = []
        for item in replicates:
            module.reset(torch_generator(item.seed, "weights"), item.sizes)
            rows.append(layout.flatten(module))
        random = Randomness(
            [generator(item.seed, "batches") for item in replicates],
            [torch_generator(item.seed, "dropout") for item in replicates],
        )
        counts = [len(item.people["y"]) for item in replicates]
        dropout = self.options.dropout

        def batches(epoch: int) -> list[Tensors]:
            plans = [
                plan_epoch(count, self.optimisation.batch_size, shuffle)
                for count, shuffle in zip(counts, random.shuffles, strict=True)
            ]
            return gather_epoch(plans, people)

        def noise(batch: Tensors) -> Tensors:
            """Draw for a replicate's own people and weights, whatever its neighbours bring."""
            size = batch["y"].shape[1]
            here = (batch["person"] < people["y"].shape[1]).sum(1).tolist()
            drawn = []
            for item, source, count in zip(replicates, random.dropouts, here, strict=True):
                masks = {name: torch.ones(size, options.width) for name in bags}
                if count:
                    for mask in masks.values():
                        kept = torch.rand(count, options.width, generator=source) >= dropout
                        mask[:count] = kept / (1 - dropout)
                if options.mode == "ogm_ge":
                    masks["gradient"] = (
                        _gradient_noise(layout, item.sizes, source)
                        if count
                        else torch.zeros(sum(layout.sizes))
                    )
                drawn.append(masks)
            return stack(drawn, device)

        return Task(
            module=module.to(device),
            start=torch.stack(rows).to(device),
            fixed={},
            batches=batches,
            noise=noise,
            validation=stack([item.validation for item in replicates], device),
            decay=lambda name: self.optimisation.weight_decay if name.endswith("weight") else 0.0,
            speed=lambda name: 1.0 if _is_table(name) else HEAD_SPEED,
            random=random,
        )


def _gradient_noise(
    layout: Layout, sizes: Mapping[str, int], random: torch.Generator
) -> torch.Tensor:
    """Return standard normal numbers (weight,) for the encoders, 0 for heads and for padding."""
    pieces = []
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        drawn = torch.zeros(shape)
        if name.startswith("encode"):
            own = (shape[0], sizes[_bag(name)]) if len(shape) == 2 else shape
            drawn[tuple(map(slice, own))] = torch.randn(own, generator=random)
        pieces.append(drawn.reshape(-1))
    return torch.cat(pieces)


def tensors_of(people: PreparedSubset, preparation: Preparation, bags: tuple[str, ...]) -> Tensors:
    """Return what the network reads of people, without the replicate axis.

    Inputs are multiplied by `PACE` over their number. The steps of Adam have the same size for
    every weight, so that thousands of SNPs would run ahead of a few regions and learn the people by
    heart; so scaled, the codes of both move alike (Yang et al. 2022, arXiv 2203.03466, table 3).
    """
    task = preparation.task
    found = {
        "y": torch.from_numpy(task.target(people.outcome)["case"]),
        "weight": torch.from_numpy(task.weights(people.outcome).astype(np.float32)),
    }
    for name in MODALITIES:
        seen = people.present[name] if name in bags else np.zeros(len(people), dtype=bool)
        found[f"has_{name}"] = torch.from_numpy(seen.astype(np.float32))
        if name in bags:
            values = preparation.design(people, name).reshape(len(people), -1).astype(np.float32)
            found[name] = torch.from_numpy(values * np.float32(PACE / values.shape[1]))
    return found


@dataclass
class FittedFusion:
    """A fitted network of one replicate; `taught` are the weights of its teachers."""

    module: nn.Module
    bag_names: tuple[str, ...]
    preparation: Preparation
    row: torch.Tensor
    taught: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    best_epoch: int
    device: str
    notes: list[str]
    packages: tuple[str, ...] = ("numpy", "scipy", "torch")

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Everything learned, by name; of the teachers too."""
        return {**_named(self.module, self.row), **self.taught}

    def predict(self, people: PreparedSubset) -> np.ndarray:
        """Return the logit of being a case, float64 (person, 1)."""
        with torch.no_grad():
            outputs = self._run(self._tensors(people))
        return outputs["logit"].cpu().numpy().astype(np.float64)[:, None]

    def attributions(self, people: PreparedSubset) -> dict[str, Attribution]:
        """Return signed risks: gradient times input of the logit of each modality.

        For a SNP its standardised dosage times the derivative of the logit by it, summed over the
        hidden units; for a region the sum over its three measures. What the nonlinearity leaves
        over goes into the bias of the person, so that risks and bias add up to the logit of the
        modality.
        """
        batch = self._tensors(people)
        found = {}
        for name in self.bag_names:
            values = batch[name].requires_grad_(True)
            logit = self._run(batch)[f"logit_{name}"]
            (slope,) = torch.autograd.grad(logit.sum(), values)
            risk = (slope * values).detach().cpu().numpy().astype(np.float64)
            if name == "region":
                risk = risk.reshape(len(people), -1, 3).sum(axis=2)
            rest = logit.detach().cpu().numpy() - risk.sum(axis=1)
            found[name] = attribution_of(risk, people.present[name], rest)
        return found

    def _tensors(self, people: PreparedSubset) -> Tensors:
        found = tensors_of(people, self.preparation, self.bag_names)
        return {name: value.to(self.row.device) for name, value in found.items()}

    def _run(self, batch: Tensors) -> Tensors:
        return call(self.module, Layout(self.module).unflatten(self.row), batch, None)


def _named(module: nn.Module, row: torch.Tensor) -> dict[str, np.ndarray]:
    return {name: value.cpu().numpy() for name, value in Layout(module).unflatten(row).items()}
