"""What can be said of images with masks of lesions before one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gendmr.config.lesions import LesionsSection
from gendmr.errors import InputFileError, first_few
from gendmr.lesions.people import find_people


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield the check of the images: people are told apart, and images have masks.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `lesions` is among them.
    """
    yield partial(check_images, LesionsSection.parse(dict(stages["lesions"]), where="lesions"))


def check_images(lesions: LesionsSection) -> None:
    """Refuse images none of which has a mask: one person's is for the stage to list.

    Raises
    ------
    InputFileError, IdentifierError
        See `find_people`; or nobody has images and a mask.
    """
    people = find_people(lesions)
    whole = [
        who
        for who, files in people.items()
        if files.masks and all(Path(path).is_file() for path in files.files())
    ]
    if not whole:
        raise InputFileError(
            f"none of {len(people)} people has images with masks: {first_few(people)}",
            cause="masks in another folder, or another form of their names",
            next_step="correct `lesions: masks:` or `lesions: tif:`",
        )
