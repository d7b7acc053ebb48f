"""Masks of gliomas: methods on the LGG set in folds by patient, with processor time.

Writes the set's images in the layout of its source, runs the stages `lesions` and `cohort`, and
trains folds in this process::

    python benchmarks/lgg.py SET OUTPUT --folds 0 1 --side 96

SET is a folder with `patients/*.npz` (`image` [channel, slice, row, column], `mask`, `z`). Prints a
row for each method and fold: mean Dice of held-out patients, and processor seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.cohort.splits import split_folds
from gendmr.config.study import Study
from gendmr.files.tables import write_table
from gendmr.lesions.collect import collect_lesions
from gendmr.training.fold import train_fold

CHANNELS = ["pre", "flair", "post"]
FLAIR = {"slice": {"channels": ["flair"]}}


def write_source(data: Path, folder: Path) -> None:
    """Write the images as their source has them, and participants.tsv."""
    people = []
    for path in sorted((data / "patients").glob("*.npz")):
        people.append("-".join(path.stem.split("_")[:3]))
        if (folder / "tif" / path.stem).is_dir():
            continue
        with np.load(path, allow_pickle=False) as stored:
            image, mask, numbers = stored["image"], stored["mask"], stored["z"]
        (folder / "tif" / path.stem).mkdir(parents=True)
        for place, number in enumerate(numbers):
            stem = f"{folder / 'tif' / path.stem / path.stem}_{number}"
            pixels = np.moveaxis(image[:, place], 0, -1).copy()
            tifffile.imwrite(f"{stem}.tif", pixels, photometric="rgb")
            tifffile.imwrite(f"{stem}_mask.tif", mask[place] * 255)
    hospitals = [name.split("-")[1] for name in people]
    table = pd.DataFrame({"participant_id": people, "hospital": hospitals})
    write_table(folder / "participants.tsv", table)


def study_of(folder: Path, side: int, methods: dict[str, Any]) -> Study:
    """Return the study of the set."""
    return Study.parse(
        {
            "study": "lgg",
            "seed": 1,
            "lesions": {"tif": str(folder / "tif"), "channels": CHANNELS, "reference": "flair"},
            "modalities": {"slice": {"side": side}},
            "cohort": {
                "participants": str(folder / "participants.tsv"),
                "covariates": [],
                "outcomes": {"tumour": {"kind": "segmentation"}},
                "folds": 5,
            },
            "training": {"methods": methods},
        }
    )


def make(folder: Path, study: Study, side: int) -> Path:
    """Run the stages `lesions` and `cohort`; return the folder of the cohort."""
    assert study.lesions is not None
    if not (folder / "lesions" / "summary.json").is_file():
        collect_lesions(study.lesions, folder / "lesions")
    cohort = folder / f"cohort-{side}"
    if (cohort / "splits.tsv").is_file():
        return cohort
    sections = study.modality_sections()
    sources = {name: section.sources(str(folder)) for name, section in sections.items()}
    join_people(sources, sections, study.cohort, cohort)
    for name, section in sections.items():
        people, output = cohort / "participants.tsv", cohort / f"{name}.nc"
        collect_modality(name, sources[name], section, people, study.cohort, output)
    split_folds(cohort / "participants.tsv", study.cohort, study.seed, cohort / "splits.tsv")
    return cohort


def main() -> None:
    """Train the folds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=["threshold", "unet-flair"])
    parser.add_argument("--options", default="{}", help="options of the networks, JSON")
    arguments = parser.parse_args()
    network = {"kind": "unet", **json.loads(arguments.options)}
    methods = {
        "threshold": {"kind": "threshold", "channel": "flair"},
        "unet": network,
        "unet-flair": {**network, "modality_options": FLAIR},
        "unetr-flair": {**network, "architecture": "unetr", "modality_options": FLAIR},
    }
    write_source(arguments.data, arguments.output)
    study = study_of(arguments.output, arguments.side, methods)
    cohort = make(arguments.output, study, arguments.side)
    for name in arguments.methods:
        for fold in arguments.folds:
            start = time.process_time()
            training = arguments.output / f"training-{arguments.side}"
            folder = training / name / "repeat-0" / f"fold-{fold}"
            train_fold(
                cohort,
                folder,
                method=name,
                repeat=0,
                fold=fold,
                options=study.method_options(name),
                seed=study.seed,
                device="cpu",
                checkpoint_every=1000,
                progress=lambda line: print(f"  {line}", flush=True),
            )
            seconds = time.process_time() - start
            rows = pd.read_csv(folder / "predictions.tsv", sep="\t")
            rows = rows[rows["set"] == "held-out"]
            dice_text = " ".join(
                f"{who[-7:]} {dice:.3f}"
                for who, dice in zip(rows["participant_id"], rows["dice"], strict=True)
            )
            print(
                f"{name} fold {fold}: Dice {rows['dice'].mean():.3f} {seconds:.0f} s: {dice_text}"
            )


if __name__ == "__main__":
    main()
