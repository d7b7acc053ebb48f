"""What a job asks for: more at each attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def double_per_attempt(first: int) -> Callable[[Any, int], int]:
    """Return a resource of a rule that doubles at each attempt.

    A job that was killed for its memory or cut by its time limit asks for more when it is retried.

    Parameters
    ----------
    first : int
        What the first attempt asks for: MB of memory or minutes.

    Returns
    -------
    callable
        Of wildcards and attempt (counted from 1), as Snakemake calls it.
    """

    def resource(wildcards: Any, attempt: int) -> int:
        return first * 2 ** (attempt - 1)

    return resource
