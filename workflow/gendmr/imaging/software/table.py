"""A table of any delimiter read as text, and what all readers make of one."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.errors import TableError, first_few
from gendmr.files.tables import MISSING, numbers_in
from gendmr.files.text import numbered_lines

# How tables of other software write what is unknown.
UNKNOWN = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
MEASURES = ("volume", "mean", "spread")
# A column of these names holds people, whatever the software.
IDENTIFIERS = frozenset(
    {"participant_id", "subject_id", "subjectid", "subject", "subjid", "id", "eid", "f.eid"}
)
ENTITY = re.compile(r"(?:^|[_/])sub-([A-Za-z0-9]+)")
SESSION = re.compile(r"_ses-([A-Za-z0-9]+)")


@dataclass
class SoftwareTable:
    """Measurements of people by one piece of software.

    Parameters
    ----------
    software : str
        What made them, for texts.
    people : list of str
        Identifiers as the software writes them, in the order of the file.
    values : dict of (str, str) to float64 (people,)
        By region and measure: `volume` (mm3), `mean` and `spread` (of thickness, mm), `area` (mm2).
    head : float64 (people,)
        Head size, mm3; NaN where it is not known.
    head_source : str
        What the head size is, for texts; empty: none is there.
    aside : list of str
        Columns that are no regions: summaries, covariates, measures that nobody reads here.
    notes : list of str
        What was done differently, for the report.
    """

    software: str
    people: list[str]
    values: dict[tuple[str, str], np.ndarray]
    head: np.ndarray
    head_source: str = ""
    aside: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RawTable:
    """A table of which nothing was interpreted.

    Parameters
    ----------
    path : str
    columns : DataFrame
        Text, one column per column of the file.
    lines : list of int
        Line of each row in the file.
    """

    path: str
    columns: pd.DataFrame
    lines: list[int]

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.columns]

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64, NaN where unknown.

        Raises
        ------
        TableError
            A value is no number.
        """
        texts = self.columns[name]
        is_known = ~texts.str.casefold().isin(UNKNOWN)
        numbers = numbers_in(texts.where(is_known, ""))
        wrong = is_known & numbers.isna()
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            commas = bool(texts[wrong].str.fullmatch(r"[+-]?\d+,\d+").any())
            raise TableError(
                f"{self.path}: column {name}: {int(wrong.sum())} values are no numbers:"
                f" {first_few(texts[wrong])} (first in line {self.lines[row]})",
                cause="decimal commas" if commas else "a word or a code in place of a value",
                next_step=f"correct them, or write {MISSING} where the value is unknown",
            )
        return numbers.to_numpy()

    def people(self, name: str) -> list[str]:
        """Return a column of identifiers, as they are written.

        Raises
        ------
        TableError
            One is blank or damaged, or two are the same.
        """
        names = [text.strip() for text in self.columns[name]]
        blank = [line for text, line in zip(names, self.lines, strict=True) if not text]
        if blank:
            raise TableError(
                f"{self.path}: {len(blank)} rows have no {name} (first in line {blank[0]})",
                cause="rows that a spreadsheet left empty",
                next_step="remove them, or write who they are",
            )
        rounded = [text for text in names if re.fullmatch(r"\d(\.\d+)?[eE]\+\d+", text)]
        if len(rounded) > len(names) / 2:
            raise TableError(
                f"{self.path}: column {name}: {len(rounded)} identifiers are numbers in powers of"
                f" ten: {first_few(rounded)}",
                cause="long identifiers opened in a spreadsheet, which rounds them: they are lost",
                next_step="export the table again, with identifiers as text",
            )
        return names


