"""SNPs of a model among those of another cohort: by place and alleles, then by name and alleles.

A SNP whose alleles are exchanged counts the other allele and is reflected; alleles of the other
strand (A and C for T and G) are the same SNP. With A and T, or C and G, strand and exchange look
alike. Where all other SNPs are of one strand, these are too; else the orientation whose frequency
is nearer to that of the training people is taken, and where the frequency does not tell, the SNP
counts as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np
import pandas as pd

from gendmr.modalities.alignment import FoundInstances

COMPLEMENT = str.maketrans("ACGT", "TGCA")
UNDECIDED = 0.4  # from this minor allele frequency on, the frequency tells no orientation
SAME, EXCHANGED, OTHER_STRAND = 1, 2, 4


def align(
    wanted: pd.DataFrame, offered: pd.DataFrame, mean: Callable[[np.ndarray], np.ndarray]
) -> FoundInstances:
    """Align SNPs.

    Parameters
    ----------
    wanted : DataFrame
        `snp`, `chromosome`, `position`, `effect_allele`, `other_allele` and `mean_dosage` (of the
        training people).
    offered : DataFrame
        The same of the cohort, without `mean_dosage`.
    mean : callable
        ``mean(places)`` is the mean dosage of some SNPs of the cohort, NaN where nobody has any.
    """
    by_place = _lookup(zip(offered["chromosome"], offered["position"], strict=True))
    by_name = _lookup(offered["snp"])
    alleles = list(zip(offered["effect_allele"], offered["other_allele"], strict=True))
    places = np.full(len(wanted), -1, dtype=np.int64)
    relation = np.zeros(len(wanted), dtype=np.int64)
    n_mismatched = 0
    pairs = list(zip(wanted["effect_allele"], wanted["other_allele"], strict=True))
    rows = zip(
        wanted["snp"],
        zip(wanted["chromosome"], wanted["position"], strict=True),
        pairs,
        strict=True,
    )
    for row, (name, place, pair) in enumerate(rows):
        candidates = by_place.get(place) or by_name.get(name) or []
        relations = [(candidate, _relation(pair, alleles[candidate])) for candidate in candidates]
        fitting = [match for match in relations if match[1]]
        if len(fitting) == 1:
            places[row], relation[row] = fitting[0]
        else:
            n_mismatched += bool(candidates)
    exchanged = (relation & EXCHANGED) > 0
    strand = (relation & OTHER_STRAND) > 0
    palindromic = np.array([_palindrome(pair) for pair in pairs], dtype=bool)
    palindromic &= places >= 0
    one_strand = not strand.any() and bool(((places >= 0) & ~palindromic).any())
    ambiguous = np.zeros(len(wanted), dtype=bool)
    if palindromic.any() and not one_strand:
        expected = wanted["mean_dosage"].to_numpy(float)[palindromic] / 2
        orientation = _orientation(expected, mean(places[palindromic]) / 2)
        exchanged[palindromic] = orientation == EXCHANGED
        ambiguous[palindromic] = orientation == 0
        places[ambiguous] = -1
    exchanged &= places >= 0
    counts = {
        "flipped": int(exchanged.sum()),
        "other_strand": int(strand.sum()),
        "other_alleles": n_mismatched,
        "ambiguous": int(ambiguous.sum()),
    }
    return FoundInstances(places, exchanged, counts, span=2)


def _lookup(keys: Iterable[Hashable]) -> dict[Hashable, list[int]]:
    rows: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows


def _palindrome(pair: tuple[str, str]) -> bool:
    return pair[0].upper().translate(COMPLEMENT) == pair[1].upper()


def _relation(wanted: tuple[str, str], offered: tuple[str, str]) -> int:
    """Return how two pairs of alleles go together as flags, 0 where not at all."""
    pair = wanted[0].upper(), wanted[1].upper()
    first, second = offered[0].upper(), offered[1].upper()
    for strand in (0, OTHER_STRAND):
        if (first, second) == pair:
            return strand | SAME
        if (second, first) == pair:
            return strand | EXCHANGED
        first, second = first.translate(COMPLEMENT), second.translate(COMPLEMENT)
    return 0


def _orientation(expected: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Return `SAME` or `EXCHANGED` by frequency of the effect allele, 0 where it does not tell."""
    lesser = np.minimum(np.minimum(expected, 1 - expected), np.minimum(frequency, 1 - frequency))
    nearer = np.abs(1 - frequency - expected) < np.abs(frequency - expected)
    orientation = np.where(nearer, EXCHANGED, SAME)
    return np.asarray(np.where(lesser < UNDECIDED, orientation, 0))


ALIGN = align
