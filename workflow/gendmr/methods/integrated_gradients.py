"""Integrated gradients: what each instance adds to the scalar of the task, exactly in sum.

Sundararajan, Taly & Yan 2017, "Axiomatic attribution for deep networks" (ICML): along the straight
path from the mean of the training people (all inputs 0) to the person, in all modalities at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

NODES = (16, 32, 64, 128, 256)  # of the Gauss-Legendre rule, until the sum is right
AT_ONCE = 512  # points on the paths of all people in one pass,
INPUTS_AT_ONCE = 1_000_000  # or fewer, with these inputs
TOLERANCE = 5e-4  # of the sum: per unit of the difference, or absolute below 1

Scalar = Callable[[Mapping[str, torch.Tensor], np.ndarray], torch.Tensor]


def integrated_gradients(
    scalar: Scalar, inputs: Mapping[str, torch.Tensor], points_at_once: int = AT_ONCE
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return attributions of inputs to a scalar of each person.

    Parameters
    ----------
    scalar : callable
        ``scalar(inputs, people)`` gives the scalar (person,) of some people, by their numbers;
        a person's must not depend on the others.
    inputs : mapping of str to Tensor (person, ...)
    points_at_once : int
        Points on the paths in one pass, at most.

    Returns
    -------
    values : dict of float64 (person, ...)
    start : float64 (person,)
        The scalar where all inputs are 0.
    end : float64 (person,)
        That of the people: ``values`` sum to ``end - start`` but for the error of the rule.
    """
    names = list(inputs)
    everybody = np.arange(len(inputs[names[0]]))
    device = inputs[names[0]].device

    def slopes_of(shares: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, list[torch.Tensor]]:
        """Return scalars and slopes at some shares of the way, one for each of some people."""
        factor = torch.from_numpy(shares.astype(np.float32)).to(device)
        points = {}
        for name in names:
            own = inputs[name].detach()[people]
            own = own * factor.reshape(-1, *(1,) * (own.ndim - 1))
            points[name] = own.requires_grad_(True)
        value = scalar(points, people)
        slopes = torch.autograd.grad(value.sum(), list(points.values()))
        return value.detach().cpu().numpy().astype(np.float64), list(slopes)

    start, end = (slopes_of(np.full(len(everybody), way), everybody)[0] for way in (0.0, 1.0))
    values = {name: np.zeros(tuple(inputs[name].shape)) for name in names}
    unsettled = everybody
    size = sum(inputs[name][0].numel() for name in names) if len(everybody) else 1
    most = min(points_at_once, INPUTS_AT_ONCE // max(size, 1))
    for nodes in NODES:
        points, weights = np.polynomial.legendre.leggauss(nodes)
        points, weights = (points + 1) / 2, weights / 2
        sums = [torch.zeros(inputs[name][unsettled].shape, device=device) for name in names]
        at_once = max(most // max(len(unsettled), 1), 1)
        for first in range(0, nodes, at_once):
            some = slice(first, first + at_once)
            count = len(points[some])
            shares = np.repeat(points[some], len(unsettled))
            _, slopes = slopes_of(shares, np.tile(unsettled, count))
            weight = torch.from_numpy(weights[some].astype(np.float32)).to(device)
            for place, slope in enumerate(slopes):
                own = slope.reshape(count, len(unsettled), *slope.shape[1:])  # (node, person, ...)
                sums[place] += torch.tensordot(weight, own, dims=1)
        total = np.zeros(len(unsettled))
        for name, slope in zip(names, sums, strict=True):
            product = slope * inputs[name].detach()[unsettled]
            attributed = product.cpu().numpy().astype(np.float64)
            values[name][unsettled] = attributed
            total += attributed.reshape(len(attributed), -1).sum(axis=1)
        difference = (end - start)[unsettled]
        wrong = np.abs(total - difference) > TOLERANCE * np.maximum(1, np.abs(difference))
        unsettled = unsettled[wrong]
        if not len(unsettled):
            break
    return values, start, end
