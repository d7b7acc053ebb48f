"""One job of the null: a method fitted in one fold with permuted outcomes, many times.

Each permutation repeats what the job of the fold does (selection, adjustment, evidence, fit and
attributions of held-out people) with the same code; networks of many permutations are fitted
together. Where the ranking reads evidence that needs no fit, that alone is repeated.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gendmr.cohort.outcomes import everybody
from gendmr.cohort.permutations import Permutations
from gendmr.cohort.view import FoldView
from gendmr.config.methods.base import NetworkSection
from gendmr.config.training import MethodOptions
from gendmr.errors import FoldError, GendmrError, TrainingError, first_few
from gendmr.files.datasets import read_dataset, write_dataset
from gendmr.methods.base import FitInputs, Fitted, GivesEvidence, Progress
from gendmr.modalities.store import null_schema
from gendmr.modalities.subset import Subset
from gendmr.preprocessing.preparation import OutcomeFree, Preparation
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.seeds import derive
from gendmr.tasks import task_of
from gendmr.tasks.base import Outcome
from gendmr.training.fold import build_method, checksums, fold_key
from gendmr.training.readout import EVIDENCE, KINDS, scores_of

if TYPE_CHECKING:
    import xarray as xr

STRATA = "strata.tsv"
# What fits that take their steps together may take, in bytes: more is no faster on a CPU.
MEMORY = {"cpu": 1.0e9, "cuda": 3.0e10}
MOST_TOGETHER = {"cpu": 50, "cuda": 256}


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
    evidence_alone: bool = False,
    progress: Progress = lambda line: None,
) -> None:
    """Write the scores of instances under some permutations of the outcome.

    What is finished is kept in parts beside the output, so that a killed job goes on.

    Parameters
    ----------
    cohort : Path or str
        Folder that the stage `cohort` leaves, with strata.tsv.
    output : Path or str
        A NetCDF file: `gendmr.modalities.store.null_schema`.
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
    evidence_alone : bool
        Collect evidence and fit nothing: the file then has no other scores.
    progress : callable
        Gets a line now and then.

    Raises
    ------
    TrainingError
        A fit that fails; names the permutation. Or evidence alone is asked for of a method whose
        evidence needs a fit.
    FoldError, ConfigurationError, InputFileError, ModalityError
        See `FoldView` and `OutcomeFree`.
    """
    cohort, output = Path(cohort), Path(output)
    draws = _PermutedFold(cohort, method, repeat, fold, options, seed, device, evidence_alone)
    inputs = checksums(cohort, options.files, STRATA)
    key = fold_key(options, method, repeat, fold, derive(seed, "null"), inputs, "training.null")
    # Each chunk has a folder of its own: chunks of a fold start and end beside each other.
    checkpoints = output.with_name(f"{output.stem}-checkpoints")
    folder = checkpoints / f"{key}-{'evidence' if evidence_alone else 'fits'}-{first}"
    schema = null_schema(draws.reads)
    parts: list[xr.Dataset] = []
    for numbers in np.array_split(np.arange(first, first + count), -(-count // draws.together)):
        path = folder / f"{numbers[0]}-{numbers[-1]}.nc"
        part = _stored(path, draws.reads, progress)
        if part is None:
            part = draws.scores(numbers.tolist())
            write_dataset(path, part, schema)
        parts.append(part)
        progress(f"permutations {first} to {numbers[-1]} of {first} to {first + count - 1}")
    record = {"inputs": json.dumps(inputs, sort_keys=True)}
    write_dataset(output, _joined(parts, draws.reads).assign_attrs(record), schema)
    shutil.rmtree(checkpoints)


class _PermutedFold:
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
        evidence_alone: bool,
    ) -> None:
        task = task_of(options.outcome, options.task)

        def opened() -> FoldView:
            return FoldView.open(
                cohort, repeat, fold, task=task, modalities=tuple(options.modalities)
            )

        self.view = opened()
        self.outcome_free = OutcomeFree(self.view, options)
        # Held-out people come from a second, sealed view: the first stays open for the fits.
        outside = opened()
        outside.seal()
        self.held_out = outside.held_out
        self.outcome_free.keep(self.view.validation, self.held_out)
        people, self.outcome = everybody(cohort / "participants.tsv", task)
        self.place = {name: place for place, name in enumerate(people.tolist())}
        self.permutations = Permutations.read(cohort / STRATA, seed, people, self.outcome)
        self.method = build_method(options)
        self.evidence: Callable[[FitInputs], dict[str, np.ndarray]] | None = None
        if evidence_alone:
            if not isinstance(self.method, GivesEvidence):
                raise TrainingError(
                    f"{method}: its evidence under permuted outcomes needs fits",
                    cause=f"methods of the kind {options.method.kind} collect none by themselves",
                    next_step="run the null without --evidence",
                )
            self.evidence = self.method.evidence
        # Places of a bag hold other tissue in each person: they have no score over people.
        self.reads = tuple(
            name
            for name, section in options.modalities.items()
            if name in options.reads and section.shared
        )
        self.seeds = (seed, "null", method, repeat, fold)
        self.device = device
        self.together = self._together(options)

    def _together(self, options: MethodOptions) -> int:
        """Return how many replicates are fitted at a time."""
        if self.evidence is not None or not isinstance(options.method, NetworkSection):
            return MOST_TOGETHER["cpu"]
        import torch

        kind = "cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu"
        instances = {
            name: options.modalities[name].most(len(self.outcome_free.train.instances(name)))
            for name in self.reads
        }
        fit_bytes = options.method.bytes_of_fit(instances, len(self.outcome_free.train))
        return int(np.clip(MEMORY[kind] // max(fit_bytes, 1.0), 1, MOST_TOGETHER[kind]))

    def scores(self, numbers: Sequence[int]) -> xr.Dataset:
        """Return the scores under permutations of these numbers."""
        permuted = [self.outcome.permute(self.permutations.draw(number)) for number in numbers]
        train = [self._of(self.view.train, outcome) for outcome in permuted]
        abs_z = self.outcome_free.abs_z([subset.outcome for subset in train])
        inputs = []
        for place, number in enumerate(numbers):
            preparation = self.outcome_free.condition(train[place].outcome, abs_z[place])
            validation = self._of(self.view.validation, permuted[place])
            inputs.append(
                FitInputs(
                    preparation.apply(train[place]),
                    preparation.apply(validation),
                    preparation,
                    derive(*self.seeds, number),
                )
            )
        try:
            scored = self._scored(inputs)
        except TrainingError as error:
            raise TrainingError(
                f"permutations {numbers[0]} to {numbers[-1]} of {self.outcome_free.where}: {error}"
            ) from error
        return self._dataset(numbers, scored, [fit_inputs.preparation for fit_inputs in inputs])

    def _scored(self, inputs: Sequence[FitInputs]) -> list[dict[tuple[str, str], np.ndarray]]:
        """Return scores (instance,) by modality and kind of score, of each replicate."""
        if self.evidence is not None:
            return [
                {(name, EVIDENCE): values for name, values in self.evidence(part).items()}
                for part in inputs
            ]
        fitted = self.method.fit_many(inputs, device=self.device, progress=lambda line: None)
        return [
            read_out(fit, part.preparation.apply(self.held_out))
            for fit, part in zip(fitted, inputs, strict=True)
        ]

    def _of(self, subset: Subset, outcome: Outcome) -> Subset:
        """Return people with the outcomes that a permutation gives them."""
        absent = [name for name in subset.participants.tolist() if name not in self.place]
        if absent:
            raise FoldError(
                f"{len(absent)} people of the fold have no stratum: {first_few(absent)}",
                cause="strata.tsv is of another cohort",
                next_step="run the rule stratify_people again",
            )
        index = np.array([self.place[name] for name in subset.participants.tolist()])
        return subset.with_outcome(outcome.take(index))

    def _dataset(
        self,
        numbers: Sequence[int],
        scored: Sequence[Mapping[tuple[str, str], np.ndarray]],
        preparations: Sequence[Preparation],
    ) -> xr.Dataset:
        import xarray as xr

        variables, coordinates = {}, {"permutation": np.array(numbers, dtype=np.int64)}
        for name in self.reads:
            if not any(key[0] == name for scores in scored for key in scores):
                continue
            names = self.outcome_free.train.instances(name)[name].to_numpy()
            kinds = [kind for kind in KINDS if any((name, kind) in scores for scores in scored)]
            whole = np.zeros((len(kinds), len(numbers), len(names)), dtype=np.float32)
            for row, (scores, preparation) in enumerate(zip(scored, preparations, strict=True)):
                columns = preparation.transforms[name].columns
                for place, kind in enumerate(kinds):
                    if (name, kind) in scores:
                        whole[place, row, columns] = scores[name, kind]
            read = np.flatnonzero((whole > 0).any(axis=(0, 1)))
            coordinates[name] = names[read]
            for place, kind in enumerate(kinds):
                variables[f"{kind}_{name}"] = (("permutation", name), whole[place][:, read])
        return xr.Dataset(variables, coords=coordinates)


def read_out(fitted: Fitted, people: PreparedSubset) -> dict[tuple[str, str], np.ndarray]:
    """Return scores (instance,) by modality and kind of score."""
    return {
        (name, kind): values.astype(np.float32)
        for name, attribution in fitted.attributions(people).items()
        for kind, values in scores_of(attribution).items()
    }


def _stored(path: Path, reads: Sequence[str], progress: Progress) -> xr.Dataset | None:
    if not path.is_file():
        return None
    try:
        return read_dataset(path, null_schema(reads))
    except GendmrError:
        path.unlink()
        progress(f"{path.name} is damaged: made again")
        return None


def _joined(parts: Sequence[xr.Dataset], reads: Sequence[str]) -> xr.Dataset:
    """Join parts of the null; an instance that a part did not read has a score of 0 in it."""
    import xarray as xr

    numbers = np.concatenate([part["permutation"].values for part in parts])
    variables, coordinates = {}, {"permutation": numbers}
    for name in reads:
        with_it = [part for part in parts if name in part.coords]
        if not with_it:
            continue
        names = np.unique(np.concatenate([part[name].values.astype(object) for part in with_it]))
        coordinates[name] = names
        for kind in KINDS:
            if not all(f"{kind}_{name}" in part for part in with_it):
                continue
            whole = np.zeros((len(numbers), len(names)), dtype=np.float32)
            start = 0
            for part in parts:
                stop = start + part.sizes["permutation"]
                if name in part.coords:
                    columns = np.searchsorted(names, part[name].values.astype(object))
                    whole[start:stop, columns] = part[f"{kind}_{name}"].values
                start = stop
            variables[f"{kind}_{name}"] = (("permutation", name), whole)
    return xr.Dataset(variables, coords=coordinates)
