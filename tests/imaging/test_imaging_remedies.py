"""What an error of images, folders and atlases says to change is changed,
and they are read then."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from gendmr.config.imaging import AtlasFiles, ImagingSection, NamedAtlas
from gendmr.errors import (
    AtlasError,
    ConfigurationError,
    GendmrError,
    IdentifierError,
    ImageError,
    InputFileError,
    TableError,
)
from gendmr.imaging.atlas import fetch_atlas, load_atlas
from gendmr.imaging.bids import find_images
from gendmr.imaging.brain import given_mask
from gendmr.imaging.preflight import check_masks
from gendmr.imaging.scan import read_scan, refuse_labels
from gendmr.imaging.template import prepare_template
from remedies import mended, row

HEADER, SCAN, FORMATS = "imaging/header.py", "imaging/scan.py", "imaging/formats.py"
ATLAS, BIDS, TEMPLATE = "imaging/atlas.py", "imaging/bids.py", "imaging/template.py"
AFFINE = np.array([[3.0, 0, 0, -40], [0, 3, 0, -50], [0, 0, 3, -30], [0, 0, 0, 1]])
SHAPE = (24, 30, 22)
FLAT = AFFINE @ np.diag([1.0, 1, 0, 1])
MIRRORED = np.diag([-1.0, 1, 1, 1]) @ AFFINE


def intensities() -> np.ndarray:
    i, j, k = np.indices(SHAPE)
    return (i * 1000 + j * 30 + k + 1).astype(np.float32)


def save(
    path: Path,
    data: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    qform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 0),
) -> Path:
    """Write an image with a sform, and a qform where it is given."""
    image = nib.Nifti1Image(intensities() if data is None else data, None)
    image.header.set_qform(affine if qform is None else qform, code=codes[1])
    image.header.set_sform(affine, code=codes[0])
    nib.save(image, path)
    return path


Write = Callable[[Path], object]


def image(**options: Any) -> Write:
    return lambda path: save(path, **options)


def zooms(path: Path) -> None:
    """Write a header that says another size of voxels than its affine."""
    save(path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[80:92] = np.array([2, 2, 2], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(raw)))


def no_nifti(path: Path) -> None:
    save(path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[344:348] = bytes(4)
    path.write_bytes(gzip.compress(bytes(raw)))


def half(path: Path) -> None:
    save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DATA = intensities()
HOLE = np.where(DATA.max() == DATA, np.nan, DATA)
SCORES = ((DATA - DATA.mean()) / DATA.std()).astype(np.float32)
COLOUR = np.zeros(SHAPE, np.dtype([(name, np.uint8) for name in "RGB"]))
AGAIN = "convert the scan again from DICOM (dcm2niix)"
ONE_VOLUME = "name a T1w image, or extract one volume: fslroi, mrconvert"
EXPORT = "look at the image and export it again"


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(HEADER, AGAIN, InputFileError, no_nifti, image()),
        row(HEADER, AGAIN, ImageError, image(affine=FLAT, qform=AFFINE), image()),
        row(HEADER, AGAIN, ImageError, zooms, image()),
        row(HEADER, "; do not guess the orientation", ImageError, image(codes=(0, 0)), image()),
        row(HEADER, "; or, where one is known to be right, write it over the other", ImageError,
            image(qform=MIRRORED, codes=(1, 1)), image(qform=AFFINE, codes=(1, 1))),
        row(HEADER, "fetch it again; test with: gzip -t ", InputFileError, half, image()),
        row(HEADER, "restore it and run again", InputFileError, lambda path: path.touch(), image()),
        row(SCAN, ONE_VOLUME, ImageError, image(data=np.stack([DATA, DATA], -1)), image()),
        row(SCAN, "name a T1w image of plain intensities", ImageError, image(data=COLOUR), image()),
        row(SCAN, "name the T1w image as it was before, with intensities from 0 upwards",
            ImageError,
            image(data=SCORES), image()),
        row(SCAN, "replace them where they are background: fslmaths ", ImageError, image(data=HOLE),
            image(data=np.nan_to_num(HOLE))),
        row(SCAN, EXPORT, ImageError, image(data=np.full(SHAPE, 7, np.float32)), image()),
        row(SCAN, EXPORT, ImageError, image(data=-DATA), image()),
        row(SCAN, "correct affine and units of the header, or name the T1w image", ImageError,
            image(affine=np.diag([0.003, 0.003, 0.003, 1])), image()),
        row(SCAN, "name an image of the whole brain", ImageError,
            image(data=DATA[:, :, :4]), image()),
        row(SCAN, AGAIN, ImageError, image(affine=AFFINE + np.eye(4, k=3) * 1e5), image()),
    ],
)  # fmt: skip
def test_read_scan__an_image_as_the_remedy_asks_for(
    tmp_path, module, remedy, error: type[GendmrError], wrong: Write, mending: Write
):
    path = tmp_path / "sub-1_T1w.nii.gz"
    wrong(path)
    with mended(module, remedy, error, lambda: read_scan(path)):
        mending(path)


def test_read_scan__pairs_and_other_forms(tmp_path):
    path = tmp_path / "T1w.mgh"
    nib.save(nib.MGHImage(DATA, AFFINE), path)
    raw = bytearray(path.read_bytes())
    raw[28:30] = (0).to_bytes(2, "big")
    path.write_bytes(raw)
    words = "convert the scan again from DICOM: mri_convert, dcm2niix"
    with mended(FORMATS, words, ImageError, lambda: read_scan(path)):
        nib.save(nib.MGHImage(DATA, AFFINE), path)
    raw[28:30] = (1).to_bytes(2, "big")
    for axis in range(3):
        raw[4 + 4 * axis : 8 + 4 * axis] = (1200).to_bytes(4, "big")
    path.write_bytes(raw)
    words = "name a T1w image of one volume; or thin it: mri_convert -vs 0.5 0.5 0.5"
    with mended(HEADER, words, ImageError, lambda: read_scan(path)):
        nib.save(nib.MGHImage(DATA, AFFINE), path)
    path = tmp_path / "T1w.hdr"
    nib.save(nib.Nifti1Pair(DATA, AFFINE), path)
    voxels = path.with_suffix(".img")
    voxels.rename(tmp_path / "away")
    with mended(FORMATS, "; copy the .img too", InputFileError, lambda: read_scan(path)):
        (tmp_path / "away").rename(voxels)
    pair = nib.Nifti1Pair(DATA, None)
    nib.save(pair, path)
    with mended(FORMATS, AGAIN, ImageError, lambda: read_scan(path)):
        nib.save(nib.Nifti1Pair(DATA, AFFINE), path)


def test_refuse_labels__and_masks_in_the_space_of_the_scan(tmp_path):
    path = save(tmp_path / "T1w.nii", (DATA > 5000).astype(np.float32))
    words = "name the T1w image itself"
    with mended(SCAN, words, ImageError, lambda: refuse_labels(read_scan(path), path)):
        save(path)
    scan, mask = read_scan(path), tmp_path / "mask.nii"
    save(mask, (DATA > 5000).astype(np.float32), AFFINE + np.eye(4, k=3) * 500)
    words = "give the mask in the space of the T1w image"
    with mended("imaging/brain.py", words, ImageError, lambda: given_mask(scan, mask, 3.0)):
        save(mask, (DATA > 5000).astype(np.float32))


# Folders ------------------------------------------------------------------------------------------


def touch(root: Path, *names: str) -> None:
    for name in names:
        label = name.partition("_")[0]
        path = root / label / "anat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("module", "remedy", "error", "names", "options", "mending"),
    [
        row(BIDS, "correct `imaging: exclude:`; labels there: ", InputFileError,
            ["sub-1_T1w.nii", "sub-2_T1w.nii"], {"exclude": ("sub-1",)}, {"exclude": ("1",)}),
        row(BIDS, "labels there: ", InputFileError, ["sub-1_acq-fast_T1w.nii"],
            {"wanted": {"acq": ("fst",)}}, {"wanted": {"acq": ("fast",)}}),
        row(BIDS, "-: remove it from `imaging: select:`", InputFileError, ["sub-1_T1w.nii"],
            {"wanted": {"acq": ("fast",)}}, {"wanted": {}}),
        row(BIDS, "convert them, or change `imaging: select:`", InputFileError,
            ["sub-1_space-T1w_T1w.nii"], {}, {"wanted": {"space": ("T1w",)}}),
        row(BIDS, "name the folder that holds sub-* in `imaging: bids:`", InputFileError,
            ["sub-1_T1w.nii"], {"bids": ".."}, {"bids": "."}),
    ],
)  # fmt: skip
def test_find_images__after_each_part_of_its_remedy(
    tmp_path, module, remedy, error, names, options, mending
):
    root = tmp_path / "data/bids"
    touch(root, *names)
    call = {"bids": ".", "wanted": {}, "exclude": (), **options}

    def find():
        find_images(str(root / call["bids"]), wanted=call["wanted"], exclude=call["exclude"])

    with mended(module, remedy, error, find):
        call.update(mending)


def test_find_images__raw_data_in_place_of_derivatives(tmp_path):
    folder = [tmp_path / "fmriprep"]
    touch(folder[0], "sub-1_space-MNI_desc-preproc_T1w.nii.gz")
    (folder[0] / "dataset_description.json").write_text(json.dumps({"DatasetType": "derivative"}))
    words = "name the raw data in `imaging: bids:`; or, to take the volumes of fMRIPrep's"
    with mended(BIDS, words, InputFileError, lambda: find_images(str(folder[0]))):
        folder[0] = tmp_path / "raw"
        touch(folder[0], "sub-1_T1w.nii.gz")


def test_find_images__folders_that_are_renamed_or_listed(tmp_path):
    touch(tmp_path, "sub-1_T1w.nii", "sub-a b_T1w.nii")
    printed = "rename these folders (BIDS labels have letters and digits), or list them in"
    exclude: list[str] = []
    with mended(
        BIDS, printed, IdentifierError, lambda: find_images(str(tmp_path), exclude=exclude)
    ):
        exclude.append("a b")
    with mended(BIDS, printed, IdentifierError, lambda: find_images(str(tmp_path))):
        (tmp_path / "sub-a b").rename(tmp_path / "sub-ab")


def test_check_masks__a_path_for_each_participant(tmp_path):
    touch(tmp_path, "sub-1_T1w.nii")
    (tmp_path / "mask-1.nii").touch()
    atlas = {"labels": "a", "table": "b"}
    section = {"bids": str(tmp_path), "atlas": atlas, "brain": "given"}
    section["mask"] = str(tmp_path / "sub-{participant}.nii")
    words = "write in `imaging: mask:` the path of a mask, {participant} standing for the"
    with mended(
        "imaging/preflight.py",
        "write in `imaging: mask:` the path of a mask, ",
        InputFileError,
        lambda: check_masks(ImagingSection.parse(section)),
    ) as refused:
        assert words in refused.next_step
        section["mask"] = str(tmp_path / "mask-{participant}.nii")


# Atlases ------------------------------------------------------------------------------------------

LABELS = np.zeros(SHAPE, np.float32)
LABELS[2:8], LABELS[10:20] = 1, 2
TABLE = "index\tregion\themisphere\n1\tinsula\tL\n2\tinsula\tR\n"
NEEDS = "write a table separated by tabs or commas with a row for each label"


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(ATLAS, NEEDS, TableError, "region\themisphere\ninsula\tL\n", TABLE),
        row(ATLAS, "write the value that the region has in the image", TableError,
            TABLE.replace("\n1", "\nleft"), TABLE),
        row(ATLAS, "keep one row for each label", TableError, TABLE + "1\tother\tL\n", TABLE),
        row(ATLAS, "write one row per region", TableError, "index\tregion\themisphere\n", TABLE),
        row(ATLAS, "write L, R, or B for regions of both sides and the midline", TableError,
            TABLE.replace("\tL", "\tleft"), TABLE),
        row(ATLAS, "write what is measured in the region, or n/a", TableError,
            "index\tregion\themisphere\ttissue\n1\ta\tL\tgray\n2\tb\tL\tgrey\n",
            "index\tregion\themisphere\ttissue\n1\ta\tL\tn/a\n2\tb\tL\tgrey\n"),
        row(ATLAS, "give each row another region, or another hemisphere", TableError,
            TABLE.replace("\tR", "\tL"), TABLE),
        row(ATLAS, "give each row another region, or another hemisphere", TableError,
            TABLE.replace("\tR", "\tL"), TABLE.replace("2\tinsula\tR", "2\tcuneus\tL")),
        row(ATLAS, "use the table that came with the image, or remove these rows", AtlasError,
            TABLE + "9\tnowhere\tL\n", TABLE),
    ],
)  # fmt: skip
def test_load_atlas__a_table_as_the_remedy_asks_for(
    tmp_path, module, remedy, error: type[GendmrError], wrong, mending
):
    path = tmp_path / "atlas.tsv"
    files = AtlasFiles(labels=str(save(tmp_path / "atlas.nii", LABELS)), table=str(path))
    path.write_text(wrong)
    with mended(module, remedy, error, lambda: load_atlas(files)):
        path.write_text(mending)


def test_load_atlas__labels_that_are_whole_and_a_table_that_is_named(tmp_path):
    path, table = save(tmp_path / "atlas.nii", LABELS * 0.7), tmp_path / "atlas.tsv"
    table.write_text(TABLE)
    files = {"labels": str(path), "table": str(table)}

    def load():
        load_atlas(AtlasFiles(**files))

    with mended(ATLAS, "use the label image, resampled by nearest neighbour", AtlasError, load):
        save(path, LABELS)
    files["table"] = None
    with mended(ATLAS, "name it in `imaging: atlas: table:`: ", AtlasError, load):
        files["table"] = str(table)


BY_NAME = "fetch image and table of the atlas where there is a network"


@pytest.mark.parametrize("part", ["description", "files"])
def test_fetch_atlas__another_name_or_files(tmp_path, monkeypatch, part):
    image, table = save(tmp_path / "atlas.nii", LABELS), tmp_path / "atlas.tsv"
    table.write_text(TABLE)

    def get(_: str, raise_empty: bool, **entities: object) -> object:
        fitting = [image, tmp_path / "other.nii"] if entities["extension"] != ".tsv" else table
        return image if entities.get("desc") and fitting is not table else fitting

    module = SimpleNamespace(api=SimpleNamespace(get=get))
    monkeypatch.setitem(sys.modules, "templateflow", module)
    named = {"templateflow": "Schaefer2018"}

    def fetch():
        if "templateflow" in named:
            fetch_atlas(NamedAtlas.parse(named), tmp_path / "out")
        else:
            load_atlas(AtlasFiles.parse(named))

    words = "say which by `description` and `resolution`; or "
    with mended(ATLAS, words, AtlasError, fetch) as refused:
        assert BY_NAME in refused.next_step
        if part == "description":
            named["description"] = "100Parcels7Networks"
        else:
            named.clear()
            named |= {"labels": str(image), "table": str(table)}


def test_fetch_atlas__without_network_the_files(tmp_path, monkeypatch):
    def get(*_: object, **__: object) -> object:
        raise OSError("no network")

    monkeypatch.setitem(sys.modules, "templateflow", SimpleNamespace(api=SimpleNamespace(get=get)))
    atlas = [NamedAtlas(templateflow="DKT")]

    def fetch():
        if isinstance(atlas[0], NamedAtlas):
            fetch_atlas(atlas[0], tmp_path / "out")
        else:
            load_atlas(atlas[0])

    with mended(ATLAS, "fetch image and table of the atlas where there", AtlasError, fetch):
        (tmp_path / "atlas.tsv").write_text(TABLE)
        labels = save(tmp_path / "atlas.nii", LABELS)
        atlas[0] = AtlasFiles(labels=str(labels), table=str(tmp_path / "atlas.tsv"))


class Reached(Exception):
    """The template is read next, which takes seconds."""


@pytest.mark.parametrize(
    ("module", "remedy", "atlas"),
    [
        row(TEMPLATE, "name an atlas, or leave this step out", None),
        row(TEMPLATE, "gendmr imaging atlas, then name its files in `imaging: atlas:`",
            NamedAtlas(templateflow="DKT")),
    ],
)  # fmt: skip
def test_prepare_template__an_atlas_that_there_is(
    tmp_path, section, monkeypatch, module, remedy, atlas
):
    def reached(*_: object) -> None:
        raise Reached

    monkeypatch.setattr("gendmr.imaging.template.nilearn_template", reached)
    sections = [section.model_copy(update={"atlas": atlas})]

    def prepare():
        with contextlib.suppress(Reached):
            prepare_template(sections[0], tmp_path / "t")

    with mended(module, remedy, ConfigurationError, prepare):
        sections[0] = section
