"""A small cohort of volumes with lesions, from files of slices to folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.cohort.splits import split_folds
from gendmr.config.lesions import LesionsSection
from gendmr.config.study import Study
from gendmr.files.tables import write_table
from gendmr.lesions.collect import collect_lesions

CHANNELS = ["pre", "flair", "post"]
SIDE, SLICES = 32, 8


def volume(number: int, side: int = SIDE, slices: int = SLICES) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (channel, slice, row, column) and its mask: a bright ball in FLAIR.

    Sizes differ between people; every fourth person's channels are all copies of FLAIR.
    """
    random = np.random.default_rng(number)
    level = 40 + 15 * (number % 3)  # as hospitals differ
    image = random.normal(level, 6, (3, slices, side, side))
    centre = np.array([slices / 2, side * random.uniform(0.35, 0.65), side * 0.5])
    radius = side * (0.1 + 0.04 * (number % 5))
    distance = np.sqrt(
        sum(
            ((grid - middle) * scale) ** 2
            for grid, middle, scale in zip(
                np.indices((slices, side, side)), centre, (side / slices, 1, 1), strict=True
            )
        )
    )
    mask = distance < radius
    image[1][mask] += 60
    if number % 4 == 3:
        image[0] = image[2] = image[1]
    return np.clip(image, 0, 255).astype(np.uint8), mask.astype(np.uint8)


def write_slices(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """Write a person's slices as the LGG set has them."""
    (folder / name).mkdir(parents=True)
    for place in range(len(mask)):
        stem = f"{folder / name / name}_{place + 1}"
        pixels = np.moveaxis(image[:, place], 0, -1).copy()
        tifffile.imwrite(f"{stem}.tif", pixels, photometric="rgb")
        tifffile.imwrite(f"{stem}_mask.tif", mask[place] * 255)


def study(folder: Path, methods: dict[str, Any], **more: Any) -> Study:
    """Return a study of such volumes in a folder, where `make` put them."""
    return Study.parse(
        {
            "study": "lesions",
            "seed": 4,
            "lesions": {
                "tif": str(folder / "tif"),
                "channels": CHANNELS,
                "reference": "flair",
                **more.get("lesions", {}),
            },
            "modalities": {"slice": {"side": 32, **more.get("slice", {})}},
            "cohort": {
                "participants": str(folder / "participants.tsv"),
                "covariates": [],
                "outcomes": {"tumour": {"kind": "segmentation"}},
                "folds": 3,
            },
            "training": {"methods": methods, "optimisation": more.get("optimisation", {})},
        }
    )


def write_people(folder: Path, people: int = 12, **more: Any) -> None:
    """Write slices and participants.tsv."""
    names = [f"p{number:02}" for number in range(people)]
    for number, name in enumerate(names):
        write_slices(folder / "tif", name, *volume(number, **more))
    write_table(folder / "participants.tsv", pd.DataFrame({"participant_id": names}))


def make(folder: Path, lesion_study: Study) -> Path:
    """Run the stages `lesions` and `cohort` of a study; return the folder of the cohort."""
    assert isinstance(lesion_study.lesions, LesionsSection)
    results = folder / "results"
    collect_lesions(lesion_study.lesions, results / "lesions")
    sections = lesion_study.modality_sections()
    sources = {name: section.sources(str(results)) for name, section in sections.items()}
    cohort = results / "cohort"
    join_people(sources, sections, lesion_study.cohort, cohort)
    for name, section in sections.items():
        collect_modality(
            name, sources[name], section, cohort / "participants.tsv", lesion_study.cohort,
            cohort / f"{name}.nc",
        )  # fmt: skip
    split_folds(
        cohort / "participants.tsv", lesion_study.cohort, lesion_study.seed, cohort / "splits.tsv"
    )
    return cohort
