"""The stage `lesions`: layouts of files, channels, masks, what is refused and what to do then."""

from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.config.lesions import LesionsSection
from gendmr.errors import (
    ConfigurationError,
    GendmrError,
    IdentifierError,
    InputFileError,
    ModalityError,
)
from gendmr.files.lesions import normalised, read_volume
from gendmr.lesions.channels import known_channels, lesion_of
from gendmr.lesions.collect import collect_lesions
from gendmr.lesions.people import find_people

SIDE, SLICES = 24, 12
CHANNELS = ["pre", "flair", "post"]


def person(number, dtype=np.uint8, slices=SLICES):
    """Images (channel, slice, row, column), and a mask where flair is brighter."""
    random = np.random.default_rng(number)
    image = random.integers(20, 60, (3, slices, SIDE, SIDE)).astype(dtype)
    image[..., :4] = 0
    mask = np.zeros((slices, SIDE, SIDE), np.uint8)
    mask[2 : 4 + number % 4, 8:14, 8:16] = 1
    image[1][mask == 1] = 150
    return image, mask


def write_tif(root, name, image, mask, value=255, first=1):
    folder = root / name
    folder.mkdir(parents=True)
    for place in range(len(mask)):
        stem = f"{folder / name}_{place + first}"
        tifffile.imwrite(f"{stem}.tif", np.moveaxis(image[:, place], 0, -1).copy(),
                         photometric="rgb")  # fmt: skip
        tifffile.imwrite(f"{stem}_mask.tif", mask[place] * value)


def write_nifti(path, values, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)


def people(folder, count=4, **options):
    for number in range(count):
        write_tif(folder / "tif", f"p{number}", *person(number), **options)
    return folder / "tif"


def collect(folder, **options):
    section = {"tif": str(folder / "tif"), "channels": CHANNELS, "reference": "flair"} | options
    if section.get("nifti"):
        del section["tif"]
    collect_lesions(LesionsSection.parse(section), folder / "out")
    quality = pd.read_csv(folder / "out" / "quality.tsv", sep="\t", keep_default_na=False,
                          dtype={"participant_id": str})  # fmt: skip
    with xr.open_dataset(folder / "out" / "measures.nc", engine="h5netcdf") as stored:
        measures = stored.load()["value"].to_pandas()
    return measures, quality.set_index("participant_id")


def notes_of(folder):
    return " ".join(json.loads((folder / "out" / "summary.json").read_text())["notes"])


def test_tif_slices_are_read_in_the_order_of_their_numbers(tmp_path):
    """As the LGG set ships them: 1, 10, 11, 2 by name; 0/255; several channels in one file."""
    people(tmp_path)
    write_tif(tmp_path / "tif", "TCGA_HT_7860_19960513", *person(9), value=1)
    measures, quality = collect(tmp_path)
    assert list(measures.index) == ["TCGA-HT-7860", "p0", "p1", "p2", "p3"]
    image, mask = person(2)
    volume = read_volume(tmp_path / "out" / "volumes.h5", "p2")
    np.testing.assert_array_equal(volume.image, image)
    np.testing.assert_array_equal(volume.mask, mask)
    assert volume.slice_number.tolist() == list(range(1, SLICES + 1))
    assert measures.loc["p2", "log_size"] == pytest.approx(np.log10(1 + mask.sum()))
    assert measures.loc["p2", "slice_share"] == pytest.approx(4 / SLICES)
    assert (measures["parts"] == 1).all()
    # flair is 150 in the lesion and about 40 elsewhere; the other channels are alike everywhere.
    assert (measures["contrast_flair"] > 1).all()
    assert (measures["contrast_pre"].abs() < 0.5).all()
    assert set(quality["mask_values"]) == {"0/255", "0/1"}
    assert "different values" in notes_of(tmp_path)
    assert (tmp_path / "out" / "pictures" / "p3.png").is_file()


def test_size_in_mm3_only_where_the_voxel_size_is_known(tmp_path):
    people(tmp_path)
    _, quality = collect(tmp_path)
    assert set(quality["size_mm3"]) == {"n/a"}
    assert "size of voxels is unknown" in notes_of(tmp_path)
    _, quality = collect(tmp_path, voxel_size=[5.0, 1.0, 0.5])
    assert quality["size_mm3"].astype(float).tolist() == (
        2.5 * quality["lesion_voxels"]
    ).tolist()  # fmt: skip
    assert "unknown" not in notes_of(tmp_path)


