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
    all_people = np.arange(len(inputs[names[0]]))
    device = inputs[names[0]].device

    def slopes_of(shares: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, list[torch.Tensor]]:
        """Return scalars and slopes at some shares of the way, one for each of some people."""
        factor = torch.from_numpy(shares.astype(np.float32)).to(device)
        points = {}
        for name in names:
            point = inputs[name].detach()[people]
            point = point * factor.reshape(-1, *(1,) * (point.ndim - 1))
            points[name] = point.requires_grad_(True)
        value = scalar(points, people)
        slopes = torch.autograd.grad(value.sum(), list(points.values()))
        return value.detach().cpu().numpy().astype(np.float64), list(slopes)

    start, end = (slopes_of(np.full(len(all_people), share), all_people)[0] for share in (0.0, 1.0))
    values = {name: np.zeros(tuple(inputs[name].shape)) for name in names}
    unconverged = all_people
    size = sum(inputs[name][0].numel() for name in names) if len(all_people) else 1
    most = min(points_at_once, INPUTS_AT_ONCE // max(size, 1))
    for nodes in NODES:
        points, weights = np.polynomial.legendre.leggauss(nodes)
        points, weights = (points + 1) / 2, weights / 2
        sums = [torch.zeros(inputs[name][unconverged].shape, device=device) for name in names]
        at_once = max(most // max(len(unconverged), 1), 1)
        for first in range(0, nodes, at_once):
            chunk = slice(first, first + at_once)
            count = len(points[chunk])
            shares = np.repeat(points[chunk], len(unconverged))
            _, slopes = slopes_of(shares, np.tile(unconverged, count))
            weight = torch.from_numpy(weights[chunk].astype(np.float32)).to(device)
            for place, slope in enumerate(slopes):
                node_slopes = slope.reshape(
                    count, len(unconverged), *slope.shape[1:]
                )  # (node, person, ...)
                sums[place] += torch.tensordot(weight, node_slopes, dims=1)
        total = np.zeros(len(unconverged))
        for name, slope in zip(names, sums, strict=True):
            product = slope * inputs[name].detach()[unconverged]
            attributed = product.cpu().numpy().astype(np.float64)
            values[name][unconverged] = attributed
            total += attributed.reshape(len(attributed), -1).sum(axis=1)
        difference = (end - start)[unconverged]
        wrong = np.abs(total - difference) > TOLERANCE * np.maximum(1, np.abs(difference))
        unconverged = unconverged[wrong]
        if not len(unconverged):
            break
    return values, start, end
