"""What an identifier may not be: it names folders, stands in commands, tables and pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from gendmr.errors import IdentifierError, first_few

LONGEST = 128  # bytes; file systems end at 255 with what is added to a name
# What has a meaning in paths, in a shell, in HTML, in Snakemake's patterns or in figures.
MARKS = frozenset("/\\'\"`$&;|<>(){}[]*?!~^%#,")


def unsafe_reason(identifier: str) -> str:
    """Return what keeps an identifier from being used, or an empty text.

    Letters and digits of any script and `_ - . + = @ :` are allowed, a leading `-` or `.` is not.

    Examples
    --------
    >>> [unsafe_reason(name) for name in ("007", "002_S_0295", "../x", "a b", "-rf")]
    ['', '', 'has `/`', 'has a space', 'begins with `-`']
    """
    marks = next(filter(None, map(_mark, identifier)), "")
    if marks:
        return f"has {marks}"
    if identifier == "":
        return "is empty"
    if identifier[0] in "-.":
        return f"begins with `{identifier[0]}`"
    long = len(identifier.encode("utf-8")) > LONGEST
    return f"is longer than {LONGEST} bytes" if long else ""


def _mark(character: str) -> str:
    if character in MARKS:
        return f"`{character}`"
    if character == " ":
        return "a space"
    if unicodedata.category(character)[0] in "ZC":
        return "an invisible " + unicodedata.name(character, f"character U+{ord(character):04X}")
    return ""


def refuse_unsafe(identifiers: Iterable[str], where: str, next_step: str) -> None:
    """Stop where an identifier could be taken for a path, an option, a command or markup.

    Parameters
    ----------
    identifiers : iterable of str
        As the user wrote them, without `sub-`.
    where : str
        File or folder, and column.
    next_step : str
        What to do about it.

    Raises
    ------
    IdentifierError
        With how many there are and, for the first of each kind, what is wrong.
    """
    names_by_reason: dict[str, list[str]] = {}
    for identifier in identifiers:
        reason = unsafe_reason(identifier)
        if reason:
            names_by_reason.setdefault(reason, []).append(identifier)
    if names_by_reason:
        count = sum(map(len, names_by_reason.values()))
        raise IdentifierError(
            f"{where}: {count} identifiers cannot be used: {_listed(names_by_reason)}",
            cause="a name, a path or a remark in place of an identifier, or a damaged export",
            next_step=next_step,
        )


def _listed(names_by_reason: Mapping[str, list[str]]) -> str:
    descriptions = [
        f"{first_few(names, 3)} ({reason})" for reason, names in names_by_reason.items()
    ]
    remainder = f"; and {len(descriptions) - 5} other reasons" if len(descriptions) > 5 else ""
    return "; ".join(descriptions[:5]) + remainder
