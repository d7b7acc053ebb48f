"""What an error of lesions says to change is changed, and the volumes are measured then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile

from gendmr.config.lesions import LesionsSection
from gendmr.errors import GendmrError, IdentifierError, ImageError, InputFileError, ModalityError
from gendmr.files.lesions import read_volume
from gendmr.lesions.collect import collect_lesions
from gendmr.lesions.preflight import check_images
from remedies import both, each_part, mended, row

SIDE, SLICES = 16, 4
CHANNELS = ["pre", "flair"]
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
VOLUME, OF_CHANNELS, PEOPLE = "lesions/volume.py", "lesions/channels.py", "lesions/people.py"


def person(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (channel, slice, row, column), and a mask where flair is brighter."""
    random = np.random.default_rng(number)
    image = random.integers(20, 60, (2, SLICES, SIDE, SIDE)).astype(np.uint8)
    mask = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    mask[1, 5:10, 5:9] = 1
    image[1][mask == 1] = 150
    return image, mask


class Images:
    """Folders of people, and what the section says of them; changed by the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options: dict[str, Any] = {"channels": CHANNELS, "tif": str(folder / "tif")}
        for number in range(3):
            self.tif(f"p{number}", *person(number))

    def tif(self, name: str, image: np.ndarray, mask: np.ndarray, places: Any = None) -> None:
        """Write the slices of a person: two colours, as TIFF has them, and a mask each."""
        folder = self.folder / "tif" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for place in range(len(mask)) if places is None else places:
            pixels = np.moveaxis(image[:, place], 0, -1)
            pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            tifffile.imwrite(folder / f"{name}_{place}.tif", np.ascontiguousarray(pixels))
            tifffile.imwrite(folder / f"{name}_{place}_mask.tif", mask[place])

    def nifti(self, change: Callable[[Any, Any, Any], tuple[Any, Any, Any]] | None = None) -> None:
        """Write volumes (x, y, z) in place of slices; `change` of image, mask and its affine."""
        self.options.pop("tif", None)
        for number in range(3):
            name, (image, mask) = f"n{number}", person(number)
            turned, seg, affine = image.transpose(0, 3, 2, 1), mask.transpose(2, 1, 0), AFFINE
            if change is not None:
                turned, seg, affine = change(turned, seg, affine)
            for channel, values in zip(CHANNELS, turned, strict=True):
                save(self.folder / f"{name}_{channel}.nii", values, AFFINE)
            save(self.folder / f"{name}_all.nii", np.moveaxis(turned, 0, -1), AFFINE)
            save(self.folder / f"{name}_seg.nii", seg, affine)
        self.options["nifti"] = str(self.folder / "{participant}_{channel}.nii")
        self.options["masks"] = str(self.folder / "{participant}_seg.nii")

    def collect(self) -> None:
        collect_lesions(LesionsSection.parse(self.options), self.folder / "out")


def save(path: Path, values: np.ndarray, affine: np.ndarray | None) -> None:
    image = nib.Nifti1Image(values, affine)
    if affine is None:
        image.header["sform_code"] = image.header["qform_code"] = 0
    nib.save(image, path)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    for name in ("draw_lesions", "draw_person"):
        monkeypatch.setattr(f"gendmr.lesions.figures.{name}", lambda *_: None)
    return Images(tmp_path)


Change = Callable[[Images], object]
TWO = ("p0", "p1")


def option(**entries: Any) -> Change:
    return lambda images: images.options.update(entries)


def of_two(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Change:
    """Write two of the three people anew."""

    def write(images: Images) -> None:
        for number, name in enumerate(TWO):
            images.tif(name, *change(*person(number)))

    return write


def file(name: str, values: np.ndarray | None) -> Change:
    """Write a file, of two people where its name says `*`, or remove it."""

    def change(images: Images) -> None:
        for who in TWO if "*" in name else ("",):
            path = images.folder / "tif" / name.replace("*", who)
            if values is None:
                path.unlink()
            else:
                tifffile.imwrite(path, values)

    return change


def nifti(change: Callable[[Any, Any, Any], tuple[Any, Any, Any]] | None = None) -> Change:
    return lambda images: images.nifti(change)


def moved(source: str, target: str) -> Change:
    return lambda images: (images.folder / source).rename(images.folder / target)


def copied(source: str, target: str) -> Change:
    return lambda images: shutil.copytree(images.folder / source, images.folder / target)


def removed(name: str) -> Change:
    return lambda images: shutil.rmtree(images.folder / name)


def only_in(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A brain that is one voxel in a hundred."""
    few = np.zeros_like(image)
    few[:, 1, 5:7, 5:7] = image[:, 1, 5:7, 5:7]
    return few, mask


