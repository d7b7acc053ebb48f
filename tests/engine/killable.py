"""Trainings as processes of their own, which share nothing but files and can be killed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from gendmr.config.training import MethodOptions
from gendmr.training.fold import train_fold

# What a training imports, some of it late: loading it takes longer than the fit.
LOADED = [
    "torch",
    "xarray",
    "h5netcdf",
    "safetensors.numpy",
    "sklearn.metrics",
    "gendmr.methods.gendmr.method",
]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([*LOADED, "gendmr.training.fold", "gendmr.methods.gendmr.method"])


def train(cohort: Path, output: Path, options: MethodOptions) -> None:
    import torch

    torch.set_num_threads(1)
    train_fold(
        cohort, output, method="gendmr", repeat=0, fold=0, seed=5, device="cpu",
        options=options, checkpoint_every=1,
    )  # fmt: skip


def start(cohort: Path, output: Path, options: MethodOptions) -> ForkServerProcess:
    """Start a training that leaves a checkpoint after every epoch."""
    process = _context.Process(target=train, args=(cohort, output, options))
    process.start()
    return process


def kill(process: ForkServerProcess) -> bool:
    """Send SIGKILL; return whether that ended the process, and not its own end a moment before."""
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0
