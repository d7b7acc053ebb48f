"""One job of the null: a method fitted in one fold with permuted diagnoses, many times.

Each permutation repeats what the job of the fold does (selection, adjustment, evidence, fit and
read-out on held-out people) with the same code; networks of many permutations are fitted together.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gendmr.cohort.permutation import Permutations
from gendmr.cohort.view import FoldView, Rows
from gendmr.config.training import MethodOptions
from gendmr.errors import FoldError, GendmrError, TrainingError, first_few
from gendmr.files.atomic import sha256
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.methods.base import Fitted, Lot, Method, Progress
from gendmr.seeds import derive
from gendmr.training.fold import INPUTS, fold_key
from gendmr.preprocessing.preparation import Groundwork, People, Preparation
from gendmr.training.readout import SCORES, instance_scores

if TYPE_CHECKING:
    import xarray as xr

BAGS = ("snp", "region")
# What networks fitted together may take, in bytes: more at a time is no faster on a CPU.
MEMORY = {"cpu": 1.0e9, "cuda": 3.0e10}


def fit_null(
    cohort: Path | str,
    output: Path | str,
    *,
    method: str,
    repeat: int,
    fold: int,
    first: int,
    count: int,
    options: MethodOptions,
    seed: int,
    device: str = "auto",
    progress: Progress = lambda line: None,
) -> None:
    """Write the scores of SNPs and regions under some permutations of the diagnosis.

    What is finished is kept in parts beside the output, so that a killed job goes on.

    Parameters
    ----------
    cohort : Path or str
        Folder that the stage `cohort` leaves, with strata.tsv.
    output : Path or str
        A NetCDF file: entry `null` of the registry.
    method : str
        Its name in the configuration.
    repeat, fold : int
        Counted from 0.
    first, count : int
        Numbers of the permutations; the same in all folds of all methods.
    options : MethodOptions
        The method's slice of the configuration.
    seed : int
        Of the study.
    device : str
        `auto`, `cpu` or `cuda`, for networks.
    progress : callable
        Gets a line now and then.

    Raises
    ------
    TrainingError
        A fit that fails; names the permutation.
    FoldError, ConfigurationError, InputFileError, ModalityError
        See `FoldView` and `Groundwork`.
    """
    cohort, output = Path(cohort), Path(output)
    work = _Work(cohort, method, repeat, fold, options, seed, device)
    files = (*INPUTS, "strata.tsv")
    inputs = {name: sha256(cohort / name) for name in files if (cohort / name).is_file()}
    key = fold_key(options, method, repeat, fold, derive(seed, "null"), inputs, "training.null")
    # Each chunk has a folder of its own: chunks of a fold start and end beside each other.
    checkpoints = output.with_name(f"{output.stem}-checkpoints")
    folder = checkpoints / f"{key}-{first}"
    parts: list[xr.Dataset] = []
    for now in np.array_split(np.arange(first, first + count), -(-count // work.together)):
        path = folder / f"{now[0]}-{now[-1]}.nc"
        part = _kept(path, progress)
        if part is None:
            part = work.scores(now.tolist())
            write_dataset(path, part, "null")
        parts.append(part)
        progress(f"permutations {first} to {now[-1]} of {first} to {first + count - 1}")
    write_dataset(output, _together(parts), "null")
    shutil.rmtree(checkpoints)


class _Work:
    """What all permutations of a fold share."""

    def __init__(
        self,
        cohort: Path,
        method: str,
        repeat: int,
        fold: int,
        options: MethodOptions,
        seed: int,
        device: str,
    ) -> None:
        self.view = FoldView.open(cohort, repeat, fold)
        self.ground = Groundwork(self.view, options)
        # Held-out people are read by a view of its own: this one is never fitted on.
        self.outside = FoldView.open(cohort, repeat, fold)
        self.outside.seal()
        self.permutations = Permutations.read(cohort / "strata.tsv", seed)
        module = importlib.import_module(f"gendmr.{options.method.module}")
        self.model: Method = module.build(options)
        self.seeds = (seed, "null", method, repeat, fold)
        self.device = device
        self.together = self._together()

    def _together(self) -> int:
        """Return how many replicates are fitted at a time."""
        if not self.ground.options.method.gpus:
            return 50
        snps = min(self.ground.candidates.columns.size, self.ground.options.selection.maximum)
        # Some forty tables (class, SNP, unit) live until the gradient is known.
        each = 4.0 * (40 * 4 * 16 * max(snps, 1) + 40 * 64 * 16 * max(len(self.ground.regions), 1))
        each += len(self.ground.rows) * max(snps, 1)
        import torch

        cuda = self.device != "cpu" and torch.cuda.is_available()
        return int(np.clip(MEMORY["cuda" if cuda else "cpu"] // each, 1, 256 if cuda else 50))

    def scores(self, numbers: Sequence[int]) -> xr.Dataset:
        """Return the scores under permutations of these numbers."""
        drawn = [self.permutations.draw(number) for number in numbers]
        train = [_with(self.ground.rows, found) for found in drawn]
        strengths = self.ground.strengths(np.stack([rows.diagnosis for rows in train], axis=1))
        lots = []
        for place, number in enumerate(numbers):
            strength = None if strengths is None else strengths[:, place]
            preparation = Preparation.on(self.ground, train[place].diagnosis, strength)
            validation = _with(self.view.validation, drawn[place])
            lots.append(
                Lot(
                    preparation.apply(train[place]),
                    preparation.apply(validation),
                    preparation,
                    derive(*self.seeds, number),
                )
            )
        try:
            fitted = self.model.fit_many(lots, device=self.device, progress=lambda line: None)
        except TrainingError as error:
            raise TrainingError(
                f"permutations {numbers[0]} to {numbers[-1]} of {self.ground.where}: {error}"
            ) from error
        held_out = self.outside.held_out
        return self._dataset(
            numbers,
            [
                read_out(one, lot.preparation.apply(held_out))
                for one, lot in zip(fitted, lots, strict=True)
            ],
            [lot.preparation for lot in lots],
        )

    def _dataset(
        self,
        numbers: Sequence[int],
        found: Sequence[Mapping[tuple[str, str], np.ndarray]],
        preparations: Sequence[Preparation],
    ) -> xr.Dataset:
        import xarray as xr

        names = {
            "snp": self.ground.snps["snp"].to_numpy(dtype=str),
            "region": self.ground.regions.astype(str),
        }
        variables, coordinates = {}, {"permutation": np.array(numbers, dtype=np.int64)}
        for bag in BAGS:
            if not any(key[0] == bag for scores in found for key in scores):
                continue
            whole = np.zeros((len(SCORES), len(numbers), len(names[bag])), dtype=np.float32)
            for row, (scores, preparation) in enumerate(zip(found, preparations, strict=True)):
                columns = preparation.columns if bag == "snp" else slice(None)
                for kind, score in enumerate(SCORES):
                    if (bag, score) in scores:
                        whole[kind, row, columns] = scores[bag, score]
            read = np.flatnonzero((whole > 0).any(axis=(0, 1)))
            coordinates[bag] = names[bag][read]
            for kind, score in enumerate(SCORES):
                variables[f"{score}_{bag}"] = (("permutation", bag), whole[kind][:, read])
        return xr.Dataset(variables, coords=coordinates)


def read_out(fitted: Fitted, people: People) -> dict[tuple[str, str], np.ndarray]:
    """Return scores (instance,) by bag and kind of score."""
    return {
        (name, score): instance_scores(bag.risk, score).astype(np.float32)
        for name, bag in fitted.bags(people).items()
        for score in SCORES
    }


def _with(rows: Rows, diagnosis: Mapping[str, int]) -> Rows:
    """Return rows with other diagnoses."""
    absent = [name for name in rows.participants.tolist() if name not in diagnosis]
    if absent:
        raise FoldError(
            f"{len(absent)} people of the fold have no stratum: {first_few(absent)}",
            cause="strata.tsv is of another cohort",
            next_step="run the rule stratify_people again",
        )
    values = np.array([diagnosis[name] for name in rows.participants.tolist()], dtype=np.int8)
    return replace(rows, diagnosis=values)


def _kept(path: Path, progress: Progress) -> xr.Dataset | None:
    if not path.is_file():
        return None
    try:
        return read_dataset(path, "null")
    except GendmrError:
        path.unlink()
        progress(f"{path.name} is damaged: made again")
        return None


def _together(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join parts of the null; an instance that a part did not read has a score of 0 in it."""
    import xarray as xr

    numbers = np.concatenate([part["permutation"].values for part in parts])
    variables, coordinates = {}, {"permutation": numbers}
    for bag in BAGS:
        there = [part for part in parts if bag in part.coords]
        if not there:
            continue
        names = np.unique(np.concatenate([part[bag].values.astype(str) for part in there]))
        coordinates[bag] = names
        for score in SCORES:
            whole = np.zeros((len(numbers), len(names)), dtype=np.float32)
            start = 0
            for part in parts:
                stop = start + part.sizes["permutation"]
                if bag in part.coords:
                    columns = np.searchsorted(names, part[bag].values.astype(str))
                    whole[start:stop, columns] = part[f"{score}_{bag}"].values
                start = stop
            variables[f"{score}_{bag}"] = (("permutation", bag), whole)
    return xr.Dataset(variables, coords=coordinates)
