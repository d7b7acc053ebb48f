"""FreeSurfer: folders of a SUBJECTS_DIR, and tables of asegstats2table and aparcstats2table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gendmr.errors import InputFileError, TableError, first_few
from gendmr.files.text import numbered_lines
from gendmr.imaging.software.table import RawTable, SoftwareTable, identifier_column, one_session

# As the programs and people who join their tables write it.
HEAD = ("eTIV", "EstimatedTotalIntraCranialVol", "EstimatedTotalIntraCranial", "IntraCranialVol")
# Totals over other columns: as regions they would count the same tissue twice.
SUMMARIES = re.compile(
    r"(BrainSegVol(NotVent)?(Surf)?|VentricleChoroidVol|[lr]hCortexVol|CortexVol"
    r"|([lr]h)?CerebralWhiteMatterVol|[lr]hCorticalWhiteMatterVol|CorticalWhiteMatterVol"
    r"|SubCortGrayVol|TotalGrayVol|SupraTentorialVol(NotVent)?(Vox)?|MaskVol|BrainSegVol-to-eTIV"
    r"|MaskVol-to-eTIV|([lr]h)?SurfaceHoles|(Left|Right)-Cerebral-(White-Matter|Cortex))"
)
CORTICAL = re.compile(r"([lr]h)[._](.+)_(volume|thickness|thicknessstd|area)")
# Totals and means over a hemisphere, in the tables of aparcstats2table.
HEMISPHERE = {"MeanThickness", "WhiteSurfArea", "TotalSurface"}
OTHER_CORTICAL = re.compile(r"[lr]h[._].+_(meancurv|gauscurv|foldind|curvind|normmean)")
MEASURE = {"volume": "volume", "thickness": "mean", "thicknessstd": "spread", "area": "area"}
SUBCORTICAL = re.compile(
    r"(Left|Right)-.+|[345](rd|th)-Ventricle|Brain-Stem|CSF|CC_.+|(non-)?WM-hypointensities"
    r"|Optic-Chiasm"
)
# First cell of the tables: what they hold of which hemisphere, in place of a name.
CORNER = re.compile(r"(Measure:(?P<aseg>.+)|(?P<side>[lr]h)\.(?P<parcellation>.+)\.(?P<aparc>\w+))")
AGAIN = "run recon-all -autorecon3 of this subject again, or move its folder away"
COLUMNS = {"GrayVol": "volume", "ThickAvg": "mean", "ThickStd": "spread"}


def is_table(header: list[str]) -> bool:
    """Return whether a header is of FreeSurfer: its corner, or regions by its names."""
    if CORNER.fullmatch(header[0]):
        return True
    # `participant_id` and `icv`, or `Left-Hippocampus_volume`, are the general form.
    volumes = [name for name in header if name.endswith("_volume")]
    if {"participant_id", "icv"} <= set(header) or any(
        not CORTICAL.fullmatch(name) for name in volumes
    ):
        return False
    return any(CORTICAL.fullmatch(name) or SUBCORTICAL.fullmatch(name) for name in header)


def read_table(table: RawTable, session: str | None) -> SoftwareTable:
    """Read a table, of one program or several joined by columns.

    Raises
    ------
    TableError
        It holds another measure than volumes, thickness or areas, or a value is no number.
    """
    identifier = identifier_column(table)
    corner = CORNER.fullmatch(table.header[0])
    if corner:
        identifier = table.header[0]
        measured = corner["aseg"] or corner["aparc"]
        if measured not in MEASURE:
            raise TableError(
                f"{table.path}: a table of {measured}, not of volumes, thickness or areas",
                cause="another --meas when the table was made",
                next_step="make it again: asegstats2table --meas volume, aparcstats2table"
                " --meas volume (thickness, area)",
            )
    rows, people, other_sessions = one_session(table.people(identifier), session)
    values: dict[tuple[str, str], np.ndarray] = {}
    head, aside = np.full(len(rows), np.nan), []
    for name in table.header:
        if name == identifier:
            continue
        region = _region_of(name)
        if name in HEAD:
            numbers = table.numbers(name)[rows]
            head = np.where(np.isfinite(head), head, numbers)
        elif region:
            values[region] = table.numbers(name)[rows]
        else:
            aside.append(name)
    notes = _session_notes(other_sessions)
    source = "eTIV of FreeSurfer" if np.isfinite(head).any() else ""
    return SoftwareTable("FreeSurfer", people, values, head, source, aside, notes)


def _region_of(name: str) -> tuple[str, str] | None:
    cortical = CORTICAL.fullmatch(name)
    if cortical and cortical[2] not in HEMISPHERE:
        return f"{cortical[1]}_{cortical[2]}", MEASURE[cortical[3]]
    if SUBCORTICAL.fullmatch(name) and not SUMMARIES.fullmatch(name):
        return name, "volume"
    return None


def _session_notes(other_sessions: list[str]) -> list[str]:
    if not other_sessions:
        return []
    return [
        f"{len(other_sessions)} further sessions of people did not count:"
        f" {first_few(other_sessions)}. The first counts, or the one that"
        " `imaging: select: session:` names."
    ]


def subjects_in(folder: Path) -> list[Path]:
    """Return the folders of a SUBJECTS_DIR that hold statistics, but for FreeSurfer's averages."""
    return [path for path in _folders(folder) if (path / "stats" / "aseg.stats").exists()]


