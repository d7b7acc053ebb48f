"""The results of a study as exports read them: its folds, their options, its people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.config.outcomes import parse_outcome
from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table
from gendmr.tasks import task_of
from gendmr.tasks.base import Task


@dataclass
class Export:
    """What one kind of export left.

    Parameters
    ----------
    kind : str
        `scores`, `maps`, ...
    files : list of Path
        Written.
    notes : list of str
        What was not made, and why.
    """

    kind: str
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FinishedFold:
    """One finished fold.

    Parameters
    ----------
    folder : Path
        With model.safetensors, attributions.nc and run.json.
    run : dict
        Content of run.json.
    """

    folder: Path
    run: dict[str, Any]

    def terms(self, modality: str) -> Any:
        """Return tensors of the fold: `terms` of a modality and what its transform learned.

        Returns
        -------
        dict of str to ndarray, or None
            `terms` float64 (instance, measure, output) and the fitted tensors of the modality by
            their names; None where the output is no sum of terms.
        """
        from gendmr.files.arrays import read_tensors

        tensors = read_tensors(self.folder / "model.safetensors")
        name, prefix = f"terms.{modality}", f"preparation.{modality}."
        if name not in tensors:
            return None
        fitted = {
            key.removeprefix(prefix): value
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
        return {**fitted, "terms": tensors[name]}

    def instances(self, modality: str) -> list[str]:
        """Return the names of the instances that the fold read, in the order of its terms."""
        from gendmr.files.opening import read_names

        names = read_names(self.folder / "attributions.nc", modality)
        return [] if names is None else [str(name) for name in names]


class StudyResults:
    """The folder `results/<study>`.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputFileError
        No fold is finished, or the folder is none of a study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        runs = sorted(folder.glob("training/*/repeat-*/fold-*/run.json"))
        if not runs:
            raise InputFileError(
                f"{folder}: no finished fold (training/<method>/repeat-*/fold-*/run.json)",
                cause="another folder than results/<study>, or a study that has not run yet",
                next_step="name the folder of a finished study; make run CONFIG=... finishes one",
            )
        self.folds: dict[str, list[FinishedFold]] = {}
        for path in runs:
            run = read_json(path)
            self.folds.setdefault(run["method"], []).append(FinishedFold(path.parent, run))

    @property
    def methods(self) -> list[str]:
        """Names of the methods with finished folds."""
        return list(self.folds)

    def options(self, method: str) -> dict[str, Any]:
        """Return the slice of the configuration that a method ran with."""
        options: dict[str, Any] = self.folds[method][0].run["options"]
        return options

    @cached_property
    def outcomes(self) -> dict[str, Task]:
        """Tasks by the name of their outcome, in the order of the methods."""
        tasks: dict[str, Task] = {}
        for method in self.methods:
            options = self.options(method)
            if options["outcome"] not in tasks:
                where = f"{self.folder}, outcome {options['outcome']}"
                section = parse_outcome(json.dumps(options["task"]), where=where)
                tasks[options["outcome"]] = task_of(options["outcome"], section)
        return tasks

    def covariates(self, outcome: str) -> list[str]:
        """Return the covariates that the methods of an outcome adjust for."""
        names: dict[str, None] = {}
        for method in self.methods:
            options = self.options(method)
            if options["outcome"] == outcome:
                names |= dict.fromkeys(options["covariates"])
        return list(names)

    @cached_property
    def people(self) -> pd.DataFrame:
        """`cohort/participants.tsv`, all columns as text."""
        return read_table(
            self.folder / "cohort" / "participants.tsv", {"participant_id": "text"}, extra=True
        )

    @cached_property
    def people_kinds(self) -> dict[str, Any]:
        """`cohort/participants.json`: what the columns mean."""
        path = self.folder / "cohort" / "participants.json"
        return dict(read_json(path)) if path.is_file() else {}

    @property
    def build(self) -> str:
        """Genome build of the genotypes, or an empty text."""
        path = self.folder / "genotypes" / "summary.json"
        return str(read_json(path).get("build", "")) if path.is_file() else ""

    def rankings(self, table: str) -> list[tuple[str, Path]]:
        """Return methods and paths of a ranked table, `genes.tsv`, that is there."""
        paths = [(name, self.folder / "ranking" / name / table) for name in self.methods]
        return [(name, path) for name, path in paths if path.is_file()]


def listed(names: Sequence[str]) -> str:
    """Return names as a text: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
