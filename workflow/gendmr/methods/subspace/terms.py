"""Gene-guided consistency, and the coordination of the gradients of subspaces."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional

Grouping = Literal["person", "released"]
Projection = Literal["orthogonal", "released", "none"]


def consistency(
    genes: torch.Tensor,
    points: torch.Tensor,
    heads: int,
    weight: torch.Tensor,
    grouping: Grouping = "person",
) -> torch.Tensor:
    """Return how far people who are alike in genes sample alike.

    Parameters
    ----------
    genes : Tensor (person, width)
    points : Tensor (person * head, 2, key side, key side)
        A person's heads stand together.
    heads : int
    weight : Tensor (person,)
        0 marks people without both modalities.
    grouping : str
        `released` takes the rows of `points` for those of all people head by head, as the released
        code does: it then compares heads with people.
    """
    people = len(genes)
    rows = points.reshape(people * heads, -1)
    if grouping == "released":
        by_head = rows.view(heads, people, -1)
    else:
        by_head = rows.view(people, heads, -1).transpose(0, 1)
    among = (weight > 0).to(genes.dtype)
    unit = functional.normalize(genes, dim=-1)
    sampled = functional.normalize(by_head, dim=-1)  # (head, person, 2 * key)
    alike = unit @ unit.T  # (person, person)
    together = (sampled @ sampled.transpose(1, 2)).mean(0)
    pairs = among[:, None] * among[None, :]
    return torch.as_tensor((pairs * (alike - together) ** 2).sum() / among.sum().clamp(min=1))


def coordinate(
    gradient: torch.Tensor, confidence: torch.Tensor, projection: Projection
) -> torch.Tensor:
    """Return the gradient of the head with the less confident subspaces out of the others' way.

    Where the parts of a row that belong to two subspaces point against each other, the component
    along the other one is taken out of the less confident part; the norm is that of what is left.

    Parameters
    ----------
    gradient : Tensor (subspace, output, width)
    confidence : Tensor (subspace,)
    projection : str
        `released` subtracts the projection twice, as the released code does, at the norm of the
        projected part: a reflection.
    """
    if projection == "none":
        return gradient
    result = gradient.clone()
    for first in range(len(gradient)):
        for second in range(len(gradient)):
            if first == second or not confidence[first] < confidence[second]:
                continue
            weaker, stronger = result[first], gradient[second]  # (output, width)
            product = (weaker * stronger).sum(1, keepdim=True)
            along = product / (stronger * stronger).sum(1, keepdim=True).clamp(min=1e-30) * stronger
            projected = weaker - along
            if projection == "released":
                norm = projected.norm(dim=1, keepdim=True)
                twice = projected - along
                projected = twice * norm / twice.norm(dim=1, keepdim=True).clamp(min=1e-30)
            result[first] = torch.where(product < 0, projected, weaker)
    return result


def concordance(risk: torch.Tensor, time: torch.Tensor, event: torch.Tensor) -> torch.Tensor:
    """Return Harrell's C of a batch, 0.5 where no pair can be compared; ties count half."""
    earlier = (time[:, None] < time[None, :]) & (event[:, None] > 0)
    difference = risk[:, None] - risk[None, :]
    right = (difference > 0).float() + 0.5 * (difference == 0).float()
    pairs = earlier.float()
    total = pairs.sum()
    return torch.where(total > 0, (pairs * right).sum() / total.clamp(min=1), total + 0.5)
