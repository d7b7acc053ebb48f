"""Files of people that a table lists: a row per person, paths relative to the table."""

from __future__ import annotations

from pathlib import Path

from gendmr.errors import InputFileError
from gendmr.files.tables import read_table

KEY, FILE = "participant_id", "file"


def listed_files(path: Path | str) -> dict[str, Path]:
    """Return the file of each person, as named in the columns `participant_id` and `file`.

    Raises
    ------
    InputFileError, TableError
        The table is missing or malformed, or lists nobody.
    """
    table = read_table(path, {KEY: "text", FILE: "text"}, extra=True, key=KEY)
    if table.empty:
        raise InputFileError(f"{path}: no row", next_step="list the map of each person")
    folder = Path(path).parent
    return {str(row[KEY]): folder / str(row[FILE]) for row in table.to_dict("records")}
