"""Do the rows of a .bim belong to the genotypes? Linkage between neighbours tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.genotypes.bed_file import HEADER

PAIRS, ENOUGH_PAIRS, ENOUGH_PEOPLE = 400, 200, 50
NEAR = 20_000  # bp, within which variants of an array are mostly in linkage disequilibrium
# Copies of A1 by two bits: 00, 01 (missing), 10, 11.
COPIES = np.array([2.0, np.nan, 1.0, 0.0])


def linkage_note(prefix: str | Path, label: str, people: int, variants: pd.DataFrame) -> str | None:
    """Compare neighbouring variants with distant ones.

    A .bim that was sorted without its .bed is in perfect order, and its names belong to other
    genotypes. Then near variants correlate no more than distant ones; so they do in data that were
    pruned or simulated without linkage, wherefore this is a note and not an error.

    Parameters
    ----------
    prefix : str or Path
        Of the checked set.
    label : str
        How the note names it.
    people : int
        Rows of the .fam.
    variants : DataFrame
        `chromosome` and `position`, in the order of the file.

    Returns
    -------
    str or None
        The note; None where neighbours are in linkage, or too few to say.
    """
    position = variants["position"].to_numpy()
    code = pd.factorize(variants["chromosome"])[0]
    near = np.flatnonzero((np.diff(code) == 0) & (np.diff(position) <= NEAR) & (position[:-1] > 0))
    if people < ENOUGH_PEOPLE or len(near) < ENOUGH_PAIRS:
        return None
    first = near[np.unique(np.linspace(0, len(near) - 1, PAIRS).round().astype(int))]
    distant = (first + len(variants) // 2) % len(variants)
    genotypes = np.memmap(f"{prefix}.bed", dtype=np.uint8, mode="r", offset=HEADER).reshape(
        len(variants), -1
    )
    snps, next_snps, distant_snps = (
        _standardised(genotypes[rows], people) for rows in (first, first + 1, distant)
    )
    close, far = _mean_r2(snps, next_snps), _mean_r2(snps, distant_snps)
    if not np.isfinite(close) or close > max(2 * far, far + 0.01):
        return None
    return (
        f"{label}: variants within {NEAR // 1000} kb correlate no more than distant ones (mean r2"
        f" {close:.3f} against {far:.3f}): they were pruned or simulated without linkage, or the"
        " .bim was sorted without its .bed and every name belongs to other genotypes"
    )


def _standardised(rows: np.ndarray, people: int) -> np.ndarray:
    bits = np.stack([(rows >> shift) & 3 for shift in (0, 2, 4, 6)], axis=2)
    copies = COPIES[bits.reshape(len(rows), -1)[:, :people]]
    missing = np.isnan(copies)
    n_called = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
    centred = np.where(missing, 0.0, copies - np.nansum(copies, axis=1, keepdims=True) / n_called)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    # Without variation there is no correlation.
    return np.asarray(centred / np.where(length > 0, length, np.nan))


def _mean_r2(first: np.ndarray, second: np.ndarray) -> float:
    r2 = (first * second).sum(axis=1) ** 2
    r2 = r2[np.isfinite(r2)]
    return float(r2.mean()) if len(r2) >= ENOUGH_PAIRS // 2 else np.nan
