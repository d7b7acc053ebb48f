"""A transformer over genome, connectome and brain structure.

Shareef, Cherukuri, Ye & Ji 2024, "MIGTrans: a multi-modal imaging-genomics transformer for
classification of schizophrenia" (arXiv 2407.19385), of which the abstract is public: what it leaves
open is chosen here; see the page of the method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.migtrans import MigtransMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import TensorRows, Tensors
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, FitProblem, Step, mean_loss
from gendmr.engine.phase import TASK, Phase, Term
from gendmr.engine.training import Replicates
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.integrated_gradients import integrated_gradients
from gendmr.methods.migtrans.encoders import RegionEncoder, VectorEncoder
from gendmr.methods.migtrans.image import AXES, ImageEncoder
from gendmr.methods.migtrans.network import (
    ALONE,
    ONE_SEED,
    PLACES,
    REBUILT,
    SEED,
    MigtransNet,
    SeveralSeeds,
    in_steps,
)
from gendmr.methods.migtrans.readout import leave_gate, leave_no_gate
from gendmr.methods.migtrans.shortcut import (
    OFFSET,
    SHARE,
    best_share,
    fit_shortcut,
    outputs_with,
)
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.preprocessing.preparation import Preparation
from gendmr.preprocessing.prepared import PreparedSubset

TOKENS_OF_INSTANCES = ("region",)  # modalities whose instances are tokens
IMAGES = ("volume",)  # those whose instances are voxels of a grid; all others are one vector
GRID = ("i", "j", "k")
ONE_NETWORK = (
    "One network was trained: how far its ranking depends on the random seed is not known; it is"
    " told where `seeds` is above 1."
)
SMALLEST_GRID = 32  # voxels: a DenseNet halves an image five times


def build(options: MethodOptions) -> Migtrans:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, MigtransMethod):
        raise TypeError(f"options of {method.kind}, not of migtrans")
    return Migtrans(method, options)


class Migtrans(NetworkMethod):
    """See the module."""

    replicates: ClassVar[Replicates] = "apart"

    def __init__(self, section: MigtransMethod, options: MethodOptions) -> None:
        super().__init__(section, options)
        self.options = section

    def network(self, architecture: Architecture) -> SeveralSeeds:
        """Return the networks of all seeds."""
        return SeveralSeeds([self.one(architecture) for _ in range(self.options.seeds)])

    def one(self, architecture: Architecture) -> MigtransNet:
        """Return the network of one seed."""
        options, sizes = self.options, architecture.sizes
        names = in_steps(options.order, architecture.modalities)
        rebuilt = {
            name: (options.hidden[1], sizes[name] * sizes[f"{name}_measures"])
            for name in names
            if name not in (*TOKENS_OF_INSTANCES, *IMAGES) and options.autoencoder != "none"
        }
        return MigtransNet(
            {name: self._encoder(name, sizes) for name in names},
            options.width,
            options.heads,
            options.feed_forward,
            architecture.task.n_outputs,
            options.attention_dropout,
            options.modality_dropout,
            rebuilt,
            alone=options.auxiliary > 0,
            silent=options.shortcut == "ridge",
        )

    def _encoder(self, name: str, sizes: Mapping[str, int]) -> nn.Module:
        options, instances, measures = self.options, sizes[name], sizes[f"{name}_measures"]
        if name in TOKENS_OF_INSTANCES:
            return RegionEncoder(instances, measures, options.width, options.input_dropout)
        if name in IMAGES:
            return ImageEncoder(
                [sizes[f"{name}_{axis}"] for axis in GRID],
                options.image == "densenet121",
                options.image_attention,
                AXES.index(options.sequence),
                options.image_attention_width,
                options.width,
            )
        return VectorEncoder(
            instances * measures,
            options.hidden,
            options.tokens,
            options.width,
            options.dropout,
            options.input_dropout,
        )

    def sizes(
        self, inputs: FitInputs, problem: FitProblem, modalities: tuple[str, ...]
    ) -> dict[str, int]:
        """Return numbers of instances and of their measures by modality."""
        sizes = {}
        for name in modalities:
            values = problem.train.take(np.zeros(1, dtype=np.int64))[name]
            sizes[name], sizes[f"{name}_measures"] = values.shape[1], values.shape[2]
            if name in IMAGES:
                grid = _grid_of(inputs.preparation, name)
                sizes |= {f"{name}_{axis}": size for axis, size in zip(GRID, grid, strict=True)}
        return sizes

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with the places of voxels in their grid."""
        problem = super().problem(inputs, modalities)
        fixed = {}
        for name in modalities:
            if name in IMAGES:
                voxels = inputs.preparation.instances(name)[list(GRID)].to_numpy(dtype=np.int64)
                indices = np.ravel_multi_index(tuple(voxels.T), _grid_of(inputs.preparation, name))
                fixed[f"{PLACES}{name}"] = torch.from_numpy(np.asarray(indices, dtype=np.int64))
        train = problem.train
        if self.options.shortcut == "ridge":
            shortcut = fit_shortcut(inputs, modalities)
            fixed |= shortcut.fixed
            train = TensorRows({**cast(TensorRows, train).tensors, OFFSET: shortcut.offset})
        return replace(problem, train=train, fixed={**problem.fixed, **fixed})

    def settle(self, fitted: FittedNetwork, inputs: FitInputs) -> list[str]:
        """Choose how much of the network counts beside its ridge, on the inner validation."""
        notes = [] if self.options.seeds > 1 else [ONE_NETWORK]
        if self.options.shortcut != "ridge":
            return notes
        people = inputs.validation
        if not len(people) or not inputs.task.fewest(people.outcome):
            return notes
        output = outputs_with(fitted.predict, fitted.fixed, people)
        share, losses = best_share(inputs.task, people.outcome, output)
        fitted.fixed[SHARE] = torch.tensor(share)
        return [
            f"Beside its ridge the network counts by {share:g}: the loss of {len(people)} people of"
            f" the inner validation is {losses[0.0]:.3f} without it, {losses[1.0]:.3f} with all of"
            f" it and {min(losses.values()):.3f} at best; a gain within one standard error counts"
            " for none.",
            *notes,
        ]

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), and what terms of the loss read besides."""
        outputs: Tensors = module(batch)
        return outputs

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return the phase of the task, and one of the autoencoders before it where asked."""
        nets = [cast(MigtransNet, network) for network in cast(SeveralSeeds, module).networks]
        task, options = problems[0].task, self.options
        rebuilt = tuple(nets[0].rebuild)

        def of_seeds(loss: Callable[[Step, str], torch.Tensor]) -> Callable[[Step], torch.Tensor]:
            # Networks share no weight: the sum has for each the gradient that it would have alone.
            prefixes = [f"{SEED}{number}_" for number in range(len(nets))]
            return lambda step: torch.stack([loss(step, prefix) for prefix in prefixes]).sum()

        def fused(step: Step, seed: str) -> torch.Tensor:
            output, smooth = step.outputs[f"{seed}{OUTPUT}"], options.label_smoothing
            loss = mean_loss(task, output, step.batch)
            return loss if not smooth else (1 - smooth) * loss + smooth * _even_loss(output, step)

        def rebuild(step: Step, seed: str) -> torch.Tensor:
            return torch.stack([_squared_error(step, seed, name) for name in rebuilt]).mean()

        def alone(step: Step, seed: str) -> torch.Tensor:
            return torch.stack(
                [
                    mean_loss(
                        task,
                        step.outputs[f"{seed}{ALONE}{name}"],
                        step.batch,
                        step.batch[f"has_{name}"],
                    )
                    for name in nets[0].names
                ]
            ).mean()

        terms = {TASK: Term(of_seeds(fused))}
        if rebuilt and options.autoencoder == "joint":
            terms["autoencoder"] = Term(of_seeds(rebuild), lambda epoch: options.autoencoder_weight)
        if options.auxiliary:
            terms["auxiliary"] = Term(of_seeds(alone), lambda epoch: options.auxiliary)
        moving = Phase("fit", terms, trainable=lambda name: options.autoencoder == "joint"
                       or ".rebuild." not in name)  # fmt: skip
        if not rebuilt or options.autoencoder != "pretrain":
            return (moving,)
        first = Phase(
            "autoencoder",
            {"autoencoder": Term(of_seeds(rebuild))},
            trainable=lambda name: ".encode." in name or ".rebuild." in name,
            keep="last",
            epochs=options.pretrain_epochs,
            forward=lambda module, batch: cast(SeveralSeeds, module).rebuilt(batch),
        )
        return (first, moving)

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter: of matrices of layers, not of places and tokens."""
        free = name.endswith((".place", "class_token", ".bias"))
        return 0.0 if free or len(shape) < 2 else optimisation.weight_decay

    def leave(self, fitted: FittedNetwork, folder: Path, people: PreparedSubset) -> list[str]:
        """Write where the gate of an image encoder is open in held-out people, and say it."""
        if not self.options.left_files(self.reads):
            return []
        notes = []
        for name in fitted.modalities:
            if name in IMAGES:
                grid = _grid_of(fitted.preparation, name)
                notes += leave_gate(fitted, name, grid, folder, people)
        return notes or leave_no_gate(folder)

    def attributions(self, fitted: FittedNetwork, people: PreparedSubset) -> dict[str, Attribution]:
        """Return integrated gradients, summed over the measures of an instance.

        The scalar of the average person, and the error of the rule, are split evenly between the
        modalities that a person has, so that values and baselines of these add up to the scalar.
        """
        forward = Forward(self.forward, fitted.module, Layout(fitted.module))
        names, collected = fitted.modalities, []
        for outputs, batch in fitted.outputs(people):
            output = outputs[OUTPUT].detach().cpu().numpy().astype(np.float64)
            weight = np.asarray(fitted.task.contrast(output), dtype=np.float32)
            contrast = torch.from_numpy(weight).to(fitted.row.device)
            presence = {f"has_{name}": batch[f"has_{name}"] for name in names}

            def scalar(
                inputs: Mapping[str, torch.Tensor],
                index: np.ndarray,
                seed: int,
                presence: Tensors = presence,
                contrast: torch.Tensor = contrast,
            ) -> torch.Tensor:
                person_presence = {name: value[index] for name, value in presence.items()}
                read = {**fitted.fixed, **inputs, **person_presence, ONE_SEED: torch.tensor(seed)}
                output = forward(fitted.row, fitted.buffers, read, False)[OUTPUT]
                return (contrast[index] * output).sum(1)

            # Gradients of a mean are means of gradients: those of each network tell how far they
            # agree.
            collected.append(
                [
                    integrated_gradients(
                        partial(scalar, seed=seed), {name: batch[name] for name in names}
                    )
                    for seed in range(self.options.seeds)
                ]
            )
        count = np.sum([people.present[name] for name in names], axis=0).clip(1)
        by_seed = {
            name: np.stack(
                [
                    np.concatenate([batch[seed][0][name].sum(axis=2) for batch in collected])
                    for seed in range(self.options.seeds)
                ]
            )
            for name in names
        }  # (seed, person, instance)
        end = np.concatenate(
            [np.mean([seed_result[2] for seed_result in batch], axis=0) for batch in collected]
        )
        total = sum(values.mean(axis=0).sum(axis=1) for values in by_seed.values())
        attributions = {}
        for name, values in by_seed.items():
            present = people.present[name]
            attributions[name] = attribution_of(
                values.mean(axis=0), present, (end - total) / count, values
            )
        return attributions


def _grid_of(preparation: Preparation, name: str) -> tuple[int, ...]:
    """Return the shape of a grid that holds all voxels of an image, and every pooling."""
    voxels = preparation.instances(name)[list(GRID)].to_numpy(dtype=np.int64)
    return tuple(int(size) for size in np.maximum(voxels.max(axis=0) + 1, SMALLEST_GRID))


def _even_loss(output: torch.Tensor, step: Step) -> torch.Tensor:
    """Return the weighted mean cross-entropy of outputs (person, output) to equal classes.

    One output is the logit of the second of two classes.
    """
    if output.shape[1] == 1:
        output = torch.cat([torch.zeros_like(output), output], dim=1)
    losses, weight = -functional.log_softmax(output, dim=1).mean(dim=1), step.batch["weight"]
    return (weight * losses).sum() / weight.sum().clamp(min=1e-9)


def _squared_error(step: Step, seed: str, name: str) -> torch.Tensor:
    """Return the mean squared error of a rebuilt modality among those who have it."""
    target, rebuilt = step.batch[name].flatten(1), step.outputs[f"{seed}{REBUILT}{name}"]
    errors = functional.mse_loss(rebuilt, target, reduction="none").mean(1)
    among = step.batch[f"has_{name}"] * (step.batch["weight"] > 0)
    return (errors * among).sum() / among.sum().clamp(min=1)