def test_normalisation_is_that_of_the_volume_and_a_slice_alone_is_refused(tmp_path):
    people(tmp_path)
    collect(tmp_path)
    path = tmp_path / "out" / "volumes.h5"
    volume = read_volume(path, "p1")
    low, high = np.percentile(volume.image[1], [10, 99])
    clipped = np.clip(volume.image[1].astype(float), low, high)
    expected = (clipped - clipped.mean()) / clipped.std()
    np.testing.assert_allclose(volume.normalised()[1], expected, atol=1e-5)
    some = read_volume(path, "p1", np.array([7, 3]))
    np.testing.assert_array_equal(some.normalised(), volume.normalised()[:, [7, 3]])
    with pytest.raises(ModalityError, match="without the statistics of their volume"):
        normalised(volume.image[:, 3], np.full((3, 4), np.nan), volume.channel_known)
    with pytest.raises(ModalityError, match="no participant 'p7'"):
        read_volume(path, "p7")


@given(
    source=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    reference=st.integers(0, 4),
)
@settings(max_examples=60)
def test_of_each_group_of_equal_channels_one_is_known(source, reference):
    """`source` says which of four images each channel is; image 3 is constant."""
    images = np.random.default_rng(1).integers(0, 9, (4, 2, 5, 5))
    images[3] = 4
    names = [f"c{place}" for place in range(len(source))]
    first = f"c{reference}" if reference < len(source) else None
    section = LesionsSection.parse({"tif": "x", "channels": names, "reference": first})
    varying = {image for image in source if image != 3}
    if not varying:
        with pytest.raises(ModalityError, match="are constant"):
            known_channels(images[source], section)
        return
    is_known, copies = known_channels(images[source], section)
    assert sorted(np.array(source)[is_known]) == sorted(varying)
    assert len(copies) == (~is_known).sum()
    if first is not None and source[reference] != 3:
        assert is_known[reference]


def test_copied_channels_are_masked_and_listed(tmp_path):
    people(tmp_path)
    image, mask = person(7)
    image[0] = image[2] = image[1]
    write_tif(tmp_path / "tif", "copied", image, mask)
    measures, quality = collect(tmp_path)
    assert quality.loc["copied", "copies"] == "pre=flair;post=flair"
    assert measures.loc["copied", ["contrast_pre", "contrast_post"]].isna().all()
    volume = read_volume(tmp_path / "out" / "volumes.h5", "copied")
    assert volume.channel_known.tolist() == [False, True, False]
    assert not volume.normalised()[[0, 2]].any()
    assert "copied (pre=flair;post=flair)" in notes_of(tmp_path)


def damaged(tmp_path):
    """Six sound people, and one for each kind of damage."""
    people(tmp_path, 6)
    root = tmp_path / "tif"

    def slices_missing(folder):
        for path in folder.glob("*_5*.tif"):
            path.unlink()

    def mask_missing(folder):
        (folder / f"{folder.name}_3_mask.tif").unlink()

    def mask_of_another_size(folder):
        tifffile.imwrite(folder / f"{folder.name}_3_mask.tif", np.zeros((SIDE, 9), np.uint8))

    def cut(folder):
        path = folder / f"{folder.name}_3.tif"
        path.write_bytes(path.read_bytes()[:200])

    def grey_edges(folder):
        _, mask = person(3)
        mask[3, 7] = 128
        tifffile.imwrite(folder / f"{folder.name}_4_mask.tif", mask[3] * 1)

    for number, damage in enumerate(
        (slices_missing, mask_missing, mask_of_another_size, cut, grey_edges)
    ):
        write_tif(root, damage.__name__, *person(20 + number))
        damage(root / damage.__name__)
    return root


def test_damaged_people_are_refused_with_the_reason_and_the_others_measured(tmp_path):
    damaged(tmp_path)
    measures, quality = collect(tmp_path)
    assert len(measures) == 6
    refused = quality.loc[quality["status"] == "refused", "reason"]
    for name, words in {
        "slices_missing": "1 slices missing: numbers '5'",
        "mask_missing": "1 images without mask: numbers '3'",
        "mask_of_another_size": "a mask of 24 x 9 beside an image of 24 x 24",
        "cut": "not readable as TIFF",
        "grey_edges": "nothing says which of them are lesion",
    }.items():
        assert words in refused[name], refused[name]
    # What the reasons advise.
    _, again = collect(tmp_path, exclude=sorted(refused.index))
    assert (again.loc[refused.index, "status"] == "excluded").all()


def test_where_most_people_are_refused_the_study_stops(tmp_path):
    people(tmp_path, 3)
    for number in range(2):
        (tmp_path / "tif" / f"p{number}" / f"p{number}_2_mask.tif").unlink()
    with pytest.raises(ModalityError, match="p0: 1 images without mask"):
        collect(tmp_path)
    assert not (tmp_path / "out" / "volumes.h5").exists()


