"""`imaging.select`: which image counts, and why those of a person do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gendmr.config.imaging import ImagingSection
from gendmr.config.selection import SelectSection
from gendmr.errors import ConfigurationError, InputFileError
from gendmr.imaging.bids import files_of, find_images, unusable_images


def touch(root: Path, *names: str) -> None:
    for name in names:
        person = name.split("_")[0]
        session = next((part for part in name.split("_") if part.startswith("ses-")), ".")
        path = root / person / session / "anat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def first(root: Path, **select: object) -> dict[str, str]:
    """Return the image that counts, by person."""
    wanted = SelectSection.parse(select).wanted()
    return {
        who: Path(paths[0]).name for who, paths in find_images(str(root), wanted=wanted).items()
    }


@pytest.mark.parametrize(
    ("select", "image"),
    [
        ({}, "sub-1_ses-post_acq-MPRAGE_run-01_T1w.nii.gz"),
        ({"session": "pre"}, "sub-1_ses-pre_acq-FSPGR_T1w.nii.gz"),
        ({"session": ["pre", "post"]}, "sub-1_ses-pre_acq-FSPGR_T1w.nii.gz"),
        ({"session": "post", "run": 2}, "sub-1_ses-post_acq-MPRAGE_run-02_T1w.nii.gz"),
        ({"acquisition": "FSPGR"}, "sub-1_ses-pre_acq-FSPGR_T1w.nii.gz"),
        ({"acquisition": []}, "sub-1_ses-pre_rec-norm_T1w.nii.gz"),
        ({"reconstruction": "norm"}, "sub-1_ses-pre_rec-norm_T1w.nii.gz"),
        ({"part": "real"}, "sub-1_ses-post_part-real_T1w.nii.gz"),
        (
            {"space": "T1w", "description": "preproc"},
            "sub-1_ses-pre_space-T1w_desc-preproc_T1w.nii.gz",
        ),
    ],
)
def test_the_image_that_is_asked_for_counts(tmp_path, select, image):
    touch(
        tmp_path,
        "sub-1_ses-pre_acq-MPRAGE_run-1_T1w.nii.gz",
        "sub-1_ses-pre_acq-FSPGR_T1w.nii.gz",
        "sub-1_ses-pre_rec-norm_T1w.nii.gz",
        "sub-1_ses-pre_space-T1w_desc-preproc_T1w.nii.gz",
        "sub-1_ses-post_acq-MPRAGE_run-01_T1w.nii.gz",
        "sub-1_ses-post_acq-MPRAGE_run-02_T1w.nii.gz",
        "sub-1_ses-post_part-real_T1w.nii.gz",
    )
    assert first(tmp_path, **select) == {"1": image}


def test_what_nobody_would_take_for_the_image_does_not_count_by_default(tmp_path):
    unlike = (
        "sub-1_part-imag_T1w.nii.gz",
        "sub-1_part-phase_T1w.nii.gz",
        "sub-1_chunk-1_T1w.nii.gz",
        "sub-1_echo-1_T1w.nii.gz",
        "sub-1_space-MNI152NLin2009cAsym_T1w.nii.gz",
        "sub-1_desc-preproc_T1w.nii.gz",
        "._sub-1_T1w.nii.gz",
    )
    for name in unlike:
        path = tmp_path / "sub-1/anat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(InputFileError, match=r"no T1w image.*\n.*chunk-1: a derivative, or a part"):
        find_images(str(tmp_path))
    (tmp_path / "sub-1/anat/sub-1_part-mag_T1w.nii.gz").touch()
    assert find_images(str(tmp_path)) == {
        "1": (f"{tmp_path}/sub-1/anat/sub-1_part-mag_T1w.nii.gz",)
    }


def test_nifti_counts_before_the_same_image_in_another_format(tmp_path):
    touch(tmp_path, "sub-1_T1w.mgz", "sub-1_T1w.nii.gz", "sub-2_T1w.mgz", "sub-3_T1w.hdr")
    touch(tmp_path, "sub-3_T1w.img")
    assert first(tmp_path) == {"1": "sub-1_T1w.nii.gz", "2": "sub-2_T1w.mgz", "3": "sub-3_T1w.hdr"}
    header = str(tmp_path / "sub-3/anat/sub-3_T1w.hdr")
    # Voxels are a file of their own: a rule that did not know it would miss their change.
    assert files_of(header) == [header, header.replace(".hdr", ".img")]


def test_people_none_of_whose_images_counts_are_named_with_the_reason(tmp_path):
    touch(tmp_path, "sub-ok_ses-pre_T1w.nii.gz", "sub-nrrd_T1w.nrrd", "sub-mp2rage_UNIT1.nii.gz")
    touch(tmp_path, "sub-late_ses-post_T1w.nii.gz", "sub-imag_ses-pre_part-imag_T1w.nii.gz")
    touch(tmp_path, "sub-dicom_T1w.dcm", "sub-img_T1w.img", "sub-none_bold.nii.gz")
    wanted = SelectSection(session="pre").wanted()
    assert list(find_images(str(tmp_path), wanted=wanted)) == ["ok"]
    reasons = unusable_images(str(tmp_path), wanted=wanted)
    assert set(reasons) == {"nrrd", "mp2rage", "late", "imag", "dicom", "img"}
    assert reasons["nrrd"] == "sub-nrrd_T1w.nrrd: NRRD is not read: convert it to NIfTI"
    assert reasons["mp2rage"].startswith("sub-mp2rage_UNIT1.nii.gz: UNIT1 (MP2RAGE) is no T1w")
    assert reasons["late"].endswith("ses-post, where `imaging.select` asks for pre")
    assert reasons["imag"].endswith("part-imag: not the magnitude image")
    assert "dcm2niix" in reasons["dicom"]
    assert "(.hdr) is not there" in reasons["img"]


def test_a_label_that_no_image_has_is_misspelt(tmp_path):
    touch(tmp_path, "sub-1_ses-pre_T1w.nii.gz", "sub-2_ses-02_T1w.nii.gz")
    with pytest.raises(InputFileError, match=r"ses-prae.*\n.*\n.*'ses-02', 'ses-pre'"):
        first(tmp_path, session=["prae", "pre"])
    assert first(tmp_path, session=["pre", 2]) == {
        "1": "sub-1_ses-pre_T1w.nii.gz",
        "2": "sub-2_ses-02_T1w.nii.gz",
    }


def test_a_filter_file_is_read_as_elsewhere_and_the_section_counts_more(tmp_path):
    touch(tmp_path, "sub-1_ses-pre_run-1_T1w.nii.gz", "sub-1_ses-pre_run-2_T1w.nii.gz")
    touch(tmp_path, "sub-1_ses-post_acq-x_run-1_T1w.nii.gz")
    path = tmp_path / "filter.json"
    entities = {
        "datatype": "anat",
        "suffix": "T1w",
        "session": "pre",
        "run": 2,
        "acquisition": None,
    }
    path.write_text(json.dumps({"t1w": entities, "bold": {"task": "rest"}}))
    assert first(tmp_path, filter=str(path)) == {"1": "sub-1_ses-pre_run-2_T1w.nii.gz"}
    assert first(tmp_path, filter=str(path), run=1) == {"1": "sub-1_ses-pre_run-1_T1w.nii.gz"}
    for text, words in (
        ("{", "not JSON"),
        ('{"bold": {}}', "no key t1w"),
        ('{"t1w": {"session": "pre", "task": "rest"}}', "t1w asks for 'task: rest'"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=words):
            first(tmp_path, filter=str(path))


def test_labels_with_the_name_of_their_entity_are_refused():
    with pytest.raises(ConfigurationError, match="'ses-pre' is no label of BIDS"):
        SelectSection.parse({"session": "ses-pre"})


def test_which_image_counts_reruns_no_registration():
    atlas = {"labels": "a.nii", "table": "a.tsv"}
    any_session = ImagingSection.parse({"bids": "b", "atlas": atlas})
    pre_session = ImagingSection.parse({"bids": "b", "atlas": atlas, "select": {"session": "pre"}})
    assert any_session.for_scans() == pre_session.for_scans()


def test_a_folder_of_derivatives_is_told_apart(tmp_path):
    touch(tmp_path, "sub-1_desc-preproc_T1w.nii.gz")
    description = {"Name": "fMRIPrep", "BIDSVersion": "1.8.0", "DatasetType": "derivative"}
    (tmp_path / "dataset_description.json").write_text(json.dumps(description))
    with pytest.raises(InputFileError, match=r"derivatives \(DatasetType of dataset_description"):
        find_images(str(tmp_path))
    assert first(tmp_path, description="preproc") == {"1": "sub-1_desc-preproc_T1w.nii.gz"}
