"""Random images, whole and damaged: what is read is what was written, or a named error."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.errors import ImageError, InputFileError
from gendmr.imaging.scan import EXTENT_MM, FAR_MM, ZOOM_MM, read_scan


@st.composite
def images(draw) -> nib.Nifti1Image:
    """Small heads: any type of numbers, orientation, byte order, scaling and version of NIfTI."""
    shape = draw(st.tuples(*[st.integers(11, 14)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["u1", "i2", "u2", "i4", "f4", "f8", ">i2", ">f4"]))
    zooms = np.array(draw(st.tuples(*[st.sampled_from((5.5, 5.75, 6.0))] * 3)))
    axes = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*[st.sampled_from((-1, 1))] * 3))
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, axes] * (np.array(signs) * zooms)
    affine[:3, 3] = draw(st.tuples(*[st.integers(-200, 200)] * 3))
    kind = draw(st.sampled_from((nib.Nifti1Image, nib.Nifti2Image)))
    image = kind(rng.integers(0, 250, shape).astype(dtype), affine, dtype=np.dtype(dtype))
    image.header.set_xyzt_units("mm")
    image.header.set_qform(affine, code=draw(st.sampled_from((0, 1))))
    image.header.set_sform(affine, code=draw(st.integers(1, 4)))
    if draw(st.booleans()):
        image.header.set_slope_inter(draw(st.sampled_from((0.5, 2.0))), draw(st.integers(0, 9)))
    return image


def expected(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image in RAS order, as nibabel sees it."""
    slope, inter = image.header.get_slope_inter()
    data = np.asarray(image.dataobj, float) * (slope or 1) + (inter or 0)
    return nib.as_closest_canonical(nib.Nifti1Image(data, image.affine))


def assert_same(scan, image: nib.Nifti1Image) -> None:
    """Same voxels in the same places."""
    whole = expected(image)
    np.testing.assert_array_equal(scan.data, whole.get_fdata())
    np.testing.assert_allclose(scan.affine, whole.affine, atol=1e-4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the images are written, one over the other."""
    return tmp_path_factory.mktemp("damage")


@given(image=images(), packed=st.booleans())
def test_what_is_written_is_read(folder, image, packed):
    path = folder / ("t1.nii.gz" if packed else "t1.nii")
    raw = image.to_bytes()
    path.write_bytes(gzip.compress(raw, 1) if packed else raw)
    assert_same(read_scan(path), image)


@given(image=images(), data=st.data())
def test_a_damaged_gzip_file_is_refused_or_reads_as_written(folder, image, data):
    raw = bytearray(gzip.compress(image.to_bytes(), 1))
    how = data.draw(st.sampled_from(("flip", "cut", "zeros", "longer")))
    place = data.draw(st.integers(0, len(raw) - 1))
    if how == "flip":
        raw[place] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del raw[place:]
    elif how == "zeros":
        raw[place : place + 64] = bytes(len(raw[place : place + 64]))
    else:
        raw += data.draw(st.binary(min_size=1, max_size=40))
    path = folder / "t1.nii.gz"
    path.write_bytes(raw)
    try:
        scan = read_scan(path)
    except InputFileError as error:
        assert error.next_step
        return
    # A changed name or time in the header of gzip, or zeros where there were zeros.
    assert_same(scan, image)


@given(image=images(), data=st.data())
def test_a_damaged_header_is_refused_or_reads_as_a_plausible_head(folder, image, data):
    raw = bytearray(image.to_bytes())
    size = 540 if isinstance(image, nib.Nifti2Image) else 348
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
    path = folder / "t1.nii"
    path.write_bytes(raw)
    try:
        scan = read_scan(path)
    except (InputFileError, ImageError) as error:
        assert error.next_step
        return
    assert np.isfinite(scan.data).all()
    assert scan.data.min() >= 0
    assert nib.aff2axcodes(scan.affine) == ("R", "A", "S")
    assert ((scan.zooms >= ZOOM_MM[0]) & (scan.zooms <= ZOOM_MM[1])).all()
    assert np.abs(scan.affine[:3, 3]).max() <= FAR_MM + EXTENT_MM[1]
    # No voxel is lost or invented but by the resampling that shears need, which is noted.
    if not any("shears" in note for note in scan.notes):
        assert scan.data.size == np.prod(image.shape)


@given(image=images(), data=st.data())
def test_an_uncompressed_file_of_another_length_is_refused(folder, image, data):
    raw = image.to_bytes()
    length = data.draw(st.integers(1, 2 * len(raw)).filter(lambda n: n != len(raw)))
    path = folder / "t1.nii"
    path.write_bytes((raw + raw)[:length])
    with pytest.raises(InputFileError):
        read_scan(path)
