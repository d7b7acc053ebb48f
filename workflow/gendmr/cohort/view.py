"""The only door through which training sees data.

::

    task = task_of("diagnosis", section)
    view = FoldView.open("results/demo/cohort", 0, 3, task=task, modalities=("snp", "region"))
    view.covariate_kinds # {"age": "number", "sex": "category", ...}
    view.train           # Subset; what is fitted is fitted on these
    view.validation      # Subset; early stopping and thresholds only
    view.held_out        # DataLeakageError: the fit is not finished
    view.seal()          # one way: the fit is finished; from now on
    view.held_out        # Subset; read from the files only now

A `gendmr.modalities.subset.Subset` holds outcome and covariates of its people and reads their
measurements, and nobody else's, when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gendmr.cohort.outcomes import read_outcome
from gendmr.cohort.shuffle import Shuffle
from gendmr.errors import DataLeakageError, FoldError, TableError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.tables import MISSING, read_table
from gendmr.modalities import modality_of
from gendmr.modalities.reader import ArrayReader
from gendmr.modalities.subset import Role, Subset
from gendmr.tasks.base import Task
from gendmr.tasks.measured import MeasuredTask

CovariateKind = Literal["number", "category"]
TABLES = ("participants.tsv", "participants.json", "splits.tsv")
HAS = "has_"


class FoldView:
    """One fold of one repeat: training and validation people at once, held-out ones after `seal`.

    Parameters
    ----------
    folder : Path
    repeat, fold : int
    people : dict of str to list of str
        Participants of each role, with the outcome or without.
    task : Task
    outcome : str
        Its name.
    modalities : tuple of str
        Whose files are read.
    covariate_kinds : dict of str to str
        `number` or `category`.
    shuffle : Shuffle, optional
        Who gets whose measurements; None: everybody their own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        repeat: int,
        fold: int,
        people: dict[Role, list[str]],
        task: Task,
        modalities: tuple[str, ...],
        covariate_kinds: dict[str, CovariateKind],
        shuffle: Shuffle | None = None,
    ) -> None:
        self.folder = folder
        self.repeat = repeat
        self.fold = fold
        self.task = task
        self.modalities = modalities
        self.covariate_kinds = covariate_kinds
        self.shuffle = shuffle
        self.sealed = False
        self._people = people
        self._subsets: dict[Role, Subset] = {}

    @classmethod
    def open(
        cls,
        folder: Path | str,
        repeat: int,
        fold: int,
        *,
        task: Task,
        modalities: Sequence[str],
        shuffle: Shuffle | None = None,
    ) -> FoldView:
        """Open the cohort's folder for one fold; no measurement is read yet.

        Parameters
        ----------
        folder : Path or str
            `results/<study>/cohort`, with participants.tsv, participants.json, splits.tsv and the
            file of each modality.
        repeat, fold : int
            Counted from 0.
        task : Task
            Who lacks its outcome is in no role.
        modalities : sequence of str
            What will be read.
        shuffle : Shuffle, optional
            A control: who gets whose measurements.

        Raises
        ------
        FoldError
            The repeat or the fold is not in splits.tsv, or a role is empty.
        InputFileError
            A file is missing.
        """
        folder = Path(folder)
        described = read_json(folder / "participants.json")
        kinds = {name: entry["Kind"] for name, entry in described.items() if "Kind" in entry}
        return cls(
            folder,
            repeat=repeat,
            fold=fold,
            people=_people_of(folder / "splits.tsv", repeat, fold),
            task=task,
            modalities=tuple(modalities),
            covariate_kinds=kinds,
            shuffle=shuffle,
        )

    @staticmethod
    def files(folder: Path | str, modalities: Sequence[str]) -> list[Path]:
        """Return the files that a view of these modalities reads, those that are there."""
        file_names = [*TABLES, *(f"{name}.nc" for name in modalities)]
        return [path for path in (Path(folder) / name for name in file_names) if path.is_file()]

    @property
    def train(self) -> Subset:
        """People to fit on."""
        return self._load("train")

    @property
    def validation(self) -> Subset:
        """People for early stopping and thresholds, taken from the outer training set."""
        return self._load("validation")

    @property
    def held_out(self) -> Subset:
        """People to predict, after `seal`.

        Raises
        ------
        DataLeakageError
            The view is not sealed: the fit is not finished.
        """
        if not self.sealed:
            raise DataLeakageError(
                f"held-out people of repeat {self.repeat}, fold {self.fold} were asked for before"
                " the fit was finished",
                cause="a preprocessing step or a method looks at the rows it is judged on",
                next_step="finish fitting on view.train, call view.seal(), then predict",
            )
        return self._load("held-out")

    def seal(self) -> None:
        """Declare the fit finished. There is no way back."""
        self.sealed = True

    def _load(self, role: Role) -> Subset:
        if role not in self._subsets:
            self._subsets[role] = self._read(role)
        return self._subsets[role]

    def _read(self, role: Role) -> Subset:
        path = self.folder / "participants.tsv"
        # All columns as text: only the asked people's values are parsed, nobody else's can matter.
        table = read_table(path, {"participant_id": "text"}, extra=True, key="participant_id")
        table = table.set_index("participant_id").reindex(self._people[role])
        absent = table.index[table.isna().all(axis=1)]
        if len(absent):
            raise FoldError(
                f"{path}: {len(absent)} people of splits.tsv are not in it: {first_few(absent)}",
                cause="the cohort was joined again after the folds were split",
                next_step="run the rule split_folds again",
            )
        outcome = read_outcome(table, self.task, str(path))
        if not outcome.known.any():
            raise FoldError(
                f"repeat {self.repeat}, fold {self.fold}: none of {len(table)} {role} people has an"
                f" outcome {self.task.name}",
                cause="an outcome that few people have",
                next_step="use fewer folds, or take out the methods of this outcome",
            )
        table = table[outcome.known]
        ids = table.index.to_numpy(dtype=object)
        present = {
            str(name).removeprefix(HAS): read_flag(path, table[name])
            for name in table.columns
            if str(name).startswith(HAS)
        }
        outcome = outcome.take(outcome.known)
        if isinstance(self.task, MeasuredTask):
            name = self.task.modality
            everybody = np.ones(len(ids), dtype=bool)
            outcome = self.task.locate(outcome, self._reader(name, ids, everybody))
        nobody = np.zeros(len(ids), dtype=bool)
        owners = dict.fromkeys(self.modalities, ids)
        if self.shuffle is not None:
            labels = table.assign(**{self.task.name: outcome.strata()})
            owners |= self.shuffle.owners(role, labels, present)
        return Subset(
            role=role,
            participants=ids,
            family=table["family"].to_numpy(dtype=object),
            outcome=outcome,
            covariates=read_covariates(path, table, self.covariate_kinds),
            present=present,
            readers={
                name: self._reader(name, owners[name], present.get(name, nobody))
                for name in self.modalities
            },
            index=np.arange(len(ids)),
        )

    def _reader(self, name: str, people: np.ndarray, present: np.ndarray) -> ArrayReader:
        return ArrayReader(self.folder / f"{name}.nc", modality_of(name), people, present)


