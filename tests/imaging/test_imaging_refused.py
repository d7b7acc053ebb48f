"""One bad scan stops nobody else unless the study says so, and is told everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import ImagingSection
from gendmr.config.modalities.region import RegionSection
from gendmr.errors import ImageError, ToolError
from gendmr.files.atomic import read_json, write_json
from gendmr.imaging.collect import collect_regions
from gendmr.imaging.participant import register_participant
from gendmr.imaging.scan import read_image
from gendmr.modalities.region.source import SOURCE
from gendmr.modalities.store import read_modality
from remedies import mended

OUTPUTS = ("regions.tsv", "quality.json", "registration.png", "warped.nii.gz", "grey.nii.gz")


@pytest.fixture(scope="module")
def people(section, template, anatomy, scan_of, tmp_path_factory) -> Path:
    """Folder `imaging` with one real registration, eleven near it, and three refused scans."""
    folder = tmp_path_factory.mktemp("refused")
    bids = folder / "bids"
    good = scan_of(bids / "sub-p00/anat/sub-p00_T1w.nii.gz", anatomy)
    register_participant(good, "p00", template, section, seed=3, output=folder / "p00")
    record = read_json(folder / "p00/quality.json")
    table = pd.read_csv(folder / "p00/regions.tsv", sep="\t")
    rng = np.random.default_rng(2)
    for number in range(1, 12):
        name = f"p{number:02d}"
        near = {
            key: value * (1 + 0.01 * rng.normal())
            for key, value in record.items()
            if isinstance(value, float)
        }
        # Real cohorts overlap less than the template with itself, and vary less.
        near |= {"dice": 0.96 + 0.003 * rng.normal(), "similarity": 0.75 + 0.03 * rng.normal()}
        write_json(folder / name / "quality.json", record | near | {"participant_id": name})
        table.to_csv(folder / name / "regions.tsv", sep="\t", index=False)
    image = nib.load(good)
    data = image.get_fdata(dtype=np.float32)
    hole = np.where(data == data.max(), np.nan, data)
    bad = {
        "nan": nib.Nifti1Image(hole, image.affine),
        "volumes": nib.Nifti1Image(np.stack([data, data], axis=-1), image.affine),
    }
    for name, bad_image in bad.items():
        path = bids / f"sub-{name}/anat/sub-{name}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(bad_image, path)
        register_participant(path, name, template, section, seed=3, output=folder / name)
    lost = bids / "sub-lost/anat/sub-lost_T1w.nii.gz"
    lost.parent.mkdir(parents=True)
    lost.symlink_to(folder / "annex")
    register_participant(lost, "lost", template, section, seed=3, output=folder / "lost")
    return folder


REFUSED = ["lost", "nan", "volumes"]


def collected(people, template, section, output, **options) -> pd.DataFrame:
    """Collect everybody and return the quality table."""
    changed = ImagingSection.parse(
        section.model_dump(mode="json") | {"bids": str(people / "bids")} | options
    )
    collect_regions(sorted(people.glob("*/regions.tsv")), template, changed, output)
    table = pd.read_csv(output / "quality.tsv", sep="\t", dtype=str, keep_default_na=False)
    return table.set_index("participant_id")


def test_a_refused_scan_leaves_missing_values_and_says_why(people):
    for name in REFUSED:
        folder = people / name
        assert {path.name for path in folder.iterdir()} == set(OUTPUTS)
        table = pd.read_csv(folder / "regions.tsv", sep="\t")
        assert table[["volume", "mean", "spread"]].isna().all(axis=None)
        for image in ("warped.nii.gz", "grey.nii.gz"):
            assert np.isnan(read_image(folder / image).data).all()
        assert (folder / "registration.png").stat().st_size > 1000
    why = {name: read_json(people / name / "quality.json")["refused"] for name in REFUSED}
    assert [why[name]["error"] for name in REFUSED] == [
        "InputFileError",
        "ImageError",
        "ImageError",
    ]
    assert "voxels are NaN" in why["nan"]["what"]
    assert why["nan"]["next_step"]


def test_the_others_go_on_and_the_refused_are_listed_everywhere(
    people, template, section, tmp_path
):
    table = collected(people, template, section, tmp_path)
    assert table.index[table["status"] == "refused"].tolist() == REFUSED
    assert (table.loc[REFUSED, ["dice", "icv_mm3"]] == "n/a").all(axis=None)
    assert "ImageError: " in table.loc["nan", "reason"]
    regions = read_modality(tmp_path / "regions.nc", "region")
    assert regions["participant"].values.tolist() == [f"p{n:02d}" for n in range(12)]
    assert np.isfinite(regions["volume"].values).all()
    notes = read_json(tmp_path / "summary.json")["notes"]
    assert notes[0].startswith(
        "Left out, for they cannot be used: 3 scans, 'lost', 'nan', 'volumes';"
    )
    files = {"regions": str(tmp_path / "regions.nc"), "quality": str(tmp_path / "quality.tsv")}
    imaged = SOURCE.people(files, RegionSection(), CohortSection(participants="unused"))
    assert not set(REFUSED) & set(imaged.names)
    listed = imaged.attrition[imaged.attrition["step"] == "scan refused"]
    assert listed["id"].tolist() == REFUSED
    assert listed["reason"].str.contains("no regions measured: ").all()


def test_on_bad_scan_stop_names_all_of_them_at_once(people, template, section, tmp_path):
    with pytest.raises(ImageError, match=r"3 of 15 scans cannot be used .*stop") as caught:
        collected(people, template, section, tmp_path, on_bad_scan="stop")
    for name in REFUSED:
        assert f"  {name}: " in caught.value.what
    assert not (tmp_path / "regions.nc").exists()
    options = {"on_bad_scan": "stop"}
    words = "`imaging: on_bad_scan: exclude` goes on with the others"
    with mended(
        "imaging/collect.py",
        "goes on with the others",
        ImageError,
        lambda: collected(people, template, section, tmp_path, **options),
    ) as refused:
        assert words in refused.next_step
        options["on_bad_scan"] = "exclude"


def test_nobody_left_stops_whatever_is_configured(people, template, section, tmp_path):
    tables = [people / name / "regions.tsv" for name in REFUSED]
    with pytest.raises(ImageError, match="3 of 3 scans cannot be used"):
        collect_regions(tables, template, section, tmp_path)


def test_a_scan_excluded_by_name_is_listed(people, template, section, tmp_path):
    tables = [path for path in sorted(people.glob("p*/regions.tsv")) if "p03" not in str(path)]
    changed = section.model_copy(update={"exclude": ("p03", "p04")})
    collect_regions(tables, template, changed, tmp_path)
    table = pd.read_csv(tmp_path / "quality.tsv", sep="\t").set_index("participant_id")
    assert table.loc[["p03", "p04"], "reason"].tolist() == ["named in imaging.exclude"] * 2
    people_left = read_modality(tmp_path / "regions.nc", "region")["participant"].values
    assert not {"p03", "p04"} & set(people_left.tolist())


def test_several_images_of_a_person_are_listed(people, template, section, tmp_path):
    second = people / "bids/sub-p00/ses-2/anat/sub-p00_ses-2_T1w.nii.gz"
    second.parent.mkdir(parents=True, exist_ok=True)
    second.touch()
    table = collected(people, template, section, tmp_path)
    second.unlink()
    assert table.loc["p00", "image"] == "sub-p00_T1w.nii.gz"
    assert table.loc["p00", "other_images"] == "sub-p00_ses-2_T1w.nii.gz"
    assert (table["other_images"].drop("p00") == "n/a").all()
    notes = " ".join(read_json(tmp_path / "summary.json")["notes"])
    assert "Several T1w images: 'p00'. The first counts" in notes


@pytest.fixture(scope="module")
def failed(section, template, anatomy, people, tmp_path_factory) -> Path:
    """A head upside down by its header, registered: the search ends in a wrong place."""
    folder = tmp_path_factory.mktemp("failed")
    image = nib.load(people / "bids/sub-p00/anat/sub-p00_T1w.nii.gz")
    wrong = np.diag([-1.0, 1, -1, 1]) @ image.affine
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), wrong), folder / "t1.nii.gz")
    register_participant(
        folder / "t1.nii.gz", "upside", template, section, seed=3, output=folder / "upside"
    )
    return folder / "upside"


def test_a_failed_registration_is_flagged_and_kept_unless_a_rule_leaves_it_out(
    people, failed, template, section, tmp_path
):
    (people / "upside").symlink_to(failed)
    without_rule = collected(people, template, section, tmp_path / "kept")
    assert without_rule.index[without_rule["outlier"] == "True"].tolist() == ["upside"]
    assert "Similarity to the template: robust z" in without_rule.loc["upside", "reason"]
    assert without_rule.loc["upside", "status"] == "measured"
    rule = {"exclude_by": ["dice", "similarity"]}
    with_rule = collected(people, template, section, tmp_path / "left", outliers=rule)
    (people / "upside").unlink()
    assert with_rule.loc["upside", "status"] == "excluded"
    measured = read_modality(tmp_path / "left/regions.nc", "region")["participant"].values.tolist()
    assert measured == [f"p{n:02d}" for n in range(12)]
    notes = " ".join(read_json(tmp_path / "left/summary.json")["notes"])
    assert "1 scan left out by `imaging.outliers.exclude_by` (dice, similarity): 'upside'" in notes


def test_by_the_command_line_a_bad_image_is_no_traceback_and_no_failure(
    section, template, root, tmp_path
):
    image = nib.Nifti1Image(np.ones((40, 40, 40), np.float32), None)
    nib.save(image, tmp_path / "bad.nii.gz")
    command = [sys.executable, "-m", "gendmr", "imaging", "register"]
    command += ["--image", str(tmp_path / "bad.nii.gz"), "--participant", "01", "--seed", "3"]
    command += ["--template", str(template), "--options", section.dump()]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out")],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root / "workflow")},
    )
    assert done.stderr.startswith("Scan not used. ImageError: ")
    assert "bad.nii.gz" in done.stderr
    assert "next step" in done.stderr


@pytest.mark.parametrize(
    ("what", "words"), [("mask", "only 1 different values"), ("crumb", "the brain mask measures")]
)
def test_what_is_no_brain_is_refused_before_registration(section, template, tmp_path, what, words):
    rng = np.random.default_rng(1)
    data = np.zeros((40, 40, 40), np.float32)
    data[15:25, 15:25, 15:25] = 1 if what == "mask" else rng.uniform(50, 100, (10, 10, 10))
    nib.save(nib.Nifti1Image(data, np.diag([4.0, 4, 4, 1])), tmp_path / "t1.nii.gz")
    error = register_participant(
        tmp_path / "t1.nii.gz", "01", template, section, seed=3, output=tmp_path / "out"
    )
    assert isinstance(error, ImageError)
    assert words in error.what


def test_a_mask_that_is_not_there_refuses_its_scan_only(section, template, people, tmp_path):
    with_mask = section.model_copy(
        update={"brain": "given", "mask": str(tmp_path / "mask-{participant}.nii.gz")}
    )
    image = people / "bids/sub-p00/anat/sub-p00_T1w.nii.gz"
    error = register_participant(image, "01", template, with_mask, seed=3, output=tmp_path / "out")
    assert "mask-01.nii.gz: no such image" in str(error)


def test_a_program_that_fails_is_no_fault_of_the_scan(
    section, template, people, tmp_path, monkeypatch
):
    # No room for scratch files: ANTs and we write into a folder that takes none.
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    image = people / "bids/sub-p00/anat/sub-p00_T1w.nii.gz"
    with pytest.raises((ToolError, OSError)):
        register_participant(image, "01", template, section, seed=3, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_people_none_of_whose_images_counts_are_listed_with_the_reason(
    people, template, section, tmp_path
):
    bids = tmp_path / "bids"
    shutil.copytree(people / "bids", bids, symlinks=True)
    unreadable = bids / "sub-unread/anat/sub-unread_T1w.nrrd"
    unreadable.parent.mkdir(parents=True)
    unreadable.touch()
    (bids / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    output = tmp_path / "imaging"
    table = collected(people, template, section, output, bids=str(bids))
    assert table.loc["unread", "status"] == "refused"
    assert table.loc["unread", "reason"].startswith("sub-unread_T1w.nrrd: NRRD is not read")
    notes = " ".join(read_json(output / "summary.json")["notes"])
    assert "1 person with images of which none counts: 'sub-unread, sub-unread_T1w.nrrd" in notes
    assert "holds derivatives by its dataset_description.json" in notes
    files = {"regions": str(output / "regions.nc"), "quality": str(output / "quality.tsv")}
    imaged = SOURCE.people(files, RegionSection(), CohortSection(participants="unused"))
    listed = imaged.attrition.set_index("id")
    assert "NRRD is not read" in listed.loc["unread", "reason"]
    without = collected(people, template, section, output, bids=str(bids), exclude=["unread"])
    assert without.loc["unread", "status"] == "excluded"
