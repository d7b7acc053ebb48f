"""Genotypes of a .bed, some variants at a time.

Format: https://www.cog-genomics.org/plink/1.9/formats#bed. Two bits a person, four people a byte,
the first in the lowest bits: 00 two copies of A1, 01 missing, 10 one copy, 11 none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gendmr.errors import GenotypeFileError, InputFileError
from gendmr.genotypes.bed_file import HEADER
from gendmr.genotypes.filesets import Fileset

STEP = 128  # variants that are decoded at a time: all people of them are in memory
COPIES = np.array([2, -1, 1, 0], dtype=np.int8)  # of A1, by the two bits
# Dosages of the four people of each byte, int8 (256, 4).
DECODED = COPIES[(np.arange(256)[:, None] >> (2 * np.arange(4))) & 3]


def dosage_blocks(
    fileset: Fileset, people: np.ndarray, variants: np.ndarray, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Give the dosages of some people and variants, block by block of variants.

    Memory holds one block, however large the file is.

    Parameters
    ----------
    fileset : Fileset
        Checked: what `gendmr.genotypes.filesets.check_fileset` returned.
    people : int (n,)
        Rows of the .fam, in the order that is wanted.
    variants : int (m,)
        Rows of the .bim, increasing.
    size : int
        Variants of a block; the last has what is left.

    Yields
    ------
    start, dosage : int, int8 (n, block)
        Place of the first variant of the block among `variants`; copies of the effect allele,
        column 5 of the .bim (A1), -1 missing.

    Raises
    ------
    InputFileError, GenotypeFileError
        The file is gone, or became shorter since it was checked.
    """
    path = Path(f"{fileset.prefix}.bed")
    row = -(-fileset.n_people // 4)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputFileError(
            f"{path}: not readable ({error})", next_step="restore the file"
        ) from error
    with stream:
        for start in range(0, len(variants), size):
            batch = variants[start : start + size]
            block = np.empty((len(people), len(batch)), dtype=np.int8)
            for first in range(0, len(batch), STEP):
                rows = batch[first : first + STEP]
                packed = np.empty((len(rows), row), dtype=np.uint8)
                # Neighbours in the file are read at once.
                for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1):
                    stream.seek(HEADER + int(rows[run[0]]) * row)
                    if stream.readinto(packed[run[0] : run[-1] + 1]) != len(run) * row:  # type: ignore[arg-type]
                        raise GenotypeFileError(
                            f"{path}: ends before variant {int(rows[run[-1]]) + 1} of"
                            f" {fileset.n_variants}",
                            cause="the file was replaced or cut while it was read",
                            next_step="restore it, and run again",
                        )
                dosage = DECODED[packed].reshape(len(rows), 4 * row)
                block[:, first : first + len(rows)] = dosage[:, people].T
            yield start, block