def _people_of(path: Path, repeat: int, fold: int) -> dict[Role, list[str]]:
    table = read_table(
        path, {"participant_id": "text", "repeat": "integer", "fold": "integer"}, extra=True
    )
    column = f"inner_{fold}"
    rows = table[table["repeat"] == repeat]
    if column not in table or rows.empty:
        raise FoldError(
            f"{path}: no repeat {repeat} with a fold {fold}; it has"
            f" {table['repeat'].nunique()} repeats of {table['fold'].nunique()} folds",
            cause="repeats and folds count from 0",
            next_step="choose another, or raise cohort.repeats or cohort.folds",
        )
    people: dict[Role, list[str]] = {}
    for role in ("train", "validation", "held-out"):
        people[role] = rows.loc[rows[column] == role, "participant_id"].tolist()
        if not people[role]:
            raise FoldError(f"{path}: repeat {repeat}, fold {fold} has no {role} people")
    return people


def read_flag(path: Path, values: pd.Series) -> np.ndarray:
    """Return a column of True and False as bool (person,).

    Raises
    ------
    TableError
        It holds anything else.
    """
    wrong = values[~values.isin(["True", "False"])]
    if len(wrong):
        raise TableError(f"{path}: {values.name} is not True or False: {first_few(wrong)}")
    return (values == "True").to_numpy()


def read_covariates(
    path: Path, table: pd.DataFrame, kinds: Mapping[str, CovariateKind]
) -> pd.DataFrame:
    """Return covariates of a table of text: float64, NaN missing; or text, None missing.

    Raises
    ------
    TableError
        Something in a column of numbers is none.
    """
    columns: dict[str, Any] = {}
    for name, kind in kinds.items():
        values = table[name].str.strip()
        present = ~values.isin([MISSING, ""])
        if kind == "number":
            numbers = pd.to_numeric(values.where(present), errors="coerce")
            wrong = values[present & numbers.isna()]
            if len(wrong):
                raise TableError(f"{path}: covariate {name} is not a number: {first_few(wrong)}")
            columns[name] = numbers.to_numpy(dtype="float64")
        else:
            columns[name] = values.where(present, None).to_numpy(dtype=object)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)))
