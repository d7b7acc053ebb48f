"""Times and events of the user's table."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from gendmr.config.outcomes.survival import SurvivalOutcome
from gendmr.errors import OutcomeError
from gendmr.files.tables import MISSING, numbers_in
from gendmr.tasks.reading import EXCEPTIONS, blank, counted, users_numbers

CENSORED = re.compile(r"censor|zensier", re.IGNORECASE)
UNCENSORED = re.compile(r"un[_-]?censor|not[_ -]?censor", re.IGNORECASE)


def users_times(
    table: pd.DataFrame, where: str, section: SurvivalOutcome, name: str
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return times, events (0, 1 or NaN) and why a person has none.

    Parameters
    ----------
    table : DataFrame of text
    where : str
        Path of the file, for errors.
    section : SurvivalOutcome
    name : str
        Of the outcome.

    Raises
    ------
    OutcomeError
        A column named after censoring, an event that is neither 0 nor 1, nobody with an event;
        more than 5 % of the times are no numbers above 0, or of the events without a time.
    """
    _refuse_censoring(section.event, where, name)
    event = _events(table[section.event], where, section, name)
    time, reason = users_numbers(table[section.time], where, section.time, positive=True)
    no_time = blank(table[section.time])
    # Without a time, an event cannot be used; without either the person was never followed up.
    reason = reason.mask(no_time & (event == 1), f"an event, but no {section.time}")
    reason = reason.mask(event.isna() & (reason == ""), f"no {section.event}")
    timeless = (event == 1) & no_time
    if int(timeless.sum()) > EXCEPTIONS * int((event == 1).sum()):
        raise OutcomeError(
            f"{where}: {int(timeless.sum())} of {int((event == 1).sum())} people with an event"
            f" ({section.event}) have no {section.time}",
            cause="two tables that were joined by the wrong key, or dates that were not turned into"
            " times",
            next_step=f"write the time from baseline to the event into {section.time}",
        )
    if not ((event == 1) & (reason == "")).any():
        raise OutcomeError(
            f"{where}: nobody with a {section.time} has the event ({section.event} is 1)",
            cause="another column is meant, or nobody was followed up long enough",
            next_step=f"set cohort.outcomes.{name}.event to the column of the event",
        )
    return time, event, reason


def _refuse_censoring(column: str, where: str, name: str) -> None:
    """Refuse `censorship` and the like, in which 1 means that nothing was seen.

    Taken for events, censored people would die and the dead would be censored, which no later
    check can tell from a cohort in which most people die.
    """
    if CENSORED.search(column) and not UNCENSORED.search(column):
        raise OutcomeError(
            f"{where}: the event of {name} is the column {column}, which is named after censoring",
            cause="1 stands for censored in it, where cohort.outcomes wants 1 for the event",
            next_step=f"write 1 - {column} into a column `event` and name that in"
            f" cohort.outcomes.{name}.event; if 1 is the event, rename the column",
        )


def _events(texts: pd.Series, where: str, section: SurvivalOutcome, name: str) -> pd.Series:
    """Return 0, 1 or NaN; refuse any other coding, since 1 might mean censored in it."""
    missing = blank(texts)
    numbers = numbers_in(texts.where(~missing, "").astype(str))
    wrong = ~missing & ~numbers.isin([0, 1])
    if not wrong.any():
        return numbers
    labels = set(texts[~missing].str.casefold())
    value_counts = counted(texts[~missing])
    # With 0 among them, 2 is another kind of event: 1 less would make 0 a -1.
    if labels <= {"1", "2", "1.0", "2.0"}:
        cause, remedy = "a coding in which 2 is the event and 1 is not", "subtract 1"
    elif labels <= {"true", "false", "yes", "no", "t", "f", "y", "n"}:
        cause, remedy = "words for yes and no", "write 1 for yes and 0 for no"
    elif np.isfinite(numbers[~missing]).all() and len(labels) > 2:
        cause = "a time or several kinds of event in this column"
        remedy = "write 1 for the event that is studied and 0 for anything else"
    else:
        cause, remedy = (
            "labels in place of 0 and 1",
            "write 1 where the event was seen and 0 elsewhere",
        )
    raise OutcomeError(
        f"{where}: column {section.event}: {int(wrong.sum())} of {int((~missing).sum())} values are"
        f" neither 0 nor 1; found: {value_counts}",
        cause=cause,
        next_step=f"{remedy}, and {MISSING} where it is unknown; or name another column in"
        f" cohort.outcomes.{name}.event",
    )
