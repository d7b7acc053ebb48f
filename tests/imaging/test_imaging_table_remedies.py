"""What an error of measurements says to change is changed, and the tables are read then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from gendmr.config.imaging import ImagingSection
from gendmr.errors import AtlasError, GendmrError, InputFileError, ModalityError, TableError
from gendmr.imaging.measurements import read_measurements
from remedies import each_part, mended, row

MEASURED, TABLE = "imaging/measurements.py", "imaging/software/table.py"
PLAUSIBLE, GENERAL = "imaging/software/plausible.py", "imaging/software/general.py"
PEOPLE = 6
Columns = dict[str, list[Any]]


def numbers(first: float, step: float, count: int = PEOPLE) -> list[float]:
    return [first + step * number for number in range(count)]


def general(**more: list[Any]) -> Columns:
    """The form that this project describes; more columns, or others in their place."""
    people = [f"p{number}" for number in range(PEOPLE)]
    columns = {"participant_id": people, "icv": numbers(1.4e6, 9000)}
    columns |= {"hippocampus_L_volume": numbers(3500, 20), "rh_insula_volume": numbers(6000, 30)}
    return columns | more


def aseg(**more: list[Any]) -> Columns:
    """A table of FreeSurfer."""
    people = [f"p{number}" for number in range(PEOPLE)]
    columns = {"Measure:volume": people, "Left-Hippocampus": numbers(3500, 20)}
    return columns | more | {"eTIV": numbers(1.4e6, 9000)}


def aparc(measure: str, values: list[Any], **more: list[Any]) -> Columns:
    people = [f"p{number}" for number in range(PEOPLE)]
    columns = {f"lh.aparc.{measure}": people, f"lh_insula_{measure}": values}
    return columns | {"eTIV": numbers(1.4e6, 9000)} | more


class Tables:
    """Tables of measurements, and what the section says of them; changed by the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.columns: list[Columns | str] = [general()]
        self.options: dict[str, Any] = {}
        self.mark = "\t"

    def read(self) -> None:
        paths = []
        for number, columns in enumerate(self.columns):
            path = self.folder / f"table-{number}.tsv"
            if isinstance(columns, str):
                path.write_text(columns)
            else:
                rows = [
                    self.mark.join(map(str, cells)) for cells in zip(*columns.values(), strict=True)
                ]
                path.write_text("\n".join([self.mark.join(columns), *rows]) + "\n")
            paths.append(str(path))
        section = ImagingSection.parse({"measurements": paths, **self.options})
        read_measurements(section, self.folder / "imaging")


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


Change = Callable[[Tables], object]


def given(*columns: Columns | str) -> Change:
    return lambda tables: setattr(tables, "columns", list(columns))


def option(**entries: Any) -> Change:
    return lambda tables: tables.options.update(entries)


def places(*rows: str) -> Change:
    def change(tables: Tables) -> None:
        path = tables.folder / "places.tsv"
        path.write_text("region\themisphere\tx\ty\tz\n" + "".join(f"{line}\n" for line in rows))
        tables.options["places"] = str(path)

    return change


def without(columns: Columns, *names: str) -> Columns:
    return {name: values for name, values in columns.items() if name not in names}


def doubled(columns: Columns) -> str:
    """The text of a table with its second column twice."""
    lines = ["\t".join(map(str, cells)) for cells in zip(*columns.values(), strict=True)]
    text = "\n".join(["\t".join(columns), *lines])
    return "\n".join(f"{line}\t{line.split(chr(9))[1]}" for line in text.splitlines()) + "\n"


HIPPOCAMPUS = numbers(3500, 20)
IN_ML = [value / 1000 for value in HIPPOCAMPUS]
INSULA = numbers(6900, 70)
THICK = numbers(2.5, 0.05)
UKB = {"eid": numbers(1, 1), "25019-2.0": HIPPOCAMPUS, "26521-2.0": numbers(1.4e6, 9000)}
CAT12 = {"names": [f"catROI_p{n}.xml" for n in range(PEOPLE)], "TIV": numbers(1400, 9),
         "GM": numbers(600, 1)}  # fmt: skip
RECON = "run recon-all -autorecon3 of this subject again, or move its folder away"
WRITE = "correct them, or write "

