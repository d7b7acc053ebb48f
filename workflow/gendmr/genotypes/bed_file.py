"""What the size and the bits of a .bed say of its .bim and .fam.

Format: https://www.cog-genomics.org/plink/1.9/formats#bed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gendmr.errors import GenotypeFileError, InputFileError

MAGIC = b"\x6c\x1b"
VARIANT_MAJOR, SAMPLE_MAJOR = 1, 0
HEADER = 3
# With fewer variants a real person could be homozygous for A1 everywhere.
ENOUGH_VARIANTS = 32
BLOCK = 4096


def check_size(prefix: str | Path, n_people: int, n_variants: int) -> None:
    """Refuse a .bed of another form or size than its .bim and .fam say; no genotype is read.

    Raises
    ------
    InputFileError
        It is missing or empty.
    GenotypeFileError
        It is no .bed, sample-major, or of another size.
    """
    path = Path(f"{prefix}.bed")
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="only .bim and .fam were copied",
            next_step="keep .bed, .bim and .fam together",
        )
    size = path.stat().st_size
    with path.open("rb") as stream:
        header = stream.read(HEADER)
    if len(header) < HEADER:
        raise InputFileError(f"{path}: {size} bytes, no genotypes", next_step="restore the file")
    if header[:2] != MAGIC:
        raise GenotypeFileError(
            f"{path}: begins with {header[:2].hex(' ')}, not {MAGIC.hex(' ')}: not a PLINK 1 .bed",
            cause="a compressed file, or a .bed of genomic intervals",
            next_step=f"look at its beginning: head -c 100 {path}; give the .bed of PLINK 1 with"
            " its .bim and .fam",
        )
    if header[2] == SAMPLE_MAJOR:
        raise GenotypeFileError(
            f"{path}: sample-major (mode byte 00), which readers of .bed files misread or refuse",
            cause="written by PLINK with --ind-major, or by other software",
            next_step=f"plink1.9 --bfile {prefix} --keep-allele-order --make-bed"
            f" --out {prefix}.variant-major",
        )
    if header[2] != VARIANT_MAJOR:
        raise GenotypeFileError(
            f"{path}: mode byte {header[2]:02x}, neither 01 (variant-major) nor 00",
            cause="a PLINK 2 .pgen named .bed, or a damaged file",
            next_step=f"where it is a .pgen: plink2 --pgen {path} --bim {prefix}.bim --fam"
            f" {prefix}.fam --make-bed --out {prefix}.plink1, and give {prefix}.plink1",
        )
    row = -(-n_people // 4)
    expected = HEADER + n_variants * row
    if size != expected:
        raise GenotypeFileError(
            f"{path}: {size} bytes, but {n_variants} variants (.bim) x {n_people} people (.fam)"
            f" make {expected}",
            cause="an interrupted copy"
            if size < expected
            else "rows were removed from the .bim or .fam alone",
            next_step="copy all three files again from where they were made",
        )


def check_padding(path: Path, n_people: int, n_variants: int) -> None:
    """Refuse a .fam that is up to three rows short or long, of which the size tells nothing.

    Parameters
    ----------
    path : Path
        The .bed.
    n_people, n_variants : int
        Rows of the .fam and of the .bim.

    Raises
    ------
    GenotypeFileError
        The bits after the last person are not zero, or the last person has none but such bits.
    """
    row = -(-n_people // 4)
    in_last = (n_people - 1) % 4 + 1
    last = np.uint8(0)
    # A part at a time: pages that were looked at count as memory while they are mapped.
    for start in range(0, n_variants, BLOCK):
        shape = (min(BLOCK, n_variants - start), row)
        genotypes = np.memmap(path, np.uint8, "r", HEADER + start * row, shape)
        last |= np.bitwise_or.reduce(genotypes[:, -1])
    if last >> (2 * in_last):
        raise GenotypeFileError(
            f"{path}: bits after the last of {n_people} people are not zero",
            cause=f"the .fam has fewer rows than the .bed has people (up to {4 - in_last} more)",
            next_step="copy the .fam that was written together with this .bed",
        )
    if in_last > 1 and n_variants >= ENOUGH_VARIANTS and not last >> (2 * (in_last - 1)):
        raise GenotypeFileError(
            f"{path}: the last of {n_people} people is homozygous for A1 at all {n_variants}"
            " variants, which are the bits of padding",
            cause="the .fam has more rows than the .bed has people",
            next_step="copy the .fam that was written together with this .bed",
        )
