"""What simulated lesions show, and what their genes know, found without a network.

Half of the people fit a few numbers (a threshold, ridge regressions), the other half is judged:

- how well a threshold finds the visible part of the lesion, and with it the mask;
- what genes add to the mask, where they say how far it reaches beyond what is seen;
- how well each planted factor is read from the image and from genes;
- how often a person is found among others by what image and genes say of the visible factors.

Nothing of the truth is used but to fit and to judge. A study in which the threshold fails does
not show what it is meant to show, whatever a network makes of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import (
    binary_fill_holes,
    center_of_mass,
    distance_transform_edt,
    gaussian_filter,
    label,
)

from gendmr.config.lesions import LesionsSection
from gendmr.config.simulated_lesions import SimulatedLesionsSection
from gendmr.lesions.channels import normalisation_of
from gendmr.lesions.people import find_people
from gendmr.lesions.volume import read_person
from gendmr.simulate.lesion_names import IMAGES, MASKS, SIMULATED_CHANNEL
from gendmr.simulate.lesions import DISTANCE, FACTORS, FIELD, HEAD, places_of
from gendmr.tasks.segmentation.measures import dice

PERCENTILES = [10.0, 99.9]  # of a volume: the smallest lesions are less than 1 % of it
SMOOTHING = 0.7  # SD, pixels within a slice
THRESHOLDS = np.linspace(1.05, 1.6, 12)  # of intensity over that of the brain
REACHES = np.arange(0.0, 31.0)  # mm beyond what is seen
PENALTY = 30.0  # of a ridge regression, in people
GROUP = 34  # people among whom one is found: as many as a fold of the benchmark holds out


@dataclass(frozen=True)
class LesionCohort:
    """A simulated cohort as a reader has it.

    Parameters
    ----------
    intensity : float64 (person, slice, row, column)
        As the stage `lesions` clips it, over the median of the brain.
    mask : bool (person, slice, row, column)
    levels : float64 (person, gene)
    factors : float64 (person, factor)
        Those of the lesions.
    core : bool (person, slice, row, column)
        The visible ball with its dark centre, from the truth.
    """

    intensity: np.ndarray
    mask: np.ndarray
    levels: np.ndarray
    factors: np.ndarray
    core: np.ndarray

    @classmethod
    def read(cls, folder: Path, section: LesionsSection) -> LesionCohort:
        """Read the files of `simulate_lesions`."""
        truth = json.loads((folder / "truth.json").read_text())
        files = find_people(section)
        intensity, mask = [], []
        for person in truth["participants"]:
            raw = read_person(person, files[person], section)
            low, high = normalisation_of(raw.image, np.ones(1, dtype=bool), section)[0, :2]
            image = np.clip(raw.image[0], low, high).astype(np.float64)
            intensity.append(image / np.median(image[raw.image[0] > 0]))
            mask.append(raw.labels > 0)
        levels = pd.read_csv(folder / "expression.tsv", sep="\t", index_col=0)
        slices, side = mask[0].shape[:2]
        places = places_of(SimulatedLesionsSection(slices=slices, side=side))
        core = []
        for shape in truth["shapes"]:
            centre = np.reshape(shape["centre_mm"], (3, 1, 1, 1))
            core.append(((places - centre) ** 2).sum(axis=0) <= shape["core_mm"] ** 2)
        return cls(
            np.stack(intensity),
            np.stack(mask),
            levels[truth["participants"]].to_numpy().T,
            np.stack([truth["lesion_factors"][name] for name in FACTORS], axis=1),
            np.stack(core),
        )


def lesions_section(folder: Path | str) -> LesionsSection:
    """Return the section that reads a simulated cohort."""
    return LesionsSection.parse(
        {
            "nifti": f"{folder}/{IMAGES}",
            "masks": f"{folder}/{MASKS}",
            "channels": [SIMULATED_CHANNEL],
            "percentiles": PERCENTILES,
        },
        where="lesions",
    )


def oracle(cohort: LesionCohort) -> dict[str, float]:
    """Return what is found in the second half of the people by what was fitted in the first.

    Returns
    -------
    dict of str to float
        `core`: Dice of the threshold with the core; `images`: of what a threshold finds, widened
        by one distance for all, with the mask; `genes`: the same, widened by what genes say of each
        person; `image_<factor>`, `genes_<factor>`: correlations with the factor; `recall_1`: share
        of people whose image finds their genes first among `GROUP`, by the factors that the
        image shows; `chance_1`.
    """
    people = len(cohort.mask)
    train, test = np.arange(people // 2), np.arange(people // 2, people)
    smooth = gaussian_filter(cohort.intensity, (0, 0, SMOOTHING, SMOOTHING))
    segmented: dict[str, np.ndarray] = {}
    for name, wanted in (("core", cohort.core), ("mask", cohort.mask)):
        # Of the mask where the image shows it, of the core otherwise: what training people say.
        scores = [
            dices(
                np.stack([seen(smoothed, limit) for smoothed in smooth[train]]), wanted[train]
            ).mean()
            for limit in THRESHOLDS
        ]
        best = THRESHOLDS[int(np.argmax(scores))]
        segmented[name] = np.stack([seen(smoothed, best) for smoothed in smooth])
    result = {"core": dices(segmented["core"][test], cohort.core[test]).mean()}

    pixel = FIELD / cohort.mask.shape[-1]
    absent = ~segmented["mask"]
    beyond = np.stack(
        [
            distance_transform_edt(absent[person], sampling=(DISTANCE, pixel, pixel))
            for person in range(people)
        ]
    )
    # Dice of each person widened by each reach.
    by_reach = np.stack([dices(beyond <= reach, cohort.mask) for reach in REACHES], axis=1)
    common = int(by_reach[train].mean(axis=0).argmax())
    result["images"] = by_reach[test, common].mean()
    best_reach = REACHES[by_reach.argmax(axis=1)]
    predicted = ridge(cohort.levels, best_reach, train)
    near = np.clip(np.rint(predicted), 0, len(REACHES) - 1).astype(int)
    result["genes"] = by_reach[test, near[test]].mean()

    features = np.stack(
        [
            measures(smooth[person], segmented["core"][person], segmented["mask"][person])
            for person in range(people)
        ]
    )
    shown = np.hstack([features, features**2])
    image, gene = (
        np.stack([ridge(values, factor, train, penalty) for factor in cohort.factors.T], axis=1)
        for values, penalty in ((shown, 1.0), (cohort.levels, PENALTY))
    )
    for column, name in enumerate(FACTORS):
        for source, values in (("image", image), ("genes", gene)):
            result[f"{source}_{name}"] = correlation(
                values[test, column], cohort.factors[test, column]
            )
    visible = FACTORS[:-1]
    result |= recall(image[:, : len(visible)], gene[:, : len(visible)], train, test)
    return {name: float(value) for name, value in result.items()}


def seen(smooth: np.ndarray, limit: float) -> np.ndarray:
    """Return the largest part above a limit, with what it encloses, bool (slice, row, column)."""
    parts, count = label(smooth > limit)
    if not count:
        return np.zeros(smooth.shape, dtype=bool)
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return np.stack([binary_fill_holes(plane) for plane in largest])


def measures(smooth: np.ndarray, core: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return what is measured of a lesion, float64 (5,).

    Radius of the core, its brightness, its distance from the middle, share of a dark centre, and
    how far what is found as the mask reaches beyond it.

    Parameters
    ----------
    smooth : float64 (slice, row, column)
    core, whole : bool (slice, row, column)
        As a threshold finds them.
    """
    if not core.any() or not whole.any():
        return np.zeros(5)
    radius, reach = (np.sqrt(mask.sum(axis=(1, 2)).max()) for mask in (core, whole))
    values = smooth[core]
    bright = np.log(np.quantile(values, 0.8))
    middle = (np.array(core.shape[1:]) - 1) / 2
    away = (np.array(center_of_mass(core)[1:]) - middle) / np.array(core.shape[1:])
    depth = np.hypot(*(away / HEAD))
    dark = np.sqrt((values < 1.0).mean())
    return np.array([np.log(radius), bright, depth, dark, reach - radius])


