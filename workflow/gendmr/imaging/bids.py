"""Which T1w image belongs to which participant; nothing heavy is imported."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from gendmr.errors import InputFileError, first_few
from gendmr.files.bids import entities_of, if_exists
from gendmr.files.identifiers import refuse_unsafe

READABLE = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr")
# What a person would not take for the image of a head, whatever its suffix; `imaging.select` may
# ask for some of it.
WITHOUT = ("chunk", "space", "desc", "label", "echo")
PARTS = {"mag", None}
OTHER_FORMS = {
    "nrrd": "NRRD is not read: convert it to NIfTI",
    "dcm": "DICOM is not read: convert it with dcm2niix",
    "img": "an Analyze image whose header (.hdr) is not there",
    "mnc": "MINC is not read: convert it to NIfTI",
}
UNIT1 = "UNIT1 (MP2RAGE) is no T1w image: noise fills the background; make a T1w image of it"

Labels = Mapping[str, tuple[str, ...]]


def find_images(
    bids: str, *, exclude: Collection[str] = (), wanted: Labels | None = None
) -> dict[str, tuple[str, ...]]:
    """Find the T1w images of each participant in a BIDS folder.

    Images are ``sub-*/[ses-*/]anat/*_T1w`` with the ending of a format that is read. Parts other
    than the magnitude, chunks, single echoes, images in the space of a template and derivatives
    (``desc-``) do not count. Of several images the first counts: in the order of the labels that
    are wanted, then those without a session before those with one, then sessions and file names
    in their natural order (``run-2`` before ``run-10``), of one name NIfTI before other formats.

    Parameters
    ----------
    bids : str
        The BIDS folder.
    exclude : collection of str, optional
        Labels without ``sub-`` whose images are left out.
    wanted : mapping of str to tuple of str, optional
        `SelectSection.wanted`: labels by entity, the first counting most; none: without it.

    Returns
    -------
    dict of str to tuple of str
        Participant label without ``sub-`` -> paths that begin with `bids`, the one that counts
        first; sorted by label.

    Raises
    ------
    InputFileError
        The folder is missing or holds no T1w image, an excluded label has none, or no image has a
        label that is wanted.
    IdentifierError
        A label could be taken for an option, a command or a pattern.
    """
    root, wanted = _folder(bids), wanted or {}
    images: dict[str, tuple[str, ...]] = {}
    names: list[str] = []
    for folder in sorted(root.glob("sub-*")):
        anatomical = _anatomical(folder, "T1w")
        names += [scan.name for scan in anatomical]
        scans = [scan for scan in anatomical if _counts(scan.name, wanted)]
        if scans:
            scans.sort(key=lambda scan: _order(scan.relative_to(folder), wanted))
            images[folder.name.removeprefix("sub-")] = tuple(map(str, scans))
    _refuse_unknown(bids, names, wanted)
    if not images:
        _refuse_nothing(bids, root, wanted)
    unknown = sorted(set(exclude) - set(images) - set(unusable_images(bids, wanted=wanted)))
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


def unusable_images(bids: str, *, wanted: Labels | None = None) -> dict[str, str]:
    """Return who has anatomical images of which none counts, and why.

    Parameters
    ----------
    bids : str
    wanted : mapping of str to tuple of str, optional
        As for `find_images`.

    Returns
    -------
    dict of str to str
        Label without ``sub-`` -> reason, with the name of the file.
    """
    root, wanted = _folder(bids), wanted or {}
    reasons: dict[str, str] = {}
    for folder in sorted(root.glob("sub-*")):
        scans = _anatomical(folder, "T1w")
        if any(_counts(scan.name, wanted) for scan in scans):
            continue
        label = folder.name.removeprefix("sub-")
        unusable = [
            (path, OTHER_FORMS[path.suffix[1:]])
            for path in _any_anatomical(folder, "T1w")
            if path.suffix[1:] in OTHER_FORMS
        ]
        unusable += [(path, UNIT1) for path in _anatomical(folder, "UNIT1")]
        if scans:
            reasons[label] = f"{scans[0].name}: {_why_not(scans[0].name, wanted)}"
        elif unusable:
            reasons[label] = f"{unusable[0][0].name}: {unusable[0][1]}"
    return reasons


def files_of(image: str) -> list[str]:
    """Return the files of an image that are there: of Analyze, header and voxels."""
    voxels = image.removesuffix(".hdr") + ".img" if image.endswith(".hdr") else None
    return [*if_exists(image), *if_exists(voxels)]


def _folder(bids: str) -> Path:
    root = Path(bids)
    if not root.is_dir():
        raise InputFileError(
            f"{bids}: no such folder of images",
            cause="the path `imaging: bids:` is wrong, or the disk is not mounted",
            next_step=f"check the path: ls -d {bids}",
        )
    return root


def _any_anatomical(folder: Path, suffix: str) -> list[Path]:
    """Return files of any form with a suffix of BIDS, but for what macOS leaves beside files."""
    return sorted(
        image
        for pattern in (f"anat/*_{suffix}.*", f"ses-*/anat/*_{suffix}.*")
        for image in folder.glob(pattern)
        if not image.name.startswith(".")
    )


def _anatomical(folder: Path, suffix: str) -> list[Path]:
    return [image for image in _any_anatomical(folder, suffix) if image.name.endswith(READABLE)]


def _why_not(name: str, wanted: Labels) -> str:
    """Return why an image does not count, or nothing."""
    entities = entities_of(name)
    for entity, labels in wanted.items():
        label = entities.get(entity)
        if not labels and label is not None:
            return f"{entity}-{label}, where `imaging.select` asks for images without"
        if labels and _rank(label, labels) == len(labels):
            return f"{entity}-{label or '(none)'}, where `imaging.select` asks for {labels[0]}"
    if "part" not in wanted and entities.get("part") not in PARTS:
        return f"part-{entities['part']}: not the magnitude image"
    unlike = [entity for entity in WITHOUT if entity in entities and entity not in wanted]
    if unlike:
        return f"{unlike[0]}-{entities[unlike[0]]}: a derivative, or a part of an image"
    return ""


def _counts(name: str, wanted: Labels) -> bool:
    return _why_not(name, wanted) == ""


def _rank(label: str | None, labels: tuple[str, ...]) -> int:
    """Return the place of a label among those wanted, their number where it is none of them."""
    for place, wanted in enumerate(labels):
        if label == wanted:
            return place
        # `run-02` is asked for as 2, and `ses-01` becomes 1 in YAML.
        if (
            label is not None
            and label.isdecimal()
            and wanted.isdecimal()
            and int(label) == int(wanted)
        ):
            return place
    return len(labels)


def is_derivative(bids: str) -> bool:
    """Return whether a BIDS folder says that it holds derivatives, the output of a pipeline."""
    description = Path(bids) / "dataset_description.json"
    if not description.is_file():
        return False
    try:
        content = json.loads(description.read_text(encoding="utf-8", errors="replace"))
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("DatasetType") == "derivative"


def _refuse_unknown(bids: str, names: list[str], wanted: Labels) -> None:
    """Refuse a label of `imaging.select` that no image has: a misspelt one."""
    for entity, labels in wanted.items():
        present = sorted(
            {entities_of(name)[entity] for name in names if entity in entities_of(name)}
        )
        absent = [
            label for label in labels if all(_rank(value, (label,)) == 1 for value in present)
        ]
        if names and absent:
            raise InputFileError(
                f"{bids}: no T1w image has {entity}-{absent[0]}, which `imaging: select:` asks for",
                cause="a misspelt label, or one of another data set",
                next_step="labels there: " + first_few(f"{entity}-{one}" for one in present)
                if present
                else f"no image there has {entity}-: remove it from `imaging: select:`",
            )


def _refuse_nothing(bids: str, root: Path, wanted: Labels) -> None:
    entries = sorted(entry.name for entry in root.iterdir())
    reasons = unusable_images(bids, wanted=wanted)
    because = "".join(f"\n  sub-{label}: {reason}" for label, reason in list(reasons.items())[:5])
    if is_derivative(bids):
        raise InputFileError(
            f"{bids}: derivatives (DatasetType of dataset_description.json), with no T1w image of"
            f" a scanner{because}",
            cause="the output folder of fMRIPrep or of another pipeline",
            next_step="name the raw data in `imaging: bids:`; or, to take the volumes of fMRIPrep's"
            " segmentation, name this folder in `imaging: measurements:`",
        )
    raise InputFileError(
        f"{bids}: no T1w image; looked for sub-*/[ses-*/]anat/*_T1w.nii[.gz] among"
        f" {len(entries)} entries: {first_few(entries)}{because}",
        cause="images that do not count, for the reasons above"
        if reasons
        else "not a BIDS folder, or the folder above or below it",
        next_step="convert them, or change `imaging: select:`"
        if reasons
        else "name the folder that holds sub-* in `imaging: bids:`",
    )


def _order(image: Path, wanted: Labels) -> tuple[object, ...]:
    entities = entities_of(image.name)
    ranks = tuple(_rank(entities.get(entity), labels) for entity, labels in wanted.items())
    ending = next(ending for ending in READABLE if image.name.endswith(ending))
    pieces = re.findall(r"\d+|\D+", str(image).removesuffix(ending))
    natural = tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in pieces)
    return ranks, len(image.parts), natural, READABLE.index(ending)
