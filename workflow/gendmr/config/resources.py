"""What a job asks for: more at each attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def growing(first: int, per_input_mb: float = 0.0) -> Callable[..., int]:
    """Return a resource of a rule that doubles at each attempt.

    A job that was killed for its memory or cut by its time limit asks for more when it is retried.

    Parameters
    ----------
    first : int
        What the first attempt asks for: MB of memory or minutes.
    per_input_mb : float
        More of it for each MB of the input files: a .bed holds people x variants / 4 bytes.

    Returns
    -------
    callable
        Of wildcards, input files where their size counts, and attempt (counted from 1), as
        Snakemake calls it.
    """

    def resource(wildcards: Any, attempt: int) -> int:
        return first * 2 ** (attempt - 1)

    def resource_of_input(wildcards: Any, input: Any, attempt: int) -> int:
        return (first + int(per_input_mb * input.size_mb)) * 2 ** (attempt - 1)

    return resource_of_input if per_input_mb else resource
