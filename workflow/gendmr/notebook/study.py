"""An opened study: tables, attributions and figures of `results/<study>`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gendmr.config.outcomes import parse_outcome
from gendmr.errors import InputFileError, did_you_mean, first_few
from gendmr.files.atomic import read_json
from gendmr.notebook.figure import Figure
from gendmr.notebook.files import StudyFiles, place_of
from gendmr.notebook.next_step import command_for
from gendmr.notebook.overview import as_html, as_text, folds_in_words
from gendmr.notebook.rows import read_rows
from gendmr.tasks import task_of

if TYPE_CHECKING:
    import xarray as xr

# Results of the whole study, by the method of `OpenedStudy` that reads them.
RESULTS = {
    "participants": "cohort/participants.tsv",
    "exclusions": "cohort/attrition.tsv",
    "gene_comparison": "ranking/comparison.tsv",
    "comparison": "report/comparison.tsv",
    "summary": "report/summary.json",
}


class OpenedStudy:
    """The results of a study, finished or not: ``gendmr.open("results/mine")``.

    Nothing is kept in memory: each call reads the files that are there by then.

    Parameters
    ----------
    folder : Path
        `results/<study>`.

    Attributes
    ----------
    folder : Path
        Where the results lie.
    name : str
        Of the study.

    Raises
    ------
    InputFileError
        The folder holds no results of a study.

    Examples
    --------
    >>> import gendmr
    >>> study = gendmr.open("results/mine")
    >>> study.genes("ridge")[["gene", "rank"]].head(2)
         gene  rank
    0  GENE59     1
    1  GENE58     2
    >>> study.metrics("ridge").query("metric == 'auc' and fold == 'mean'")["value"].item()
    0.74
    >>> study.predictions("ridge")["participant_id"].nunique()
    120
    >>> study.figure("ranking/ridge/genome")
    <figure ranking/ridge/genome>
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self._files = StudyFiles(folder)

    # -- what is there ---------------------------------------------------------------------------

    @property
    def methods(self) -> list[str]:
        """Names of the methods of which something is trained."""
        return self._files.methods()

    @property
    def modalities(self) -> list[str]:
        """Names of what is measured of the people of the cohort."""
        return sorted(path.stem for path in self.folder.glob("cohort/*.nc"))

    def folds(self, method: str | None = None) -> pd.DataFrame:
        """Return the folds of methods, finished or not.

        Parameters
        ----------
        method : str, optional
            Absent: all methods.

        Returns
        -------
        DataFrame
            `method`, `repeat`, `fold`, `finished`, and of finished folds `outcome`, `n_train`,
            `n_validation`, `n_held_out` (people).

        Examples
        --------
        >>> gendmr.open("results/mine").folds("ridge")[["fold", "finished", "n_held_out"]].head(2)
           fold  finished  n_held_out
        0     0      True          24
        1     1      True          24
        """
        keys = ("outcome", "n_train", "n_validation", "n_held_out")
        rows = []
        for name in [self._files.method(method)] if method is not None else self.methods:
            finished = {place_of(path): path for path in self._files.runs(name)}
            for repeat, fold in sorted(finished.keys() | self._files.planned_folds()):
                row = {"method": name, "repeat": repeat, "fold": fold}
                row["finished"] = (repeat, fold) in finished
                if row["finished"]:
                    record = read_json(finished[repeat, fold].with_name("fold.json"))
                    row |= {key: record.get(key) for key in keys}
                rows.append(row)
        return pd.DataFrame(rows, columns=["method", "repeat", "fold", "finished", *keys])

    def missing(self) -> pd.DataFrame:
        """Return what the study has not made yet.

        Returns
        -------
        DataFrame
            `result` (the method of this class that reads it), `path` below the folder, and
            `command`, which makes it. Empty for a finished study.
        """
        paths = {name: path for name, path in RESULTS.items() if not self._files.has(path)}
        if not any(self.folder.glob("ranking/*/genes.tsv")):
            # A study without genotypes ranks no genes, and compares none.
            paths.pop("gene_comparison", None)
        for method in self.methods:
            if not self._files.has(f"training/{method}/metrics.tsv"):
                paths[f"metrics({method!r})"] = f"training/{method}/metrics.tsv"
        rows = [(name, path, command_for(self.folder, path)) for name, path in paths.items()]
        return pd.DataFrame(rows, columns=["result", "path", "command"])

    def tables(self) -> list[str]:
        """Return the names of all tables, `ranking/ridge/genes`, as `table` takes them."""
        paths = [path.relative_to(self.folder) for path in self.folder.rglob("*.tsv")]
        # Tracking holds copies.
        return sorted(p.with_suffix("").as_posix() for p in paths if p.parts[0] != "tracking")

    def figures(self, part: str = "") -> list[Figure]:
        """Return the figures.

        Parameters
        ----------
        part : str
            Part of their names: `ranking/`, `brain`. Absent: all.

        Examples
        --------
        >>> gendmr.open("results/mine").figures("brain")
        [<figure ranking/gendmr/brain>, <figure ranking/ridge/brain>]
        """
        paths = [
            *self.folder.glob("*/figures/*.png"),
            *self.folder.glob("ranking/*/figures/*.png"),
        ]
        path_of = {
            f"{path.parents[1].relative_to(self.folder).as_posix()}/{path.stem}": path
            for path in paths
        }
        return [Figure(name, path) for name, path in sorted(path_of.items()) if part in name]

    @property
    def report(self) -> Path:
        """The page of the report, for a browser.

        Raises
        ------
        InputFileError
            It is not there yet.
        """
        page = self.folder / "report" / "report.html"
        return page if page.is_file() else self._files.need("report/summary.html")

    # -- people ----------------------------------------------------------------------------------

    def participants(self) -> pd.DataFrame:
        """Return who is analysed: outcomes, covariates, modalities, family."""
        path = self._files.need(RESULTS["participants"])
        described = path.with_suffix(".json")
        kinds = read_json(described) if described.is_file() else {}
        text = [
            n for n, kind in kinds.items() if "Levels" in kind or kind.get("Kind") == "category"
        ]
        return read_rows(path, text)

    def exclusions(self) -> pd.DataFrame:
        """Return who and which variants left, at which step, and why.

        Examples
        --------
        >>> gendmr.open("results/mine").exclusions()[["kind", "id", "reason"]].head(2)
                  kind   id                           reason
        0  participant  207       too many missing genotypes
        1  participant  208  genetic and recorded sex differ
        """
        return read_rows(self._files.need(RESULTS["exclusions"]))

    # -- how well methods predict ----------------------------------------------------------------

    def comparison(self) -> pd.DataFrame:
        """Return a row per method: its primary metric, and its difference from the first one's."""
        return read_rows(self._files.need(RESULTS["comparison"]))

    def metrics(self, method: str | None = None) -> pd.DataFrame:
        """Return metrics by repeat and fold, with means, pooled values and intervals.

        Parameters
        ----------
        method : str, optional
            Absent: all methods.

        Returns
        -------
        DataFrame
            `method`, `repeat`, `fold` (a number as text, or `mean`, `low`, `high`, `pooled`, …),
            `metric`, `value`.
        """
        names = [self._files.method(method)] if method is not None else self._files.trained()
        paths = [self._files.need(f"training/{name}/metrics.tsv") for name in names]
        return pd.concat([read_rows(path, ["fold"]) for path in paths], ignore_index=True)

    def predictions(
        self, method: str | None = None, *, sets: Iterable[str] = ("held-out",)
    ) -> pd.DataFrame:
        """Return predictions of people in all finished folds.

        Parameters
        ----------
        method : str, optional
            Absent: all methods.
        sets : iterable of str
            `held-out`, `train`, `validation`. Only the first says how well a method predicts.

        Returns
        -------
        DataFrame
            `method`, `repeat`, `fold`, `participant_id`, `set`, `modalities`, and the observed and
            predicted columns of the outcome.
        """
        pieces = []
        for name in [self._files.method(method)] if method is not None else self._files.trained():
            for run in self._files.runs(name):
                rows = read_rows(run.with_name("predictions.tsv"), _text_columns(run))
                rows = rows[rows["set"].isin(list(sets))]
                repeat, fold = place_of(run)
                for column, value in (("fold", fold), ("repeat", repeat), ("method", name)):
                    rows.insert(0, column, value)
                pieces.append(rows)
        return pd.concat(pieces, ignore_index=True)

    # -- what carries the risk -------------------------------------------------------------------

    def rankings(self, method: str) -> list[str]:
        """Return what a method ranks: `genes`, `blocks`, `snps`, `regions`, `edges`, …."""
        paths = (self.folder / "ranking" / self._files.method(method)).glob("*.tsv")
        return sorted(path.stem for path in paths)

    def ranking(self, method: str, of: str) -> pd.DataFrame:
        """Return a ranking of a method, best first.

        Parameters
        ----------
        method : str
        of : str
            One of `rankings`.

        Raises
        ------
        InputFileError
            The method ranks no such thing, or has not been ranked yet.
        """
        names = self.rankings(method)
        if names and of not in names:
            raise InputFileError(
                f"{self.folder}: no {of!r} in the ranking of {method!r}; there are"
                f" {first_few(names)}{did_you_mean([of], names)}",
                cause="the method does not read what they are made of",
                next_step=f"study.ranking({method!r}, {names[0]!r}), or another method of"
                f" study.methods",
            )
        return read_rows(self._files.need(f"ranking/{method}/{of}.tsv"), first=True)

    def genes(self, method: str) -> pd.DataFrame:
        """Return the ranked genes of a method that reads SNPs."""
        return self.ranking(method, "genes")

    def regions(self, method: str) -> pd.DataFrame:
        """Return the ranked regions of a method that reads measured regions."""
        return self.ranking(method, "regions")

    def gene_comparison(self) -> pd.DataFrame:
        """Return the rank and p-values of each gene in the rankings of all methods."""
        return read_rows(self._files.need(RESULTS["gene_comparison"]))

    def attributions(self, method: str, *, repeat: int = 0, fold: int = 0) -> xr.Dataset:
        """Return what each instance adds to the prediction of each held-out person of a fold.

        Returns
        -------
        Dataset
            `value_<modality>` (participant, instance), in the scalar of the outcome (for cases and
            controls the logit), and its baseline (participant,), with names as coordinates.

        Raises
        ------
        InputFileError
            The fold is not finished, or the method gives no attributions.
        """
        from gendmr.files.datasets import read_dataset
        from gendmr.modalities.store import attributions_schema

        place = f"training/{self._files.method(method)}/repeat-{repeat}/fold-{fold}"
        path = self._files.need(f"{place}/attributions.nc")
        return read_dataset(path, attributions_schema())

    # -- anything else ---------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Return the numbers of the report, as `report/summary.json` has them."""
        return dict(read_json(self._files.need(RESULTS["summary"])))

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by its name; names of people, genes and the like stay text.

        Parameters
        ----------
        name : str
            One of `tables`.

        Raises
        ------
        InputFileError
            No such table.
        """
        path = self.folder / f"{name}.tsv"
        if not path.is_file():
            raise self._files.unknown("table", name, self.tables())
        return read_rows(path, first=name.startswith("ranking/"))

    def figure(self, name: str) -> Figure:
        """Return a figure by its name.

        Raises
        ------
        InputFileError
            No such figure.
        """
        figures = {figure.name: figure for figure in self.figures()}
        if name not in figures:
            raise self._files.unknown("figure", name, list(figures))
        return figures[name]

    # -- in a notebook ---------------------------------------------------------------------------

    def __repr__(self) -> str:
        return as_text(*self._overview())

    def _repr_html_(self) -> str:
        return as_html(*self._overview())

    def _overview(self) -> tuple[str, list[tuple[str, str]]]:
        missing = self.missing()
        results = [name for name, path in RESULTS.items() if self._files.has(path)]
        lines = [
            ("methods", folds_in_words(self.folds())),
            ("modalities", ", ".join(self.modalities) or "none yet"),
            ("results", ", ".join(results) or "none yet"),
            ("tables", f"{len(self.tables())}, by tables() and table(name)"),
            ("figures", f"{len(self.figures())}, by figures() and figure(name)"),
        ]
        if len(missing):
            lines.append(("not yet", ", ".join(missing["result"])))
            lines.append(("go on", command_for(self.folder)))
        return f"study {self.name} in {self.folder}", lines


def _text_columns(run: Path) -> list[str]:
    """Return the columns of predictions.tsv that are text, such as classes named by numbers."""
    options = read_json(run)["options"]
    if "task" not in options:
        return []
    section = parse_outcome(json.dumps(options["task"]), where=str(run))
    columns = task_of(options["outcome"], section).columns
    return [name for name, kind in columns.items() if kind == "text"]
