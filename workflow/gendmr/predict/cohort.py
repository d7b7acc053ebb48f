"""The people of another cohort, as its stage `cohort` joined them, for a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.cohort.outcomes import columns_of, read_outcome
from gendmr.cohort.view import HAS, CovariateKind, read_covariates, read_flag
from gendmr.config.study import Study
from gendmr.errors import InputFileError, ModelError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.tables import MISSING, read_table
from gendmr.modalities import modality_of
from gendmr.modalities.alignment import AlignedReader, FoundInstances
from gendmr.modalities.reader import ArrayReader
from gendmr.modalities.subset import Subset
from gendmr.tasks.base import Outcome, Task
from gendmr.training.model import FoldModel

TABLE = "participants.tsv"


@dataclass(frozen=True)
class OtherCohort:
    """A joined cohort on which nothing is fitted.

    Parameters
    ----------
    folder : Path
        With participants.tsv, participants.json and the file of each modality.
    name : str
    table : DataFrame
        participants.tsv as text, by participant.
    kinds : mapping of str to str
        Of its covariates.
    """

    folder: Path
    name: str
    table: pd.DataFrame
    kinds: dict[str, CovariateKind]

    @classmethod
    def open(cls, source: Path) -> OtherCohort:
        """Open a cohort.

        Parameters
        ----------
        source : Path
            A configuration, `results/<study>`, or the folder `cohort` in it.

        Raises
        ------
        InputFileError
            It has not been joined yet.
        """
        folder, name, command = _folder_of(source)
        path = folder / TABLE
        if not path.is_file():
            raise InputFileError(
                f"{path}: no such file",
                cause="the cohort has not been joined yet, or another folder is named",
                next_step=command,
            )
        table = read_table(path, {"participant_id": "text"}, extra=True, key="participant_id")
        described = read_json(folder / "participants.json")
        kinds = {key: entry["Kind"] for key, entry in described.items() if "Kind" in entry}
        return cls(folder, name, table.set_index("participant_id"), kinds)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def participants(self) -> np.ndarray:
        """Identifiers, object (person,)."""
        return self.table.index.to_numpy(dtype=object)

    def without(self, people: list[str]) -> OtherCohort:
        """Return the cohort without some people."""
        return OtherCohort(self.folder, self.name, self.table.drop(index=people), self.kinds)

    def present(self, modality: str) -> np.ndarray:
        """Return who has a modality, bool (person,); nobody where the cohort lacks it."""
        column = f"{HAS}{modality}"
        if column not in self.table or not (self.folder / f"{modality}.nc").is_file():
            return np.zeros(len(self), dtype=bool)
        return read_flag(self.folder / TABLE, self.table[column])

    def reader(self, modality: str) -> ArrayReader:
        """Return the reader of a modality that somebody has, as its file has it."""
        return ArrayReader(
            self.folder / f"{modality}.nc",
            modality_of(modality),
            self.participants,
            self.present(modality),
        )

    def outcome(self, task: Task) -> Outcome:
        """Return the outcome of a task; unknown for everybody where the cohort lacks it."""
        where = str(self.folder / TABLE)
        columns = columns_of(task)
        if set(columns.values()) <= set(self.table):
            return read_outcome(self.table, task, where)
        nothing = pd.Series(MISSING, index=self.table.index, dtype=object)
        outcome: Outcome = task.read(dict.fromkeys(columns, nothing), where)
        return outcome

    def subset(self, model: FoldModel, alignments: dict[str, FoundInstances]) -> Subset:
        """Return the people as the transforms of a model read them.

        Raises
        ------
        ModelError
            A covariate that the model reads is missing, or is no number where it was one.
        """
        self._check_covariates(model)
        kinds = {name: self.kinds[name] for name in model.covariate_kinds}
        preparation = model.preparation
        readers: dict[str, ArrayReader] = {}
        present: dict[str, np.ndarray] = {}
        for name, transform in preparation.transforms.items():
            present[name] = self.present(name)
            readers[name] = AlignedReader(
                self.folder / f"{name}.nc",
                modality_of(name),
                self.participants,
                present[name],
                transform.axis,
                alignments[name],
            )
        return Subset(
            role="held-out",
            participants=self.participants,
            family=self.table["family"].to_numpy(dtype=object),
            outcome=self.outcome(preparation.task),
            covariates=read_covariates(self.folder / TABLE, self.table, kinds),
            present=present,
            readers=readers,
            index=np.arange(len(self)),
        )

    def _check_covariates(self, model: FoldModel) -> None:
        absent = [name for name in model.covariate_kinds if name not in self.kinds]
        if absent:
            raise ModelError(
                f"{self.folder / TABLE}: no covariate {first_few(absent)}, which"
                f" {model.method} adjusts for; it has {first_few(self.kinds, 20)}",
                cause="a column that cohort.covariates of the new cohort does not name",
                next_step="add it to cohort.covariates of the new cohort and join it again",
            )
        for name, kind in model.covariate_kinds.items():
            if self.kinds[name] != kind:
                raise ModelError(
                    f"{self.folder / TABLE}: {name} is a {self.kinds[name]}, and was a {kind} where"
                    f" {model.method} was trained",
                    cause="cohort.categorical of the two cohorts differs",
                    next_step="name it in cohort.categorical of both, or of none",
                )


def _folder_of(source: Path) -> tuple[Path, str, str]:
    """Return the cohort's folder, the name of its study, and what joins it."""
    if source.is_dir():
        inside = source / "cohort"
        folder = inside if inside.is_dir() else source
        study = folder.resolve().parent if folder.name == "cohort" else folder.resolve()
        return folder, study.name, "name a configuration, results/<study>, or its folder cohort"
    study_name = Study.parse(source).study
    command = f"snakemake cohort --cores 2 --configfile {source}"
    return Path("results") / study_name / "cohort", study_name, command
