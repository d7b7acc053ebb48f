"""What the folds of a method say about the instances of modalities, read from their files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.errors import RankingError, first_few
from gendmr.files.datasets import read_dataset
from gendmr.files.opening import read_attributes, read_names
from gendmr.files.tables import Kind, read_table
from gendmr.modalities.store import null_schema
from gendmr.ranking import scores
from gendmr.ranking.seed_agreement import SeedAgreement
from gendmr.training.readout import EVIDENCE, instance_scores

if TYPE_CHECKING:
    import xarray as xr

    from gendmr.ranking.levels.base import Level

FOLD = re.compile(r"repeat-(\d+)/fold-(\d+)/attributions\.nc$")
PREDICTIONS: dict[str, Kind] = {"participant_id": "text", "set": "text"}


@dataclass(frozen=True)
class FoldScores:
    """What all folds say about the instances of one modality.

    Parameters
    ----------
    columns : int (n,)
        Instances that any fold read: their columns in the modality's file, sorted.
    scores : float64 (fold, n)
        0 where a fold did not read an instance.
    direction : float64 (n,)
        Mean over folds of the covariance between an instance's values and what was measured of it.
    folds : int (n,)
        Folds in which it has a score above 0.
    selected : bool (fold, n)
        Whether a fold read it.
    repeat : int (fold,)
        Of each fold.
    """

    columns: np.ndarray
    scores: np.ndarray
    direction: np.ndarray
    folds: np.ndarray
    selected: np.ndarray
    repeat: np.ndarray


def repeats_of(paths: Sequence[Path]) -> np.ndarray:
    """Return the repeat of each attributions.nc, int (fold,)."""
    named = [FOLD.search(path.as_posix()) for path in paths]
    return np.array([int(match[1]) for match in named if match is not None], dtype=np.int64)


def order_folds(attributions: Sequence[str]) -> list[Path]:
    """Return the files by repeat and fold.

    Raises
    ------
    RankingError
        A path does not name its repeat and fold, or a fold is given twice.
    """
    by_place: dict[tuple[int, int], Path] = {}
    for path in attributions:
        named = FOLD.search(Path(path).as_posix())
        if named is None:
            raise RankingError(
                f"{path}: not the attributions of a fold",
                cause="another file among the arguments",
                next_step="give …/repeat-<r>/fold-<k>/attributions.nc of each fold",
            )
        fold = int(named[1]), int(named[2])
        if fold in by_place:
            raise RankingError(f"{path}: repeat {fold[0]}, fold {fold[1]} is given twice")
        by_place[fold] = Path(path)
    if not by_place:
        raise RankingError("no folds to rank from", next_step="train the method first")
    return [by_place[fold] for fold in sorted(by_place)]


def check_held_out(paths: Sequence[Path]) -> None:
    """Compare the people of each file with its predictions; each is held out once a repeat.

    Raises
    ------
    RankingError
        They differ, or a person appears in two folds of a repeat.
    """
    file_of_person: dict[tuple[str, str], Path] = {}
    for path in paths:
        table = read_table(path.with_name("predictions.tsv"), PREDICTIONS, extra=True)
        predicted = set(table.loc[table["set"] == "held-out", "participant_id"])
        names = read_names(path, "participant")
        people = [] if names is None else names.tolist()
        if set(people) != predicted:
            mismatched = sorted(set(people) ^ predicted)
            raise RankingError(
                f"{path}: {len(mismatched)} people are held out here or in predictions.tsv but not"
                f" in both: {first_few(mismatched)}",
                cause="files of two runs",
                next_step=f"train this fold again: rm {path}",
            )
        repeat = path.parent.parent.name
        for person in people:
            if (repeat, person) in file_of_person:
                raise RankingError(
                    f"{person!r} is held out in {file_of_person[repeat, person]} and in {path}",
                    cause="folds of different splits",
                    next_step="train all folds of this repeat again",
                )
            file_of_person[repeat, person] = path


class AttributionReader:
    """Scores of the instances of one modality, collected fold by fold.

    Names are read first, so that only what some fold read is asked of the modality's file.

    Parameters
    ----------
    level : Level
        Names of the cohort's instances, and what was measured of them.
    modality : str
    paths : sequence of Path
        attributions.nc of each fold.

    Raises
    ------
    RankingError
        A fold names instances that the cohort does not have.
    """

    def __init__(self, level: Level, modality: str, paths: Sequence[Path]) -> None:
        self.modality = modality
        self.paths = paths
        self.repeat = repeats_of(paths)
        self.people = level.people
        self.by_fold = [
            _columns(path, modality, level.names, "fold", "train this fold again") for path in paths
        ]
        read = [columns for columns in self.by_fold if columns is not None]
        self.columns = np.unique(np.concatenate(read)) if read else np.zeros(0, dtype=np.int64)
        self.measured = level.measured(self.columns)
        size = len(paths), len(self.columns)
        self.scores = np.zeros(size)
        self.direction = np.zeros(len(self.columns))
        self.selected = np.zeros(size, dtype=bool)
        self.seeds: list[np.ndarray] = []

    def add(self, fold: int, attributions: xr.Dataset, options: RankingSection) -> None:
        """Add the attributions of one fold; nothing where it has none of the modality."""
        in_cohort = self.by_fold[fold]
        if in_cohort is None:
            return
        place = np.searchsorted(self.columns, in_cohort)
        value = attributions[f"value_{self.modality}"].values
        self.selected[fold, place] = True
        self.scores[fold, place] = self._scores_of_fold(fold, value, attributions, options)
        by_seed = f"seed_{options.score}_{self.modality}"
        if by_seed in attributions:
            self.seeds.append(attributions[by_seed].values)
        row = self.people.get_indexer(pd.Index(attributions["participant"].values))
        matched = row >= 0
        measured = self.measured[np.ix_(row[matched], place)]
        if measured.dtype.kind == "i":
            measured = np.where(measured < 0, np.nan, measured)
        covariance = scores.covariance(value[matched], measured.astype("float64"))
        self.direction[place] += covariance / len(self.scores)

    def _scores_of_fold(
        self, fold: int, value: np.ndarray, attributions: xr.Dataset, options: RankingSection
    ) -> np.ndarray:
        """Return the scores of the fold's instances (instance,)."""
        if options.score != EVIDENCE:
            return instance_scores(value, options.score)
        stored = f"{EVIDENCE}_{self.modality}"
        if stored not in attributions:
            raise _without_evidence(f"{self.paths[fold]}", self.modality)
        return np.asarray(attributions[stored].values)

    @property
    def agreement_of_seeds(self) -> SeedAgreement | None:
        """Return how far the rankings of networks that differ in their seed agree; None without."""
        if not self.seeds:
            return None
        differing = [
            seed_scores for seed_scores in self.seeds if (seed_scores != seed_scores[0]).any()
        ]
        return SeedAgreement(
            count=len(self.seeds[0]),
            folds=len(self.seeds),
            differing=len(differing),
            rank_correlation=float(
                np.mean([scores.rank_correlation(seed_scores) for seed_scores in differing])
            )
            if differing
            else 1.0,
        )

    def finish(self) -> FoldScores | None:
        """Return what all folds say; None where no fold attributes anything to the modality."""
        if not self.columns.size:
            return None
        return FoldScores(
            columns=self.columns,
            scores=self.scores,
            direction=self.direction,
            folds=(self.scores > 0).sum(axis=0),
            selected=self.selected,
            repeat=self.repeat,
        )