def read_raw(path: Path | str, setting: str = "`imaging: measurements:`") -> RawTable:
    """Read a table separated by tabs, commas, semicolons or blanks, compressed or not.

    Raises
    ------
    InputFileError
        The file is missing, empty, damaged or no text.
    TableError
        Rows differ in their number of columns, or a column is named twice.
    """
    numbered = list(numbered_lines(path, setting=setting))
    first = numbered[0][1]
    # The separator is the mark that the header has; blanks only where it has none of them.
    marks = [mark for mark in "\t;," if mark in first]
    if marks:
        rows = list(csv.reader((line for _, line in numbered), delimiter=marks[0]))
    else:
        rows = [line.split() for _, line in numbered]
    lines = [number for number, _ in numbered]
    header = [name.strip().strip('"') for name in rows[0]]
    # R writes one name fewer than columns where rows have names.
    if len(rows) > 1 and all(len(row) == len(header) + 1 for row in rows[1:]):
        header = ["id", *header]
    ragged = [
        (n, row) for n, row in zip(lines[1:], rows[1:], strict=True) if len(row) != len(header)
    ]
    if ragged:
        raise TableError(
            f"{path}: rows differ in their number of columns: {len(ragged)} of {len(rows) - 1} do"
            f" not have the {len(header)} of the header; the first is line {ragged[0][0]}, with"
            f" {len(ragged[0][1])}",
            cause="a separator inside a value, or a row cut short",
            next_step=f"sed -n {ragged[0][0]}p {path} | cat -A",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TableError(
            f"{path}: columns named twice: {first_few(twice)}",
            cause="two exports pasted side by side",
            next_step="keep one of them, or name the two tables in `imaging: measurements:`",
        )
    body = [[cell.strip() for cell in row] for row in rows[1:]]
    return RawTable(str(path), pd.DataFrame(body, columns=header, dtype=str), lines[1:])


def identifier_column(table: RawTable) -> str:
    """Return the column of people: one of a known name, else the first."""
    for name in table.header:
        if name.casefold() in IDENTIFIERS:
            return name
    return table.header[0]


def bids_label(name: str) -> str:
    """Return the person of a folder, a file or an identifier: `sub-01` where BIDS names one.

    Examples
    --------
    >>> [bids_label(name) for name in ("/data/sub-01_ses-2/", "mri/p0sub-7_T1w.nii", "0040013")]
    ['sub-01', 'p0sub-7_T1w.nii', '0040013']
    """
    match = ENTITY.search(name.rstrip("/"))
    return f"sub-{match[1]}" if match else name.rstrip("/").rsplit("/", 1)[-1]


def one_session(
    names: Iterable[str], session: str | None = None
) -> tuple[list[int], list[str], list[str]]:
    """Return one row per person where tables have a row per session.

    Of several sessions of a person the first in natural order counts, or the one that is asked for.

    Parameters
    ----------
    names : iterable of str
        Identifiers such as `sub-01_ses-2`; others count as they are.
    session : str, optional
        Label without `ses-`; only rows of this session are taken, and those without any.

    Returns
    -------
    rows : list of int
        In the order of `names`.
    people : list of str
        Of these rows.
    others : list of str
        Names that did not count. A person twice in one session stays twice.
    """
    names = list(names)
    sessions = [match[1] if (match := SESSION.search(name)) else None for name in names]
    wanted = [
        row for row, label in enumerate(sessions) if session is None or label in (None, session)
    ]
    person_of = [
        bids_label(name) if label else name for name, label in zip(names, sessions, strict=True)
    ]
    first: dict[str, str | None] = {}
    for row in sorted(wanted, key=lambda row: natural(sessions[row] or "")):
        first.setdefault(person_of[row], sessions[row])
    # Two rows of one session stay two, for the caller to refuse.
    rows = [row for row in wanted if first[person_of[row]] == sessions[row]]
    counted = set(rows)
    other_sessions = [
        names[row] for row in range(len(names)) if row not in counted and sessions[row]
    ]
    return rows, [person_of[row] for row in rows], other_sessions


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts `run-2` before `run-10`."""
    pieces = re.findall(r"\d+|\D+", text)
    return [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces]


def refuse_twice(people: list[str], path: str) -> None:
    """Refuse people who have two rows.

    Raises
    ------
    TableError
        With the first of them.
    """
    twice = (
        sorted({name for name in people if people.count(name) > 1})
        if len(set(people)) < len(people)
        else []
    )
    if twice:
        raise TableError(
            f"{path}: {len(twice)} people appear more than once: {first_few(twice)}",
            cause="two sessions or two exports of the same person",
            next_step="keep one row for each",
        )


def joined(tables: list[SoftwareTable], paths: list[str]) -> SoftwareTable:
    """Join tables of the same people: hemispheres, measures, head size.

    A person who is in one table only keeps what is there; the rest is missing.

    Raises
    ------
    TableError
        Two tables hold the same measure of the same region with other values, or nobody is in two.
    """
    people = list(dict.fromkeys(name for table in tables for name in table.people))
    place = {name: row for row, name in enumerate(people)}
    values: dict[tuple[str, str], np.ndarray] = {}
    head = np.full(len(people), np.nan)
    for table, path in zip(tables, paths, strict=True):
        rows = np.array([place[name] for name in table.people], dtype=int)
        columns = dict(table.values) | {("", "head"): table.head}
        for key, column in columns.items():
            target = (
                head
                if key == ("", "head")
                else values.setdefault(key, np.full(len(people), np.nan))
            )
            in_both = ~np.isnan(target[rows]) & ~np.isnan(column)
            # Tables round to different digits.
            differ = in_both & ~np.isclose(target[rows], column, rtol=1e-3)
            if differ.any():
                who = [table.people[row] for row in np.flatnonzero(differ)]
                quantity = "head size" if key == ("", "head") else f"{key[1]} of {key[0]}"
                raise TableError(
                    f"{path}: {quantity} of {len(who)} people differs from the other tables:"
                    f" {first_few(who)}",
                    cause="tables of different runs of the software, or of different people",
                    next_step="name tables of one run in `imaging: measurements:`",
                )
            target[rows] = np.where(np.isnan(column), target[rows], column)
    result = SoftwareTable(
        software=" and ".join(dict.fromkeys(table.software for table in tables)),
        people=people,
        values=values,
        head=head,
        head_source=" and ".join(
            dict.fromkeys(table.head_source for table in tables if table.head_source)
        ),
        aside=list(dict.fromkeys(name for table in tables for name in table.aside)),
        notes=list(dict.fromkeys(note for table in tables for note in table.notes)),
    )
    occurrences = Counter(name for table in tables for name in table.people)
    alone = [name for name in people if occurrences[name] == 1]
    if len(tables) > 1 and len(alone) == len(people):
        raise TableError(
            f"{first_few(paths)}: nobody is in two of these tables: {first_few(people)}",
            cause="tables of different people, or identifiers that are written differently",
            next_step="name tables of the same people in `imaging: measurements:`",
        )
    if alone and len(tables) > 1:
        result.notes.append(
            f"{len(alone)} of {len(people)} people are in one of {len(tables)} tables of"
            f" measurements only: {first_few(alone)}."
        )
    return result


def with_products(table: SoftwareTable) -> SoftwareTable:
    """Replace area by volume: where a region has no volume, area times mean thickness is one.

    The product underestimates gyri and overestimates sulci by a few per cent (Winkler 2018,
    doi:10.1093/cercor/bhx308); the volume of the software counts wherever it is there.
    """
    values = {key: column for key, column in table.values.items() if key[1] in MEASURES}
    products, unused = [], []
    for region, measure in table.values:
        if measure != "area":
            continue
        thickness = table.values.get((region, "mean"))
        if (region, "volume") in table.values:
            unused.append(region)
        elif thickness is not None:
            values[region, "volume"] = table.values[region, "area"] * thickness
            products.append(region)
        else:
            unused.append(region)
    if products:
        table.notes.append(
            f"{len(products)} regions have surface area and thickness but no volume,"
            f" {first_few(products, 2)}: their volume is area times mean thickness."
        )
    if unused:
        table.aside += [f"{region}_area" for region in unused]
    table.values = values
    return table


def without_constant(
    values: Mapping[tuple[str, str], np.ndarray],
) -> tuple[dict[tuple[str, str], np.ndarray], list[str]]:
    """Return the values without regions that are the same in everybody, and these regions.

    FreeSurfer writes columns that have been 0 since an early version
    (`Left-WM-hypointensities`). One or two people may be alike by chance.
    """
    varying = {
        region
        for (region, _), column in values.items()
        if np.isfinite(column).sum() < 3 or np.nanmax(column) > np.nanmin(column)
    }
    constant = list(dict.fromkeys(region for region, _ in values if region not in varying))
    return {key: column for key, column in values.items() if key[0] in varying}, constant


def columns_by_region(
    values: Mapping[tuple[str, str], np.ndarray], people: int
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return regions in order of appearance and (person, region) by measure."""
    regions = list(dict.fromkeys(region for region, _ in values))
    unknown = np.full(people, np.nan)
    return regions, {
        measure: np.column_stack([values.get((region, measure), unknown) for region in regions])
        for measure in MEASURES
    }
