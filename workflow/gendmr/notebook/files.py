"""The files of a study that may still run: which are there, and what to do about the others."""

from __future__ import annotations

from pathlib import Path

from gendmr.errors import InputFileError, did_you_mean, first_few
from gendmr.notebook.next_step import command_for
from gendmr.notebook.rows import read_rows

# What a study leaves first, whatever it measures: any of it makes a folder that of a study.
TRACES = ("cohort/*.*", "*/summary.json", "training/*", "simulate/*.*", "genotypes/*", "imaging/*")


class StudyFiles:
    """The folder `results/<study>`.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputFileError
        It holds no results of a study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not any(True for pattern in TRACES for _ in folder.glob(pattern)):
            raise _no_study(folder)

    def has(self, path: str) -> bool:
        """Return whether a result is there."""
        return (self.folder / path).is_file()

    def need(self, path: str) -> Path:
        """Return the path of a result.

        Raises
        ------
        InputFileError
            It is not there; how far the study has come, and the command that makes it.
        """
        if self.has(path):
            return self.folder / path
        finished, planned = len(self.runs()), len(self.planned_folds()) * len(self.methods())
        of = f" of {planned}" if planned > finished else ""
        raise InputFileError(
            f"{self.folder}: {path} is not there yet",
            cause=f"the study has not come so far ({finished}{of} folds of"
            f" {len(self.methods())} methods are trained), or it does not make this",
            next_step=command_for(self.folder, path),
        )

    def methods(self) -> list[str]:
        """Return the methods of which something is trained."""
        return sorted({path.parents[2].name for path in self.runs()})

    def method(self, name: str) -> str:
        """Return the name of a method.

        Raises
        ------
        InputFileError
            No fold of it is trained.
        """
        if name not in self.trained():
            raise self.unknown("method", name, self.methods())
        return name

    def trained(self) -> list[str]:
        """Return the methods.

        Raises
        ------
        InputFileError
            Nothing is trained yet.
        """
        methods = self.methods()
        if not methods:
            raise InputFileError(
                f"{self.folder}: no fold of a method is trained yet",
                cause="the study still runs, or was stopped",
                next_step=command_for(self.folder),
            )
        return methods

    def runs(self, method: str = "*") -> list[Path]:
        """Return run.json of the trained folds, by method, repeat and fold."""
        paths = (self.folder / "training").glob(f"{method}/repeat-*/fold-*/run.json")
        finished = [path for path in paths if path.with_name("predictions.tsv").is_file()]
        return sorted(finished, key=lambda path: (path.parents[2].name, *place_of(path)))

    def planned_folds(self) -> set[tuple[int, int]]:
        """Return repeat and fold of all folds of the study; nothing before people are divided."""
        path = self.folder / "cohort" / "splits.tsv"
        if not path.is_file():
            return set()
        splits = read_rows(path)
        names = [str(name) for name in splits]
        folds = [name.removeprefix("inner_") for name in names if name.startswith("inner_")]
        return {(int(r), int(fold)) for r in splits["repeat"].unique() for fold in folds}

    def unknown(self, kind: str, name: str, known_names: list[str]) -> InputFileError:
        """Return the error of a name that leads nowhere; `kind` is table, figure or method."""
        return InputFileError(
            f"{self.folder}: no {kind} {name!r}; there are {first_few(known_names) or 'none'}"
            f"{did_you_mean([name], known_names)}",
            cause="a misspelt name, or a step that has not run yet",
            next_step=f"take a name of study.{kind}s{'' if kind == 'method' else '()'}",
        )


def place_of(run: Path) -> tuple[int, int]:
    """Return repeat and fold of `repeat-<r>/fold-<k>/run.json`."""
    return int(run.parents[1].name.rpartition("-")[2]), int(run.parent.name.rpartition("-")[2])


def _no_study(folder: Path) -> InputFileError:
    below = sorted({path.parents[1].name for path in folder.glob("*/training/*")})
    if below:
        finding = f"there are studies below it: {first_few(below)}"
        step = f'gendmr.open("{folder / below[0]}")'
    else:
        finding = "no training/, cohort/ or other stage"
        step = "name the folder results/<study>; a run makes it: make run CONFIG=<configuration>"
    return InputFileError(
        f"{folder}: holds no results of a study; {finding}",
        cause="another folder than results/<study>, or a study that has not run yet",
        next_step=step,
    )
