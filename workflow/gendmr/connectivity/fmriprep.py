"""Which preprocessed image belongs to which participant in fMRIPrep's output; nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gendmr.config.connectivity import FmriprepSection
from gendmr.errors import IdentifierError, InputFileError, first_few
from gendmr.files.bids import entities_of

BOLD = "_desc-preproc_bold.nii.gz"
MASK = "_desc-brain_mask.nii.gz"
CONFOUNDS = ("_desc-confounds_timeseries", "_desc-confounds_regressors")  # since, and before 20.2
RESAMPLED = ("space", "res")  # entities that confounds do not have


@dataclass(frozen=True)
class BoldFiles:
    """What fMRIPrep left of one functional image.

    Parameters
    ----------
    bold, mask : Path
        `mask` may not be there.
    confounds : Path
        The table; it may not be there.
    """

    bold: Path
    mask: Path
    confounds: Path

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of image, confounds with their description, and mask."""
        described = self.confounds.with_suffix(".json")
        return tuple(map(str, (self.bold, self.confounds, described, self.mask)))


def find_bold(section: FmriprepSection) -> dict[str, BoldFiles]:
    """Return the functional image of each participant.

    Returns
    -------
    dict of str to BoldFiles
        By label without `sub-`, sorted.

    Raises
    ------
    InputFileError
        The folder is missing, holds no preprocessed image, or none that is asked for.
    IdentifierError
        Somebody has several such images, or images lie in several MNI spaces.
    """
    root = Path(section.folder)
    if not root.is_dir():
        raise InputFileError(
            f"{root}: no such folder",
            cause="the path `connectivity: fmriprep: folder:` is wrong, or the disk is not mounted",
            next_step=f"check the path: ls -d {root}",
        )
    func_files = sorted(
        path for way in ("func", "ses-*/func") for path in root.glob(f"sub-*/{way}/*")
    )
    images = [path for path in func_files if path.name.endswith(BOLD) and path.name[0] != "."]
    if not images:
        raise InputFileError(
            f"{root}: no image sub-*/[ses-*/]func/*{BOLD}; {len(func_files)} other files in these"
            f" folders: {first_few(path.name for path in func_files)}",
            cause="raw data, fMRIPrep's output of surfaces alone, or the folder above it",
            next_step="name the folder in which fMRIPrep left sub-*/func; its option"
            " --output-spaces MNI152NLin2009cAsym:res-2 makes these images",
        )
    images = _matching_entities(_in_space(images, section), section)
    people: dict[str, list[Path]] = {}
    for image in images:
        people.setdefault(entities_of(image.name)["sub"], []).append(image)
    several = {label: paths for label, paths in people.items() if len(paths) > 1}
    if several:
        label, paths = next(iter(several.items()))
        raise IdentifierError(
            f"{root}: {len(several)} people have several functional images: sub-{label} has"
            f" {first_few((path.name for path in paths), 4)}",
            cause="several tasks, sessions or runs",
            next_step="say which one counts: `connectivity: fmriprep:` takes `task`, `session`"
            " and `run`",
        )
    return {label: _files_of(paths[0]) for label, paths in sorted(people.items())}


def _space_of(image: Path) -> str | None:
    """Return `MNI152NLin2009cAsym_res-2`; None for the person's own space."""
    entities = entities_of(image.name)
    space = entities.get("space")
    if space is None or "res" not in entities:
        return space
    return f"{space}_res-{entities['res']}"


def _in_space(images: list[Path], section: FmriprepSection) -> list[Path]:
    """Return the images in the space that is asked for, or in the only MNI space."""
    spaces = sorted({space for image in images if (space := _space_of(image)) is not None})
    standard = [space for space in spaces if space.startswith("MNI")]
    space_label = section.space
    if space_label is None:
        if len(standard) > 1:
            raise IdentifierError(
                f"{section.folder}: images in several spaces: {first_few(standard)}",
                cause="fMRIPrep was asked for several --output-spaces",
                next_step=f"name that of the atlas: `connectivity: fmriprep: space: {standard[0]}`",
            )
        space_label = standard[0] if standard else ""
    fitting = [
        image
        for image in images
        if (space := _space_of(image)) is not None
        and space_label in (space, space.partition("_")[0])
    ]
    if not fitting:
        raise InputFileError(
            f"{section.folder}: no image in {section.space or 'an MNI space'}; spaces there:"
            f" {first_few(spaces) or 'only the own ones of the people'}",
            cause="an atlas of one brain says nothing on images in people's own space",
            next_step="run fMRIPrep with --output-spaces MNI152NLin2009cAsym:res-2, or correct"
            " `connectivity: fmriprep: space:`",
        )
    return fitting


def _matching_entities(images: list[Path], section: FmriprepSection) -> list[Path]:
    """Return the images of the task, session and run that the configuration names."""
    for option, entity in (("task", "task"), ("session", "ses"), ("run", "run")):
        wanted_label = getattr(section, option)
        if wanted_label is None:
            continue
        labels = [entities_of(image.name).get(entity, "") for image in images]
        fitting = [
            image
            for image, label in zip(images, labels, strict=True)
            if _same_label(label, str(wanted_label))
        ]
        if not fitting:
            raise InputFileError(
                f"{section.folder}: no image has {entity}-{wanted_label}, which `connectivity:"
                f" fmriprep: {option}:` asks for",
                cause="a misspelt label",
                next_step=f"labels there: {first_few(_distinct(labels, entity))}",
            )
        images = fitting
    return images


def _same_label(label: str, wanted_label: str) -> bool:
    if label.isdecimal() and wanted_label.isdecimal():  # `run-02` is asked for as 2
        return int(label) == int(wanted_label)
    return label == wanted_label


def _distinct(labels: Iterable[str], entity: str) -> list[str]:
    return sorted({f"{entity}-{label}" if label else f"without {entity}-" for label in labels})


def _files_of(bold: Path) -> BoldFiles:
    stem = bold.name.removesuffix(BOLD)
    entities = [entity for entity in stem.split("_") if entity.partition("-")[0] not in RESAMPLED]
    tables = [bold.with_name("_".join(entities) + name + ".tsv") for name in CONFOUNDS]
    table = next((path for path in tables if path.is_file()), tables[0])
    return BoldFiles(bold, bold.with_name(stem + MASK), table)
