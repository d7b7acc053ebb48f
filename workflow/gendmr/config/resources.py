"""What a job asks for: more at each attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gendmr.config.training import MethodOptions

TOGETHER_MB = 1000  # of networks that are fitted together: `gendmr.training.null.MEMORY`
LONGER = 2  # the job that fits some permutations, against that of a fold


def double_per_attempt(first: int, per_input_mb: float = 0.0) -> Callable[..., int]:
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
        return int(first * 2 ** (attempt - 1))

    def resource_of_input(wildcards: Any, input: Any, attempt: int) -> int:
        return int((first + int(per_input_mb * input.size_mb)) * 2 ** (attempt - 1))

    return resource_of_input if per_input_mb else resource


@dataclass(frozen=True)
class JobResources:
    """What the jobs of one method ask for at their first attempt.

    Parameters
    ----------
    memory_mb, minutes, gpus, threads : int
    """

    memory_mb: int
    minutes: int
    gpus: int
    threads: int


def for_method(
    options: MethodOptions,
    people: int,
    instances: Mapping[str, int],
    *,
    null: bool = False,
    refits: bool = True,
) -> JobResources:
    """Return what the fold of a method asks for, or some permutations of it.

    The memory is that of the method (`MethodSection.resources`) and of the modalities that it
    needs (`ModalitySection.bytes_of_fold`).

    Parameters
    ----------
    options : MethodOptions
    people : int
        Of the cohort.
    instances : mapping of str to int
        Of the cohort, by modality; a modality that is not in it takes nothing.
    null : bool
        Whether the job is of permutations.
    refits : bool
        Whether it fits them: evidence is collected on one thread, without a GPU.
    """
    requested = options.method.resources
    data_bytes = sum(
        section.bytes_of_fold(people, instances.get(name, 0))
        for name, section in options.modalities.items()
    )
    batch_mb = TOGETHER_MB if null and refits and options.method.network else 0
    return JobResources(
        memory_mb=requested.memory_mb + batch_mb + round(data_bytes / 1e6),
        minutes=requested.minutes * (LONGER if null and refits else 1),
        gpus=requested.gpus if refits else 0,
        threads=requested.threads if refits else 1,
    )
