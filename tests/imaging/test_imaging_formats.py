"""Images of FreeSurfer and Analyze are read as NIfTI is, or refused with the reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gendmr.errors import ImageError, InputFileError
from gendmr.imaging.scan import read_scan

AFFINE = np.array([[-3.0, 0, 0, 40], [0, 0, 3, -50], [0, -3, 0, 30], [0, 0, 0, 1]])
SHAPE = (24, 30, 26)


@pytest.fixture
def data() -> np.ndarray:
    i, j, k = np.indices(SHAPE)
    return (i * 100 + j * 30 + k).astype(np.int16)


def save(path: Path, kind: type, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    image = kind(data, affine)
    nib.save(image, path)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("T1w.mgz", nib.MGHImage),
        ("T1w.mgh", nib.MGHImage),
        ("T1w.hdr", nib.Nifti1Pair),
        ("T1w.hdr", nib.Spm2AnalyzeImage),
        ("T1w.hdr", nib.Spm99AnalyzeImage),
    ],
)
def test_voxels_and_places_are_those_of_the_same_image_in_nifti(tmp_path, data, name, kind):
    nifti = read_scan(save(tmp_path / "a.nii.gz", nib.Nifti1Image, data))
    scan = read_scan(save(tmp_path / name, kind, data))
    assert np.array_equal(scan.data, nifti.data)
    np.testing.assert_allclose(scan.affine, nifti.affine, atol=1e-4)
    assert any("Read from" in note for note in scan.notes)


def test_analyze_without_an_affine_is_read_by_its_definition_and_noted(tmp_path, data):
    image = nib.AnalyzeImage(data, None)
    image.header.set_zooms((3, 3, 3))
    nib.save(image, tmp_path / "T1w.hdr")
    scan = read_scan(tmp_path / "T1w.hdr")
    # Stored from right to left: in RAS the first axis is turned.
    assert np.array_equal(scan.data, data[::-1])
    np.testing.assert_allclose(scan.zooms, 3)
    assert any("left and right cannot be checked" in note for note in scan.notes)


def test_an_mgh_image_without_orientation_is_refused(tmp_path, data):
    path = save(tmp_path / "T1w.mgh", nib.MGHImage, data)
    raw = bytearray(path.read_bytes())
    raw[28:30] = (0).to_bytes(2, "big")
    path.write_bytes(raw)
    with pytest.raises(ImageError, match="goodRASFlag is 0"):
        read_scan(path)


def test_several_frames_of_an_mgh_image_are_refused(tmp_path, data):
    path = save(tmp_path / "T1w.mgz", nib.MGHImage, np.stack([data, data], axis=-1))
    with pytest.raises(ImageError, match="24 x 30 x 26 x 2"):
        read_scan(path)


@pytest.mark.parametrize("end", [0.1, 0.5, 0.9])
def test_a_cut_mgh_image_is_refused(tmp_path, data, end):
    for name in ("T1w.mgz", "T1w.mgh"):
        path = save(tmp_path / name, nib.MGHImage, data)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * end)])
        with pytest.raises(InputFileError, match="not readable as an image"):
            read_scan(path)


def test_a_header_of_too_many_voxels_is_refused_before_they_are_unpacked(tmp_path, data):
    path = save(tmp_path / "T1w.mgh", nib.MGHImage, data)
    raw = bytearray(path.read_bytes())
    for axis in range(3):
        raw[4 + 4 * axis : 8 + 4 * axis] = (1200).to_bytes(4, "big")
    (tmp_path / "T1w.mgz").write_bytes(gzip.compress(bytes(raw)))
    with pytest.raises(ImageError, match="1200 x 1200 x 1200"):
        read_scan(tmp_path / "T1w.mgz")


def test_a_header_without_its_voxels_is_refused(tmp_path, data):
    save(tmp_path / "T1w.hdr", nib.Spm2AnalyzeImage, data)
    (tmp_path / "T1w.img").unlink()
    with pytest.raises(InputFileError, match="no voxels beside this header"):
        read_scan(tmp_path / "T1w.hdr")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "a pointer of Git LFS, not the image",
        ),
        ("/annex/objects/MD5E-s12345--4d7a.nii.gz\n", "a pointer of git-annex, not the image"),
    ],
)
@pytest.mark.parametrize("name", ["T1w.nii.gz", "T1w.mgz", "T1w.hdr"])
def test_pointers_to_data_that_were_not_fetched_are_named(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match=words):
        read_scan(tmp_path / name)
