"""Whose images and masks lie where; nothing heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gendmr.config.lesions import CHANNEL, PERSON, LesionsSection
from gendmr.errors import IdentifierError, InputFileError, first_few
from gendmr.files.identifiers import refuse_unsafe

TCGA = re.compile(r"TCGA_(\w{2})_(\w{4})_\d{8}")
SLICE = re.compile(r"(?P<name>.+)_(?P<number>\d+)(?P<mask>_mask)?\.tiff?", re.IGNORECASE)


@dataclass(frozen=True)
class SliceFiles:
    """Image and mask of slices by number, or of a whole volume under the number 0.

    Parameters
    ----------
    images : dict of int to tuple of str
        Of a volume the files of the channels, or one for all.
    masks : dict of int to str
    """

    images: dict[int, tuple[str, ...]]
    masks: dict[int, str]

    def files(self) -> list[str]:
        """Return all of them."""
        images = [file for files in self.images.values() for file in files]
        return [*images, *self.masks.values()]


def find_people(section: LesionsSection) -> dict[str, SliceFiles]:
    """Return the files of each participant.

    Returns
    -------
    dict of str to SliceFiles
        By label without `sub-`, sorted; those whom `exclude` names are among them, since the
        quality table lists them.

    Raises
    ------
    InputFileError
        There is no image, a file is named otherwise, or an excluded person has no image.
    IdentifierError
        A person has two folders, a folder holds two people, or a label could be taken for
        something else.
    """
    where = str(section.tif or section.nifti)
    people: dict[str, SliceFiles] = {}
    places: dict[str, str] = {}
    for label, place, files in _folders(Path(where)) if section.tif else _volumes(section):
        if label in people:
            raise IdentifierError(
                f"{where}: {label!r} stands twice: {places[label]} and {place}",
                cause="two dates of one person, or the same with and without `sub-`",
                next_step="leave one of them in the folder",
            )
        people[label], places[label] = files, place
    unknown = sorted(set(section.exclude) - set(people))
    if unknown:
        raise InputFileError(
            f"{where}: {len(unknown)} excluded participants have no images: {first_few(unknown)}",
            cause="a misspelt label, or one written with `sub-`",
            next_step="correct `lesions: exclude:`; labels there: " + first_few(people),
        )
    refuse_unsafe(people, where, "rename these folders or files")
    return dict(sorted(people.items()))


def _folders(root: Path) -> Iterator[tuple[str, str, SliceFiles]]:
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir()) if root.is_dir() else []
    count = 0
    for folder in folders:
        images: dict[int, tuple[str, ...]] = {}
        masks: dict[int, str] = {}
        names: set[str] = set()
        for path in sorted([*folder.glob("*.tif"), *folder.glob("*.tiff")]):
            match = SLICE.fullmatch(path.name)
            if match is None:
                raise InputFileError(
                    f"{path}: no number of a slice in the name",
                    cause="another layout, or a picture that is no slice",
                    next_step="name slices <name>_<number>.tif and <name>_<number>_mask.tif, and"
                    " take other pictures out of the folder",
                )
            names.add(match["name"])
            if match["mask"]:
                masks[int(match["number"])] = str(path)
            else:
                images[int(match["number"])] = (str(path),)
        if len(names) > 1:
            raise IdentifierError(
                f"{folder}: slices of {len(names)} people: {first_few(sorted(names))}",
                cause="files copied into the wrong folder, or one folder for everybody",
                next_step="make a folder for each person",
            )
        if names:
            count += 1
            match = TCGA.fullmatch(folder.name)
            label = f"TCGA-{match[1]}-{match[2]}" if match else folder.name.removeprefix("sub-")
            yield label, str(folder), SliceFiles(images, masks)
    if not count:
        raise InputFileError(
            f"{root}: no folder with .tif files; it holds {len(folders)} folders:"
            f" {first_few(folder.name for folder in folders)}",
            cause="a path that is relative to another folder, or one level too high or too low",
            next_step=f"name the folder that holds the folders of the people: ls {root}",
        )


def _volumes(section: LesionsSection) -> Iterator[tuple[str, str, SliceFiles]]:
    pattern, masks = str(section.nifti), str(section.masks)
    first = pattern.replace(CHANNEL, section.channels[0])
    labels = sorted({*_labels(first), *_labels(masks)})
    if not labels:
        root = Path(first.split(PERSON)[0]).parent
        entries = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
        raise InputFileError(
            f"{first}: no file matches; {root} holds {len(entries)} entries: {first_few(entries)}",
            cause="another folder or another form of names",
            next_step=f"write the name of a file with {PERSON} in place of the participant, and"
            f" {CHANNEL} in place of the channel",
        )
    for name in labels:
        path = pattern.replace(PERSON, name)
        channels = section.channels if CHANNEL in pattern else section.channels[:1]
        images = tuple(path.replace(CHANNEL, channel) for channel in channels)
        mask = masks.replace(PERSON, name)
        yield name.removeprefix("sub-"), path, SliceFiles({0: images}, {0: mask})


def _labels(pattern: str) -> Iterator[str]:
    """Give the labels of the files that a pattern with `{participant}` matches."""
    pieces = [re.escape(piece) for piece in pattern.split(PERSON)]
    expression = pieces[0] + "(?P<who>[^/]+?)" + "(?P=who)".join(pieces[1:])
    parts = Path(pattern).parts
    depth = next(number for number, part in enumerate(parts) if PERSON in part)
    root = Path(*parts[:depth])
    for path in sorted(root.glob("/".join(parts[depth:]).replace(PERSON, "*"))):
        match = re.fullmatch(expression, str(path))
        if match is not None and path.is_file():
            yield match["who"]
