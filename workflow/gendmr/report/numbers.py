"""Numbers of tables as JSON takes them."""

from __future__ import annotations

import math


def finite(value: float | None) -> float | None:
    """Return a number rounded to 6 digits, or None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 6)
