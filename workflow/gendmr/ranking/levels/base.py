"""What a level is to the ranking: how attributions of one modality become tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.errors import InputFileError
from gendmr.files.opening import read_names
from gendmr.modalities import modality_of
from gendmr.modalities.reader import ArrayReader
from gendmr.ranking.bias import Bias
from gendmr.ranking.tables import RankedTable

if TYPE_CHECKING:
    from gendmr.ranking.folds import FoldScores
    from gendmr.ranking.null_scores import NullScores


class CohortFile:
    """The file of a modality in the cohort, of all people: outcomes are in no such file.

    Parameters
    ----------
    cohort : Path
        Folder with `<modality>.nc`.
    name : str
        The modality.

    Raises
    ------
    InputFileError
        There is no such file.
    """

    def __init__(self, cohort: Path, name: str) -> None:
        self.modality = modality_of(name)
        self.path = cohort / f"{name}.nc"
        self.people: pd.Index = pd.Index(_people(self.path))
        self.all_people = np.arange(len(self.people))
        self._reader = ArrayReader(
            self.path,
            self.modality,
            self.people.to_numpy(dtype=object),
            np.ones(len(self.people), dtype=bool),
        )

    @cached_property
    def instances(self) -> pd.DataFrame:
        """Instances, one a row, with their coordinates."""
        return self._reader.instances

    @cached_property
    def names(self) -> pd.Index:
        """Names of the instances."""
        names: pd.Index = pd.Index(self.instances[self.modality.name])
        return names

    def array(self, variable: str, columns: np.ndarray | None = None) -> np.ndarray:
        """Return a variable of all people, (person, column) or (person,)."""
        return self._reader.array(variable, self.all_people, columns)


class Level(Protocol):
    """Tables of one modality, made from scores of its instances."""

    @classmethod
    def tables_of(cls, modality: str) -> tuple[str, ...]:
        """Return the names of the tables: `genes`, `blocks` and `snps`; a file each."""

    @classmethod
    def keys_of(cls, modality: str) -> tuple[str, ...]:
        """Return the dimensions of null.nc: `gene` and `block`."""

    @classmethod
    def read(
        cls, cohort: Path, modality: str, options: RankingSection, annotation: Path | None
    ) -> Self:
        """Open the modality's file in the cohort.

        Parameters
        ----------
        cohort : Path
        modality : str
        options : RankingSection
            That of the method.
        annotation : Path, optional
            `annotation/genes.tsv`, in a study that has genes.
        """

    @property
    def people(self) -> pd.Index:
        """Return the people of the file."""

    @property
    def names(self) -> pd.Index:
        """Return the names of the instances of the cohort."""

    def measured(self, columns: np.ndarray) -> np.ndarray:
        """Return what a direction is of, (person, column): copies of an allele, a volume.

        Missing is NaN, or negative in whole numbers.
        """

    @property
    def averages_instances(self) -> bool:
        """Return whether instances are averaged over folds before they are put together.

        The largest of averages is another score than the average of the largest.
        """

    def group(self, read: np.ndarray, columns: np.ndarray) -> Mapping[str, int]:
        """Prepare `aggregate`; return the length of a short list, by table.

        Folds are compared in the short lists of these tables, and of no others.

        Parameters
        ----------
        read : int (read,)
            Instances of the cohort that a fold read, with the true or a permuted outcome; sorted.
        columns : int (n,)
            Those among them that a fold read with the true outcome.
        """

    def aggregate(self, scores: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return scores of the rows of each table.

        Parameters
        ----------
        scores : float (row, read)
            0 where an instance was not read. A row is a fold, or a permutation in a fold.

        Returns
        -------
        mapping of str to float (row, n)
            By table.
        """

    def tables(self, folds: FoldScores | None, null: NullScores) -> Mapping[str, RankedTable]:
        """Return the tables by name; without rows where no fold attributes anything to them.

        Raises
        ------
        AnnotationError
            What instances belong to is not in the annotation.
        """

    def bias(self, tables: Mapping[str, RankedTable], null: NullScores) -> Sequence[Bias]:
        """Return how scores go with what has nothing to do with the outcome: may be nothing."""

    def notes(self, tables: Mapping[str, RankedTable]) -> list[str]:
        """Return what a reader of the tables has to know besides."""


def region_top_k(top_k: int, instances: int) -> int:
    """Return the length of a short list of regions: `top_k`, but at most a quarter of them."""
    return max(1, min(top_k, instances // 4))


def _people(path: Path) -> np.ndarray:
    people = read_names(path, "participant")
    if people is None:
        raise InputFileError(
            f"{path}: names no participants", next_step="run the rule collect_modality again"
        )
    return people
