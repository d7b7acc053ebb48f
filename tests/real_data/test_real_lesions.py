"""MRI of a lower-grade glioma in the layout in which the set is shared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gendmr.config.lesions import LesionsSection
from gendmr.files.lesions import read_volume
from gendmr.lesions.channels import known_channels
from gendmr.lesions.collect import collect_lesions

pytestmark = pytest.mark.real_data

CHANNELS = ["pre", "flair", "post"]


@pytest.fixture(scope="module")
def lgg(real_data):
    folder = real_data / "lgg_mri"
    if not folder.is_dir():
        pytest.skip("no lgg_mri among the real data")
    return folder


def test_slices_as_shared_equal_the_decoded_volume(lgg, tmp_path):
    """Numbers without leading zeros: sorted by name, slice 10 would follow slice 1."""
    section = {"tif": str(lgg / "source_layout"), "channels": CHANNELS, "reference": "flair"}
    collect_lesions(LesionsSection.parse(section), tmp_path)
    volume = read_volume(tmp_path / "volumes.h5", "TCGA-HT-7860")
    with np.load(lgg / "patients" / "TCGA_HT_7860_19960513.npz", allow_pickle=False) as decoded:
        np.testing.assert_array_equal(volume.image, decoded["image"])
        np.testing.assert_array_equal(volume.mask, decoded["mask"])
        np.testing.assert_array_equal(volume.slice_number, decoded["z"])
    assert np.isnan(volume.voxel_size).all()


def test_copied_channels_are_those_that_the_table_names(lgg):
    """Two patients with copies, and three without."""
    table = pd.read_csv(lgg / "patients.tsv", sep="\t").set_index("folder")
    copied = table["pre_is_copy_of_flair"] | table["post_is_copy_of_flair"]
    section = LesionsSection.parse({"tif": "x", "channels": CHANNELS, "reference": "flair"})
    for folder in [*table.index[copied], *table.index[~copied][:3]]:
        with np.load(lgg / "patients" / f"{folder}.npz", allow_pickle=False) as decoded:
            is_known, _ = known_channels(decoded["image"], section)
        row = table.loc[folder]
        expected = [not row["pre_is_copy_of_flair"], True, not row["post_is_copy_of_flair"]]
        assert is_known.tolist() == expected


def test_a_patient_whose_channels_are_all_flair_is_segmented_like_others(lgg, tmp_path):
    """A threshold of FLAIR; what a network does is in docs/explanation/mgi.md."""
    from gendmr.training.fold import train_fold
    from lesion_cohort import make, study, write_slices

    table = pd.read_csv(lgg / "patients.tsv", sep="\t")
    three = table.loc[table["pre_is_copy_of_flair"]].iloc[0]
    other_folders = table.loc[~table["post_is_copy_of_flair"], "folder"].iloc[::2][:11]
    folders = sorted([*other_folders, three["folder"]])
    for folder in folders:
        with np.load(lgg / "patients" / f"{folder}.npz", allow_pickle=False) as decoded:
            write_slices(tmp_path / "tif", folder, decoded["image"], decoded["mask"])
    names = ["-".join(folder.split("_")[:3]) for folder in folders]
    pd.DataFrame({"participant_id": names}).to_csv(
        tmp_path / "participants.tsv", sep="\t", index=False
    )
    configuration = study(tmp_path, {"threshold": {"kind": "threshold", "channel": "flair"}})
    cohort = make(tmp_path, configuration)
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t").set_index("participant_id")
    train_fold(
        cohort,
        tmp_path / "out" / "repeat-0" / "fold",
        method="threshold",
        repeat=0,
        fold=int(splits.loc[three["case_id"], "fold"]),
        options=configuration.method_options("threshold"),
        seed=1,
        device="cpu",
    )
    rows = pd.read_csv(tmp_path / "out" / "repeat-0" / "fold" / "predictions.tsv", sep="\t")
    copied = rows.set_index("participant_id").loc[three["case_id"]]
    assert copied["set"] == "held-out" and copied["dice"] > 0.15
    assert (rows["distance_unit"] == "pixel").all()
    assert rows["voxels"].sum() == table.set_index("folder").loc[folders, "n_tumour_pixels"].sum()
