"""A configuration with mistakes, read as far as it goes, so that all of them are listed at once."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from gendmr.config.base import (
    CONTRADICTION,
    REFUSED,
    Section,
    is_refused,
    keys_of,
    listed_errors,
    plain,
    schema_of,
)
from gendmr.errors import GendmrError, Problems

SectionT = TypeVar("SectionT", bound=Section)
# A mistake may hide others of the same section; so many times one is mended to see the next.
ROUNDS = 10
# Similarity from which a misspelt key is read as another; less is enough for a question.
MEANT = 0.79
# What stands for entries that have no default, and that no file of a user depends on.
PLACEHOLDERS = {"study": "study", "seed": 0}


@dataclass
class Reading(Generic[SectionT]):
    """What could be read of a configuration.

    Attributes
    ----------
    section : Section or None
        Without its wrong entries; None where what is wrong has no default.
    doubtful : set of str
        Top-level sections of which an entry was left out, or entries do not go together.
    left_out : set of str
        Names of the entries that were left out.
    whole : bool
        No section was left out, so that all can be compared with one another.
    emptied : set of tuple
        Places of sections of which a list has no item left: that it is empty is no mistake.
    """

    section: SectionT | None = None
    doubtful: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    whole: bool = True
    emptied: set[tuple[int | str, ...]] = field(default_factory=set)

    def follows(self, text: str) -> bool:
        """Return whether an error may come of an entry that was left out: it names that entry."""
        return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in self.left_out)

    def keep(self, errors: Sequence[GendmrError], problems: Problems) -> None:
        """Add errors that do not come of an entry that was left out."""
        for error in errors:
            if not self.follows(str(error)):
                problems.add(error)


def read_as_far(
    section: type[SectionT], mapping: dict[str, Any], where: str, problems: Problems
) -> Reading[SectionT]:
    """Return a section without its wrong entries, all of which are noted.

    A misspelt key is read as the one that was meant, where that is known; other wrong entries take
    their defaults, wrong items leave their lists, and what does not go together passes.

    Parameters
    ----------
    section : type
    mapping : dict
    where : str
        The file.
    problems : Problems
        Receives one error that lists all wrong entries, and those of validators.
    """
    reading: Reading[SectionT] = Reading()
    mapping = plain(mapping, problems)
    passed: set[str] = set()
    listed: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        try:
            reading.section = section.validate_mapping(mapping, passed)
            break
        except ValidationError as error:
            items: list[dict[str, Any]] = [dict(item) for item in error.errors()]
        # A later round sees the contradictions of sections that had wrong entries before.
        listed += [
            item
            for item in items
            if _is_new(item, listed, reading)
            and tuple(_place(mapping, item["loc"])) not in reading.emptied
        ]
        passing = [item for item in items if item["type"] == CONTRADICTION or is_refused(item)]
        wrong = [item for item in items if item not in passing]
        reading.doubtful |= {str(step) for item in passing for step in item["loc"][:1]}
        passed |= {REFUSED if is_refused(item) else item["ctx"]["section"] for item in passing}
        mapping = copy.deepcopy(mapping)
        schema = schema_of(section)
        if not all(_mend(mapping, item, schema, reading) for item in sorted(wrong, key=_order)):
            break
    for error_of_entries in listed_errors(listed, where, schema_of(section)) if listed else ():
        problems.add(error_of_entries)
    return reading


def _is_new(item: dict[str, Any], listed: list[dict[str, Any]], reading: Reading[Any]) -> bool:
    repeated = any(
        item["loc"] == earlier["loc"] and item["msg"] == earlier["msg"] for earlier in listed
    )
    return not repeated and not (listed and reading.follows(f"{item['loc']} {item['msg']}"))


def _order(item: dict[str, Any]) -> tuple[bool, list[int]]:
    """Return an order: misspelt keys first; items of a list from its end, which moves no other."""
    return (
        item["type"] != "extra_forbidden",
        [-step for step in item["loc"] if isinstance(step, int)],
    )


def _mend(
    mapping: dict[str, Any], item: dict[str, Any], schema: dict[str, Any], reading: Reading[Any]
) -> bool:
    """Rename, replace or take out a wrong entry; return whether the rest can be read then."""
    loc, missing = item["loc"], item["type"] == "missing"
    place = _place(mapping, loc)
    if missing and place[-1:] == [loc[-1]]:
        # A misspelt key was just read as this one.
        return True
    if len(place) <= 1:
        return _mend_section(mapping, str(loc[0]), schema, reading) if loc else False
    holder: Any = mapping
    for step in place[:-1]:
        holder = holder[step]
    last = place[-1]
    if last not in holder if isinstance(holder, dict) else int(last) >= len(holder):
        # An entry that two errors name is gone already.
        return True
    value = holder.pop(last)
    if item["type"] == "extra_forbidden":
        intended_key = _intended_key(str(last), keys_of(schema, list(loc[:-1])))
        if intended_key is not None and intended_key not in holder:
            holder[intended_key] = value
            return True
    reading.doubtful.add(str(place[0]))
    reading.left_out.add(str(last) if isinstance(last, str) else str(value))
    if holder == []:
        reading.emptied.add(tuple(place[:-2]))
    return True


def _mend_section(
    mapping: dict[str, Any], name: str, schema: dict[str, Any], reading: Reading[Any]
) -> bool:
    """Do the same with a section as a whole: without it other sections cannot be compared."""
    value = mapping.pop(name, None)
    if name not in schema["properties"]:
        intended_key = _intended_key(name, list(schema["properties"]))
        if intended_key is not None and intended_key not in mapping:
            mapping[intended_key] = value
            return True
    elif name in PLACEHOLDERS:
        mapping[name] = PLACEHOLDERS[name]
        # Paths of a simulated cohort hold the name of its study.
        reading.whole &= name != "study" or "simulate" not in mapping
        return True
    elif name in schema["required"]:
        return False
    reading.doubtful.add(name)
    reading.left_out.add(name)
    reading.whole = False
    return True


def _intended_key(misspelt: str, keys: list[str]) -> str | None:
    """Return the key that was meant, where hardly another one can have been."""
    near = get_close_matches(misspelt.casefold(), keys, n=1, cutoff=MEANT)
    return near[0] if near else None


def _place(mapping: dict[str, Any], loc: Sequence[int | str]) -> list[int | str]:
    """Return the keys of an entry: of pydantic's place without the names of members of unions."""
    place: list[int | str] = []
    node: Any = mapping
    for step in loc:
        of_list = isinstance(node, list) and isinstance(step, int) and step < len(node)
        if of_list or (isinstance(node, dict) and step in node):
            node = node[step]
            place.append(step)
    return place