def null_columns(
    files: Sequence[Sequence[Path]], level: Level, modality: str, columns: np.ndarray
) -> np.ndarray:
    """Return the instances that some permutation or fold read: sorted columns of the cohort's file.

    Parameters
    ----------
    files : sequence of sequence of Path
        See `null_files`.
    level : Level
    modality : str
    columns : int (n,)
        Those that the folds read.

    Raises
    ------
    RankingError
        The null names instances that the cohort does not have.
    """
    read = [columns]
    for path in (path for chunks in files for path in chunks):
        permuted = _columns(path, modality, level.names, "null", f"rm {path} and run again")
        if permuted is not None:
            read.append(permuted)
    return np.unique(np.concatenate(read))


def _without_evidence(where: str, modality: str) -> RankingError:
    return RankingError(
        f"{where} holds no evidence of a {modality}, and ranking.score is evidence",
        cause="a method that collects none, or a fold of an older version",
        next_step="rank the method by another score: ranking.methods.<method>.score: mean_abs; or"
        " remove the file and run again",
    )


def _columns(
    path: Path, modality: str, names: pd.Index, source: str, next_step: str
) -> np.ndarray | None:
    """Return the places of a file's instances among those of the cohort; None without any."""
    read = read_names(path, modality)
    if read is None:
        return None
    columns = names.get_indexer(pd.Index(read))
    if (columns < 0).any():
        absent = read[columns < 0]
        raise RankingError(
            f"{path}: {len(absent)} of {len(columns)} {modality}s are not in the cohort:"
            f" {first_few(absent)}",
            cause=f"the {source} was trained on another cohort",
            next_step=next_step,
        )
    return np.asarray(columns)


