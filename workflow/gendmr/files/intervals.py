"""Stretches of the genome such as `19:44000000-46500000`."""

from __future__ import annotations

import re

INTERVAL = re.compile(r"(?:chr)?(\d{1,2}|X):(\d+)-(\d+)")


def parse_interval(text: str) -> tuple[str, int, int]:
    """Return chromosome, first and last base pair (1-based, closed) of `19:44000000-46500000`.

    Raises
    ------
    ValueError
        The text has another form.
    """
    match = INTERVAL.fullmatch(text)
    if not match or int(match[2]) > int(match[3]):
        raise ValueError(f"{text!r} is not a genomic interval like 19:44000000-46500000")
    return match[1], int(match[2]), int(match[3])