def _folders(folder: Path) -> list[Path]:
    """Return the folders in which recon-all has worked, finished or not."""
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(("fsaverage", "."))
        and any((path / part).is_dir() for part in ("stats", "mri", "surf"))
    ]


def read_folder(folder: Path, session: str | None, parcellation: str) -> SoftwareTable:
    """Read `stats/aseg.stats` and `stats/?h.<parcellation>.stats` of each subject.

    What a subject lacks is missing. Steps of the longitudinal stream (`*.long.*`) are left out,
    as their cross-sectional runs stand beside them.

    Raises
    ------
    InputFileError
        A file is damaged.
    """
    finished = subjects_in(folder)
    long = [path.name for path in finished if ".long." in path.name]
    unfinished = [path.name for path in _folders(folder) if path not in finished]
    subjects = [path for path in finished if path.name not in long]
    rows, people, other_sessions = one_session([path.name for path in subjects], session)
    notes = _session_notes(other_sessions)
    if unfinished:
        notes.append(
            f"{len(unfinished)} folders have no stats/aseg.stats, so recon-all has not ended there:"
            f" {first_few(unfinished)}. These people have no regions."
        )
    if long:
        notes.append(f"{len(long)} longitudinal runs were left out: {first_few(long)}.")
    values: dict[tuple[str, str], np.ndarray] = {}
    head, lacking = np.full(len(rows), np.nan), []
    for place, row in enumerate(rows):
        stats = subjects[row] / "stats"
        for file in (f"lh.{parcellation}.stats", "aseg.stats", f"rh.{parcellation}.stats"):
            if not (stats / file).exists():
                lacking.append(f"{subjects[row].name}/{file}")
                continue
            measured, size = read_stats(stats / file)
            if file == "aseg.stats":
                head[place] = size
            side = "" if file == "aseg.stats" else f"{file[:2]}_"
            for (region, measure), value in measured.items():
                if side or not SUMMARIES.fullmatch(region):
                    key = (region if region.startswith(side) else side + region, measure)
                    values.setdefault(key, np.full(len(rows), np.nan))[place] = value
    if lacking:
        notes.append(
            f"{len(lacking)} files of statistics are not there, {first_few(lacking)}: their regions"
            " are missing."
        )
    source = "eTIV of FreeSurfer" if np.isfinite(head).any() else ""
    return SoftwareTable("FreeSurfer", people, values, head, source, [], notes)


def read_stats(path: Path) -> tuple[dict[tuple[str, str], float], float]:
    """Read a file of statistics of FreeSurfer.

    Returns
    -------
    values : dict of (str, str) to float
        By region and measure: volume in mm3, thickness (`mean`, `spread`) in mm.
    head : float
        eTIV, mm3; NaN where the file has none.

    Raises
    ------
    InputFileError
        Columns or values are not those of such a file.
    """
    columns: list[str] = []
    values: dict[tuple[str, str], float] = {}
    head = float("nan")
    for number, line in numbered_lines(path, setting="`imaging: measurements:`"):
        words = line.split()
        try:
            if line.startswith("# ColHeaders"):
                columns = words[2:]
            elif line.startswith("# Measure "):
                parts = [part.strip() for part in line.removeprefix("# Measure ").split(",")]
                if set(parts[:2]) & set(HEAD):
                    head = float(parts[-2])
            elif not line.startswith("#"):
                if len(words) != len(columns) or "StructName" not in columns:
                    raise ValueError(f"{len(words)} values for {len(columns)} columns")
                cells = dict(zip(columns, words, strict=True))
                for column, measure in (COLUMNS | {"Volume_mm3": "volume"}).items():
                    if column in cells:
                        values[cells["StructName"], measure] = float(cells[column])
        except (ValueError, IndexError) as error:
            raise InputFileError(
                f"{path}: line {number} is none of FreeSurfer's statistics ({error}):"
                f" {line[:60]!r}",
                cause="a file cut short, edited, or of another program",
                next_step=AGAIN,
            ) from error
    if not values:
        raise InputFileError(
            f"{path}: no region in it",
            cause="recon-all ended before it wrote them",
            next_step=AGAIN,
        )
    return values, head
