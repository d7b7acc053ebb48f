"""The header: which affine counts, in which unit, and whether what it says twice agrees."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gendmr.errors import ImageError, InputFileError
from gendmr.imaging.scan import read_scan

AFFINE = np.array([[3.0, 0, 0, -40], [0, 3, 0, -50], [0, 0, 3, -30], [0, 0, 0, 1]])
SHAPE = (24, 30, 22)
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "images.md"


def table_of_affines() -> dict[str, list[str]]:
    """Row -> sform, qform, compared, what happens: from the documents."""
    lines = [line.strip("| \n").split("|") for line in DOCS.read_text().splitlines()]
    cells = [[cell.strip() for cell in line] for line in lines]
    return {line[0]: line[1:] for line in cells if len(line) == 5 and line[0].isdecimal()}


ROWS = table_of_affines()


def turned(axis: str, degrees: float) -> np.ndarray:
    """Turn the world about one of its axes."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    return matrix @ AFFINE


def shifted(mm: float) -> np.ndarray:
    """Shift the world to the right."""
    matrix = AFFINE.copy()
    matrix[0, 3] += mm
    return matrix


QFORMS = {
    "": [AFFINE],
    "agree within 0.5 mm": [AFFINE, shifted(0.4)],
    "shifted": [shifted(0.6), shifted(70)],
    "turned by less than 90°": [turned("x", 80), turned("y", -60), turned("z", 30)],
    "mirrored": [np.diag([-1, 1, 1, 1]) @ AFFINE, np.diag([1, -1, 1, 1]) @ AFFINE],
    "turned, right is left": [turned("y", 180), turned("z", 180), turned("z", 100)],
}


def image_with(sform: np.ndarray | None, qform: np.ndarray | None) -> nib.Nifti1Image:
    """Make an image whose affines have these values and, where given, codes above 0."""
    i, j, k = np.indices(SHAPE)
    image = nib.Nifti1Image((i * 1000 + j * 30 + k).astype(np.float32), None)
    image.header.set_zooms((3, 3, 3))
    if qform is not None:
        image.header.set_qform(qform, code=1)
    if sform is not None:
        image.header.set_sform(sform, code=2)
    return image


def broken_sforms() -> list[np.ndarray]:
    """Affines that are none."""
    column = AFFINE.copy()
    column[:3, 1] = column[:3, 0]
    unknown, endless = AFFINE.copy(), AFFINE.copy()
    unknown[1, 1], endless[0, 3] = np.nan, np.inf
    return [np.diag([0.0, 0, 0, 1]), AFFINE @ np.diag([1, 1, 0, 1]), column, unknown, endless]


def cases(row: str):
    """All images that a row of the table stands for."""
    sform, qform, compared, _ = ROWS[row]
    sforms = {"code 0": [None], "valid": [AFFINE], "broken": broken_sforms()}[sform]
    for first in sforms:
        if qform == "code 0":
            yield image_with(first, None)
        elif qform == "valid":
            for second in QFORMS[compared]:
                yield image_with(first, second)
        else:
            for name, value in (("quatern_b", 3.0), ("quatern_c", np.nan), ("qoffset_x", np.inf)):
                image = image_with(first, AFFINE)
                image.header[name] = value
                yield image


def test_the_table_has_all_combinations():
    combinations = {(sform, qform) for sform, qform, *_ in ROWS.values()}
    states = ("code 0", "valid", "broken")
    assert combinations == {(sform, qform) for sform in states for qform in states}
    assert {compared for _, _, compared, _ in ROWS.values()} == set(QFORMS)


