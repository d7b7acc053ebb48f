"""Results of a study in a notebook: ``gendmr.open("results/mine")``.

Everything is read from files when it is asked for; nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gendmr.errors import InputFileError, did_you_mean, first_few
from gendmr.files.tables import MISSING

if TYPE_CHECKING:
    import xarray as xr

IDENTIFIERS = ("participant_id", "id", "snp", "gene", "region", "chromosome", "family", "block")


class OpenedStudy:
    """A finished study.

    Parameters
    ----------
    folder : Path
        `results/<study>`.

    Raises
    ------
    InputFileError
        No method has been trained there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.methods = sorted(path.parent.name for path in folder.glob("training/*/metrics.tsv"))
        if not self.methods:
            raise InputFileError(
                f"{folder}: no training/<method>/metrics.tsv",
                cause="another folder than results/<study>, or a study that has not run yet",
                next_step="name the folder of a finished study",
            )

    def __repr__(self) -> str:
        return f"<study {self.folder.name}: {', '.join(self.methods)}>"

    def tables(self) -> list[str]:
        """Return the names of all tables, `ranking/gendmr/genes`, as `table` takes them."""
        paths = self.folder.rglob("*.tsv")
        names = {path.relative_to(self.folder).with_suffix("").as_posix() for path in paths}
        return sorted(names)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; names of people, genes and the like stay text, missing is NaN.

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
            known = self.tables()
            raise InputFileError(
                f"{path}: no such table; there are {first_few(known)}{did_you_mean([name], known)}",
                next_step="name one of tables()",
            )
        return pd.read_csv(
            path,
            sep="\t",
            dtype=dict.fromkeys(IDENTIFIERS, "str"),
            na_values=[MISSING],
            keep_default_na=False,
            float_precision="round_trip",
        )

    def genes(self, method: str) -> pd.DataFrame:
        """Return the ranked genes of a method."""
        return self.table(f"ranking/{method}/genes")

    def regions(self, method: str) -> pd.DataFrame:
        """Return the ranked regions of a method."""
        return self.table(f"ranking/{method}/regions")

    def metrics(self, method: str) -> pd.DataFrame:
        """Return the metrics of a method by repeat and fold, with means and intervals."""
        return self.table(f"training/{method}/metrics")

    def predictions(self, method: str) -> pd.DataFrame:
        """Return held-out predictions of all folds, with `repeat` and `fold`."""
        pieces = []
        for folder in self._folds(method):
            rows = self.table((folder / "predictions").relative_to(self.folder).as_posix())
            held_out = rows[rows["set"] == "held-out"]
            repeat, fold = (int(part.rpartition("-")[2]) for part in folder.parts[-2:])
            pieces.append(held_out.assign(repeat=repeat, fold=fold))
        return pd.concat(pieces, ignore_index=True)

    def attributions(self, method: str, *, repeat: int = 0, fold: int = 0) -> xr.Dataset:
        """Return what each instance adds for each held-out person of a fold.

        Returns
        -------
        Dataset
            `value_<modality>` (participant, instance) and its baseline, with names as coordinates.
        """
        from gendmr.files.datasets import read_dataset
        from gendmr.modalities.store import attributions_schema

        folder = self.folder / "training" / method / f"repeat-{repeat}" / f"fold-{fold}"
        return read_dataset(folder / "attributions.nc", attributions_schema())

    def figures(self) -> list[Path]:
        """Return the paths of all figures (PNG)."""
        return sorted(self.folder.glob("*/figures/*.png")) + sorted(
            self.folder.glob("ranking/*/figures/*.png")
        )

    def _folds(self, method: str) -> list[Path]:
        folds = sorted((self.folder / "training" / method).glob("repeat-*/fold-*"))
        if not folds:
            raise InputFileError(
                f"{self.folder}: no fold of a method {method!r}; there are"
                f" {first_few(self.methods)}{did_you_mean([method], self.methods)}",
                next_step="name one of methods",
            )
        return folds


def open_study(results: Path | str) -> OpenedStudy:
    """Return the results of a study; see `OpenedStudy`."""
    return OpenedStudy(Path(results))
