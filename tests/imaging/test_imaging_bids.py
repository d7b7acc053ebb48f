"""Which image counts for whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gendmr.errors import InputFileError
from gendmr.files.bids import if_exists
from gendmr.imaging.bids import find_images


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_labels_lose_their_prefix_and_stay_text(tmp_path):
    _touch(
        tmp_path,
        "sub-007/anat/sub-007_T1w.nii.gz",
        "sub-1e5/anat/sub-1e5_T1w.nii",
        "sub-NA/ses-2/anat/sub-NA_ses-2_T1w.nii.gz",
        "sub-08/anat/sub-08_T2w.nii.gz",
        "sub-09/func/sub-09_T1w.nii.gz",
        "sub-10/anat/sub-10_T1w.json",
        "derivatives/sub-11/anat/sub-11_T1w.nii.gz",
    )
    images = find_images(str(tmp_path))
    assert list(images) == ["007", "1e5", "NA"]
    assert images["007"] == (f"{tmp_path}/sub-007/anat/sub-007_T1w.nii.gz",)


def test_of_several_images_the_first_counts_in_natural_order(tmp_path):
    _touch(
        tmp_path,
        "sub-1/ses-10/anat/sub-1_ses-10_T1w.nii.gz",
        "sub-1/ses-2/anat/sub-1_ses-2_run-10_T1w.nii.gz",
        "sub-1/ses-2/anat/sub-1_ses-2_run-2_T1w.nii.gz",
        "sub-2/ses-1/anat/sub-2_ses-1_T1w.nii.gz",
        "sub-2/anat/sub-2_T1w.nii.gz",
    )
    images = find_images(str(tmp_path))
    assert [Path(path).name for path in images["1"]] == [
        "sub-1_ses-2_run-2_T1w.nii.gz",
        "sub-1_ses-2_run-10_T1w.nii.gz",
        "sub-1_ses-10_T1w.nii.gz",
    ]
    assert [Path(path).name for path in images["2"]] == [
        "sub-2_T1w.nii.gz",
        "sub-2_ses-1_T1w.nii.gz",
    ]


def test_links_that_were_not_fetched_are_no_inputs_of_a_rule(tmp_path):
    link = tmp_path / "sub-1/anat/sub-1_T1w.nii.gz"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "annex/objects/none")
    assert find_images(str(tmp_path)) == {"1": (str(link),)}
    assert if_exists(str(link)) == []
    assert if_exists(None) == []
    assert if_exists(str(tmp_path)) == [str(tmp_path)]


def test_the_path_begins_as_it_was_given(tmp_path, monkeypatch):
    _touch(tmp_path, "bids/sub-1/anat/sub-1_T1w.nii")
    monkeypatch.chdir(tmp_path)
    assert find_images("bids") == {"1": ("bids/sub-1/anat/sub-1_T1w.nii",)}


def test_excluded_people_are_left_out_and_misspelt_ones_are_named(tmp_path):
    _touch(tmp_path, "sub-1/anat/sub-1_T1w.nii", "sub-2/anat/sub-2_T1w.nii")
    assert list(find_images(str(tmp_path), exclude=("2",))) == ["1"]
    with pytest.raises(InputFileError, match="'sub-2'"):
        find_images(str(tmp_path), exclude=("sub-2",))


def test_a_missing_folder_and_an_empty_one_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no such folder"):
        find_images(str(tmp_path / "nowhere"))
    _touch(tmp_path, "sub-1/func/sub-1_bold.nii.gz")
    with pytest.raises(InputFileError, match=r"no T1w image.*'sub-1'"):
        find_images(str(tmp_path))


def test_nothing_heavy_is_imported_while_the_dag_is_built(root):
    code = (
        "import sys; import gendmr.imaging.bids;"
        "print(sorted({'numpy', 'pandas', 'nibabel', 'scipy', 'ants'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root / "workflow")},
    )
    assert done.stdout.strip() == "[]"
