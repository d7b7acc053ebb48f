"""Names and alleles of variants, made fit for joining sets; notes say what changed."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pandas as pd

from gendmr.errors import first_few

NO_NAME = "."
# Of a longer allele a name has the first letters, the length and a checksum.
LONG, FIRST = 40, 20
BASES = r"[acgtn]+"


def tidy_variants(bim: pd.DataFrame, label: str, notes: list[str]) -> pd.DataFrame:
    """Return a .bim with capital bases and a name for each variant.

    Bases in small letters become capitals, for PLINK takes `a` and `A` for two alleles. A variant
    without a name is called by chromosome, position and alleles (`1:12345:A:G`, column 6 first),
    and so are the rows of one name, at one position, with different alleles: a variant of several
    alleles that was split has as many rows, all of one rsID (`rs6:A:G`, `rs6:A:T`).

    Parameters
    ----------
    bim : DataFrame
        As `read_bim` returns it. The same object is returned where nothing changes.
    label : str
        Of the set, in notes.
    notes : list of str
        What changed is added.
    """
    small = {name: bim[name].str.fullmatch(BASES) for name in ("a1", "a2")}
    rows = small["a1"] | small["a2"]
    if rows.any():
        bim = bim.assign(
            **{name: bim[name].str.upper().where(small[name], bim[name]) for name in small}
        )
        notes.append(
            f"{label}: {int(rows.sum())} variants have bases in small letters, read as capitals"
        )
    nameless = (bim["snp"] == NO_NAME).to_numpy()
    if nameless.any():
        bim = _with_names(bim, nameless, bim["chromosome"] + ":" + bim["position"].astype(str))
        notes.append(
            f"{label}: {int(nameless.sum())} variants without a name are called by position and"
            f" alleles ({first_few(bim.loc[nameless, 'snp'], 2)})"
        )
    split = _split(bim)
    if split.any():
        split_names = bim.loc[split, "snp"]
        bim = _with_names(bim, split, bim["snp"])
        notes.append(
            f"{label}: {split_names.nunique()} names stand on several rows of one position with"
            f" different alleles ({first_few(split_names.unique(), 3)}), each of which has its"
            " alleles in its name now"
        )
    return bim


def _split(bim: pd.DataFrame) -> np.ndarray:
    """Return the rows whose names are made unique by their alleles, bool (variant,)."""
    repeated = bim["snp"].duplicated(keep=False).to_numpy()
    is_split = np.zeros(len(bim), dtype=bool)
    if not repeated.any():
        return is_split
    rows = bim[repeated]
    pairs = rows.assign(pair=_pairs(rows))
    by_name = pairs.groupby("snp", sort=False)
    one_place = by_name["position"].transform("nunique").eq(1) & by_name["chromosome"].transform(
        "nunique"
    ).eq(1)
    each_other = by_name["pair"].transform("nunique").eq(by_name["pair"].transform("size"))
    is_split[repeated] = (one_place & each_other).to_numpy()
    return is_split


def _pairs(rows: pd.DataFrame) -> pd.Series:
    """Return the two alleles of each row in the order of the alphabet."""
    pairs = ["/".join(sorted(pair)) for pair in zip(rows["a1"], rows["a2"], strict=True)]
    return pd.Series(pairs, index=rows.index, dtype=object)


def _with_names(bim: pd.DataFrame, rows: np.ndarray, stem: pd.Series) -> pd.DataFrame:
    names = bim["snp"].copy()
    names[rows] = [
        f"{first}:{_short(a2)}:{_short(a1)}"
        for first, a2, a1 in zip(stem[rows], bim.loc[rows, "a2"], bim.loc[rows, "a1"], strict=True)
    ]
    return bim.assign(snp=names)


def _short(allele: str) -> str:
    if len(allele) <= LONG:
        return allele
    return f"{allele[:FIRST]}~{len(allele)}~{crc32(allele.encode()):08x}"
