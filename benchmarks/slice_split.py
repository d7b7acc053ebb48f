"""What a split by slices in place of patients does to Dice: the same network, the same slices.

    python benchmarks/lgg.py SET OUTPUT --side 64 --methods unet-flair --options OPTIONS
    python benchmarks/slice_split.py OUTPUT --side 64 --options OPTIONS

The first trains five folds by patient. The second deals each patient's slices at random to five
parts and trains five folds of these, so that slices of one patient stand on both sides, as in
public code for this set; volumes are normalised as before. Both predict every slice once, and Dice
of a volume is counted from all slices of the patient.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.files.atomic import write_json
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import write_table
from gendmr.modalities.slice.modality import SCHEMA
from gendmr.modalities.store import write_modality
from gendmr.training.fold import train_fold
from lgg import FLAIR, study_of

PARTS, SEED = 5, 1


def write_parts(cohort: Path, folder: Path) -> None:
    """Write a cohort whose people are parts of patients: some of their slices each."""
    random = np.random.default_rng(SEED)
    dataset = read_dataset(cohort / "slice.nc", SCHEMA)
    names: list[str] = []
    parts: list[dict[str, np.ndarray]] = []
    voxels: list[float] = []
    for person, name in enumerate(dataset["participant"].values.tolist()):
        count = int((dataset["slice_number"].values[person] >= 0).sum())
        for part, places in enumerate(np.array_split(random.permutation(count), PARTS)):
            part_data = dataset.isel(participant=[person], slice=np.sort(places))
            parts.append(
                {
                    key: part_data[key].values[0]
                    for key in SCHEMA
                    if "participant" in part_data[key].dims
                }
            )
            voxels.append(float((parts[-1]["mask"] == 1).sum()))
            names.append(f"{name}-part{part}")
    most = max(len(stored["mask"]) for stored in parts)
    stacked = dataset.isel(participant=np.zeros(len(parts), int), slice=np.arange(most)).copy()
    stacked = stacked.assign_coords(participant=np.array(names, dtype=object))
    for key, missing in (("image", np.nan), ("mask", -1), ("slice_number", -1)):
        values = np.full(stacked[key].shape, missing, dtype=stacked[key].dtype)
        for row, arrays in enumerate(parts):
            values[row, : len(arrays[key])] = arrays[key]
        stacked[key] = (stacked[key].dims, values)
    for key in ("channel_known", "voxel_size", "affine"):
        stacked[key] = (stacked[key].dims, np.stack([stored[key] for stored in parts]))
    folder.mkdir(parents=True, exist_ok=True)
    write_modality(folder / "slice.nc", stacked, "slice")
    table = pd.DataFrame({"participant_id": names, "tumour_voxels": voxels, "family": names})
    write_table(folder / "participants.tsv", table.assign(has_slice=True))
    write_json(folder / "participants.json", {})
    number = np.array([int(name[-1]) for name in names])
    splits = pd.DataFrame({"participant_id": names, "repeat": 0, "fold": number})
    for fold in range(PARTS):
        role = np.where(number == fold, "held-out", "train").astype(object)
        # Validation must be there, and stops nothing: the last epoch is kept.
        role[np.flatnonzero(role == "train")[::10]] = "validation"
        splits[f"inner_{fold}"] = role
    write_table(folder / "splits.tsv", splits)


def rows_of(folder: Path) -> pd.DataFrame:
    """Return held-out rows of all folds."""
    tables = [
        pd.read_csv(path, sep="\t") for path in folder.glob("repeat-0/fold-*/predictions.tsv")
    ]
    rows = pd.concat(tables, ignore_index=True)
    return rows[rows["set"] == "held-out"]


def describe(words: str, rows: pd.DataFrame) -> None:
    """Print Dice of volumes, and of slices in both conventions."""
    patient = rows["participant_id"].str.replace(r"-part\d$", "", regex=True)
    rows = rows.assign(
        lesion=rows["slices"] - rows["empty_slices"],
        all_sum=rows["slice_dice"] * rows["slices"],
        lesion_sum=rows["slice_dice_lesion"].fillna(0) * (rows["slices"] - rows["empty_slices"]),
    )
    names = ["intersection", "voxels", "predicted_voxels"]
    sums = rows.groupby(patient)[[*names, "slices", "lesion", "all_sum", "lesion_sum"]].sum()
    dice = 2 * sums["intersection"] / (sums["voxels"] + sums["predicted_voxels"])
    print(
        f"{words}: {len(dice)} patients, Dice of volumes {dice.mean():.3f} (median"
        f" {dice.median():.3f}); of slices, empty = 1:"
        f" {sums['all_sum'].sum() / sums['slices'].sum():.3f}; of slices with a lesion:"
        f" {sums['lesion_sum'].sum() / sums['lesion'].sum():.3f}",
        flush=True,
    )


def main() -> None:
    """Train the folds by slice and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--options", default="{}", help="options of the network, JSON")
    arguments = parser.parse_args()
    folder = arguments.output / f"parts-{arguments.side}"
    if not (folder / "splits.tsv").is_file():
        write_parts(arguments.output / f"cohort-{arguments.side}", folder)
    method = {"kind": "unet", **json.loads(arguments.options), "modality_options": FLAIR}
    study = study_of(arguments.output, arguments.side, {"unet-flair": method})
    training = arguments.output / f"training-by-slice-{arguments.side}"
    start = time.process_time()
    for fold in range(PARTS):
        train_fold(
            folder,
            training / "repeat-0" / f"fold-{fold}",
            method="unet-flair",
            repeat=0,
            fold=fold,
            options=study.method_options("unet-flair"),
            seed=study.seed,
            device="cpu",
            checkpoint_every=1000,
        )
    print(f"{time.process_time() - start:.0f} processor seconds for {PARTS} folds by slice")
    describe(
        "split by patient", rows_of(arguments.output / f"training-{arguments.side}" / "unet-flair")
    )
    describe("split by slice", rows_of(training))


if __name__ == "__main__":
    main()
