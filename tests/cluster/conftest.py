"""A private Slurm, and one undisturbed run of a small study on it, for all tests of accidents."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .private_slurm import PrivateSlurm, lacks
from .study import Study


@pytest.fixture(scope="session")
def slurm() -> Iterator[PrivateSlurm]:
    """A Slurm of one node with two GPUs; skipped only where the packages or root are absent."""
    if (reason := lacks()) is not None:
        if os.environ.get("GENDMR_CLUSTER_TESTS") == "required":
            pytest.fail(f"the tests of a cluster must run here: {reason}")
        pytest.skip(reason)
    private = PrivateSlurm.start(gpus=2, owner=os.getpid())
    try:
        yield private
    finally:
        private.stop()


@pytest.fixture(scope="session")
def study(slurm: PrivateSlurm, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study, finished through `--profile slurm` and the profile of a site, undisturbed."""
    finished = Study.in_folder(slurm, tmp_path_factory.mktemp("cluster"))
    finished.checkout.snakemake()
    return finished
