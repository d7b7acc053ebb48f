"""The general form of a table: `participant_id`, `icv`, `<region>_volume`, `_mean`, `_spread`."""

from __future__ import annotations

import numpy as np

from gendmr.errors import TableError, first_few
from gendmr.files.tables import Kind, read_table
from gendmr.imaging.software.table import MEASURES, SoftwareTable


def read_general(path: str) -> SoftwareTable:
    """Read a table of the general form, every column of which must be known.

    Raises
    ------
    TableError
        A column is missing or unknown, or a value is not a number.
    """
    required: dict[str, Kind] = {"participant_id": "text", "icv": "number"}
    names = [str(name) for name in read_table(path, required, extra=True, key="participant_id")]
    regions = [name.removesuffix("_volume") for name in names if name.endswith("_volume")]
    if not regions:
        raise TableError(
            f"{path}: no column <region>_volume among {len(names)}: {first_few(names, 12)}",
            cause="a table of other measures, or columns named otherwise",
            next_step="rename the columns: lh_insula becomes lh_insula_volume",
        )
    declared: dict[str, Kind] = {
        f"{region}_{measure}": "number" for region in regions for measure in MEASURES
    }
    table = read_table(path, required, optional=declared)
    values = {
        (region, measure): table[f"{region}_{measure}"].to_numpy(dtype=np.float64)
        for region in regions
        for measure in MEASURES
        if f"{region}_{measure}" in table
    }
    people = [str(name) for name in table["participant_id"]]
    head = table["icv"].to_numpy(dtype=np.float64)
    return SoftwareTable("a table", people, values, head, "the column icv")
