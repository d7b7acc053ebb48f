"""Regions or components: their names, networks and places."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gendmr.errors import AtlasError, TableError, first_few
from gendmr.files.tables import Kind, read_table

COLUMNS: dict[str, Kind] = {"name": "text", "domain": "text"}
PLACES: dict[str, Kind] = dict.fromkeys("xyz", "number")
NO_DOMAIN = "all"


@dataclass(frozen=True)
class RegionTable:
    """Regions in the order of the data.

    Parameters
    ----------
    table : DataFrame
        `name`, `domain`, `x`, `y`, `z` (mm; NaN unknown), one row each.
    notes : list of str
        What is not known of them.
    """

    table: pd.DataFrame
    notes: list[str]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def names(self) -> list[str]:
        """Names in the order of the data."""
        return [str(name) for name in self.table["name"]]

    @property
    def domains(self) -> list[str]:
        """Networks in the order in which they first appear."""
        return list(dict.fromkeys(self.table["domain"].astype(str)))


def read_components(path: str) -> RegionTable:
    """Read a table of regions.

    Raises
    ------
    TableError
        A column is missing, or a name appears twice.
    """
    table = read_table(path, COLUMNS, optional=PLACES, extra=True, key="name")
    if table.empty:
        raise TableError(f"{path}: no row", next_step="list the regions in the order of the data")
    for axis in PLACES:
        if axis not in table:
            table[axis] = np.nan
    table["domain"] = table["domain"].replace({"": NO_DOMAIN, "n/a": NO_DOMAIN})
    unplaced = table[[*PLACES]].isna().any(axis=1).all()
    notes = [f"{path} gives no places: regions are not drawn on the brain."] if unplaced else []
    return RegionTable(table[["name", "domain", *PLACES]], notes)


def components_of(path: str | None, names: tuple[str, ...] | None, count: int) -> RegionTable:
    """Return the regions of data with so many columns.

    Parameters
    ----------
    path : str, optional
        The table; without it, `names` of the data, or numbers.
    names : tuple of str, optional
        Columns of the data.
    count : int

    Raises
    ------
    AtlasError
        The table has another number of regions, or other names in another order.
    """
    if path is not None:
        components = read_components(path)
        if len(components) != count:
            raise AtlasError(
                f"{path} lists {len(components)} regions, the data have {count}",
                cause="data that lie transposed (regions x volumes), or the table of another atlas",
                next_step="give time series as volumes x regions, and one row for each region",
            )
        if names is not None and set(names) == set(components.names):
            misplaced = [
                f"{of_data} for {listed}"
                for of_data, listed in zip(names, components.names, strict=True)
                if of_data != listed
            ]
            if misplaced:
                raise AtlasError(
                    f"{path}: {len(misplaced)} regions stand in another order than in the data:"
                    f" {first_few(misplaced)}",
                    cause="a sorted table",
                    next_step="list the regions in the order of the columns of the data",
                )
        return components
    plain_names = [_plain(name) for name in names] if names is not None else []
    if len(set(plain_names)) == count:
        note = "No table of regions (`components`): names are those of the columns of the data."
    else:
        plain_names = [f"region{number:0{len(str(count))}d}" for number in range(1, count + 1)]
        note = (
            "No table of regions (`components`) and no names in the data: regions are numbered in"
            " the order of the columns."
        )
    table = pd.DataFrame({"name": plain_names, "domain": NO_DOMAIN})
    return RegionTable(table.assign(x=np.nan, y=np.nan, z=np.nan), [note])


def _plain(name: str) -> str:
    return re.sub(r"[\s~]+", "_", name.strip().lstrip("#"))
