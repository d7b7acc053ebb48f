"""Where a network is trained, and its randomness."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gendmr.errors import TrainingError
from gendmr.seeds import derive


def choose_device(requested: str) -> torch.device:
    """Return the device for `auto`, `cpu` or `cuda`.

    Raises
    ------
    TrainingError
        `cuda` was asked for and there is none.
    """
    if requested == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            "no CUDA device is visible",
            cause="no GPU was assigned to the job, or torch is the CPU build",
            next_step="use --device cpu, or install the CUDA build",
        )
    if requested == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(requested)


def set_up_device(requested: str) -> torch.device:
    """Return the device for a fold, with the same numbers each time.

    Raises
    ------
    TrainingError
        See `choose_device`.
    """
    device = choose_device(requested)
    torch.set_num_threads(1)
    if device.type == "cuda":
        # On one CPU thread all of its operations are deterministic already.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def torch_generator(seed: int, *purpose: object) -> torch.Generator:
    """Return a generator on the CPU for one purpose."""
    return torch.Generator().manual_seed(derive(seed, *purpose))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run what draws from torch's global generator, `nn.Dropout` say, with a seed of its own."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
