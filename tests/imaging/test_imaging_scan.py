"""Headers are believed only where the table says so, and nothing is flipped by accident."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.errors import ImageError, InputFileError, StorageError, ToolError
from gendmr.imaging.brain import given_mask, stripped_mask
from gendmr.imaging.scan import (
    Scan,
    content_of,
    crop,
    read_image,
    read_scan,
    refuse_labels,
    resample,
    thin,
    write_image,
)

AFFINE = np.array([[3.0, 0, 0, -40], [0, 3, 0, -50], [0, 0, 3, -30], [0, 0, 0, 1]])
SHAPE = (24, 30, 22)


def _data() -> np.ndarray:
    i, j, k = np.indices(SHAPE)
    return (i * 10000 + j * 100 + k).astype(np.float32)


def _save(path, data=None, affine=AFFINE, *, sform=1, qform=0):
    image = nib.Nifti1Image(_data() if data is None else data, None)
    image.header.set_qform(affine, code=qform)
    image.header.set_sform(affine, code=sform)
    nib.save(image, path)
    return path


AXES = [
    np.array([[axis, sign] for axis, sign in zip(order, signs, strict=True)])
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]


@pytest.mark.parametrize(
    "axes", AXES, ids=[str(axes.ravel().astype(int).tolist()) for axes in AXES]
)
def test_every_orientation_of_one_image_is_read_alike(tmp_path, axes):
    path = tmp_path / "t1.nii"
    turned = nib.Nifti1Image(_data(), AFFINE).as_reoriented(axes)
    nib.save(turned, path)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.data, _data())
    np.testing.assert_allclose(scan.affine, AFFINE)


def _bad(tmp_path, kind):  # noqa: PLR0911
    path = tmp_path / "t1.nii.gz"
    data = _data()
    if kind == "missing":
        return path
    if kind == "empty file":
        path.touch()
        return path
    if kind == "not nifti":
        path.write_bytes(gzip.compress(b"a text" * 200))
        return path
    if kind == "not gzip":
        path.write_bytes(b"a text" * 200)
        return path
    if kind == "broken off":
        _save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path
    if kind == "damaged gzip":
        _save(path, np.random.default_rng(1).normal(100, 10, SHAPE).astype(np.float32))
        raw = bytearray(path.read_bytes())
        middle = len(raw) // 2
        raw[middle : middle + 64] = bytes(64)
        path.write_bytes(bytes(raw))
        return path
    if kind == "trailing bytes":
        _save(path)
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(7)))
        return path
    if kind == "older format":
        _save(path)
        raw = bytearray(gzip.decompress(path.read_bytes()))
        raw[344:348] = bytes(4)
        path.write_bytes(gzip.compress(raw))
        return path
    changed = {
        "four-dimensional": np.stack([data, data], axis=-1),
        "flat": data[:, :, 0],
        "constant": np.full(SHAPE, 7, np.float32),
        "zero": np.zeros(SHAPE, np.float32),
        "negative": -data - 1,
        "nan": np.where(data == data.max(), np.nan, data),
        "infinite": np.where(data == data.max(), np.inf, data),
        "colour": np.zeros(SHAPE, np.dtype([(c, np.uint8) for c in "RGB"])),
        "complex": data.astype(np.complex64),
    }
    affines = {
        "metres": np.diag([0.003, 0.003, 0.003, 1]),
        "slab": AFFINE @ np.diag([0.3, 0.3, 0.3, 1]),
        "singular": AFFINE @ np.diag([1, 1, 0, 1]),
        "coarse": AFFINE @ np.diag([1, 1, 4, 1]),
    }
    if kind == "singular":
        image = nib.Nifti1Image(data, None)
        image.header.set_sform(affines[kind], code=1)
        nib.save(image, path)
        return path
    return _save(path, changed.get(kind), affines.get(kind, AFFINE))


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("missing", InputFileError, "no such image"),
        ("empty file", InputFileError, "empty"),
        ("not nifti", InputFileError, "not readable"),
        ("not gzip", InputFileError, "not readable"),
        ("broken off", InputFileError, "not readable"),
        ("damaged gzip", InputFileError, "not readable"),
        ("four-dimensional", ImageError, "24 x 30 x 22 x 2"),
        ("flat", ImageError, "not a three-dimensional"),
        ("constant", ImageError, "every voxel is 7"),
        ("zero", ImageError, "every voxel is 0"),
        ("negative", ImageError, "no voxel is above 0"),
        ("nan", ImageError, "1 of 15840 voxels are NaN"),
        ("infinite", ImageError, "1 of 15840 voxels are NaN"),
        ("colour", ImageError, "not numbers"),
        ("complex", ImageError, "values are complex64, not numbers"),
        ("trailing bytes", InputFileError, "7 bytes more than the header declares"),
        ("older format", InputFileError, "not NIfTI"),
        ("metres", ImageError, "voxels of 0.003 x 0.003 x 0.003 mm"),
        ("slab", ImageError, "the image measures"),
        ("coarse", ImageError, "voxels of 3 x 3 x 12 mm"),
        ("singular", ImageError, "not a valid affine"),
    ],
)
def test_bad_images_are_refused_by_name(tmp_path, kind, error, words):
    path = _bad(tmp_path, kind)
    with pytest.raises(error, match=words) as caught:
        read_scan(path)
    assert str(path) in str(caught.value)
    assert caught.value.next_step


def test_a_trailing_dimension_of_one_is_dropped(tmp_path):
    scan = read_scan(_save(tmp_path / "t1.nii", _data()[..., None]))
    assert scan.data.shape == SHAPE
    assert any("length 1" in note for note in scan.notes)


def test_shears_are_resampled_to_an_upright_grid(tmp_path):
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.6
    nib.save(nib.Nifti1Image(_data(), sheared), tmp_path / "t1.nii")
    scan = read_scan(tmp_path / "t1.nii")
    cosines = scan.affine[:3, :3] / scan.zooms
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(3), atol=1e-6)
    # A voxel keeps its place in the world: index (12, 15, 11) before and after.
    world = sheared @ [12, 15, 11, 1]
    index = np.rint(np.linalg.inv(scan.affine) @ world).astype(int)[:3]
    assert abs(scan.data[tuple(index)] - _data()[12, 15, 11]) < 10000


@given(voxel=st.floats(3, 12), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=10)
def test_thinning_keeps_the_sum_and_every_place(voxel, seed):
    data = np.random.default_rng(seed).random((9, 10, 11)).astype(np.float32)
    scan = Scan(data, AFFINE)
    small = thin(scan, voxel)
    np.testing.assert_allclose(
        small.data.sum() * small.voxel_mm3, data.sum() * scan.voxel_mm3, rtol=1e-5
    )
    assert (small.zooms <= voxel + 1e-6).all()
    # An image of its own coordinates stays one, at each whole block.
    places = AFFINE[:3, :3] @ np.indices((12, 12, 12)).reshape(3, -1) + AFFINE[:3, 3:]
    for axis in range(3):
        mapped = thin(Scan(places[axis].reshape(12, 12, 12).astype(np.float32), AFFINE), voxel)
        whole = tuple(slice(0, 12 // round(z / 3)) for z in mapped.zooms)
        index = np.indices(mapped.data[whole].shape)
        expected = mapped.affine[axis, axis] * index[axis] + mapped.affine[axis, 3]
        np.testing.assert_allclose(mapped.data[whole], expected, atol=1e-4)


def test_cropping_moves_no_voxel():
    scan = Scan(_data(), AFFINE)
    small = crop(scan, (slice(5, 9), slice(6, 12), slice(3, 8)), 2)
    assert small.data[2, 2, 2] == _data()[5, 6, 3]
    np.testing.assert_allclose(small.affine @ [2, 2, 2, 1], AFFINE @ [5, 6, 3, 1])


def test_resampling_follows_both_affines():
    scan = Scan(_data(), AFFINE)
    mirrored = AFFINE @ np.array([[-1, 0, 0, 23], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(resample(scan, mirrored, SHAPE, order=0), _data()[::-1])


def test_scaled_images_read_back_within_half_a_unit(tmp_path):
    data = np.random.default_rng(3).random(SHAPE).astype(np.float32)
    write_image(tmp_path / "a.nii.gz", data, AFFINE, scale=1e-3)
    write_image(tmp_path / "b.nii.gz", data, AFFINE, scale=1e-3)
    back = read_image(tmp_path / "a.nii.gz")
    assert np.abs(back.data - data).max() <= 0.5e-3 + 1e-6
    np.testing.assert_allclose(back.affine, AFFINE)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def _ball() -> np.ndarray:
    index = np.indices(SHAPE).reshape(3, -1).T - [12, 15, 11]
    return (np.sqrt((index**2).sum(axis=1)) < 8).reshape(SHAPE)


def test_the_mask_of_a_stripped_image_fills_dark_holes():
    ball = _ball()
    data = np.where(ball, 100, 0).astype(np.float32)
    data[12, 15, 11] = 0
    data[0, 0, 0] = 100
    scan, brain = stripped_mask(Scan(data, AFFINE), 3.0)
    assert brain.sum() == ball.sum()
    assert brain.shape == scan.data.shape


def test_a_given_mask_in_another_orientation_lands_on_the_same_voxels(tmp_path):
    ball = _ball()
    image = nib.Nifti1Image(ball.astype(np.uint8), AFFINE)
    image = image.as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    nib.save(image, tmp_path / "mask.nii")
    scan, brain = given_mask(Scan(_data() + 1, AFFINE), tmp_path / "mask.nii", 3.0)
    np.testing.assert_array_equal(scan.data[brain], (_data() + 1)[ball])


def test_a_given_mask_beside_the_brain_is_refused(tmp_path):
    far = AFFINE.copy()
    far[0, 3] = 500
    nib.save(nib.Nifti1Image(_ball().astype(np.uint8), far), tmp_path / "mask.nii")
    with pytest.raises(ImageError, match="covers nothing"):
        given_mask(Scan(_data() + 1, AFFINE), tmp_path / "mask.nii", 3.0)


def test_masks_and_segmentations_are_no_scans():
    steps = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    refuse_labels(Scan(steps % 17, AFFINE), "t1.nii")
    with pytest.raises(ImageError, match="only 15 different values above 0"):
        refuse_labels(Scan(steps % 16, AFFINE), "t1.nii")


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="needs the /proc of Linux")
def test_a_file_that_the_disk_does_not_give_is_no_fault_of_the_scan(tmp_path):
    # Its first page is not mapped: the kernel answers with an input/output error.
    (tmp_path / "t1.nii").symlink_to("/proc/self/mem")
    with pytest.raises(StorageError, match=r"could not be read .*Input/output error"):
        read_scan(tmp_path / "t1.nii")


def test_a_broken_image_of_our_own_is_no_fault_of_the_scan(tmp_path):
    (tmp_path / "warped.nii").write_bytes(b"cut")
    with pytest.raises(ToolError, match="that this stage wrote"):
        read_image(tmp_path / "warped.nii")


@given(scale=st.floats(0.5, 2), shift=st.floats(-0.3, 0.3), masked=st.booleans())
@settings(deadline=None, max_examples=10)
def test_standard_scores_are_named_as_such(tmp_path_factory, scale, shift, masked):
    scores = np.random.default_rng(4).normal(shift, scale, SHAPE).astype(np.float32)
    if masked:
        scores[:8] = 0
    path = _save(tmp_path_factory.mktemp("scores") / "t1.nii", scores)
    with pytest.raises(ImageError, match="standard scores"):
        read_scan(path)


def test_a_file_that_would_fill_the_memory_is_refused_by_its_header(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_shape((1400, 1400, 1400))
    header.set_data_dtype(np.uint8)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    # The voxels are not even there: nothing but the header may be looked at.
    with gzip.open(tmp_path / "t1.nii.gz", "wb") as stream:
        stream.write(header.binaryblock + bytes(4))
    with pytest.raises(ImageError, match=r"1400 x 1400 x 1400 voxels, 2\.7 GB"):
        read_scan(tmp_path / "t1.nii.gz")


def test_what_follows_the_voxels_is_not_unpacked(tmp_path):
    path = _save(tmp_path / "t1.nii.gz")
    with gzip.open(path, "ab") as stream:
        stream.write(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(InputFileError, match="at least 65536 bytes more"):
        read_scan(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_content_of_a_scan_is_the_same_in_any_file_and_orientation(tmp_path):
    saved = read_scan(_save(tmp_path / "one.nii"))
    image = nib.load(tmp_path / "one.nii").as_reoriented(np.array([[2, -1], [0, 1], [1, -1]]))
    nib.save(image, tmp_path / "two.nii.gz")
    assert content_of(read_scan(tmp_path / "two.nii.gz")) == content_of(saved)
    assert content_of(Scan(saved.data + 1, saved.affine)) != content_of(saved)
