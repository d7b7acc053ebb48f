"""What the folds of a method say about SNPs and regions, read from their files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.errors import RankingError, first_few
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import Kind, read_table
from gendmr.ranking import scores
from gendmr.training.readout import instance_scores

if TYPE_CHECKING:
    import xarray as xr

FOLD = re.compile(r"repeat-(\d+)/fold-(\d+)/attention\.nc$")
PREDICTIONS: dict[str, Kind] = {"participant_id": "text", "set": "text"}


@dataclass(frozen=True)
class Bag:
    """What all folds say about one bag.

    Attributes
    ----------
    columns : ndarray (n,) of int
        Instances that any fold read: their columns in the modality of the cohort.
    scores : ndarray (folds, n)
        0 where a fold did not read an instance.
    direction : ndarray (n,)
        Mean over folds of the covariance between risk and what was measured (dosage; volume by
        intracranial volume).
    folds : ndarray (n,) of int
        Folds in which it has a score above 0.
    selected : ndarray (folds, n) of bool
        Whether a fold read it.
    """

    columns: np.ndarray
    scores: np.ndarray
    direction: np.ndarray
    folds: np.ndarray
    selected: np.ndarray


def order_folds(attention: Sequence[str]) -> list[Path]:
    """Return the files by repeat and fold.

    Raises
    ------
    RankingError
        A path does not name its repeat and fold, or a fold is given twice.
    """
    found: dict[tuple[int, int], Path] = {}
    for path in attention:
        named = FOLD.search(Path(path).as_posix())
        if named is None:
            raise RankingError(
                f"{path}: not the attention of a fold",
                cause="another file among the arguments",
                next_step="give …/repeat-<r>/fold-<k>/attention.nc of each fold",
            )
        fold = int(named[1]), int(named[2])
        if fold in found:
            raise RankingError(f"{path}: repeat {fold[0]}, fold {fold[1]} is given twice")
        found[fold] = Path(path)
    if not found:
        raise RankingError("no folds to rank from", next_step="train the method first")
    return [found[fold] for fold in sorted(found)]


def check_held_out(paths: Sequence[Path]) -> None:
    """Compare the people of each attention with its predictions; each is held out once a repeat.

    Raises
    ------
    RankingError
        They differ, or a person appears in two folds of a repeat.
    """
    import xarray as xr

    seen: dict[tuple[str, str], Path] = {}
    for path in paths:
        table = read_table(path.with_name("predictions.tsv"), PREDICTIONS, extra=True)
        predicted = set(table.loc[table["set"] == "held-out", "participant_id"])
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as stored:
            people = stored["participant"].values.astype(str).tolist()
        if set(people) != predicted:
            odd = sorted(set(people) ^ predicted)
            raise RankingError(
                f"{path}: {len(odd)} people are held out here or in predictions.tsv but not in"
                f" both: {first_few(odd)}",
                cause="files of two runs",
                next_step=f"train this fold again: rm {path}",
            )
        repeat = path.parent.parent.name
        for person in people:
            if (repeat, person) in seen:
                raise RankingError(
                    f"{person!r} is held out in {seen[repeat, person]} and in {path}",
                    cause="folds of different splits",
                    next_step="train all folds of this repeat again",
                )
            seen[repeat, person] = path


class Reader:
    """Scores of the instances of one bag, collected fold by fold."""

    def __init__(self, name: str, dataset: xr.Dataset, measured: np.ndarray, n_folds: int) -> None:
        self.name = name
        self.order = pd.Index(dataset[name].values)
        self.people = pd.Index(dataset["participant"].values)
        self.measured = measured
        self.scores = np.zeros((n_folds, len(self.order)))
        self.direction = np.zeros(len(self.order))
        self.selected = np.zeros((n_folds, len(self.order)), dtype=bool)

    def add(self, fold: int, path: Path, dataset: xr.Dataset, options: RankingSection) -> None:
        """Add the attention of one fold; nothing where it lacks the bag."""
        if f"risk_{self.name}" not in dataset:
            return
        risk = dataset[f"risk_{self.name}"].values
        column = self.order.get_indexer(pd.Index(dataset[self.name].values))
        if (column < 0).any():
            odd = dataset[self.name].values[column < 0]
            raise RankingError(
                f"{path}: {len(odd)} of {len(column)} {self.name}s are not in the cohort:"
                f" {first_few(odd)}",
                cause="the fold was trained on another cohort",
                next_step="train this fold again",
            )
        self.selected[fold, column] = True
        self.scores[fold, column] = instance_scores(risk, options.score)
        row = self.people.get_indexer(pd.Index(dataset["participant"].values))
        here = row >= 0
        found = self.measured[np.ix_(row[here], column)].astype("float64")
        if self.name == "snp":
            found[found < 0] = np.nan
        self.direction[column] += scores.covariance(risk[here], found) / len(self.scores)

    def bag(self) -> Bag | None:
        """Return what all folds say; None where no fold has the bag."""
        read = self.selected.any(axis=0)
        if not read.any():
            return None
        return Bag(
            columns=np.flatnonzero(read),
            scores=self.scores[:, read],
            direction=self.direction[read],
            folds=(self.scores[:, read] > 0).sum(axis=0),
            selected=self.selected[:, read],
        )


@dataclass(frozen=True)
class NullChunk:
    """Scores of instances in one fold under some permutations.

    Attributes
    ----------
    fold : int
        Place among the folds, in the order of `order_folds`.
    rows : slice
        Places of its permutations among all.
    scores : dict of ndarray (permutation, n) of float32
        By bag, for all instances of the cohort; 0 where an instance was not read.
    """

    fold: int
    rows: slice
    scores: dict[str, np.ndarray]


def null_files(folds: Sequence[Path], chunks: int) -> list[list[Path]]:
    """Return the files of the null by fold, in the order of `folds`, then by chunk.

    Parameters
    ----------
    folds : sequence of Path
        `training/<method>/repeat-<r>/fold-<k>/attention.nc`.
    chunks : int
        Of each fold; 0 where no null was run.
    """
    return (
        [
            [
                path.parents[2]
                / "null"
                / path.parents[1].name
                / path.parent.name
                / f"chunk-{chunk}.nc"
                for chunk in range(chunks)
            ]
            for path in folds
        ]
        if chunks
        else []
    )


def read_null(
    files: Sequence[Sequence[Path]], orders: dict[str, pd.Index], options: RankingSection
) -> Iterator[NullChunk]:
    """Read the null fold by fold and chunk by chunk.

    Parameters
    ----------
    files : sequence of sequence of Path
        See `null_files`.
    orders : dict of Index
        Names of the cohort's instances by bag.
    options : RankingSection
        The section `ranking`.

    Raises
    ------
    RankingError
        Folds disagree on the numbers of permutations, or name instances that the cohort lacks.
    """
    expected: list[np.ndarray] = []
    for fold, chunks in enumerate(files):
        start = 0
        for place, path in enumerate(chunks):
            dataset = read_dataset(path, "null")
            numbers = dataset["permutation"].values
            if fold == 0:
                expected.append(numbers)
            elif not np.array_equal(numbers, expected[place]):
                raise RankingError(
                    f"{path}: holds other permutations than the same chunk of the first fold",
                    cause="files of runs with different numbers of permutations",
                    next_step=f"rm {path} and run again",
                )
            scored = {}
            for name, order in orders.items():
                whole = np.zeros((len(numbers), len(order)), dtype=np.float32)
                if f"{options.score}_{name}" in dataset:
                    column = order.get_indexer(pd.Index(dataset[name].values))
                    if (column < 0).any():
                        odd = dataset[name].values[column < 0]
                        raise RankingError(
                            f"{path}: {len(odd)} of {len(column)} {name}s are not in the cohort:"
                            f" {first_few(odd)}",
                            cause="the null was trained on another cohort",
                            next_step=f"rm {path} and run again",
                        )
                    whole[:, column] = dataset[f"{options.score}_{name}"].values
                scored[name] = whole
            rows = slice(start, start + len(numbers))
            start = rows.stop
            yield NullChunk(fold, rows, scored)