def ridge(
    values: np.ndarray, wanted: np.ndarray, train: np.ndarray, penalty: float = PENALTY
) -> np.ndarray:
    """Return predictions of everybody by a ridge regression of training people, float64."""
    mean, spread = values[train].mean(axis=0), values[train].std(axis=0)
    unit = (values - mean) / np.where(spread > 0, spread, 1.0)
    level = wanted[train].mean()
    gram = unit[train].T @ unit[train] + penalty * np.eye(unit.shape[1])
    slopes = np.linalg.solve(gram, unit[train].T @ (wanted[train] - level))
    return np.asarray(level + unit @ slopes)


def recall(
    image: np.ndarray, gene: np.ndarray, train: np.ndarray, test: np.ndarray
) -> dict[str, float]:
    """Return how often images find their genes first, and chance.

    Both are brought to SD 1; factors are taken as independent, normal and as correlated as in the
    training people.
    """
    score = np.zeros((len(test), len(test)))
    for column in range(image.shape[1]):
        by_image, by_gene = (
            (values[:, column] - values[train, column].mean()) / values[train, column].std()
            for values in (image, gene)
        )
        # Shrunk: training people were fitted.
        r = np.clip(0.9 * correlation(by_image[train], by_gene[train]), 0.0, 0.95)
        product = by_image[test][:, None] * by_gene[test][None]
        squares = by_image[test][:, None] ** 2 + by_gene[test][None] ** 2
        score += (r * product - r**2 * squares / 2) / (1 - r**2)
    places = np.arange(len(test))
    groups = np.array_split(places, max(round(len(test) / GROUP), 1))
    first = [
        score[np.ix_(group, group)].argmax(axis=1) == np.arange(len(group)) for group in groups
    ]
    return {
        "recall_1": float(np.concatenate(first).mean()),
        "chance_1": len(groups) / len(test),
    }


def dices(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Dice of each person, float64 (person,)."""
    axes = (1, 2, 3)
    return np.asarray(dice((first & second).sum(axes), first.sum(axes), second.sum(axes)))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's, 0 where one is constant."""
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