def cut(images: Images) -> None:
    for who in TWO:
        path = images.folder / f"tif/{who}/{who}_2.tif"
        path.write_bytes(path.read_bytes()[:200])


EXCLUDED = option(exclude=list(TWO))
SOUND = of_two(lambda image, mask: (image, mask))
MASK = person(0)[1]
OF_LESION = "name the values that are lesion in `lesions: lesion:`, the others in"
UNDECLARED = "name these values in `lesions: lesion:` or `lesions: background:`"
IN_CHANNELS = "correct `lesions: channels:`, or write {channel} into `lesions: nifti:`"
ALL_IN_ONE = both(
    nifti(), lambda images: option(nifti=f"{images.folder}/{{participant}}_all.nii")(images)
)
THREE_LABELS = of_two(lambda image, mask: (image, mask + 2 * np.roll(mask, 3, axis=1)))

# The mistake, then what each part of the remedy changes.
ROWS = [
    row(OF_CHANNELS, "restore the images, or name the person in `lesions: exclude:`", ModalityError,
        of_two(lambda image, mask: (image * 0, mask)), SOUND, EXCLUDED),
    row(OF_CHANNELS, "widen `lesions: percentiles:`, for example to [0.0, 100.0]", ModalityError,
        of_two(only_in), option(percentiles=[0.0, 100.0])),
    row(OF_CHANNELS, OF_LESION, ModalityError,
        THREE_LABELS, option(lesion=[1], background=[0, 2, 3])),
    row(OF_CHANNELS, UNDECLARED, ModalityError, both(THREE_LABELS, option(lesion=[1])),
        option(lesion=[1, 2, 3]), option(background=[0, 2, 3])),
    row("lesions/collect.py", "change `lesions: minimum_slices:` or `lesions: exclude:`",
        ModalityError, option(minimum_slices=5), option(minimum_slices=2)),
    row("lesions/collect.py", "change `lesions: minimum_slices:` or `lesions: exclude:`",
        ModalityError, option(exclude=["p0", "p1", "p2"]), option(exclude=["p0"])),
    row("lesions/collect.py", "name one of each pair in `lesions: exclude:`, for example",
        IdentifierError, lambda images: images.tif("twin", *person(1)), option(exclude=["twin"])),
    row(PEOPLE, "correct `lesions: exclude:`; labels there: ", InputFileError,
        option(exclude=["sub-p0"]), option(exclude=["p0"])),
    row(PEOPLE, "name the folder that holds the folders of the people: ls ", InputFileError,
        lambda images: option(tif=f"{images.folder}/tif/p0")(images),
        lambda images: option(tif=f"{images.folder}/tif")(images)),
    row(PEOPLE, " in place of the channel", InputFileError,
        both(nifti(), option(nifti="/x/{participant}.nii", masks="/x/{participant}.nii")),
        lambda images: option(nifti=f"{images.folder}/{{participant}}_{{channel}}.nii",
                              masks=f"{images.folder}/{{participant}}_seg.nii")(images)),
    row(PEOPLE, "leave one of them in the folder", IdentifierError, copied("tif/p0", "tif/sub-p0"),
        removed("tif/sub-p0")),
    row(PEOPLE, "make a folder for each person", IdentifierError,
        both(file("p0/p9_1.tif", MASK[0]), file("p0/p9_1_mask.tif", MASK[0])),
        both(lambda images: images.tif("p9", *person(9)), file("p0/p9_1.tif", None),
             file("p0/p9_1_mask.tif", None))),
    row(PEOPLE, "name slices <name>_<number>.tif and <name>_<number>_mask.tif, and", InputFileError,
        moved("tif/p0/p0_1.tif", "tif/p0/second.tif"), moved("tif/p0/second.tif",
        "tif/p0/p0_1.tif")),
    row(PEOPLE, "take other pictures out of the folder", InputFileError,
        file("p0/overview.tif", MASK[0]), file("p0/overview.tif", None)),
    row(PEOPLE, "rename these folders or files", IdentifierError, moved("tif/p0", "tif/p 0"),
        moved("tif/p 0", "tif/p0")),
    row(VOLUME, "restore them (a mask of zeros where there is no lesion), or name the",
        ModalityError, file("*/*_2_mask.tif", None), file("*/*_2_mask.tif", MASK[0] * 0), EXCLUDED),
    row(VOLUME, "name the channels that the files have in `lesions: channels:`", ModalityError,
        option(channels=["flair"]), option(channels=CHANNELS)),
    row(VOLUME, "leave the slices of one series in the folder", ModalityError,
        both(file("*/*_4.tif", np.zeros((9, 9, 2), np.uint8)), file("*/*_4_mask.tif", MASK[0])),
        both(file("*/*_4.tif", None), file("*/*_4_mask.tif", None))),
    row(VOLUME, "restore it, or save it without compression", InputFileError,
        cut, SOUND),
    row(VOLUME, "save the mask as one channel of whole numbers", ModalityError,
        file("*/*_2_mask.tif", np.stack([MASK[1], MASK[0], MASK[0]], -1)),
        file("*/*_2_mask.tif", MASK[1])),
    row(VOLUME, "restore the mask of this image, or name the person in `lesions: exclude:`",
        ModalityError, file("*/*_2_mask.tif", MASK[0, :9]), SOUND, EXCLUDED),
    row(VOLUME, IN_CHANNELS, ModalityError,
        both(ALL_IN_ONE, option(channels=["pre", "flair", "post"])),
        option(channels=CHANNELS)),
    row(VOLUME, IN_CHANNELS, ModalityError, both(ALL_IN_ONE, option(channels=["flair"])),
        lambda images: option(nifti=f"{images.folder}/{{participant}}_{{channel}}.nii")(images)),
    row(VOLUME, "restore it, or name the person in `lesions: exclude:`", InputFileError,
        both(nifti(), moved("n0_pre.nii", "away0"), moved("n1_pre.nii", "away1")),
        both(moved("away0", "n0_pre.nii"), moved("away1", "n1_pre.nii")), option(exclude=["n0",
        "n1"])),
    row(VOLUME, "resample the mask to the grid of the image, or name the person in", ImageError,
        nifti(lambda image, seg, affine: (image, seg, affine + np.eye(4, k=3) * 8)), nifti()),
    row(VOLUME, "resample labels by nearest neighbour, or cut probabilities at one half",
        ModalityError,
        nifti(lambda image, seg, affine: (image, seg.astype(np.float32) * 0.7, affine)),
        nifti(lambda image, seg, affine: (image, (seg * 0.7 > 0.5).astype(np.uint8), affine))),
    row(VOLUME, "restore the image, or name the person in `lesions: exclude:`", ModalityError,
        of_two(lambda image, mask: (np.where(image == 150, np.nan, image).astype(np.float32),
        mask)),
        SOUND, EXCLUDED),
]  # fmt: skip


@each_part(("module", "remedy", "error", "wrong", "mending"), ROWS)
def test_collect_lesions__after_each_part_of_its_remedy(
    images: Images,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: Change,
    mending: Change,
) -> None:
    wrong(images)
    with mended(module, remedy, error, images.collect):
        mending(images)


def test_read_volume__of_somebody_who_is_in_the_file(images: Images) -> None:
    images.collect()
    name = ["p7"]
    path = images.folder / "out/volumes.h5"
    with mended(
        "files/lesions.py", "name one of these", ModalityError, lambda: read_volume(path, name[0])
    ) as refused:
        assert "'p1'" in refused.what
        name[0] = "p1"


def test_check_images__masks_where_they_are(images: Images) -> None:
    images.nifti()
    right, images.options["masks"] = images.options["masks"], "/x/{participant}_seg.nii"
    words = "correct `lesions: masks:` or `lesions: tif:`"
    with mended(
        "lesions/preflight.py",
        words,
        InputFileError,
        lambda: check_images(LesionsSection.parse(images.options)),
    ):
        images.options["masks"] = right
