"""Which software wrote a table or a folder, and its reader."""

from __future__ import annotations

from pathlib import Path

from gendmr.errors import InputFileError, first_few
from gendmr.imaging.software import cat12, enigma, fmriprep, freesurfer, ukbiobank
from gendmr.imaging.software.table import (
    RawTable,
    SoftwareTable,
    one_session,
    read_raw,
    refuse_twice,
)


def read_folder(path: str, session: str | None, parcellation: str) -> SoftwareTable:
    """Read a folder of FreeSurfer or fMRIPrep.

    Raises
    ------
    InputFileError
        The folder is of neither, or a file in it is damaged.
    """
    folder = Path(path)
    if _software(folder) == "FreeSurfer":
        table = freesurfer.read_folder(folder, session, parcellation)
    else:
        table = fmriprep.read_folder(folder, session)
    refuse_twice(table.people, path)
    return table


def people_in_folder(path: str, session: str | None) -> list[str]:
    """Return the people of a folder of FreeSurfer or fMRIPrep; no measurement is read.

    Raises
    ------
    InputFileError
        The folder is of neither.
    """
    folder = Path(path)
    if _software(folder) == "FreeSurfer":
        names = [subject.name for subject in freesurfer.subjects_in(folder)]
        names = [name for name in names if ".long." not in name]
    else:
        names = list(fmriprep.label_images(folder))
    return one_session(names, session)[1]


def _software(folder: Path) -> str:
    if freesurfer.subjects_in(folder):
        return "FreeSurfer"
    if not fmriprep.label_images(folder):
        entries = sorted(entry.name for entry in folder.iterdir())
        raise InputFileError(
            f"{folder}: neither <subject>/stats/aseg.stats nor"
            f" sub-*/[ses-*/]anat/*_desc-aseg_dseg.nii.gz among {len(entries)} entries:"
            f" {first_few(entries)}",
            cause="the folder above or below it, or one of other software",
            next_step="name FreeSurfer's SUBJECTS_DIR, fMRIPrep's output folder, or tables",
        )
    return "fMRIPrep"


def read_software_table(path: str, session: str | None) -> SoftwareTable | RawTable:
    """Read a table of known software; one that is of none is returned as it stands.

    Raises
    ------
    InputFileError, TableError
        The table is damaged, or a value is no number.
    """
    raw = cat12.with_header(read_raw(path))
    header = raw.header
    if ukbiobank.is_table(header):
        table = ukbiobank.read_table(raw)
    elif cat12.is_totals(header) or header[0] in cat12.TOTALS:
        table = cat12.read_totals(raw, session)
    elif cat12.is_regions(path, header):
        table = cat12.read_regions(raw, session)
    elif enigma.is_table(header):
        table = enigma.read_table(raw, session)
    elif freesurfer.is_table(header):
        table = freesurfer.read_table(raw, session)
    else:
        return raw
    refuse_twice(table.people, path)
    return table
