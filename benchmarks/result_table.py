"""Tables of results to which benchmarks add rows, and the command line of those that keep one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.files.tables import Kind, read_table, write_table

Command = Callable[[argparse.Namespace], int]


@dataclass(frozen=True)
class ResultTable:
    """What a table of results holds.

    Parameters
    ----------
    columns : mapping of str to Kind
        In their order.
    key : sequence of str
        Columns of which no two rows have the same values.
    order : sequence of str
        Columns by which rows are sorted; rows alike in them stay in the order they were added in.
    """

    columns: Mapping[str, Kind]
    key: Sequence[str]
    order: Sequence[str]

    def read(self, path: Path) -> pd.DataFrame:
        """Read the table, empty where there is none."""
        if not path.is_file():
            return pd.DataFrame({name: pd.Series(dtype=object) for name in self.columns})
        return read_table(path, self.columns)

    def add(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows; one that is there with the same key is replaced."""
        table, added = self.read(path), pd.DataFrame(rows).reindex(columns=list(self.columns))
        if len(table):
            # A column without any number has no type of its own, and takes that of the table.
            untyped = [name for name in added if added[name].isna().all()]
            added = added.astype({name: table[name].dtype for name in untyped})
            added = pd.concat([table, added], ignore_index=True)
        added = added.drop_duplicates(list(self.key), keep="last")
        whole = {name: "Int64" for name, kind in self.columns.items() if kind == "integer"}
        write_table(path, added.astype(whole).sort_values(list(self.order), kind="stable"))


class CommandLine:
    """A command line of two commands: `run` makes rows, `page` writes the page from the table.

    Parameters
    ----------
    description : str
        Of the script; its first paragraph is shown.
    run, page : callable
        Get the arguments and return the exit status.
    table, page_path, work : Path
        Where the table and the page are unless told otherwise, and what is in the making.

    Attributes
    ----------
    run_options : argparse.ArgumentParser
        Receives the further options of `run`.
    commands : argparse action
        Receives further commands.
    """

    def __init__(
        self,
        description: str,
        run: Command,
        page: Command,
        *,
        table: Path,
        page_path: Path,
        work: Path,
    ) -> None:
        self.parser = argparse.ArgumentParser(description=description.split("\n\n", maxsplit=1)[0])
        self.commands = self.parser.add_subparsers(required=True)
        self.run_options = self.commands.add_parser("run", help="make the rows that are missing")
        self.run_options.add_argument(
            "--work", type=Path, default=work, help="folder for what is in the making"
        )
        self.run_options.set_defaults(do=run)
        show = self.commands.add_parser("page", help="write the page from the table")
        show.add_argument("--page", type=Path, default=page_path)
        show.set_defaults(do=page)
        for command in (self.run_options, show):
            command.add_argument("--table", type=Path, default=table)

    def add_cohorts(self) -> None:
        """Let `run` be told which cohorts: so many from a first one on."""
        count = "how many; cohort k has seed k"
        self.run_options.add_argument("--cohorts", type=int, required=True, help=count)
        self.run_options.add_argument("--start", type=int, default=1, help="the first cohort")

    def main(self) -> int:
        """Parse the command line, with absolute paths, and do what it says."""
        arguments = self.parser.parse_args()
        for name, value in vars(arguments).items():
            if isinstance(value, Path):
                setattr(arguments, name, value.resolve())
        return int(arguments.do(arguments))