@pytest.mark.parametrize("row", ROWS)
def test_truth_table_of_affines(tmp_path, row):
    happens = ROWS[row][3]
    for number, image in enumerate(cases(row)):
        path = tmp_path / f"{number}.nii"
        nib.save(image, path)
        if happens.startswith("refused"):
            with pytest.raises(ImageError) as caught:
                read_scan(path)
            words = "disagree on left and right" if "contradict" in happens else "affine"
            assert words in str(caught.value)
            assert caught.value.next_step
            continue
        scan = read_scan(path)
        used = re.match(r"the (\wform) is used", happens).group(1)
        assert scan.notes[0].startswith(f"The affine is the {used}")
        np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-4)
        assert ("with a note" in happens) == any("was not used" in note for note in scan.notes)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 0.001), ("micron", 1000.0)])
def test_units_other_than_millimetres_are_converted(tmp_path, unit, factor):
    affine = np.diag([factor, factor, factor, 1]) @ AFFINE
    image = nib.Nifti1Image(np.asarray(image_with(AFFINE, None).dataobj), affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "t1.nii")
    scan = read_scan(tmp_path / "t1.nii")
    np.testing.assert_allclose(scan.affine, AFFINE, rtol=1e-5, atol=1e-4)
    assert any("converted to mm" in note for note in scan.notes)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1), ("micron", 1), ("mm", 0.001)])
def test_an_affine_in_other_units_than_the_header_says_is_refused(tmp_path, unit, factor):
    affine = np.diag([factor, factor, factor, 1]) @ AFFINE
    image = nib.Nifti1Image(np.asarray(image_with(AFFINE, None).dataobj), affine)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "t1.nii")
    with pytest.raises(ImageError, match="voxels of"):
        read_scan(tmp_path / "t1.nii")


def test_voxel_sizes_that_contradict_the_affine_are_refused(tmp_path):
    image = image_with(AFFINE, None)
    for zooms, fine in (((3.05, 3, 3), True), ((3.1, 3, 3), False), ((1, 1, 1), False)):
        image.header.set_zooms(zooms)
        nib.save(image, tmp_path / "t1.nii")
        if fine:
            read_scan(tmp_path / "t1.nii")
        else:
            with pytest.raises(ImageError, match=r"3 x 3 x 3 mm by the affine, but .* by `pixdim`"):
                read_scan(tmp_path / "t1.nii")


def test_voxel_sizes_that_are_not_given_are_noted(tmp_path):
    image = image_with(AFFINE, None)
    image.header.set_zooms((0, 0, 0))
    nib.save(image, tmp_path / "t1.nii")
    assert any("gives no voxel size" in note for note in read_scan(tmp_path / "t1.nii").notes)


def test_an_image_light_years_away_is_refused(tmp_path):
    far = AFFINE.copy()
    far[1, 3] = 1e12
    nib.save(image_with(far, None), tmp_path / "t1.nii")
    with pytest.raises(ImageError, match="from the origin"):
        read_scan(tmp_path / "t1.nii")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_slope_and_intercept_of_whole_numbers_are_applied(tmp_path, dtype):
    whole = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 200
    image = nib.Nifti1Image(whole.astype(dtype), AFFINE)
    image.header.set_slope_inter(2.5, 10)
    nib.save(image, tmp_path / "t1.nii.gz")
    np.testing.assert_array_equal(read_scan(tmp_path / "t1.nii.gz").data, whole * 2.5 + 10)
    # A slope of 0 means none.
    raw = bytearray(image.to_bytes())
    raw[112:116] = np.float32(0).tobytes()
    (tmp_path / "none.nii").write_bytes(raw)
    np.testing.assert_array_equal(read_scan(tmp_path / "none.nii").data, whole)


def test_a_slope_without_an_intercept_and_one_too_large_are_refused(tmp_path):
    image = nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), AFFINE)
    for slope, inter, error in ((2.0, np.nan, InputFileError), (1e38, 0.0, ImageError)):
        raw = bytearray(image.to_bytes())
        raw[112:120] = np.array([slope, inter], np.float32).tobytes()
        (tmp_path / "t1.nii").write_bytes(raw)
        with pytest.raises(error):
            read_scan(tmp_path / "t1.nii")
