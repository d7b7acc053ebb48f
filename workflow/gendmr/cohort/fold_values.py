"""How many folds a study has: known before anything runs, with `cohort.fold_by` too."""

from __future__ import annotations

from gendmr.cohort.participants import labels
from gendmr.config.cohort import CohortSection
from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError, FoldError, first_few
from gendmr.files.tables import MISSING, read_table

MOST = 50  # folds by a column; more are identifiers, dates or measurements
SIMULATED = "site"


def size_of_split(
    options: CohortSection, simulate: SimulateSection | None = None
) -> tuple[int, int]:
    """Return the number of repeats and of folds of a study.

    Parameters
    ----------
    options : CohortSection
    simulate : SimulateSection, optional
        Of a simulated study.

    Raises
    ------
    ConfigurationError, InputFileError, TableError, FoldError
        See `fold_values`.
    """
    if options.fold_by is None:
        return options.repeats, options.folds
    return 1, len(fold_values(options, simulate))


def fold_values(options: CohortSection, simulate: SimulateSection | None = None) -> list[str]:
    """Return the values of `cohort.fold_by`, sorted: value k is held out in fold k.

    They are read from the user's participants.tsv, which is there before the run. That of a
    simulated study is not: its sites are known from the configuration.

    Parameters
    ----------
    options : CohortSection
        `fold_by` is set.
    simulate : SimulateSection, optional
        Of a simulated study.

    Raises
    ------
    InputFileError, TableError
        participants.tsv is missing, or has no such column.
    ConfigurationError
        A simulated study whose `fold_by` is not `site`.
    FoldError
        The column has fewer than two values, or too many to be folds.
    """
    name = str(options.fold_by)
    if simulate is not None:
        if name != SIMULATED:
            raise ConfigurationError(
                f"cohort.fold_by = {name!r} in a simulated study: the number of folds must be known"
                " before the run, and participants.tsv is made by the run",
                next_step=f"set it to {SIMULATED}, or run the simulation first and then a study of"
                " its files without the section simulate",
            )
        values = sorted(f"{SIMULATED}{number}" for number in range(1, simulate.sites + 1))
        where = "simulate.sites"
    else:
        column = options.columns.get(name, name)
        table = read_table(options.participants, {column: "text"}, extra=True)
        values = sorted(set(labels(table[column], name, options)) - {MISSING})
        where = f"{options.participants}, column {column}"
    if not 2 <= len(values) <= MOST:
        raise FoldError(
            f"{where}: {len(values)} values, and each would be a fold (cohort.fold_by: {name}):"
            f" {first_few(values) if values else 'none'}",
            cause="a column of identifiers, dates or measurements"
            if values[2:]
            else "people of one place only",
            next_step=f"name a column with 2 to {MOST} values, or leave out cohort.fold_by",
        )
    return values
