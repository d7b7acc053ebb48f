"""Scores of tables under permuted outcomes: means over folds, and agreement of folds by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.ranking import scores
from gendmr.ranking.folds import read_null
from gendmr.ranking.levels.base import Level

# Agreement between folds under the null is counted in so many permutations.
AGREEMENT_DRAWS = 100


@dataclass(frozen=True)
class NullScores:
    """Scores of the tables of one modality under permutations.

    Parameters
    ----------
    mean : mapping of str to float (permutation, n)
        Mean scores over folds, by table; no rows where no null was run.
    first : mapping of str to bool (permutation, fold, n)
        Which are in the short list of a fold, under the first permutations; of tables with one.
    """

    mean: Mapping[str, np.ndarray]
    first: Mapping[str, np.ndarray]

    @property
    def permutations(self) -> int:
        """Number of permutations."""
        return max((len(rows) for rows in self.mean.values()), default=0)


@dataclass
class Collector:
    """Adds up the null of one modality chunk by chunk: all of it need not fit into memory.

    Parameters
    ----------
    level : Level
        After `group`.
    short : mapping of str to int
        What `group` returned.
    read : int (read,)
        Instances of the cohort that count; see `Level.group`.
    """

    level: Level
    short: Mapping[str, int]
    read: np.ndarray
    parts: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    instances: np.ndarray | None = None
    first: dict[str, list[list[np.ndarray]]] = field(default_factory=dict)

    def add(self, fold: int, start: int, by_instance: np.ndarray, folds: int) -> None:
        """Add the scores (permutation, read) of one fold to a chunk that begins at `start`.

        All folds of a chunk are added, in their order, before the next chunk.
        """
        by_table = self.level.aggregate(by_instance)
        if self.level.averages_instances:
            share = by_instance.astype(np.float64) / folds
            self.instances = share if self.instances is None else self.instances + share
            if fold == folds - 1:
                self.parts[start] = dict(self.level.aggregate(self.instances))
                self.instances = None
        else:
            part = self.parts.setdefault(start, {})
            for name, values in by_table.items():
                part[name] = part[name] + values / folds if name in part else values / folds
        for name, k in self.short.items():
            by_fold = self.first.setdefault(name, [])
            if len(by_fold) <= fold:
                by_fold.append([])
            draws = by_table[name][: max(0, AGREEMENT_DRAWS - start)]
            by_fold[fold].append(scores.in_first(draws, k))

    def finish(self, folds: int) -> NullScores:
        """Return what was added."""
        no_scores = np.zeros((0, len(self.read)))
        sizes = {name: rows.shape[1] for name, rows in self.level.aggregate(no_scores).items()}
        return NullScores(
            mean={
                name: np.concatenate([part[name] for part in self.parts.values()])
                if self.parts
                else np.zeros((0, size))
                for name, size in sizes.items()
            },
            first={
                name: np.stack([np.concatenate(values) for values in self.first[name]], axis=1)
                if name in self.first
                else np.zeros((0, folds, sizes[name]), dtype=bool)
                for name in self.short
            },
        )

    @classmethod
    def of(cls, level: Level, read: np.ndarray, columns: np.ndarray) -> Self:
        """Return a collector for the instances that a null or a fold read; see `Level.group`."""
        return cls(level, level.group(read, columns), read)


def collect_null(
    files: Sequence[Sequence[Path]], collectors: Mapping[str, Collector], options: RankingSection
) -> dict[str, NullScores]:
    """Return the scores under permutations of each modality.

    Parameters
    ----------
    files : sequence of sequence of Path
        Chunks of the null of each fold; nothing where no null was run.
    collectors : mapping of str to Collector
        By modality.
    options : RankingSection
    """
    folds = max(len(files), 1)
    orders = {
        name: pd.Index(collector.level.names[collector.read])
        for name, collector in collectors.items()
    }
    for chunk in read_null(files, orders, options):
        for name, collector in collectors.items():
            collector.add(chunk.fold, chunk.rows.start, chunk.scores[name], folds)
    return {name: collector.finish(folds) for name, collector in collectors.items()}
