"""UK Biobank: imaging-derived phenotypes by field number, whatever a release calls its columns."""

from __future__ import annotations

import re
from importlib import resources

import numpy as np

from gendmr.errors import TableError, first_few
from gendmr.files.tables import read_table as read_declared
from gendmr.imaging.software.table import RawTable, SoftwareTable

# 25011-2.0, f.25011.2.0, x25011_2_0, n_25011_2_0, p25011_i2, participant.p25011_i2
COLUMN = re.compile(r"(?:participant\.)?[fxnp]?[._]?(\d{5})(?:[-._](\d)[._]\d+|_i(\d)(?:_a\d+)?)?")
PERSON = re.compile(r"(?:participant\.|f\.|n_)?eid", re.IGNORECASE)
ETIV, SCALING = 26521, 25000
# Voxels of 1 mm3 in FSL's MNI152 brain mask: what field 25000 scales a head to.
MNI152_MM3 = 1_827_243.0
FIRST_IMAGING = 2


def is_table(header: list[str]) -> bool:
    """Return whether a header has people of UK Biobank and fields that are known here."""
    if not any(PERSON.fullmatch(name) for name in header):
        return False
    return any(COLUMN.fullmatch(name) for name in header)


def read_table(table: RawTable) -> SoftwareTable:
    """Read regional volumes, thickness and areas; the first imaging visit counts.

    Raises
    ------
    TableError
        No field is one of a region.
    """
    fields = read_declared(
        str(resources.files("gendmr.imaging.software") / "ukbiobank.tsv"),
        {"field": "integer", "region": "text", "measure": "text"},
    )
    region_measures = {
        int(str(field)): (str(region), str(measure))
        for field, region, measure in fields.to_numpy().tolist()
    }
    identifier = next(name for name in table.header if PERSON.fullmatch(name))
    matches = {name: COLUMN.fullmatch(name) for name in table.header}
    visits = sorted(
        {
            int(match[2] or match[3])
            for match in matches.values()
            if match and int(match[1]) in region_measures and (match[2] or match[3])
        }
    )
    visit = FIRST_IMAGING if FIRST_IMAGING in visits or not visits else visits[0]
    values: dict[tuple[str, str], np.ndarray] = {}
    single: dict[int, np.ndarray] = {}
    aside, later = [], []
    for name, match in matches.items():
        number = int(match[1]) if match else 0
        if name == identifier:
            continue
        if match is None or number not in {*region_measures, ETIV, SCALING}:
            aside.append(name)
        elif (match[2] or match[3]) not in (None, str(visit)):
            later.append(name)
        elif number in region_measures:
            values[region_measures[number]] = table.numbers(name)
        else:
            single[number] = table.numbers(name)
    if not values:
        raise TableError(
            f"{table.path}: none of {len(table.header)} columns is a field of a region:"
            f" {first_few(table.header, 12)}",
            cause="fields of other measurements",
            next_step="export regional volumes: FIRST 25011-25024, FAST 25782-25920, FreeSurfer"
            " 26558-26595 and 26721-26922",
        )
    notes = [f"UK Biobank: fields of visit {visit}."]
    if later:
        notes.append(f"{len(later)} columns of other visits did not count: {first_few(later)}.")
    head, source = np.full(len(table.columns), np.nan), ""
    if ETIV in single:
        head, source = single[ETIV], "field 26521, eTIV of FreeSurfer"
    elif SCALING in single:
        scaling = single[SCALING]
        head = MNI152_MM3 / np.where(scaling > 0, scaling, np.nan)
        source = "the MNI152 brain (1827 ml) divided by field 25000"
    people = table.people(identifier)
    return SoftwareTable("UK Biobank", people, values, head, source, aside, notes)
