"""Genotypes by pandas-plink, a reader that the package does not use: known answers for tests."""

from __future__ import annotations

import glob
import warnings
from pathlib import Path

import numpy as np

from gendmr.genotypes.filesets import check_fileset


def read_dosages(prefix: str | Path) -> np.ndarray:
    """Return copies of A1, column 5 of the .bim, int8 (people, variants); -1 is missing."""
    from pandas_plink import read_plink1_bin

    fileset = check_fileset(prefix)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pandas_plink parses with an old option
        # pandas_plink names column 5 `a0` and column 6 `a1`.
        paths = (glob.escape(f"{prefix}.{suffix}") for suffix in ("bed", "bim", "fam"))
        calls = read_plink1_bin(*paths, verbose=False, ref="a0").data
    values = calls.compute(scheduler="synchronous")
    assert values.shape == (fileset.n_people, fileset.n_variants), "a quotation mark in a name"
    return np.where(np.isnan(values), -1, values).astype(np.int8)
