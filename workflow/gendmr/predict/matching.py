"""Whether a model and a cohort go together: builds, units, instances, people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from gendmr.config.modalities import SECTIONS
from gendmr.errors import ModelError, first_few
from gendmr.modalities import aligner_of, modality_of
from gendmr.modalities.alignment import FoundInstances
from gendmr.modalities.subset import Subset
from gendmr.predict.cohort import OtherCohort
from gendmr.preprocessing.prepared import PreparedSubset
from gendmr.training.model import FoldModel, checksum_of

TrainingPeople = Literal["refuse", "leave-out", "other-people"]
FAR_SHARE = 0.5  # of people, or of instances, that are far: no chance, but another unit
FAR_SD = 3.0


@dataclass(frozen=True)
class Matched:
    """A cohort as a model can read it.

    Parameters
    ----------
    alignments : dict of str to FoundInstances
        By modality.
    overlap : list of dict
        Rows of overlap.tsv.
    notes : list of str
    """

    alignments: dict[str, FoundInstances]
    overlap: list[dict[str, object]]
    notes: list[str]


def match(model: FoldModel, cohort: OtherCohort, least: float) -> Matched:
    """Find what a model reads in the files of a cohort.

    Parameters
    ----------
    model : FoldModel
    cohort : OtherCohort
    least : float
        Share of the instances of a modality that must be there.

    Raises
    ------
    ModelError
        Another genome build, too few instances, nobody with anything that the model reads.
    """
    alignments: dict[str, FoundInstances] = {}
    overlap: list[dict[str, object]] = []
    notes: list[str] = []
    reads = model.preparation.reads
    if reads and not any(cohort.present(name).any() for name in reads):
        raise ModelError(
            f"{cohort.folder}: nobody has {' or '.join(reads)}, which {model.method} reads",
            cause="the new cohort lacks these modalities",
            next_step="choose a method that reads what the new cohort has",
        )
    for name, transform in model.preparation.transforms.items():
        axis = transform.axis
        if not cohort.present(name).any():
            alignments[name] = FoundInstances(
                np.full(len(axis), -1, dtype=np.int64), np.zeros(len(axis), dtype=bool)
            )
            notes.append(
                f"Nobody of the new cohort has {modality_of(name).label}: {model.method} goes by"
                " the rest."
            )
            continue
        notes += _compare_attributes(model, cohort, name)
        if not SECTIONS[name].shared:
            alignments[name] = FoundInstances(np.arange(len(axis)), np.zeros(len(axis), dtype=bool))
            continue
        alignments[name] = _aligned(cohort, name, axis)
        overlap += _overlap(model, name, alignments[name], axis)
    insufficient = [row for row in overlap if float(str(row["share"])) < least]
    if insufficient:
        listed = [
            f"{row['matched']} of {row['instances']} {row['modality']} ({row['use']})"
            for row in insufficient
        ]
        raise ModelError(
            f"{cohort.folder}: too little of what {model.method} reads is there: "
            + "; ".join(listed),
            cause="another array, thresholds that removed them in the new cohort, another atlas,"
            " or names and places of another build",
            next_step="relax genotypes.maf and the like of the new cohort, impute it, or take less"
            " with --overlap",
        )
    return Matched(alignments, overlap, notes)


def _aligned(cohort: OtherCohort, name: str, axis: pd.DataFrame) -> FoundInstances:
    reader = cohort.reader(name)
    everybody = np.flatnonzero(cohort.present(name))
    main = modality_of(name).main

    def mean(places: np.ndarray) -> np.ndarray:
        values = reader.array(main, everybody, places).astype(np.float64)
        has_value = values >= 0
        with np.errstate(invalid="ignore"):
            total = np.where(has_value, values, 0).sum(axis=0)
            return np.asarray(
                total / np.where(has_value.any(axis=0), has_value.sum(axis=0), np.nan)
            )

    further_columns = [column for column in axis if column != name]
    alignment: FoundInstances = aligner_of(name)(
        axis[[name, *further_columns]], reader.instances, mean
    )
    return alignment


def _overlap(
    model: FoldModel, name: str, alignment: FoundInstances, axis: pd.DataFrame
) -> list[dict[str, object]]:
    """Return rows of overlap.tsv: of what a method reads, and of what it is only adjusted by."""
    is_read = np.zeros(len(axis), dtype=bool)
    is_read[model.preparation.transforms[name].columns] = True
    uses = {"read": is_read, "adjustment": ~is_read}
    if name not in model.preparation.reads:
        uses = {"adjustment": np.ones(len(axis), dtype=bool)}
    rows: list[dict[str, object]] = []
    for use, inside in uses.items():
        if not inside.any():
            continue
        matched = alignment.matched & inside
        rows.append(
            {
                "method": model.method,
                "repeat": model.repeat,
                "fold": model.fold,
                "modality": name,
                "use": use,
                "instances": int(inside.sum()),
                "matched": int(matched.sum()),
                "missing": int((inside & ~matched).sum()),
                "share": round(float(matched.sum() / inside.sum()), 4),
                "flipped": int((alignment.reflected & inside).sum()),
                "other_strand": alignment.counts.get("other_strand", 0),
                "other_alleles": alignment.counts.get("other_alleles", 0),
                "ambiguous": alignment.counts.get("ambiguous", 0),
            }
        )
    return rows


def _compare_attributes(model: FoldModel, cohort: OtherCohort, name: str) -> list[str]:
    """Refuse files that cannot be compared; return notes on what differs besides."""
    modality, notes = modality_of(name), []
    trained, offered = model.attributes.get(name, {}), cohort.reader(name).attributes
    for attribute in sorted(trained.keys() & offered.keys()):
        first, second = trained[attribute], offered[attribute]
        if first == second or not first or not second:
            continue
        if attribute in modality.agreeing:
            raise ModelError(
                f"{cohort.folder / f'{name}.nc'}: {attribute} {second}, and {model.method} was"
                f" trained on {attribute} {first}",
                cause=f"the {modality.label} of the two cohorts cannot be compared as they are",
                next_step=modality.agreeing[attribute],
            )
        notes.append(
            f"{modality.label}: {attribute} is {second}, and was {first} where {model.method} was"
            " trained."
        )
    return notes


def known_people(models: Sequence[FoldModel], cohort: OtherCohort) -> list[str]:
    """Return the people of a cohort on whom one of the models was trained or validated."""
    checksums = frozenset().union(*(model.known for model in models))
    return [str(name) for name in cohort.participants if checksum_of(str(name)) in checksums]


def without_known(
    models: Sequence[FoldModel], cohort: OtherCohort, training_people: TrainingPeople
) -> tuple[OtherCohort, list[str]]:
    """Return the cohort without people of the training set, and notes.

    Raises
    ------
    ModelError
        There are such people, and `training_people` is `refuse`; or nobody is left.
    """
    shared = known_people(models, cohort)
    if not shared:
        return cohort, []
    method = models[0].method
    if training_people == "other-people":
        return cohort, [
            f"{len(shared)} people have identifiers of people on whom {method} was trained; they"
            " were declared to be others."
        ]
    if training_people == "refuse":
        raise ModelError(
            f"{method} was trained on {len(shared)} of {len(cohort)} people: {first_few(shared)}",
            cause="the cohorts overlap, or name different people alike",
            next_step="leave them out with --known leave-out; if they are different people, say so"
            " with --known other-people",
        )
    if len(shared) == len(cohort):
        raise ModelError(
            f"{method} was trained on all {len(shared)} people: nobody is left",
            cause="the cohort is the one that the study was trained on",
            next_step="name another cohort, or one fold with --fold: its held-out people are left",
        )
    return cohort.without(shared), [
        f"{len(shared)} people on whom {method} was trained are left out: {first_few(shared)}."
    ]


def check_range(model: FoldModel, subset: Subset, people: PreparedSubset) -> None:
    """Refuse measurements of which most lie far from what training people have.

    Parameters
    ----------
    model : FoldModel
    subset : Subset
    people : PreparedSubset
        The same, prepared by the model.

    Raises
    ------
    ModelError
        More than half of the people have a value beyond the limits of a modality, or the median
        person is more than `FAR_SD` SDs from the training mean in more than half of its instances.
    """
    for name, transform in model.preparation.transforms.items():
        having = subset.present[name]
        if not having.any() or not SECTIONS[name].shared:
            continue
        deviations = [
            f"{int((is_beyond & having).sum())} of {int(having.sum())} people have values beyond"
            f" all limits ({measure})"
            for measure, is_beyond in transform.beyond(subset).items()
            if (is_beyond & having).sum() > FAR_SHARE * having.sum()
        ]
        if name in people.values:
            design = model.preparation.design(people.take(having), name)
            centre = np.abs(np.median(design, axis=0))  # (instance, measure)
            far = int((centre > FAR_SD).any(axis=1).sum())
            if far > FAR_SHARE * len(centre):
                deviations.append(
                    f"the median person is more than {FAR_SD:g} SDs from the training mean in {far}"
                    f" of {len(centre)} {modality_of(name).instance}s"
                )
        if deviations:
            raise ModelError(
                f"{subset.path(name)}: {modality_of(name).label} are far from those of the training"
                f" people: {'; '.join(deviations)}",
                cause="another unit (cm3 for mm3), or measurements of another kind or program",
                next_step="bring measurements in the unit and of the program of the training"
                " cohort",
            )
