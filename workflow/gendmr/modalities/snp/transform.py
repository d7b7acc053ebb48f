"""Genotypes within a fold: components, selection and scale, by the training people alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

import numpy as np
import pandas as pd

from gendmr.config.modalities.base import ModalitySection
from gendmr.config.modalities.snp import SnpSection
from gendmr.modalities.snp.modality import NO_DISTANCE
from gendmr.modalities.snp.selection import Candidates, GenotypeCounts, exclude
from gendmr.modalities.subset import Subset
from gendmr.statistics.association import mean_dosage
from gendmr.statistics.components import Components
from gendmr.statistics.genotypes import PackedGenotypes
from gendmr.statistics.hardy_weinberg import genotype_counts
from gendmr.tasks.base import Outcome, Task

NAME = "snp"
T = TypeVar("T")


@dataclass(frozen=True)
class SnpTransform:
    """What training people decide about genotypes: see `gendmr.modalities.base.Transform`.

    Parameters
    ----------
    snps : DataFrame
        SNPs of the cohort; `distance` is NaN where no gene is near.
    typed : bool (training person,)
        Who has genotypes.
    components : Components
        Of ancestry.
    covariates : float64 (typed, covariate)
        Covariates and components of the training people with genotypes.
    candidates : Candidates, optional
        None in what `portable` returns.
    scores : dict of str to (participants, float64 (person, component))
        Components of a role's people, computed once.
    packed : dict of str to (participants, PackedGenotypes)
        Candidates of a role's people who have genotypes, where many outcomes will ask for them.
    columns, counts, mean_dosage, scale_dosage
        Selected SNPs, after `condition`.
    """

    snps: pd.DataFrame
    typed: np.ndarray
    components: Components
    covariates: np.ndarray
    candidates: Candidates | None
    notes: list[str]
    scores: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    packed: dict[str, tuple[np.ndarray, PackedGenotypes]] = field(default_factory=dict)
    columns: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    counts: Mapping[str, int] = field(default_factory=dict)
    mean_dosage: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale_dosage: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def fit(cls, train: Subset, section: ModalitySection, covariates: np.ndarray) -> Self:
        """Find components and candidates; see `Transform.fit`."""
        if not isinstance(section, SnpSection):
            raise TypeError(f"a section {type(section).__name__}, not SnpSection")
        train.require("train")
        notes: list[str] = []
        snps = train.instances(NAME)
        snps["distance"] = np.where(
            snps["distance"] == NO_DISTANCE, np.nan, snps["distance"].astype(np.float64)
        )
        typed = train.having(NAME)
        carriers = _carriers(typed, len(snps))

        def read(columns: np.ndarray) -> np.ndarray:
            return typed.array(NAME, "dosage", columns)

        components = Components.fit(
            carriers.mean,
            read,
            len(typed),
            snps["chromosome"].to_numpy(),
            snps["position"].to_numpy(dtype=np.int64),
            count=section.components,
            r2=section.component_r2,
            variants=section.component_variants,
        )
        count = components.loadings.shape[1]
        if count < section.components:
            notes.append(
                f"Only {count} of {section.components} ancestry components exist in the"
                f" {len(typed)} training people with genotypes."
            )
        genotyped = train.present[NAME]
        scores = components.apply(read(components.columns))
        excluded = exclude(snps, section.exclude, notes)
        candidates = Candidates.find(
            snps,
            carriers,
            lambda columns: _pack(typed, columns),
            section.selection,
            excluded,
            section.override,
        )
        return cls(
            snps=snps,
            typed=genotyped,
            components=components,
            covariates=np.column_stack([covariates[genotyped], scores]),
            candidates=candidates,
            notes=notes,
            packed={"train": (train.participants, candidates.genotypes)},
        )

    def abs_z(self, outcomes: Sequence[Outcome], task: Task) -> np.ndarray | None:
        """Return |z| of all candidates, float32 (candidate, outcome), where it is asked for.

        Of several phenotypes of an outcome (one a class) the largest |z| counts.
        """
        if not self._candidates.by_association:
            return None
        phenotypes = [
            task.phenotypes(outcome.take(self.typed), self.covariates) for outcome in outcomes
        ]
        z = np.abs(
            self._candidates.genotypes.associate(np.column_stack(phenotypes), self.covariates)
        )
        width = phenotypes[0].shape[1]
        if width == 1:
            return np.asarray(z)
        return np.asarray(z.reshape(len(z), len(outcomes), width).max(axis=2))

    def condition(self, outcome: Outcome, task: Task, strength: np.ndarray | None) -> Self:
        """Select SNPs; see `Transform.condition`."""
        notes = list(self.notes)
        columns, counts = np.zeros(0, dtype=np.int64), {"available": 0, "selected": 0}
        if self.typed.any():
            reference = task.reference(outcome)[self.typed]
            selection = self._candidates.select(reference, strength)
            columns, counts = selection.columns, selection.counts
        if not columns.size:
            notes.append(
                "No SNP is left after selection: the bag of SNPs has no instance and is masked for"
                f" everybody ({int(self.typed.sum())} training people have genotypes)."
            )
        dosage = self._candidates.genotypes.dosage(self._places(columns))
        mean = mean_dosage(dosage)
        filled = np.where(dosage < 0, mean, dosage)
        scale = filled.std(axis=0) if len(dosage) else np.ones(columns.size)
        return replace(
            self,
            notes=notes,
            columns=columns,
            counts=counts,
            mean_dosage=mean,
            scale_dosage=np.where(scale > 0, scale, 1.0),
        )

    @property
    def instances(self) -> pd.DataFrame:
        """Selected SNPs."""
        return self.snps.iloc[self.columns].reset_index(drop=True)

    def adjustment(self, subset: Subset) -> np.ndarray:
        """Return the ancestry components, float64 (person, component); 0 without genotypes."""
        scores = _of_these(self.scores, subset)
        if scores is None:
            scores = np.zeros((len(subset), self.components.loadings.shape[1]))
            genotyped = subset.present[NAME]
            typed = subset.having(NAME)
            scores[genotyped] = self.components.apply(
                typed.array(NAME, "dosage", self.components.columns)
            )
            self.scores[subset.role] = subset.participants, scores
        return scores

    @property
    def adjustment_names(self) -> list[str]:
        """Names of the columns of `adjustment`."""
        return [f"PC{number + 1}" for number in range(self.components.loadings.shape[1])]

    def keep(self, subset: Subset) -> None:
        """Keep a role's genotypes packed: many selections will ask for them."""
        if _of_these(self.packed, subset) is None:
            packed = _pack(subset.having(NAME), self._candidates.columns)
            self.packed[subset.role] = subset.participants, packed

    def present(self, subset: Subset) -> np.ndarray:
        """Return who has genotypes, bool (person,); nobody where no SNP is selected."""
        return np.asarray(subset.present[NAME] & (self.columns.size > 0))

    def apply(self, subset: Subset) -> np.ndarray:
        """Return dosages of the selected SNPs, int8 (person, snp), -1 missing."""
        genotyped = subset.present[NAME]
        packed = _of_these(self.packed, subset)
        if packed is None:
            return subset.array(NAME, "dosage", self.columns)
        dosage = np.full((len(subset), self.columns.size), -1, dtype=np.int8)
        dosage[genotyped] = packed.dosage(self._places(self.columns))
        return dosage

    def design(self, values: np.ndarray) -> np.ndarray:
        """Return dosages in SDs of the training people, float64 (person, snp, 1); missing is 0."""
        centred = (values - self.mean_dosage) / self.scale_dosage
        return np.where(values < 0, 0.0, centred)[:, :, None]

    def beyond(self, subset: Subset) -> dict[str, np.ndarray]:
        """Return nothing: a genotype is one of three."""
        return {}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what was fitted, by name."""
        return {
            "mean": self.mean_dosage,
            "scale": self.scale_dosage,
            "component_variant": self.components.columns,
            "component_mean": self.components.mean,
            "component_scale": self.components.scale,
            "component_loading": self.components.loadings,
        }

    @property
    def axis(self) -> pd.DataFrame:
        """SNPs of the cohort; those of `portable` with `mean_dosage` of the training people."""
        return self.snps

    def portable(self) -> Self:
        """Return the same with SNPs that are read alone, and without training people."""
        read = np.union1d(self.columns, self.components.columns)
        snps = self.snps.iloc[read].reset_index(drop=True)
        columns, of_components = (
            np.searchsorted(read, places) for places in (self.columns, self.components.columns)
        )
        mean = np.full(len(read), np.nan)
        mean[of_components] = self.components.mean
        mean[columns] = self.mean_dosage
        return replace(
            self,
            snps=snps.assign(mean_dosage=mean),
            typed=np.zeros(0, dtype=bool),
            components=replace(self.components, columns=of_components),
            covariates=self.covariates[:0],
            candidates=None,
            scores={},
            packed={},
            columns=columns,
        )

    @property
    def _candidates(self) -> Candidates:
        """What SNPs are selected from."""
        if self.candidates is None:
            raise RuntimeError("a portable transform selects nothing")
        return self.candidates

    def _places(self, columns: np.ndarray) -> np.ndarray:
        """Return the places of SNPs among the candidates."""
        return np.searchsorted(self._candidates.columns, columns)


def _of_these(stored: Mapping[str, tuple[np.ndarray, T]], subset: Subset) -> T | None:
    """Return what is kept of a role, if it is of just these people."""
    if subset.role not in stored:
        return None
    people, value = stored[subset.role]
    return value if np.array_equal(people, subset.participants) else None


def _carriers(typed: Subset, snps: int) -> GenotypeCounts:
    counts = np.zeros((snps, 3), dtype=np.int32)
    if len(typed):
        for start, dosage in typed.blocks(NAME, "dosage"):
            counts[start : start + dosage.shape[1]] = genotype_counts(dosage)
    return GenotypeCounts(counts, len(typed))


def _pack(typed: Subset, columns: np.ndarray) -> PackedGenotypes:
    """Pack the genotypes of people who have them at some SNPs, which are sorted."""

    def chosen() -> Iterator[np.ndarray]:
        for start, dosage in typed.blocks(NAME, "dosage"):
            first, last = np.searchsorted(columns, [start, start + dosage.shape[1]])
            yield dosage[:, columns[first:last] - start]

    return PackedGenotypes.collect(chosen() if len(typed) else (), len(typed))


TRANSFORM = SnpTransform
