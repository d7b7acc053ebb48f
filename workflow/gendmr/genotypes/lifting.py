"""Positions of one build to another, by a chain file of the user; only where it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.errors import GenotypeFileError, InputFileError
from gendmr.files.chromosomes import chromosome_name

COMPLEMENT = str.maketrans("ACGTacgt", "TGCATGCA")
ONE_PLACE, NO_PLACE, SEVERAL, ELSEWHERE, INDEL = (
    "",
    "in no place of the new build",
    "in several places of the new build",
    "on another chromosome in the new build",
    "an indel on the other strand in the new build",
)


def lift_variants(variants: pd.DataFrame, chain: Path | str) -> tuple[pd.DataFrame, np.ndarray]:
    """Lift the positions of a .bim, and turn alleles where the strand changes.

    Parameters
    ----------
    variants : DataFrame
        As `read_bim` returns it.
    chain : Path or str
        UCSC chain file, perhaps gzipped, from the build of `variants` to the new one.

    Returns
    -------
    variants : DataFrame
        The same rows in the same order; those that cannot be lifted have chromosome 0, position 0.
    reasons : ndarray of str
        Why a row cannot be lifted; empty where it can.

    Raises
    ------
    InputFileError
        There is no such file, or it is no chain file.
    GenotypeFileError
        Nothing can be lifted.
    """
    from liftover import ChainFile

    if not Path(chain).is_file():
        raise InputFileError(
            f"{chain}: no such chain file", next_step="check genotypes.lift in the configuration"
        )
    try:
        converter = ChainFile(str(chain), one_based=True)
    except (ValueError, RuntimeError, OSError) as error:
        raise InputFileError(
            f"{chain}: not a chain file ({error})",
            cause="an interrupted download, or another kind of file",
            next_step="take the chain file FROMToTO.over.chain.gz of the two builds",
        ) from error
    lifted = variants.copy()
    rows = zip(
        *(variants[name].tolist() for name in ("chromosome", "position", "a1", "a2")), strict=True
    )
    places = [_lift(converter, *row) for row in rows]
    for place, name in enumerate(("chromosome", "position", "a1", "a2")):
        lifted[name] = pd.Series([row[place] for row in places], index=lifted.index)
    reasons = np.array([row[4] for row in places], dtype=object)
    if (reasons != ONE_PLACE).all():
        raise GenotypeFileError(
            f"none of {len(variants)} variants can be lifted with {chain}",
            cause="the chain file is of other builds, or positions are missing",
            next_step="give the chain file from the build of this set to that of the study",
        )
    return lifted, reasons


def _lift(
    converter: object, chromosome: str, position: int, a1: str, a2: str
) -> tuple[str, int, str, str, str]:
    code = {"XY": "X", "MT": "M"}.get(chromosome, chromosome)
    places = converter.query(code, position) if position > 0 else []  # type: ignore[attr-defined]
    if len(places) != 1:
        return "0", 0, a1, a2, SEVERAL if places else NO_PLACE
    target, lifted, strand = places[0]
    if target.removeprefix("chr") != code:
        return "0", 0, a1, a2, ELSEWHERE
    if strand == "-":
        if len(a1) > 1 or len(a2) > 1:
            return "0", 0, a1, a2, INDEL
        a1, a2 = a1.translate(COMPLEMENT), a2.translate(COMPLEMENT)
    return chromosome_name(code), lifted, a1, a2, ONE_PLACE
