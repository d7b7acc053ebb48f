"""Plain networks over modalities side by side.

Each modality has a linear layer, GELU and dropout: its code. A person who lacks a modality has a
code of zeros. What is done with the codes is the mode:

- `concatenation`: one linear head over all codes, which is the sum of a part per modality;
- `late`: a network for each modality, with a loss each; they share the clipping of the gradient and
  the epoch that is kept, nothing else; the output is the mean over the modalities that a person
  has;
- `ogm_ge`: concatenation with on-the-fly gradient modulation and generalisation enhancement (Peng,
  Wei, Deng, Wang & Hu 2022, CVPR, eq. 8-11): the gradient of the encoder of the modality that is
  ahead is damped, and all encoders get Gaussian noise of the gradient's SD. Ours: only people with
  all modalities decide who is ahead; with more than two, the others are averaged. AdamW divides a
  gradient by its own running size, so that a damping that stays the same has no effect here; the
  published method used SGD;
- `fixed_teacher`: concatenation that also learns from the networks of `late`, which are fitted in a
  phase before and stay as they are, in the manner of G2D (Rakib & Bagavathi 2025, ICCV): a
  divergence from each teacher to the part of the same modality, where the teacher is right. Ours:
  outputs only, no features, no modality in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import nn

from gendmr.config.methods.fusion import FusionMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import TensorRows, Tensors
from gendmr.engine.device import torch_generator
from gendmr.engine.layout import Layout
from gendmr.engine.network import NOISE, OUTPUT, FitProblem, Step, mean_loss
from gendmr.engine.phase import TASK, Phase, Term, task_term
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.distillation import divergence, is_right
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.fusion.modulation import gradient_noise, modulate
from gendmr.methods.fusion.network import PACE, TEACHER, FusionNet, is_table
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

HEAD_LR_MULTIPLIER = 3.0  # of heads and biases, which are few
MODALITIES = "modalities"  # the phase of networks of single modalities


def build(options: MethodOptions) -> Fusion:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, FusionMethod):
        raise TypeError(f"options of {method.kind}, not of fusion")
    return ModulatedFusion(method, options) if method.mode == "ogm_ge" else Fusion(method, options)


class Fusion(NetworkMethod):
    """Plain fusion with its options: every mode but `ogm_ge`."""

    def __init__(self, section: FusionMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section

    def network(self, architecture: Architecture) -> FusionNet:
        """Return the network; with teachers in `fixed_teacher`."""
        mode = self.options.mode
        return FusionNet(
            self.options.width,
            architecture.sizes,
            architecture.task.n_outputs,
            late=mode == "late",
            fixed_teacher=mode == "fixed_teacher",
        )

    def reset(self, module: nn.Module, seed: int) -> None:
        """Draw initial weights: those of a teacher are what `late` would start from."""
        net = cast(FusionNet, module)
        net.reset(torch_generator(seed, MODALITIES if net.late else "weights"))
        if self.options.mode == "fixed_teacher":
            net.teacher.reset(torch_generator(seed, MODALITIES))

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return the number of inputs by modality."""
        return _inputs(problem, modalities)

    def tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return inputs (person, instance * measure) by modality, and who has them (person,).

        Inputs are multiplied by `PACE` over their number. The steps of Adam have the same size for
        every weight, so that thousands of SNPs would run ahead of a few regions and learn the
        people by heart; so scaled, all codes move alike (Yang et al. 2022, arXiv 2203.03466,
        table 3).
        """
        tensors: Tensors = {}
        for name in modalities:
            values = preparation.design(people, name).reshape(len(people), -1).astype(np.float32)
            tensors[name] = torch.from_numpy(values * np.float32(PACE / values.shape[1]))
            tensors[f"has_{name}"] = torch.from_numpy(people.present[name].astype(np.float32))
        return tensors

    def usable(self, inputs: FitInputs) -> tuple[tuple[str, ...], list[str]]:
        """Return the modalities that can be trained; see `NetworkMethod.usable`."""
        modalities, notes = super().usable(inputs)
        if len(modalities) == 1:
            notes.append(
                f"There is nothing to fuse: the network sees the modality {modalities[0]} only."
            )
        return modalities, notes

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs) and each modality's; `teacher.<output>` too."""
        outputs: Tensors = module(batch)
        if self.options.mode == "fixed_teacher":
            noiseless = {name: value for name, value in batch.items() if not name.startswith(NOISE)}
            teacher = cast(FusionNet, module).teacher(noiseless)
            outputs |= {f"{TEACHER}{name}": value.detach() for name, value in teacher.items()}
        return outputs

    def noise(
        self, module: nn.Module, problem: FitProblem, people: int, random: torch.Generator
    ) -> Tensors:
        """Return dropout of codes (person, width) by modality."""
        dropout, width = self.options.dropout, self.options.width
        return {
            name: (torch.rand(people, width, generator=random) >= dropout) / (1 - dropout)
            for name in cast(FusionNet, module).encode
        }

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return one phase; two where there are teachers."""
        net, task = cast(FusionNet, module), problems[0].task
        names = tuple(net.encode)

        def of_modalities(step: Step) -> torch.Tensor:
            losses = [
                mean_loss(
                    task, step.outputs[f"output_{name}"], step.batch, step.batch[f"has_{name}"]
                )
                for name in names
            ]
            return torch.stack(losses).sum()

        apart = {MODALITIES: Term(of_modalities)}
        if net.late:
            return (Phase(MODALITIES, apart),)
        if self.options.mode != "fixed_teacher":
            return (Phase("fit", {TASK: task_term(task)}),)

        def distil(step: Step) -> torch.Tensor:
            terms = []
            for name in names:
                teacher = step.outputs[f"{TEACHER}output_{name}"]
                weight = step.batch["weight"] * step.batch[f"has_{name}"]
                weight = weight * is_right(task, teacher, step.batch, weight)
                student = step.outputs[f"output_{name}"]
                divergences = divergence(task, teacher, student, weight, self.options.temperature)
                terms.append((weight * divergences).sum() / weight.sum().clamp(min=1e-6))
            return torch.stack(terms).sum()

        return (
            Phase(
                MODALITIES,
                apart,
                trainable=lambda name: name.startswith(TEACHER),
                forward=lambda module, batch: cast(FusionNet, module).teacher(batch),
            ),
            Phase(
                "fit",
                {
                    TASK: task_term(task),
                    "distillation": Term(distil, lambda epoch: self.options.distillation),
                },
                trainable=lambda name: not name.startswith(TEACHER),
            ),
        )

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter."""
        return optimisation.weight_decay if name.endswith("weight") else 0.0

    def lr_multiplier(self, name: str) -> float:
        """Return the multiple of the learning rate: heads and biases are few."""
        return 1.0 if is_table(name) else HEAD_LR_MULTIPLIER

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return gradient times input of each modality's output, contrasted by the task.

        For a SNP its standardised dosage times the derivative by it, summed over the hidden units;
        for a region the sum over its measures. What the nonlinearity leaves over goes into the
        baseline of the person, so that values and baseline add up to the output of the modality.
        """
        collected: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for outputs, batch in fitted.outputs(people, slopes=True):
            output = outputs[OUTPUT].detach().cpu().numpy().astype(np.float64)
            contrast = torch.from_numpy(np.asarray(fitted.task.contrast(output), np.float32))
            contrast = contrast.to(fitted.row.device)
            for name in fitted.modalities:
                scalar = (contrast * outputs[f"output_{name}"]).sum(1)
                (slope,) = torch.autograd.grad(scalar.sum(), batch[name], retain_graph=True)
                value = (slope * batch[name]).detach().cpu().numpy().astype(np.float64)
                instances = len(fitted.preparation.instances(name))
                value = value.reshape(len(value), instances, -1).sum(axis=2)
                baseline = scalar.detach().cpu().numpy() - value.sum(axis=1)
                collected.setdefault(name, []).append((value, baseline))
        return {
            name: attribution_of(
                np.concatenate([value for value, _ in batches]),
                people.present[name],
                np.concatenate([baseline for _, baseline in batches]),
            )
            for name, batches in collected.items()
        }


class ModulatedFusion(Fusion):
    """The mode `ogm_ge`."""

    def noise(
        self, module: nn.Module, problem: FitProblem, people: int, random: torch.Generator
    ) -> Tensors:
        """Return dropout of codes, and noise of the gradient (weight,)."""
        noise = super().noise(module, problem, people, random)
        layout, names = Layout(module), tuple(cast(FusionNet, module).encode)
        noise["gradient"] = torch.zeros(layout.width)
        if people:
            noise["gradient"] = gradient_noise(layout, _inputs(problem, names), random)
        return noise

    def on_before_optimizer_step(
        self,
        gradients: Mapping[str, torch.Tensor],
        outputs: Tensors,
        batch: Tensors,
        layout: Layout,
    ) -> torch.Tensor:
        """Return the gradient with the modality that is ahead held back."""
        gradient = super().on_before_optimizer_step(gradients, outputs, batch, layout)
        names = tuple(name for name in self.reads if f"output_{name}" in outputs)
        if len(names) < 2:
            return gradient
        return modulate(gradient, outputs, batch, layout, self.task, names, self.options.strength)


def _inputs(problem: FitProblem, modalities: tuple[str, ...]) -> dict[str, int]:
    """Return the replicate's own number of inputs by modality."""
    if not isinstance(problem.train, TensorRows):
        raise TypeError("people of fusion are in memory")
    return {name: problem.train.tensors[name].shape[1] for name in modalities}