def test_empty_masks_and_masks_outside_of_the_image_are_flagged(tmp_path):
    people(tmp_path)
    image, mask = person(30)
    write_tif(tmp_path / "tif", "empty", image, mask * 0)
    image, mask = person(31)
    write_tif(tmp_path / "tif", "beside", image, np.roll(mask, -8, axis=2))
    write_tif(tmp_path / "tif", "short", *person(32, slices=2))
    measures, quality = collect(tmp_path)
    assert quality.loc["empty", "reason"] == "no lesion in the mask"
    assert measures.loc["empty", "log_size"] == 0
    assert measures.loc["empty", "contrast_flair":].isna().all()
    assert "of the lesion lies outside" in quality.loc["beside", "reason"]
    assert quality["outlier"].map(str).str.lower().eq("true").sum() == 2
    assert quality.loc["short", "reason"] == "2 slices, fewer than 3"


def test_the_same_images_under_two_names_are_refused_until_one_is_left_out(tmp_path):
    people(tmp_path)
    write_tif(tmp_path / "tif", "twin", *person(1))
    with pytest.raises(IdentifierError, match="p1 and twin") as refused:
        collect(tmp_path)
    assert "[twin]" in refused.value.next_step
    measures, _ = collect(tmp_path, exclude=["twin"])
    assert "twin" not in measures.index


def test_two_people_in_a_folder_and_two_folders_of_a_person_are_refused(tmp_path):
    root = people(tmp_path, 2)
    section = LesionsSection.parse({"tif": str(root), "channels": CHANNELS})
    shutil.copy(root / "p1" / "p1_1.tif", root / "p0" / "p1_1.tif")
    with pytest.raises(IdentifierError, match="slices of 2 people: 'p0', 'p1'"):
        find_people(section)
    (root / "p0" / "p1_1.tif").rename(root / "p0" / "picture.tif")
    with pytest.raises(InputFileError, match="no number of a slice"):
        find_people(section)
    (root / "p0" / "picture.tif").unlink()
    for date in ("19960513", "19970513"):
        shutil.copytree(root / "p0", root / f"TCGA_HT_7860_{date}")
    with pytest.raises(IdentifierError, match="'TCGA-HT-7860' stands twice"):
        find_people(section)
    with pytest.raises(InputFileError, match="no folder with"):
        find_people(LesionsSection.parse({"tif": str(root / "p1"), "channels": CHANNELS}))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_is_kept(tmp_path, dtype):
    for number in range(3):
        image, mask = person(number, dtype)
        write_tif(tmp_path / "tif", f"p{number}", image * dtype(1 if dtype == np.uint8 else 200),
                  mask)  # fmt: skip
    collect(tmp_path)
    volume = read_volume(tmp_path / "out" / "volumes.h5", "p0")
    assert volume.image.dtype == dtype
    assert volume.image.max() == (150 if dtype == np.uint8 else 30000)


def test_another_number_of_channels_is_refused_and_naming_them_helps(tmp_path):
    people(tmp_path)
    with pytest.raises(ModalityError, match="3 channels, and `channels` names 1"):
        collect(tmp_path, channels=["flair"])
    collect(tmp_path, channels=CHANNELS)


AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -120], [0, 0, 3, -70], [0, 0, 0, 1]])


def brats(folder, together=False, **changes):
    """Volumes (x, y, z) of people, mirrored in x, with labels 1, 2 and 4."""
    for number in range(3):
        image, mask = person(number)
        labels = mask.copy()
        labels[2, 8:14, 8:10] = 2
        labels[3, 8:14, 8:10] = 4
        name = f"sub-{number:02d}"
        turned = image.transpose(0, 3, 2, 1)[:, ::-1]
        if together:
            write_nifti(folder / f"{name}.nii.gz", np.moveaxis(turned, 0, -1), AFFINE)
        for channel, values in zip(CHANNELS, turned, strict=True):
            write_nifti(folder / name / f"{name}_{channel}.nii.gz", values, AFFINE)
        seg = labels.transpose(2, 1, 0)[::-1]
        affine, seg = changes.get("change", lambda a, s: (a, s))(AFFINE, seg)
        write_nifti(folder / name / f"{name}_seg.nii.gz", seg, affine)
    return {
        "nifti": str(folder / "sub-{participant}.nii.gz")
        if together
        else str(folder / "sub-{participant}/sub-{participant}_{channel}.nii.gz"),
        "masks": str(folder / "sub-{participant}/sub-{participant}_seg.nii.gz"),
    }