# The mistake, then what each part of the remedy changes.
ROWS = [
    row(MEASURED, "check the columns <region>_volume", ModalityError,
        given(general(hippocampus_L_volume=["n/a"] * PEOPLE, rh_insula_volume=["n/a"] * PEOPLE)),
        given(general())),
    row(MEASURED, "name the table of regions too in `imaging: measurements:`", ModalityError,
        given(without(aseg(), "Left-Hippocampus")), given(without(aseg(), "Left-Hippocampus"),
                                                          aparc("volume", INSULA))),
    row(MEASURED, "export the measurements again", ModalityError,
        given(aseg(**{"Left-Hippocampus": [3500.0] * PEOPLE})), given(aseg())),
    row(MEASURED, "list every region once, named as in the columns before _volume", AtlasError,
        places("rh_insula\tR\t38\t4\t2"),
        places("rh_insula\tR\t38\t4\t2", "hippocampus_L\tL\t-27\t-22\t-14")),
    row(MEASURED, "list every region once, named as in the columns before _volume", AtlasError,
        places("rh_insula\tright\t38\t4\t2", "hippocampus_L\tL\t-27\t-22\t-14"),
        places("rh_insula\tR\t38\t4\t2", "hippocampus_L\tL\t-27\t-22\t-14")),
    row(MEASURED, "restore the file", ModalityError,
        given("participant_id\ticv\thippocampus_L_volume\n"), given(general())),
    row(MEASURED, WRITE, ModalityError,
        given(general(hippocampus_L_volume=[-1.0, *HIPPOCAMPUS[1:]])),
        given(general())),
    row(MEASURED, WRITE, ModalityError,
        given(general(hippocampus_L_volume=["inf", *HIPPOCAMPUS[1:]])),
        given(general(hippocampus_L_volume=["n/a", *HIPPOCAMPUS[1:]]))),
    row(MEASURED, "correct `imaging: exclude:`; labels there: ", InputFileError,
        option(exclude=["sub-p0"]), option(exclude=["p0"])),
    row(GENERAL, "rename the columns: lh_insula becomes lh_insula_volume", TableError,
        given({"participant_id": general()["participant_id"], "icv": numbers(1.4e6, 9000),
               "lh_insula": INSULA}),
        given({"participant_id": general()["participant_id"], "icv": numbers(1.4e6, 9000),
               "lh_insula_volume": INSULA})),
    row(PLAUSIBLE, "give volumes in mm3 and ", ModalityError, given(general(icv=numbers(1400, 9))),
        given(general())),
    row(PLAUSIBLE, "give all volumes in mm3, and ", ModalityError,
        given(aseg(**{"Left-Hippocampus": IN_ML})), given(aseg())),
    row(PLAUSIBLE, "give all volumes in mm3", ModalityError,
        given(without(general(some_L_volume=numbers(3.5, 0.01), other_R_volume=numbers(6.9, 0.01)),
                      "hippocampus_L_volume", "rh_insula_volume")),
        given(general())),
    row(PLAUSIBLE, "give thickness in mm", ModalityError,
        given(aparc("volume", INSULA), aparc("thickness", numbers(2500, 50))),
        given(aparc("volume", INSULA), aparc("thickness", THICK))),
    row(PLAUSIBLE, "take the columns of totals out, or correct the unit of one of the two",
        ModalityError, given(aseg(**{"Left-Other": numbers(1.5e6, 9000), "Left-Small": INSULA})),
        given(aseg(**{"Left-Small": INSULA}))),
    row(TABLE, WRITE, TableError,
        given(aseg(**{"Left-Hippocampus": ["3,5"] * PEOPLE})), given(aseg())),
    row(TABLE, WRITE, TableError, given(aseg(**{"Left-Hippocampus": ["high", *HIPPOCAMPUS[1:]]})),
        given(aseg(**{"Left-Hippocampus": ["n/a", *HIPPOCAMPUS[1:]]}))),
    row(TABLE, "remove them, or write who they are", TableError,
        given(aseg() | {"Measure:volume": ["a", "b", "c", "d", "e", ""]}), given(aseg())),
    row(TABLE, "export the table again, with identifiers as text", TableError,
        given(aseg() | {"Measure:volume": [f"1.23{n}E+19" for n in range(PEOPLE)]}),
        given(aseg() | {"Measure:volume": [f"123{n}0000000000000000" for n in range(PEOPLE)]})),
    row(TABLE, "keep one of them, or name the two tables in `imaging: measurements:`", TableError,
        given(doubled(aseg())), given(aseg())),
    row(TABLE, "keep one row for each", TableError,
        given(aseg() | {"Measure:volume": ["a", "b", "c", "d", "e", "a"]}), given(aseg())),
    row(TABLE, "name tables of one run in `imaging: measurements:`", TableError,
        given(aseg(), aparc("volume", INSULA) | {"eTIV": numbers(1.5e6, 9000)}),
        given(aseg(), aparc("volume", INSULA))),
    row(TABLE, "name tables of the same people in `imaging: measurements:`", TableError,
        given(aseg(), aparc("volume",
        INSULA) | {"lh.aparc.volume": [f"x{n}" for n in range(PEOPLE)]}),
        given(aseg(), aparc("volume", INSULA))),
    row("imaging/software/freesurfer.py", "make it again: asegstats2table --meas volume",
        TableError, given(aparc("meancurv", THICK)), given(aparc("volume", INSULA))),
    row("imaging/software/ukbiobank.py", "export regional volumes: FIRST 25011-25024", TableError,
        given({"eid": UKB["eid"], "31-0.0": [0, 1] * 3, "26521-2.0": UKB["26521-2.0"]}),
        given(UKB)),
    row("imaging/software/cat12.py", "estimate TIV again with `Save values and filenames`",
        TableError, given(aseg(), without(CAT12, "names")), given(aseg(), CAT12)),
]  # fmt: skip


