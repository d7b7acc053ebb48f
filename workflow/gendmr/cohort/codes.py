"""Codes of sex and of unknown values, as other programs write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from gendmr.errors import TableError
from gendmr.files.tables import MISSING, UNKNOWN_WORDS

# The words of BIDS, R, SPSS and clinics. Numbers are no words: 1 is a man for PLINK and UK Biobank,
# and a woman where R numbered the levels of a factor.
SEX = {
    **dict.fromkeys(("m", "male", "man", "boy", "männlich"), "M"),
    **dict.fromkeys(("f", "female", "woman", "girl", "w", "weiblich"), "F"),
    **dict.fromkeys(("o", "other"), "O"),
}
# PLINK and clinics write these also where labels belong.
UNKNOWN = UNKNOWN_WORDS | {"-9", "-99", "-999", "-9999"}
# Numbers that clinics, SPSS and UK Biobank (-1: does not know, -3: prefers not to answer) write for
# what is unknown.
SENTINELS = (-1, -3, -8, -9, -77, -88, -99, -777, -888, -999, -9999, 99, 777, 888, 999, 9999)
FAR = 3  # times the largest other value: from there on a positive code is taken for one


def is_unknown(texts: pd.Series, further: Collection[str] = ()) -> pd.Series:
    """Return which texts are blank or a code for unknown, bool; `further` are the user's codes."""
    stripped = texts.str.strip()
    return stripped.str.casefold().isin(UNKNOWN) | stripped.isin(further)


def recode_sex(
    values: pd.Series, codes: Mapping[str, str], where: str, unknown: Collection[str] = ()
) -> pd.Series:
    """Return sex as `M`, `F`, `O` or `n/a`.

    Parameters
    ----------
    values : Series of str
        As the table has them.
    codes : mapping of str to str
        `cohort.sex_codes`: what further codes mean. They come before the words.
    where : str
        The file, for errors.
    unknown : collection of str
        `cohort.unknown`: further codes for unknown.

    Raises
    ------
    TableError
        A value is neither a word for sex, nor a code for unknown, nor among the codes.
    """
    texts = values.str.strip().str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    meaning = texts.map(dict(codes))
    meaning = meaning.where(meaning.notna(), texts.str.casefold().map(SEX))
    meaning = meaning.mask(meaning.isna() & is_unknown(texts, unknown), MISSING)
    unrecognised = texts[meaning.isna()]
    if unrecognised.empty:
        return meaning
    counts = unrecognised.value_counts().sort_index()
    numbered = counts.index.str.fullmatch(r"\d").all()
    men = {"1": "M", "2": "F", "0": MISSING if "2" in counts else "F"}
    example = {code: men.get(code, MISSING) if numbered else "F" for code in counts.index}
    raise TableError(
        f"{where}: sex of {len(unrecognised)} of {len(values)} people is no word for it:"
        f" {', '.join(f'{code!r} ({count} people)' for code, count in counts.head(5).items())}",
        cause="codes of another program: PLINK and UK Biobank have 1 for men, R has 1 for women"
        " where it numbered the levels of a factor"
        if numbered
        else "words of another language, or another column",
        next_step=f"say what they mean, {'where 1 is a man' if numbered else 'such as'}:"
        f" cohort: sex_codes: {{{', '.join(f'{code!r}: {sex}' for code, sex in example.items())}}}",
    )


def sentinel_of(values: pd.Series) -> pd.Series:
    """Return which numbers are codes for unknown, bool: far from all values that are none.

    A negative code counts where no other value is negative; a positive one where it is more than
    three times the largest other value.
    """
    finite = values[np.isfinite(values)]
    plausible = finite[~finite.isin(SENTINELS)]
    suspicious = pd.Series(False, index=values.index)
    if plausible.empty:
        return suspicious
    for code in SENTINELS:
        if plausible.min() >= 0 if code < 0 else 0 < FAR * plausible.max() < code:
            suspicious |= values == code
    return suspicious
