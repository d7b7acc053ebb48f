"""Symmetric InfoNCE between images and genes, batches without a person twice, and retrieval."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from gendmr.engine.batches import Piece
from gendmr.engine.network import FitProblem
from gendmr.files.tables import Kind
from gendmr.methods.mgi.rows import EXPRESSION
from gendmr.methods.slices import training_rows
from gendmr.seeds import generator

FEWEST = 2  # people of a batch, with one there is nothing to tell apart


def info_nce(
    image: torch.Tensor, gene: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the symmetric InfoNCE loss and that of chance, the logarithm of the number of people.

    Radford et al. 2021, "Learning transferable visual models from natural language supervision"
    (ICML), figure 3.

    Parameters
    ----------
    image, gene : Tensor (person, width)
        Of length 1; row i of both belongs to one person, and no person has two rows.
    scale : Tensor ()
        What cosines are multiplied with, above 0.
    """
    logits = scale * image @ gene.T  # (image, gene)
    target = torch.arange(len(logits), device=logits.device)
    loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    return loss / 2, torch.full_like(loss, math.log(len(logits)))


@dataclass(frozen=True)
class PairedSlices:
    """Batches of one slice of each training person who has slices and genes: a `BatchSource`.

    Nobody is twice in a batch: two slices of one person have the same genes, and would be taken
    for a wrong match.

    Parameters
    ----------
    size : int
        People of a batch, at most.
    """

    size: int

    def __call__(self, problem: FitProblem, phase: str, epoch: int, size: int) -> Iterator[Piece]:
        """Give all of them once, in random order, in batches of about the same size."""
        rows = training_rows(problem)
        random = generator(problem.seed, "batches", phase, epoch)
        counts = rows.slices.counts
        paired = np.flatnonzero(rows.people.present[EXPRESSION] & (counts > 0))
        order = random.permutation(paired)
        # Rows of a person lie side by side: the first, and one of theirs.
        sampled = (counts.cumsum() - counts)[order] + random.integers(0, counts[order])
        parts = max(min(math.ceil(len(order) / self.size), len(order) // FEWEST), 1)
        for index in np.array_split(sampled, parts):
            yield Piece(index)


@dataclass(frozen=True)
class Ranks:
    """Places at which images find their genes, or the reverse.

    Parameters
    ----------
    better, equal, among : int64 (person,)
        How many are more similar than the own, how many as similar (the own among them), of all.
    """

    better: np.ndarray
    equal: np.ndarray
    among: np.ndarray

    @property
    def rank(self) -> np.ndarray:
        """Return the place of the own, 1 is first; among equals the mean of their places."""
        return np.asarray(self.better + (self.equal + 1) / 2, dtype=np.float64)

    def recall(self, first: int) -> float:
        """Return the share whose own is among the first; equals are in random order."""
        return _mean(np.clip((first - self.better) / self.equal, 0.0, 1.0))

    def chance(self, first: int) -> float:
        """Return the same for somebody who guesses."""
        return _mean(np.minimum(first / self.among, 1.0))


def ranks_of(similarity: np.ndarray, group: np.ndarray | None = None) -> Ranks:
    """Return how each row finds its own column, among all columns or those of its group.

    Parameters
    ----------
    similarity : float (person, person)
        Of image i and genes j.
    group : (person,), optional
        People who are alone in theirs are left out.
    """
    people = len(similarity)
    same_group = np.ones((people, people), bool) if group is None else group[:, None] == group[None]
    paired = np.diag(similarity)[:, None]
    among = same_group.sum(1)
    judged = among > 1
    return Ranks(
        better=(same_group & (similarity > paired)).sum(1)[judged],
        equal=(same_group & (similarity == paired)).sum(1)[judged],
        among=among[judged],
    )


RETRIEVAL: dict[str, Kind] = {
    "retriever": "text",
    "query": "text",
    "among": "text",
    "people": "integer",
    "recall_1": "number",
    "chance_1": "number",
    "recall_5": "number",
    "chance_5": "number",
    "mean_rank": "number",
    "chance_rank": "number",
}
"""Columns of retrieval.tsv."""


def recall_table(similarity: np.ndarray, hospital: np.ndarray) -> pd.DataFrame:
    """Return retrieval of people by their image and by their genes, beside chance.

    Rows: all people and people of one hospital, by the network and by a retriever that knows the
    hospital alone (it says nothing within one).

    Parameters
    ----------
    similarity : float (person, person)
        Of image i and genes j.
    hospital : text (person,)
        Of nobody: a table without rows.
    """
    if not len(hospital):
        return pd.DataFrame(columns=list(RETRIEVAL))
    of_hospital = (hospital[:, None] == hospital[None]).astype(np.float64)
    rows = []
    for retriever, values in (("network", similarity), ("hospital", of_hospital)):
        for query, matrix in (("image", values), ("genes", values.T)):
            for among, group in (("all", None), ("hospital", hospital)):
                ranks = ranks_of(matrix, group)
                rows.append(
                    {
                        "retriever": retriever,
                        "query": query,
                        "among": among,
                        "people": len(ranks.rank),
                        "recall_1": ranks.recall(1),
                        "chance_1": ranks.chance(1),
                        "recall_5": ranks.recall(5),
                        "chance_5": ranks.chance(5),
                        "mean_rank": _mean(ranks.rank),
                        "chance_rank": _mean((ranks.among + 1) / 2),
                    }
                )
    return pd.DataFrame(rows, columns=list(RETRIEVAL))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
