"""What methods trained by `gendmr.engine` share: a template of which an author fills in the parts.

An author writes `network` (a module) and `forward`; where needed `tensors` (what the module reads
of people), `phases`, hooks of `gendmr.engine.network.Network`, and `attributions`. The rest is
here: checks, batches, fitting, checkpoints, early stopping and prediction in batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from gendmr.config.methods.base import COVARIATES, NetworkSection
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import TensorRows, Tensors, stack
from gendmr.engine.checkpoint import Checkpoint
from gendmr.engine.device import seeded, set_up_device
from gendmr.engine.fit import Fit, fit
from gendmr.engine.forward import fixed_of
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, TARGET, FitProblem, Network
from gendmr.engine.phase import TASK, Phase, task_term
from gendmr.engine.training import Replicates
from gendmr.errors import TrainingError
from gendmr.methods.base import Attribution, FitInputs, Progress
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.modalities import modality_of
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import derive
from gendmr.tasks import task_of
from gendmr.tasks.base import Task

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Architecture:
    """What decides the module of a replicate, besides options.

    Parameters
    ----------
    modalities : tuple of str
        That can be trained: see `NetworkMethod.usable`.
    task : Task
    sizes : mapping of str to int
        Numbers of instances, and what else `NetworkMethod.sizes` counts. Replicates that train
        together may differ in them: the module is built for the largest.
    switches : tuple
        What else makes modules differ: see `NetworkMethod.switches`.
    """

    modalities: tuple[str, ...]
    task: Task
    sizes: Mapping[str, int]
    switches: tuple[Any, ...] = ()


@dataclass(frozen=True)
class PreparedFit:
    """A replicate before it is fitted, with its notes."""

    inputs: FitInputs
    architecture: Architecture
    problem: FitProblem
    notes: list[str]


class NetworkMethod(Network):
    """A method trained by the engine.

    Parameters
    ----------
    section : NetworkSection
        The method's own entry of the configuration.
    options : MethodOptions
    """

    replicates: ClassVar[Replicates] = "together"
    """`apart` for modules with standard dropout or running statistics."""
    packages: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "torch")
    """Packages whose versions belong to the result."""

    def __init__(self, section: NetworkSection, options: MethodOptions) -> None:
        self.section = section
        self.reads = tuple(name for name in options.reads if name != COVARIATES)
        self.optimisation = options.optimisation or OptimisationSection()
        self.task = task_of(options.outcome, options.task)

    # -- what an author writes -------------------------------------------------------------------

    def network(self, architecture: Architecture) -> nn.Module:
        """Return the module, with initial weights from torch's global generator."""
        raise NotImplementedError

    def reset(self, module: nn.Module, seed: int) -> None:
        """Draw initial weights otherwise than the module does."""

    def tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return what the module reads of people, by name, (person, ...).

        Without being overridden: each modality's design (person, instance, measure), and `has_`
        and its name (person,), 0 or 1.
        """
        tensors = {}
        for name in modalities:
            design = preparation.design(people, name).astype(np.float32)
            tensors[name] = torch.from_numpy(design)
            tensors[f"has_{name}"] = torch.from_numpy(people.present[name].astype(np.float32))
        return tensors

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate."""
        train, validation = (
            TensorRows(self.people_tensors(people, inputs.preparation, modalities))
            for people in (inputs.train, inputs.validation)
        )
        return FitProblem(
            seed=inputs.seed,
            task=inputs.task,
            train=train,
            validation=validation,
            outcome=inputs.train.outcome,
            validation_outcome=inputs.validation.outcome,
            fixed={},
        )

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return numbers on which shapes of parameters depend, by name."""
        return {name: len(inputs.preparation.instances(name)) for name in modalities}

    def switches(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> tuple[Any, ...]:
        """Return what else makes modules differ: replicates that differ in it train apart."""
        return ()

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return the phases: without being overridden one, with the loss of the task."""
        return (Phase("fit", {TASK: task_term(problems[0].task)}),)

    def predicted(self, fitted: FittedNetwork, people: PreparedSubset) -> Any:
        """Return the output of people, float64 (person, n_outputs), computed in batches."""
        batches = [outputs[OUTPUT].cpu().numpy() for outputs, _ in fitted.outputs(people)]
        shape = (0, fitted.task.n_outputs)
        return np.concatenate(batches).astype(np.float64) if batches else np.zeros(shape)

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return attributions by modality; without being overridden none."""
        return {}

    def settle(self, fitted: FittedNetwork, inputs: FitInputs) -> list[str]:
        """Fit what is fitted after the weights, into `fitted.fixed`; return sentences on it."""
        return []

    def remarks(self, fitted: FittedNetwork, inputs: FitInputs) -> list[str]:
        """Return sentences on how the fit ended, beside its notes."""
        return []

    def leave(self, fitted: FittedNetwork, folder: Path, people: PreparedSubset) -> list[str]:
        """Write the `left_files` of the section; return sentences on what they say."""
        return []

    def learned(self, fitted: FittedNetwork) -> dict[str, np.ndarray]:
        """Return what belongs beside the weights."""
        return {}

    # -- the rest --------------------------------------------------------------------------------

    def people_tensors(
        self, people: PreparedSubset, preparation: Preparation, modalities: Sequence[str]
    ) -> Tensors:
        """Return `tensors`, with the weight of people and what the loss of the task reads."""
        task = preparation.task
        tensors = dict(self.tensors(people, preparation, modalities))
        tensors["weight"] = torch.from_numpy(task.weights(people.outcome).astype(np.float32))
        for name, value in task.target(people.outcome).items():
            tensors[f"{TARGET}{name}"] = torch.from_numpy(np.ascontiguousarray(value))
        return tensors

    def fit(
        self,
        inputs: FitInputs,
        *,
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> FittedNetwork:
        """Fit on the training people; see `Method.fit`.

        Raises
        ------
        TrainingError
            No modality can be trained, or the loss is not finite.
        """
        (fitted,) = self._fit([inputs], device, progress, checkpoint)
        return fitted

    def fit_many(
        self, inputs: Sequence[FitInputs], *, device: str, progress: Progress
    ) -> list[FittedNetwork]:
        """Fit each as `fit` does, those of one architecture together; see `Method.fit_many`."""
        return self._fit(inputs, device, progress, None)

    def prepare(self, inputs: FitInputs) -> PreparedFit:
        """Return a replicate that `fit_prepared` takes.

        Raises
        ------
        TrainingError
            No modality can be trained.
        """
        modalities, notes = self.usable(inputs)
        problem = self.problem(inputs, modalities)
        architecture = Architecture(
            modalities,
            inputs.task,
            self.sizes(inputs, problem, modalities),
            self.switches(inputs, problem, modalities),
        )
        return PreparedFit(inputs, architecture, problem, [*notes, *problem.notes])

    def fit_prepared(
        self,
        prepared: Sequence[PreparedFit],
        device: torch.device = CPU,
        progress: Progress = lambda line: None,
        checkpoint: Checkpoint | None = None,
    ) -> tuple[nn.Module, Fit]:
        """Fit replicates of one architecture, which may differ in sizes; return their module."""
        names = prepared[0].architecture.sizes
        shared = Architecture(
            prepared[0].architecture.modalities,
            prepared[0].architecture.task,
            {
                name: max(prepared_fit.architecture.sizes[name] for prepared_fit in prepared)
                for name in names
            },
            prepared[0].architecture.switches,
        )
        module = self.network(shared)
        layout = Layout(module)
        replicate_modules = [self._initialised(prepared_fit) for prepared_fit in prepared]
        weights = torch.stack(
            [layout.flatten(replicate_module) for replicate_module in replicate_modules]
        ).to(device)
        buffers = stack(
            [dict(replicate_module.named_buffers()) for replicate_module in replicate_modules],
            device,
        )
        module = module.to(device)
        problems = [prepared_fit.problem for prepared_fit in prepared]
        result = fit(
            self,
            module,
            problems,
            self.phases(module, problems),
            self.optimisation,
            weights=weights,
            buffers=buffers,
            replicates=self.replicates,
            progress=progress,
            checkpoint=checkpoint,
        )
        return module, result

    def usable(self, inputs: FitInputs) -> tuple[tuple[str, ...], list[str]]:
        """Return the modalities that can be trained and a note for each that cannot.

        A modality needs at least one instance and, among the training people who have it, somebody
        of each class, with an event, or with a value. Without, it is masked for everybody.

        Raises
        ------
        TrainingError
            None is left.
        """
        usable, notes = [], []
        train, preparation = inputs.train, inputs.preparation
        for name in self.reads:
            present, count = train.present[name], len(preparation.instances(name))
            fewest = inputs.task.fewest(train.outcome.take(present)) if present.any() else 0
            if count and fewest:
                usable.append(name)
                continue
            notes.append(
                f"The modality {name} is masked for everybody: {count}"
                f" {modality_of(name).instance}s, {int(present.sum())} training people who have it,"
                f" {fewest} of them of the rarest class or with an event."
            )
        if not usable:
            raise TrainingError(
                "no modality can be trained: " + " ".join(notes),
                cause="no instance passed the selection, or nobody in the fold was measured",
                next_step="relax modalities.snp.selection, or use fewer folds",
            )
        if len(usable) > 1 and not np.all([train.present[name] for name in usable], axis=0).any():
            notes.append(
                f"None of the training people has {' and '.join(usable)}: what they say together is"
                " not learned."
            )
        return tuple(usable), notes

    def _initialised(self, prepared: PreparedFit) -> nn.Module:
        """Return the module of one replicate's own sizes, with its own initial weights."""
        seed = prepared.problem.seed
        with seeded(derive(seed, "weights"), CPU):
            module = self.network(prepared.architecture)
        self.reset(module, seed)
        return module

    def _fit(
        self,
        inputs: Sequence[FitInputs],
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None,
    ) -> list[FittedNetwork]:
        where = set_up_device(device)
        prepared = [self.prepare(fit_inputs) for fit_inputs in inputs]
        # Only replicates of one architecture share a matrix of weights.
        same_architecture: dict[tuple[Any, ...], list[int]] = {}
        for number, prepared_fit in enumerate(prepared):
            key: tuple[Any, ...] = (
                prepared_fit.architecture.modalities,
                prepared_fit.architecture.switches,
            )
            if self.replicates == "apart":
                key += (tuple(prepared_fit.architecture.sizes.items()),)
            same_architecture.setdefault(key, []).append(number)
        fitted: dict[int, FittedNetwork] = {}
        for numbers in same_architecture.values():
            module, result = self.fit_prepared(
                [prepared[number] for number in numbers], where, progress, checkpoint
            )
            for row, number in enumerate(numbers):
                replicate = self._fitted(prepared[number], module, result, row, where)
                replicate.notes.extend(self.settle(replicate, inputs[number]))
                replicate.notes.extend(self.remarks(replicate, inputs[number]))
                fitted[number] = replicate
        return [fitted[number] for number in range(len(inputs))]

    def _fitted(
        self, prepared: PreparedFit, module: nn.Module, result: Fit, row: int, device: torch.device
    ) -> FittedNetwork:
        """Return the network of one replicate without the padding of its neighbours."""
        replicate_module = self.network(prepared.architecture).to(device)
        return FittedNetwork(
            method=self,
            architecture=prepared.architecture,
            module=replicate_module,
            modalities=prepared.architecture.modalities,
            preparation=prepared.inputs.preparation,
            fixed=fixed_of(self, prepared.problem, device),
            slot=prepared.problem.slot,
            row=Layout(module).trim(result.weights[row], Layout(replicate_module)),
            buffers={name: value[row] for name, value in result.buffers.items()},
            history=result.history[row],
            best_epoch=result.best_epoch[row],
            device=device.type,
            notes=list(prepared.notes),
            phase_weights={
                name: Layout(module).trim(value[row], Layout(replicate_module))
                for name, value in result.phase_weights.items()
            },
        )
