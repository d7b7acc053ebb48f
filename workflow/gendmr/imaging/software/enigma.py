"""ENIGMA: `LandRvolumes.csv` and `CorticalMeasuresENIGMA_*.csv` of its imaging protocols."""

from __future__ import annotations

import re

import numpy as np

from gendmr.imaging.software.table import RawTable, SoftwareTable, identifier_column, one_session

SUBCORTICAL = {
    "LatVent": "Lateral-Ventricle",
    "thal": "Thalamus",
    "caud": "Caudate",
    "put": "Putamen",
    "pal": "Pallidum",
    "hippo": "Hippocampus",
    "amyg": "Amygdala",
    "accumb": "Accumbens-area",
}
SIDES = {"L": ("Left", "lh"), "R": ("Right", "rh")}
NUCLEUS = re.compile(rf"([LR])({'|'.join(SUBCORTICAL)})")
CORTICAL = re.compile(r"([LR])_(.+)_(thickavg|surfavg)")


def is_table(header: list[str]) -> bool:
    """Return whether a header is of ENIGMA."""
    return any(NUCLEUS.fullmatch(name) or CORTICAL.fullmatch(name) for name in header)


def read_table(table: RawTable, session: str | None) -> SoftwareTable:
    """Read one of the three tables, or what joins them by columns.

    Regions take the names that FreeSurfer, which made the measurements, gives them.
    """
    identifier = identifier_column(table)
    rows, people, _ = one_session(table.people(identifier), session)
    values: dict[tuple[str, str], np.ndarray] = {}
    head, aside = np.full(len(rows), np.nan), []
    for name in table.header:
        nucleus, cortical = NUCLEUS.fullmatch(name), CORTICAL.fullmatch(name)
        if name == identifier:
            continue
        if nucleus:
            region = f"{SIDES[nucleus[1]][0]}-{SUBCORTICAL[nucleus[2]]}"
            values[region, "volume"] = table.numbers(name)[rows]
        elif cortical:
            measure = {"thickavg": "mean", "surfavg": "area"}[cortical[3]]
            values[f"{SIDES[cortical[1]][1]}_{cortical[2]}", measure] = table.numbers(name)[rows]
        elif name == "ICV":
            head = table.numbers(name)[rows]
        else:
            aside.append(name)
    source = "ICV of the ENIGMA tables" if np.isfinite(head).any() else ""
    return SoftwareTable("ENIGMA", people, values, head, source, aside)