@dataclass(frozen=True)
class NullChunk:
    """Scores of instances in one fold under some permutations.

    Attributes
    ----------
    fold : int
        Place among the folds, in the order of `order_folds`.
    rows : slice
        Places of its permutations among all.
    scores : dict of str to float32 (permutation, n)
        By modality; 0 where an instance was not read.
    """

    fold: int
    rows: slice
    scores: dict[str, np.ndarray]


def null_files(folds: Sequence[Path], chunks: int) -> list[list[Path]]:
    """Return the files of the null by fold, in the order of `folds`, then by chunk.

    Parameters
    ----------
    folds : sequence of Path
        `training/<method>/repeat-<r>/fold-<k>/attributions.nc`.
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


def read_inputs(path: Path) -> dict[str, str]:
    """Return the checksums of the files that a chunk of the null was made of, by name."""
    return dict(json.loads(read_attributes(path).get("inputs", "{}")))


def read_null(
    files: Sequence[Sequence[Path]], orders: Mapping[str, pd.Index], options: RankingSection
) -> Iterator[NullChunk]:
    """Read the null chunk by chunk, and of each chunk fold by fold.

    What all folds say of some permutations is thus complete before the next ones are read.

    Parameters
    ----------
    files : sequence of sequence of Path
        See `null_files`.
    orders : mapping of str to Index
        By modality: names of all instances that some permutation or fold read.
    options : RankingSection
        The section `ranking`.

    Raises
    ------
    RankingError
        Folds disagree on the numbers of permutations.
    """
    schema = null_schema()
    start = 0
    for of_chunk in zip(*files, strict=True):
        expected = np.zeros(0)
        for fold, path in enumerate(of_chunk):
            dataset = read_dataset(path, schema)
            numbers = dataset["permutation"].values
            if fold == 0:
                expected = numbers
            elif not np.array_equal(numbers, expected):
                raise RankingError(
                    f"{path}: holds other permutations than the same chunk of the first fold",
                    cause="files of runs with different numbers of permutations",
                    next_step=f"rm {path} and run again",
                )
            by_modality = {}
            for name, order in orders.items():
                spread = np.zeros((len(numbers), len(order)), dtype=np.float32)
                has_scores = f"{options.score}_{name}" in dataset
                if options.score == EVIDENCE and name in dataset.coords and not has_scores:
                    raise _without_evidence(f"{path}", name)
                if has_scores:
                    columns = order.get_indexer(pd.Index(dataset[name].values))
                    spread[:, columns] = dataset[f"{options.score}_{name}"].values
                by_modality[name] = spread
            yield NullChunk(fold, slice(start, start + len(numbers)), by_modality)
        start += len(expected)
