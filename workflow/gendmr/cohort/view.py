"""The only door through which training sees data.

::

    view = FoldView.open("results/demo/cohort", repeat=0, fold=3)
    view.snps            # DataFrame, one row per column of `dosage`: snp, chromosome, position,
                         #   effect_allele, other_allele, gene ("A;B", "" where none),
                         #   distance (bp to the first gene, NaN where there is none)
    view.regions_meta    # DataFrame, one row per column of `volume`: region, hemisphere, x, y, z
    view.covariate_kinds # {"age": "number", "sex": "category", ...}
    view.build           # genome build of the positions
    view.train           # Rows; what is fitted is fitted on these
    view.validation      # Rows; early stopping and thresholds only
    view.held_out        # DataLeakageError: the fit is not finished
    view.seal()          # one way: the fit is finished; from now on
    view.held_out        # Rows; read from the files only now

`Rows` are aligned arrays, one row per person, in the order of `participants`::

    rows.role            # "train", "validation" or "held-out"
    rows.participants    # str (n,)
    rows.diagnosis       # int8 (n,), 1 case, 0 control
    rows.family          # str (n,), kin group, for splitting further inside the training set
    rows.covariates      # DataFrame (n rows): float64, NaN missing; or text, None missing
    rows.has_snp         # bool (n,)
    rows.dosage          # int8 (n, snp), copies of the effect allele, -1 missing;
                         #   all -1 where has_snp is False
    rows.has_region      # bool (n,)
    rows.volume          # float64 (n, region), mm3, NaN where has_region is False
    rows.mean            # float64 (n, region)
    rows.spread          # float64 (n, region)
    rows.icv             # float64 (n,), mm3
    rows.take(index)     # Rows of some of these people (integer or boolean index)
    rows.require("train")  # returns rows, or raises DataLeakageError when they are others

A study without images has no regions: `volume` is (n, 0) and `has_region` all False.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd

from gendmr.errors import DataLeakageError, FoldError, ModalityError, TableError, first_few
from gendmr.files.atomic import read_json
from gendmr.files.datasets import REGISTRY, check
from gendmr.files.tables import MISSING, read_table

if TYPE_CHECKING:
    import xarray as xr

Role = Literal["train", "validation", "held-out"]
CovariateKind = Literal["number", "category"]
BLOCK = 256  # people read at a time
DOSAGE = REGISTRY["snp"]["dosage"].check or (lambda values: None)


@dataclass(frozen=True, repr=False)
class Rows:
    """Aligned measurements of some people; see the module for each array."""

    role: Role
    participants: np.ndarray
    diagnosis: np.ndarray
    family: np.ndarray
    covariates: pd.DataFrame
    has_snp: np.ndarray
    dosage: np.ndarray
    has_region: np.ndarray
    volume: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    icv: np.ndarray

    def __repr__(self) -> str:
        return (
            f"Rows({self.role}: {len(self)} people, {int(self.has_snp.sum())} with genotypes,"
            f" {int(self.has_region.sum())} with regions)"
        )

    def __len__(self) -> int:
        return len(self.participants)

    def require(self, *roles: Role) -> Self:
        """Return these rows when their role is one of `roles`: the guard of everything fitted.

        Raises
        ------
        DataLeakageError
            They are not.
        """
        if self.role not in roles:
            raise DataLeakageError(
                f"{len(self)} {self.role} people were given where only {' or '.join(roles)} people"
                f" may be seen: {first_few(self.participants)}",
                cause="something is fitted on the wrong rows",
                next_step="fit on view.train, apply to the others",
            )
        return self

    def take(self, index: np.ndarray) -> Rows:
        """Return some of these people, in the order of an integer or boolean index (n,)."""
        index = np.asarray(index)
        values: dict[str, Any] = {"role": self.role}
        for field in fields(self):
            if field.name == "covariates":
                chosen = np.flatnonzero(index) if index.dtype == bool else index
                values["covariates"] = self.covariates.iloc[chosen].reset_index(drop=True)
            elif field.name != "role":
                values[field.name] = getattr(self, field.name)[index]
        return Rows(**values)


class FoldView:
    """One fold of one repeat: training and validation rows at once, held-out rows after `seal`."""

    def __init__(
        self,
        folder: Path,
        *,
        repeat: int,
        fold: int,
        people: dict[Role, list[str]],
        snps: pd.DataFrame,
        regions_meta: pd.DataFrame,
        covariate_kinds: dict[str, CovariateKind],
        build: str,
    ) -> None:
        self.folder = folder
        self.repeat = repeat
        self.fold = fold
        self.snps = snps
        self.regions_meta = regions_meta
        self.covariate_kinds = covariate_kinds
        self.build = build
        self.sealed = False
        self._people = people
        self._rows: dict[Role, Rows] = {}

    @classmethod
    def open(cls, folder: Path | str, repeat: int, fold: int) -> FoldView:
        """Open the cohort's folder for one fold; no measurement is read yet.

        Parameters
        ----------
        folder : Path or str
            `results/<study>/cohort`, with participants.tsv, participants.json, splits.tsv, snp.nc
            and, in a study with images, region.nc.
        repeat, fold : int
            Counted from 0.

        Raises
        ------
        FoldError
            The repeat or the fold is not in splits.tsv.
        InputFileError
            A file is missing.
        """
        folder = Path(folder)
        people = _people_of(folder / "splits.tsv", repeat, fold)
        described = read_json(folder / "participants.json")
        kinds = {name: entry["Kind"] for name, entry in described.items() if "Kind" in entry}
        snps, build = _snps(folder / "snp.nc")
        regions = _regions(folder / "region.nc")
        return cls(
            folder,
            repeat=repeat,
            fold=fold,
            people=people,
            snps=snps,
            regions_meta=regions,
            covariate_kinds=kinds,
            build=build,
        )

    @property
    def train(self) -> Rows:
        """People to fit on."""
        return self._load("train")

    @property
    def validation(self) -> Rows:
        """People for early stopping and thresholds, taken from the outer training set."""
        return self._load("validation")

    @property
    def held_out(self) -> Rows:
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

    def _load(self, role: Role) -> Rows:
        if role not in self._rows:
            self._rows[role] = self._read(role)
        return self._rows[role]

    def _read(self, role: Role) -> Rows:
        ids = self._people[role]
        path = self.folder / "participants.tsv"
        # All columns as text: only the asked people's values are parsed, nobody else's can matter.
        table = read_table(path, {"participant_id": "text"}, extra=True, key="participant_id")
        table = table.set_index("participant_id").reindex(ids)
        absent = table.index[table.isna().all(axis=1)]
        if len(absent):
            raise FoldError(
                f"{path}: {len(absent)} people of splits.tsv are not in it: {first_few(absent)}",
                cause="the cohort was joined again after the folds were split",
                next_step="run the rule split_folds again",
            )
        n = len(ids)
        has_snp = _flag(path, table["has_snp"])
        has_region = _flag(path, table["has_region"])
        dosage = np.full((n, len(self.snps)), -1, dtype=np.int8)
        if has_snp.any():
            _fill_dosage(self.folder / "snp.nc", ids, has_snp, dosage)
        measured = {
            name: np.full((n, len(self.regions_meta)), np.nan)
            for name in ("volume", "mean", "spread")
        }
        icv = np.full(n, np.nan)
        if has_region.any():
            rows, found = _read_regions(self.folder / "region.nc", ids, has_region)
            for name, values in measured.items():
                values[rows] = found[name].values
            icv[rows] = found["icv"].values
        return Rows(
            role=role,
            participants=np.array(ids, dtype=str),
            diagnosis=_diagnosis(path, table["diagnosis"]),
            family=table["family"].to_numpy(dtype=str),
            covariates=_covariates(path, table, self.covariate_kinds),
            has_snp=has_snp,
            dosage=dosage,
            has_region=has_region,
            icv=icv,
            **measured,
        )


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


def _open(path: Path) -> xr.Dataset:
    import xarray as xr

    return xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False, cache=False)


def _snps(path: Path) -> tuple[pd.DataFrame, str]:
    with _open(path) as stored:
        table = pd.DataFrame(
            {
                name: stored[name].values
                for name in ("snp", "chromosome", "position", "effect_allele", "other_allele")
            }
        )
        table["gene"] = stored["gene"].values.astype(str)
        distance = stored["distance"].values.astype("float64")
        table["distance"] = np.where(table["gene"] == "", np.nan, distance)
        return table, str(stored.attrs.get("build", ""))


def _regions(path: Path) -> pd.DataFrame:
    names = ["region", "hemisphere", "x", "y", "z"]
    if not path.is_file():
        return pd.DataFrame({name: np.array([], dtype=object) for name in names})
    with _open(path) as stored:
        return pd.DataFrame({name: stored[name].values for name in names})


def _locate(
    path: Path, stored: xr.Dataset, ids: list[str], wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of `ids` are wanted, and their rows in the file, in the order of the file."""
    rows = np.flatnonzero(wanted)
    people = pd.Index(stored["participant"].values.astype(str))
    index = people.get_indexer(np.array(ids, dtype=object)[rows])
    if (index < 0).any():
        absent = [ids[row] for row in rows[index < 0]]
        raise ModalityError(
            f"{path}: {len(absent)} people who should be in it are not: {first_few(absent)}",
            cause="participants.tsv is of another run",
            next_step="run the rule join_cohort again",
        )
    order = np.argsort(index)
    return rows[order], index[order]