@pytest.mark.parametrize("together", [False, True])
def test_nifti_volumes_are_turned_to_one_orientation_and_measured_in_mm(tmp_path, together):
    paths = brats(tmp_path, together)
    with pytest.raises(ModalityError, match=r"nothing says which of them are lesion") as refused:
        collect(tmp_path, **paths)
    assert "lesions: lesion:" in refused.value.next_step
    with pytest.raises(ModalityError, match="holds '2'"):
        collect(tmp_path, **paths, lesion=[1, 4])
    _, quality = collect(tmp_path, **paths, lesion=[1, 4], background=[0, 2])
    volume = read_volume(tmp_path / "out" / "volumes.h5", "01")
    image, mask = person(1)
    # The file counts x from right to left; stored is from left to right.
    np.testing.assert_array_equal(volume.image, image)
    expected = mask.copy()
    expected[2, 8:14, 8:10] = 0
    np.testing.assert_array_equal(volume.mask, expected)
    assert volume.voxel_size.tolist() == [3, 2, 2]
    assert float(quality.loc["01", "size_mm3"]) == 12 * expected.sum()
    # A voxel is where the file says it is.
    corner = volume.affine @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner, AFFINE @ [SIDE - 1, 0, 0, 1])


def shifted(affine, seg):
    return affine + np.eye(4, k=3) * 8, seg


def resampled(affine, seg):
    return affine, seg[::2]


def interpolated(affine, seg):
    return affine, seg.astype(np.float32) * 0.3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shifted, "lies up to 8.0 mm from"),
        (resampled, "a mask of 12 x 24 x 12 beside an image of 24 x 24 x 12"),
        (interpolated, "no whole numbers"),
    ],
)
def test_masks_of_another_grid_are_refused(tmp_path, change, words):
    paths = brats(tmp_path, change=change)
    with pytest.raises(GendmrError, match=words):
        collect(tmp_path, **paths, lesion=[1, 2, 4])


def test_images_without_mask_and_masks_without_image_are_listed(tmp_path):
    paths = brats(tmp_path)
    (tmp_path / "sub-01" / "sub-01_post.nii.gz").unlink()
    _, quality = collect(tmp_path, **paths, lesion=[1, 2, 4])
    assert quality.loc["01", "status"] == "refused"
    assert "sub-01_post.nii.gz: no such file" in quality.loc["01", "reason"]


def test_an_image_without_affine_is_refused(tmp_path):
    paths = brats(tmp_path)
    for path in tmp_path.glob("sub-*/*.nii.gz"):
        image = nib.load(path)
        values = np.asarray(image.dataobj)
        image = nib.Nifti1Image(values, None)
        image.header["sform_code"] = image.header["qform_code"] = 0
        nib.save(image, path)
    with pytest.raises(GendmrError, match="holds no affine"):
        collect(tmp_path, **paths, lesion=[1, 2, 4])


def test_the_same_input_gives_the_same_bytes(tmp_path):
    people(tmp_path, 3)
    collect(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    shutil.rmtree(tmp_path / "out")
    collect(tmp_path)
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert before == after


def test_one_in_some_masks_and_255_in_others_of_a_person_are_one_value():
    section = LesionsSection.parse({"tif": "x", "channels": ["a"]})
    labels = np.zeros((3, 4, 4), int)
    labels[0, 0], labels[1, 1] = 1, 255
    mask, values = lesion_of(labels, section)
    assert (mask.sum(), values) == (8, "0/1/255")
    labels[0, 3] = 255
    with pytest.raises(ModalityError, match="nothing says"):
        lesion_of(labels, section)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either `tif` or `nifti`"),
        ({"tif": "x", "nifti": "{participant}", "masks": "{participant}"}, "either `tif`"),
        ({"nifti": "{participant}"}, "`masks` go with `nifti`"),
        ({"nifti": "x", "masks": "{participant}"}, "no {participant} in it"),
        ({"tif": "x", "reference": "t1"}, "t1 is none of"),
        ({"tif": "x", "lesion": [1], "background": [0, 1]}, "both in `lesion`"),
        ({"tif": "x", "percentiles": [99.0, 10.0]}, "the lower one first"),
        ({"tif": "x", "voxel_size": [1.0, 1.0, 0.0]}, "three lengths above 0"),
        (
            {"nifti": "{participant}", "masks": "{participant}", "voxel_size": [1.0, 1.0, 1.0]},
            "only with `tif`",
        ),
        ({"tif": "x", "channels": ["a", "a"]}, "a name stands twice"),
    ],
)
def test_sections_that_contradict_themselves_are_refused(options, words):
    with pytest.raises(ConfigurationError) as refused:
        LesionsSection.parse({"channels": ["flair", "t2"]} | options)
    assert words in str(refused.value)
