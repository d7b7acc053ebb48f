"""Writing PLINK 1 binary file sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.files.atomic import atomic_path, write_text

MAGIC = bytes([0x6C, 0x1B, 0x01])  # the last byte: variant-major
# Copies of A1 -> two bits: 0 -> 11 (A2 A2), 1 -> 10, 2 -> 00 (A1 A1), missing -> 01.
_CODES = np.array([0b11, 0b10, 0b00, 0b01], dtype=np.uint8)


def write_fileset(
    prefix: Path | str, dosage: np.ndarray, variants: pd.DataFrame, people: pd.DataFrame
) -> None:
    """Write PREFIX.bed, .bim and .fam.

    Parameters
    ----------
    prefix : Path or str
        Path without suffix.
    dosage : ndarray of int8, shape (variants, people)
        Copies of allele `a1`; -1 is missing.
    variants : pandas.DataFrame
        `chromosome`, `snp`, `position`, `a1`, `a2`.
    people : pandas.DataFrame
        `fid`, `iid`, `sex` (1 man, 2 woman, 0 unknown). Parents are 0, the phenotype is -9.
    """
    prefix = Path(prefix)
    codes = _CODES[dosage]  # index -1 is the last entry: missing
    padding = -codes.shape[1] % 4
    codes = np.pad(codes, ((0, 0), (0, padding)))
    quads = codes.reshape(len(codes), -1, 4)
    packed = quads[..., 0] | quads[..., 1] << 2 | quads[..., 2] << 4 | quads[..., 3] << 6
    with atomic_path(prefix.with_name(prefix.name + ".bed")) as temporary:
        temporary.write_bytes(MAGIC + packed.tobytes())
    rows = zip(
        *(variants[name] for name in ("chromosome", "snp", "position", "a1", "a2")), strict=True
    )
    write_text(
        prefix.with_name(prefix.name + ".bim"),
        "".join(
            f"{chrom}\t{snp}\t0\t{position}\t{a1}\t{a2}\n" for chrom, snp, position, a1, a2 in rows
        ),
    )
    individuals = zip(*(people[name] for name in ("fid", "iid", "sex")), strict=True)
    write_text(
        prefix.with_name(prefix.name + ".fam"),
        "".join(f"{fid}\t{iid}\t0\t0\t{sex}\t-9\n" for fid, iid, sex in individuals),
    )
