"""FreeSurfer measures of 680 people of 20 sites go in as they were published."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.cohort.splits import split_folds
from gendmr.cohort.view import FoldView
from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import ImagingSection
from gendmr.config.modalities.region import RegionSection
from gendmr.files.atomic import read_json
from gendmr.imaging.measurements import read_measurements
from gendmr.tasks import task_of

pytestmark = [pytest.mark.real_data]


@pytest.fixture(scope="module")
def impac(real_data):
    """The published table: rows as text."""
    with gzip.open(real_data / "freesurfer_impac/anatomy.csv.gz", "rt") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def study(real_data, tmp_path_factory):
    """The folder of a study up to its folds, and the section of its cohort."""
    source = real_data / "freesurfer_impac"
    folder = tmp_path_factory.mktemp("impac")
    imaging = ImagingSection.parse({"measurements": str(source / "anatomy.csv.gz")})
    read_measurements(imaging, folder / "imaging")
    cohort = CohortSection.parse(
        {
            "participants": str(source / "participants.tsv"),
            "columns": {"participant_id": "subject_id"},
            "outcomes": {
                "diagnosis": {"kind": "binary", "column": "asd", "case": ["1"], "control": ["0"]}
            },
        }
    )
    files = {"regions": "imaging/regions.nc", "quality": "imaging/quality.tsv"}
    sources = {role: str(folder / file) for role, file in files.items()}
    section, people = RegionSection(), folder / "participants.tsv"
    join_people({"region": sources}, {"region": section}, cohort, folder)
    collect_modality("region", sources, section, people, cohort, folder / "region.nc")
    split_folds(people, cohort, 1, folder / "splits.tsv")
    return folder, cohort


def test_680_people_go_in_with_no_edit_of_their_files(study, impac):
    folder, cohort = study
    flow = read_json(folder / "summary.json")["flow"]
    assert flow["analysed"][0]["outcomes"] == {"diagnosis": {"case": 336, "control": 344}}
    task = task_of("diagnosis", cohort.outcomes["diagnosis"])
    published = {row["subject_id"]: row for row in impac}
    held_out = []
    for fold in range(5):
        view = FoldView.open(folder, 0, fold, task=task, modalities=("region",))
        view.seal()
        subset = view.held_out
        assert subset.present["region"].all()
        held_out += list(subset.participants)
        rows = [published[name] for name in subset.participants]
        eTIV = [float(row["eTIV"]) for row in rows]
        np.testing.assert_allclose(subset.array("region", "icv"), eTIV)
    # Identifiers of 20 digits fit no number: none is rounded, none is lost.
    assert sorted(held_out) == sorted(published)


def test_regions_are_as_published_and_totals_are_none(study, impac):
    import xarray as xr

    folder, _ = study
    with xr.open_dataset(folder / "imaging/regions.nc", engine="h5netcdf") as stored:
        regions = stored.load()
    names = regions["region"].values.tolist()
    assert regions["participant"].values.tolist() == [row["subject_id"] for row in impac]
    volume = regions["volume"].to_pandas()
    np.testing.assert_allclose(
        volume["Left-Hippocampus"], [float(row["Left-Hippocampus"]) for row in impac]
    )
    thickness = np.array([float(row["rh_insula_thickness"]) for row in impac])
    area = np.array([float(row["rh_insula_area"]) for row in impac])
    np.testing.assert_allclose(regions["mean"].sel(region="rh_insula"), thickness)
    np.testing.assert_allclose(volume["rh_insula"], area * thickness)
    # 68 of the cortex, 41 below it; constant columns and totals are set aside.
    assert len(names) == 109
    assert not {"BrainSegVol", "CortexVol", "lh_MeanThickness"} & set(names)
    notes = " ".join(read_json(folder / "imaging/summary.json")["notes"])
    assert "4 regions have the same value in everybody" in notes
    assert "their volume is area times mean thickness" in notes
