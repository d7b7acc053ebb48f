"""Attention MIL of this package on classical sets of bags, against published accuracies.

    python benchmarks/mil.py DATA [--sets musk1 tiger elephant] [--repeats 2]

DATA is a folder with `<set>.npz`: `X` (instance, feature), `bag` (instance,), `y` (bag,). Each bag
is a person of a study whose slides have one patch per instance: stage, modality, method and folds
are those of a study of slides (10 folds, stratified). Published accuracies of attention MIL (Ilse
et al. 2018, ICML) are rounded and second-hand.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np
import pandas as pd

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.cohort.splits import split_folds
from gendmr.config.study import Study
from gendmr.files.tables import write_table
from gendmr.histology.collect import collect_slides
from gendmr.statistics.classification import auc
from gendmr.training.fold import train_fold

PUBLISHED = {"musk1": 0.89, "tiger": 0.84, "elephant": 0.87}  # accuracy
FOLDS = 10


def prepare(data: Path, folder: Path, repeats: int) -> Study:
    """Write the bags as slides, and run the stages before training."""
    with np.load(data, allow_pickle=False) as stored:
        features, bag, label = stored["X"], stored["bag"], stored["y"]
    people = [f"B{number:03d}" for number in range(len(label))]
    (folder / "features").mkdir(parents=True)
    for number, person in enumerate(people):
        with h5py.File(folder / "features" / f"{person}.h5", "w") as stored:
            stored["features"] = features[bag == number].astype(np.float32)
    write_table(folder / "slides.tsv", pd.DataFrame({"participant_id": people, "slide_id": people}))
    write_table(
        folder / "participants.tsv",
        pd.DataFrame({"participant_id": people, "diagnosis": np.where(label > 0, "yes", "no")}),
    )
    side = max(int(np.ceil(np.sqrt(np.bincount(bag).max()))), 4)
    study = Study.parse(
        {
            "study": "mil",
            "seed": 1,
            "histology": {
                "slides": str(folder / "slides.tsv"),
                "folder": str(folder / "features"),
                "side": side,
                "bag": "pad",
            },
            "cohort": {
                "participants": str(folder / "participants.tsv"),
                "outcomes": {"diagnosis": {"kind": "binary", "case": ["yes"], "control": ["no"]}},
                "covariates": [],
                "categorical": [],
                "folds": FOLDS,
                "repeats": repeats,
            },
            "training": {
                "covariates": [],
                "methods": {"mil": {"kind": "mil", "optimisation": {"weight_decay": 0.05}}},
            },
        }
    )
    if study.histology is None:
        raise SystemExit("the study has no histology")
    collect_slides(study.histology, folder / "histology")
    sections = study.modality_sections()
    sources = {name: section.sources(str(folder)) for name, section in sections.items()}
    join_people(sources, sections, study.cohort, folder / "cohort")
    table = folder / "cohort" / "participants.tsv"
    collect_modality(
        "patch",
        sources["patch"],
        sections["patch"],
        str(table),
        study.cohort,
        folder / "cohort" / "patch.nc",
    )
    split_folds(table, study.cohort, study.seed, folder / "cohort" / "splits.tsv")
    return study


def judge(folder: Path, study: Study, repeats: int) -> tuple[float, float, float]:
    """Return the mean accuracy over folds, its SD over repeats, and the mean AUC of a repeat."""
    accuracies, areas = [], []
    for repeat in range(repeats):
        rows = []
        for fold in range(FOLDS):
            output = folder / "training" / "mil" / f"repeat-{repeat}" / f"fold-{fold}"
            train_fold(
                folder / "cohort",
                output,
                method="mil",
                repeat=repeat,
                fold=fold,
                options=study.method_options("mil"),
                seed=study.seed,
                device="cpu",
            )
            table = pd.read_csv(output / "predictions.tsv", sep="\t")
            rows.append(table[table["set"] == "held-out"])
        everybody = pd.concat(rows)
        accuracies.append(
            np.mean(
                [
                    (predictions["observed"] == predictions["predicted"]).mean()
                    for predictions in rows
                ]
            )
        )
        areas.append(auc(everybody["observed"].to_numpy(int), everybody["score"].to_numpy()))
    return float(np.mean(accuracies)), float(np.std(accuracies)), float(np.mean(areas))


def main() -> None:
    """Print a row for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(PUBLISHED))
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    print("set\taccuracy\tsd_of_repeats\tauc\tpublished_accuracy")
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as folder:
            study = prepare(arguments.data / f"{name}.npz", Path(folder), arguments.repeats)
            accuracy, spread, area = judge(Path(folder), study, arguments.repeats)
        print(
            f"{name}\t{accuracy:.3f}\t{spread:.3f}\t{area:.3f}\t{PUBLISHED[name]:.2f}", flush=True
        )


if __name__ == "__main__":
    main()