def _fill_dosage(path: Path, ids: list[str], wanted: np.ndarray, dosage: np.ndarray) -> None:
    """Read the rows of the wanted people straight into `dosage`.

    Rows are read in blocks, since single ones take far longer; nobody else's row leaves the block.
    """
    with _open(path) as stored:
        rows, index = _locate(path, stored, ids, wanted)
        for start in range(int(index[0]), int(index[-1]) + 1, BLOCK):
            first, last = np.searchsorted(index, [start, start + BLOCK])
            if first == last:
                continue
            here = slice(start, int(index[last - 1]) + 1)
            block = stored["dosage"].isel(participant=here).values[index[first:last] - start]
            if problem := DOSAGE(block):
                raise ModalityError(f"{path}: dosage: {problem}", cause="made by other software")
            dosage[rows[first:last]] = block


def _read_regions(path: Path, ids: list[str], wanted: np.ndarray) -> tuple[np.ndarray, xr.Dataset]:
    """Return which of `ids` were read, in the order of the file, and what was read."""
    with _open(path) as stored:
        rows, index = _locate(path, stored, ids, wanted)
        found = stored.isel(participant=index).load()
    for name in found.variables:
        if found[name].dtype == object:
            found[name] = found[name].astype(str)
    check(found, "region", str(path))
    return rows, found


def _flag(path: Path, values: pd.Series) -> np.ndarray:
    wrong = values[~values.isin(["True", "False"])]
    if len(wrong):
        raise TableError(f"{path}: {values.name} is not True or False: {first_few(wrong)}")
    return (values == "True").to_numpy()


def _diagnosis(path: Path, values: pd.Series) -> np.ndarray:
    wrong = values[~values.isin(["case", "control"])]
    if len(wrong):
        raise TableError(f"{path}: diagnosis is neither case nor control: {first_few(wrong)}")
    return (values == "case").to_numpy(dtype=np.int8)


def _covariates(path: Path, table: pd.DataFrame, kinds: dict[str, CovariateKind]) -> pd.DataFrame:
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
            labels = zip(values, present, strict=True)
            columns[name] = [label if there else None for label, there in labels]
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)))