@each_part(("module", "remedy", "error", "wrong", "mending"), ROWS)
def test_read_measurements__after_each_part_of_its_remedy(
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: Change,
    mending: Change,
) -> None:
    monkeypatch.setattr("gendmr.imaging.quality_figure.draw_quality", lambda *_, **__: None)
    wrong(tables)
    with mended(module, remedy, error, tables.read):
        mending(tables)


@pytest.mark.parametrize(
    ("module", "remedy", "mending"),
    [
        row(
            "imaging/software/recognise.py",
            "name FreeSurfer's SUBJECTS_DIR, fMRIPrep's",
            "subjects",
        ),
        row("imaging/software/recognise.py", "output folder, or tables", "table"),
        row("imaging/software/freesurfer.py", RECON, "again"),
        row("imaging/software/freesurfer.py", RECON, "away"),
    ],
)
def test_read_measurements__folders_of_freesurfer(tmp_path, module, remedy, mending):
    stats = (
        "# Measure EstimatedTotalIntraCranialVol, eTIV, Volume, {head}, mm^3\n"
        "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev\n"
        "  1  17  3500  {size}  Left-Hippocampus  70.0  8.0\n"
    )
    for number in range(PEOPLE):
        path = tmp_path / f"all/subjects/p{number}/stats/aseg.stats"
        path.parent.mkdir(parents=True)
        path.write_text(stats.format(head=1_400_000 + 9000 * number, size=3500 + 20 * number))
    damaged = remedy == RECON
    first = tmp_path / "all/subjects/p0/stats/aseg.stats"
    whole = first.read_text()
    where = [str(tmp_path / ("all/subjects" if damaged else "all"))]
    if damaged:
        first.write_text("# ColHeaders Index\nLeft-Hip\n 1 2\n")

    def read():
        read_measurements(ImagingSection.parse({"measurements": where}), tmp_path / "imaging")

    with mended(module, remedy, InputFileError, read):
        if mending == "again":
            first.write_text(whole)
        elif mending == "away":
            first.parents[1].rename(tmp_path / "away")
        elif mending == "subjects":
            where[0] = str(tmp_path / "all/subjects")
        else:
            where[0] = str(tmp_path / "regions.tsv")
            columns = general()
            rows = ["\t".join(map(str, cells)) for cells in zip(*columns.values(), strict=True)]
            Path(where[0]).write_text("\n".join(["\t".join(columns), *rows]) + "\n")


def test_read_measurements__volumes_in_mm3(tables, tmp_path):
    tables.read()
    path, again = tmp_path / "given.nc", tmp_path / "again"
    with xr.open_dataset(tmp_path / "imaging/regions.nc", engine="h5netcdf") as stored:
        regions = stored.load()

    def write(units: str, factor: float) -> None:
        path.unlink(missing_ok=True)
        changed = regions.assign(volume=regions["volume"] * factor, icv=regions["icv"] * factor)
        changed.attrs["units"] = units
        changed.to_netcdf(path, engine="h5netcdf")

    write("cm3", 0.001)
    section = ImagingSection.parse({"measurements": str(path)})
    with mended(
        MEASURED, "convert the volumes", ModalityError, lambda: read_measurements(section, again)
    ):
        write("mm3", 1.0)
