"""Codes of modalities side by side, with one head over all of them or one each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from gendmr.engine.batches import Tensors
from gendmr.engine.network import NOISE, OUTPUT

START = 0.3  # SD of what a layer gives for standardised inputs before the first step
PACE = 1000  # inputs of a modality that learns at the stated rate; fewer learn faster
TEACHER = "teacher."


class FusionNet(nn.Module):
    """A code per modality, and heads.

    Parameters
    ----------
    width : int
        Length of a code.
    sizes : mapping of str to int
        Number of inputs by modality.
    outputs : int
    late : bool
        A network for each modality, whose outputs are averaged.
    fixed_teacher : bool
        With networks of each modality as `teacher`.
    """

    def __init__(
        self,
        width: int,
        sizes: Mapping[str, int],
        outputs: int,
        late: bool,
        fixed_teacher: bool = False,
    ) -> None:
        super().__init__()
        self.width, self.late = width, late
        self.encode = nn.ModuleDict({name: nn.Linear(size, width) for name, size in sizes.items()})
        self.head = nn.ModuleDict({name: nn.Linear(width, outputs, bias=late) for name in sizes})
        if not late:
            self.bias = nn.Parameter(torch.zeros(outputs))
        if fixed_teacher:
            self.teacher = FusionNet(width, sizes, outputs, late=True)

    def reset(self, random: torch.Generator) -> None:
        """Draw initial weights; not those of a teacher."""
        with torch.no_grad():
            for name, value in self.named_parameters():
                if name.startswith(TEACHER):
                    continue
                value.zero_()
                if value.ndim == 2:
                    noise = torch.randn(value.shape, generator=random)
                    inputs = value.shape[1]
                    scale = inputs**0.5 / PACE if name.startswith("encode") else inputs**-0.5
                    value.copy_(noise * START * scale)

    def forward(self, batch: Tensors) -> Tensors:
        """Return `output` (person, n_outputs) and that of each modality, `output_<modality>`."""
        outputs: Tensors = {}
        parts, present = [], []
        for name, encode in self.encode.items():
            code = functional.gelu(encode(batch[name]))  # (person, width)
            if f"{NOISE}{name}" in batch:
                code = code * batch[f"{NOISE}{name}"]
            part = self.head[name](code)  # (person, n_outputs)
            has_modality = batch[f"has_{name}"][:, None]
            parts.append(part * has_modality)
            present.append(has_modality)
            # An equal share of the common bias belongs to each modality (Peng et al. 2022, eq. 6).
            outputs[f"output_{name}"] = part if self.late else part + self.bias / len(self.encode)
        total = torch.stack(parts).sum(0)
        if self.late:
            total = total / torch.stack(present).sum(0).clamp(min=1)
        outputs[OUTPUT] = total if self.late else total + self.bias
        return outputs


def is_table(name: str) -> bool:
    """Return whether a parameter is the weights of an encoder, an input each."""
    return name.removeprefix(TEACHER).startswith("encode") and name.endswith("weight")


def modality_of_parameter(name: str) -> str:
    """Return the modality of a parameter such as `encode.snp.weight`."""
    return name.removeprefix(TEACHER).split(".")[1]
