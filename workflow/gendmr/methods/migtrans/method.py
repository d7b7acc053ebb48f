"""A transformer over genome, connectome and brain structure.

Shareef, Cherukuri, Ye & Ji 2024, "MIGTrans: a multi-modal imaging-genomics transformer for
classification of schizophrenia" (arXiv 2407.19385), of which the abstract is public: what it leaves
open is chosen here; see the page of the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gendmr.config.methods.migtrans import MigtransMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.config.training import MethodOptions
from gendmr.engine.batches import Tensors
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.engine.network import OUTPUT, FitProblem, Step, mean_loss
from gendmr.engine.phase import TASK, Phase, Term, task_term
from gendmr.engine.training import Replicates
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution, FitInputs
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.integrated_gradients import integrated_gradients
from gendmr.methods.migtrans.encoders import RegionEncoder, VectorEncoder
from gendmr.methods.migtrans.image import AXES, ImageEncoder
from gendmr.methods.migtrans.network import ALONE, PLACES, REBUILT, MigtransNet, in_steps
from gendmr.methods.network_method import Architecture, NetworkMethod
from gendmr.preprocessing.prepared import PreparedSubset

TOKENS_OF_INSTANCES = ("region",)  # modalities whose instances are tokens
IMAGES = ("volume",)  # those whose instances are voxels of a grid; all others are one vector
GRID = ("i", "j", "k")
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

    def network(self, architecture: Architecture) -> MigtransNet:
        """Return the network."""
        chosen, sizes = self.options, architecture.sizes
        names = in_steps(chosen.order, architecture.modalities)
        rebuilt = {
            name: (chosen.hidden[1], sizes[name] * sizes[f"{name}_measures"])
            for name in names
            if name not in (*TOKENS_OF_INSTANCES, *IMAGES) and chosen.autoencoder != "none"
        }
        return MigtransNet(
            {name: self._encoder(name, sizes) for name in names},
            chosen.width,
            chosen.heads,
            chosen.feed_forward,
            architecture.task.n_outputs,
            chosen.attention_dropout,
            chosen.modality_dropout,
            rebuilt,
            alone=chosen.auxiliary > 0,
        )

    def _encoder(self, name: str, sizes: Mapping[str, int]) -> nn.Module:
        chosen, instances, measures = self.options, sizes[name], sizes[f"{name}_measures"]
        if name in TOKENS_OF_INSTANCES:
            return RegionEncoder(instances, measures, chosen.width, chosen.input_dropout)
        if name in IMAGES:
            return ImageEncoder(
                [sizes[f"{name}_{axis}"] for axis in GRID],
                chosen.image == "densenet121",
                chosen.image_attention,
                AXES.index(chosen.sequence),
                chosen.image_attention_width,
                chosen.width,
            )
        return VectorEncoder(
            instances * measures,
            chosen.hidden,
            chosen.tokens,
            chosen.width,
            chosen.dropout,
            chosen.input_dropout,
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
                grid = _grid_of(inputs, name)
                sizes |= {f"{name}_{axis}": size for axis, size in zip(GRID, grid, strict=True)}
        return sizes

    def problem(self, inputs: FitInputs, modalities: tuple[str, ...]) -> FitProblem:
        """Return tensors of a replicate, with the places of voxels in their grid."""
        problem = super().problem(inputs, modalities)
        fixed = {}
        for name in modalities:
            if name in IMAGES:
                voxels = inputs.preparation.instances(name)[list(GRID)].to_numpy(dtype=np.int64)
                flat = np.ravel_multi_index(tuple(voxels.T), _grid_of(inputs, name))
                fixed[f"{PLACES}{name}"] = torch.from_numpy(np.asarray(flat, dtype=np.int64))
        return replace(problem, fixed={**problem.fixed, **fixed})

    def forward(self, module: nn.Module, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs), and what terms of the loss read besides."""
        outputs: Tensors = module(batch)
        return outputs

    def phases(self, module: nn.Module, problems: Sequence[FitProblem]) -> Sequence[Phase]:
        """Return the phase of the task, and one of the autoencoders before it where asked."""
        net, task, chosen = cast(MigtransNet, module), problems[0].task, self.options
        rebuilt = tuple(net.rebuild)

        def rebuild(step: Step) -> torch.Tensor:
            return torch.stack([_squared_error(step, name) for name in rebuilt]).mean()

        def alone(step: Step) -> torch.Tensor:
            return torch.stack(
                [
                    mean_loss(
                        task, step.outputs[f"{ALONE}{name}"], step.batch, step.batch[f"has_{name}"]
                    )
                    for name in net.names
                ]
            ).mean()

        terms = {TASK: task_term(task)}
        if rebuilt and chosen.autoencoder == "joint":
            terms["autoencoder"] = Term(rebuild, lambda epoch: chosen.autoencoder_weight)
        if net.alone:
            terms["auxiliary"] = Term(alone, lambda epoch: chosen.auxiliary)
        moving = Phase("fit", terms, trainable=lambda name: chosen.autoencoder == "joint"
                       or not name.startswith("rebuild."))  # fmt: skip
        if not rebuilt or chosen.autoencoder != "pretrain":
            return (moving,)
        first = Phase(
            "autoencoder",
            {"autoencoder": Term(rebuild)},
            trainable=lambda name: name.startswith(("encode.", "rebuild.")),
            keep="last",
            epochs=chosen.pretrain_epochs,
            forward=lambda module, batch: cast(MigtransNet, module).rebuilt(batch),
        )
        return (first, moving)

    def weight_decay(
        self, name: str, shape: tuple[int, ...], optimisation: OptimisationSection
    ) -> float:
        """Return the decay of a parameter: of matrices of layers, not of places and tokens."""
        free = name.endswith((".place", "class_token", ".bias"))
        return 0.0 if free or len(shape) < 2 else optimisation.weight_decay

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
            has = {name: batch[f"has_{name}"] for name in names}

            def scalar(
                inputs: Mapping[str, torch.Tensor],
                index: np.ndarray,
                has: Tensors = has,
                contrast: torch.Tensor = contrast,
            ) -> torch.Tensor:
                own = {f"has_{name}": value[index] for name, value in has.items()}
                read = {**fitted.fixed, **inputs, **own}
                said = forward(fitted.row, fitted.buffers, read, False)
                return (contrast[index] * said[OUTPUT]).sum(1)

            collected.append(integrated_gradients(scalar, {name: batch[name] for name in names}))
        count = np.sum([people.present[name] for name in names], axis=0).clip(1)
        attributions = {}
        for name in names:
            value = np.concatenate([values[name].sum(axis=2) for values, _, _ in collected])
            sums = [
                sum(values[other].reshape(len(end), -1).sum(axis=1) for other in names)
                for values, _, end in collected
            ]
            rest = np.concatenate(
                [end - total for (_, _, end), total in zip(collected, sums, strict=True)]
            )
            attributions[name] = attribution_of(value, people.present[name], rest / count)
        return attributions


def _grid_of(inputs: FitInputs, name: str) -> tuple[int, ...]:
    """Return the shape of a grid that holds all voxels of an image, and every pooling."""
    voxels = inputs.preparation.instances(name)[list(GRID)].to_numpy(dtype=np.int64)
    return tuple(int(size) for size in np.maximum(voxels.max(axis=0) + 1, SMALLEST_GRID))


def _squared_error(step: Step, name: str) -> torch.Tensor:
    """Return the mean squared error of a rebuilt modality among those who have it."""
    target = step.batch[name].flatten(1)
    each = functional.mse_loss(step.outputs[f"{REBUILT}{name}"], target, reduction="none").mean(1)
    among = step.batch[f"has_{name}"] * (step.batch["weight"] > 0)
    return (each * among).sum() / among.sum().clamp(min=1)
