"""What a job asks for: more at each attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def growing(first: int) -> Callable[[Any, int], int]:
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


def growing_with_input(first: int, share: float) -> Callable[[Any, Any, int], int]:
    """Return a resource of a rule that grows with its input files, and doubles at each attempt.

    Parameters
    ----------
    first : int
        What the first attempt asks for, however small the files are: MB of memory or minutes.
    share : float
        More of it for each MB of the input files. A .bed holds people x variants / 4 bytes.

    Returns
    -------
    callable
        Of wildcards, input files and attempt, as Snakemake calls it.
    """

    def resource(wildcards: Any, input: Any, attempt: int) -> int:
        return (first + int(share * input.size_mb)) * 2 ** (attempt - 1)

    return resource
