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
    own = torch.arange(len(logits), device=logits.device)
    loss = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
    return loss / 2, torch.full_like(loss, math.log(len(logits)))


@dataclass(frozen=True)
class PairedPeople:
    """Batches of training people who have both an image and genes: a `BatchSource`.

    Nobody is twice in a batch: two slices of one person have the same genes, and would be taken
    for a wrong match.

    Parameters
    ----------
    rows : int64 (person,)
        Places of these people among the training people.
    size : int
        People of a batch, at most.
    """

    rows: np.ndarray
    size: int

    def __call__(self, problem: FitProblem, phase: str, epoch: int, size: int) -> Iterator[Piece]:
        """Give all of them once, in random order, in batches of about the same size."""
        order = generator(problem.seed, "batches", phase, epoch).permutation(self.rows)
        parts = max(min(math.ceil(len(order) / self.size), len(order) // FEWEST), 1)
        for index in np.array_split(order, parts):
            yield Piece(index)


@dataclass(frozen=True)
class Ranks:
    """Places at which images find their genes, 1 is first, and of how many.

    Parameters
    ----------
    rank : float64 (person,)
        Among equals the mean of their places.
    among : int64 (person,)
    """

    rank: np.ndarray
    among: np.ndarray

    def recall(self, first: int) -> float:
        """Return the mean chance to be among the first; those who tie share the last places."""
        return float(np.mean(np.clip(first + 1 - self.rank, 0.0, 1.0))) if len(self.rank) else np.nan

    def chance(self, first: int) -> float:
        """Return the same for somebody who guesses."""
        return float(np.mean(np.minimum(first / self.among, 1.0))) if len(self.among) else np.nan


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
    same = np.ones((people, people), bool) if group is None else group[:, None] == group[None]
    own = np.diag(similarity)[:, None]
    better = (same & (similarity > own)).sum(1)
    equal = (same & (similarity == own)).sum(1)  # oneself among them
    among = same.sum(1)
    rank = better + (equal + 1) / 2
    judged = among > 1
    return Ranks(rank[judged].astype(np.float64), among[judged].astype(np.int64))


def recall_table(similarity: np.ndarray, hospital: np.ndarray) -> pd.DataFrame:
    """Return retrieval of people by their image and by their genes, beside chance.

    Rows: all people and people of one hospital, by the network and by a retriever that knows the
    hospital alone (it says nothing within one).

    Parameters
    ----------
    similarity : float (person, person)
        Of image i and genes j.
    hospital : text (person,)
    """
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
    return pd.DataFrame(rows)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
