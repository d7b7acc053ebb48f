"""Which T1w image belongs to which participant; nothing heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from gendmr.errors import InputFileError, first_few
from gendmr.files.identifiers import refuse_unsafe


def find_images(bids: str, *, exclude: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Find the T1w images of each participant in a BIDS folder.

    Images are ``sub-*/anat/*_T1w.nii[.gz]`` and ``sub-*/ses-*/anat/*_T1w.nii[.gz]``. Of several
    images the first counts: those without a session before those with one, then sessions, then file
    names in their natural order (``run-2`` before ``run-10``).

    Parameters
    ----------
    bids : str
        The BIDS folder.
    exclude : collection of str, optional
        Labels without ``sub-`` whose images are left out.

    Returns
    -------
    dict of str to tuple of str
        Participant label without ``sub-`` -> paths that begin with `bids`, the one that counts
        first; sorted by label.

    Raises
    ------
    InputFileError
        The folder is missing or holds no T1w image, or an excluded label has none.
    IdentifierError
        A label could be taken for an option, a command or a pattern.
    """
    root = Path(bids)
    if not root.is_dir():
        raise InputFileError(
            f"{bids}: no such folder of images",
            cause="the path `imaging: bids:` is wrong, or the disk is not mounted",
            next_step=f"check the path: ls -d {bids}",
        )
    images: dict[str, tuple[str, ...]] = {}
    for folder in sorted(root.glob("sub-*")):
        scans = [
            image
            for pattern in ("anat/*_T1w.nii*", "ses-*/anat/*_T1w.nii*")
            for image in folder.glob(pattern)
            if image.name.endswith((".nii", ".nii.gz"))
        ]
        if scans:
            scans.sort(key=lambda image: _order(image.relative_to(folder)))
            images[folder.name.removeprefix("sub-")] = tuple(map(str, scans))
    if not images:
        entries = sorted(entry.name for entry in root.iterdir())
        raise InputFileError(
            f"{bids}: no T1w image; looked for sub-*/[ses-*/]anat/*_T1w.nii[.gz] among"
            f" {len(entries)} entries: {first_few(entries)}",
            cause="not a BIDS folder, or the folder above or below it",
            next_step="name the folder that holds sub-* in `imaging: bids:`",
        )
    unknown = sorted(set(exclude) - set(images))
    if unknown:
        raise InputFileError(
            f"{bids}: {len(unknown)} excluded participants have no T1w image: {first_few(unknown)}",
            cause="a misspelt label, or one written with `sub-`",
            next_step="correct `imaging: exclude:`; labels there: " + first_few(images),
        )
    selected = {label: paths for label, paths in images.items() if label not in exclude}
    refuse_unsafe(
        selected,
        f"{bids}, folders sub-*",
        "rename these folders (BIDS labels have letters and digits), or list them in"
        " `imaging: exclude:`",
    )
    return selected


def if_exists(path: str | None) -> list[str]:
    """Return the path of a file that is there, else nothing.

    A link whose target was not fetched, or a mask that was forgotten, is one participant's trouble:
    as an input of a rule it would stop everybody.
    """
    return [path] if path is not None and Path(path).exists() else []


def _order(image: Path) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    pieces = re.findall(r"\d+|\D+", str(image))
    natural = tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in pieces)
    return len(image.parts), natural
