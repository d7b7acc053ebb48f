"""Which side of the brain a region is on, by its name."""

from __future__ import annotations

import re

SEPARATORS = re.compile(r"[_.\-\s]+")
SIDES = {"lh": "L", "left": "L", "rh": "R", "right": "R"}


def side_of(region: str) -> str:
    """Return L, R or B (both) by the name of a region.

    Examples
    --------
    >>> [side_of(name) for name in ("Left-Hippocampus", "rh_insula", "hippocampus_L", "lingual")]
    ['L', 'R', 'L', 'B']
    """
    words = SEPARATORS.split(region.lower())
    # A single letter means a side at either end only: `area_r_2` is no right hemisphere.
    sides = {SIDES[word] for word in words if word in SIDES}
    sides |= {word.upper() for word in (words[0], words[-1]) if word in {"l", "r"}}
    return sides.pop() if len(sides) == 1 else "B"
