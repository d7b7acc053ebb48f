"""PLINK 1 binary file sets (.bed, .bim, .fam): a guard that no reader has, and reading behind it.

Format: https://www.cog-genomics.org/plink/1.9/formats#bed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.errors import GenotypeFileError, IdentifierError, InputFileError, first_few
from gendmr.files.chromosomes import chromosome_name
from gendmr.files.seal import verify
from gendmr.genotypes.bed_file import check_padding, check_size
from gendmr.genotypes.sexes import recode_sex_column

COLUMNS = 6
# The order in which PLINK writes chromosomes.
PLACE = {
    name: number for number, name in enumerate([*map(str, range(1, 23)), "X", "Y", "XY", "MT"])
}


@dataclass(frozen=True)
class Fileset:
    """A checked PLINK file set.

    Attributes
    ----------
    prefix : str
        Path without suffix.
    n_people, n_variants : int
        Rows of the .fam and of the .bim.
    """

    prefix: str
    n_people: int
    n_variants: int


# Names for rows of one person: then kinship finds the copies, and the better called one stays.
NUMBERED = (
    "number the copies: awk '{{n = ++rows[$1, $2]; if (n > 1) $2 = $2 \"_\" n; print}}' {fam} >"
    " {fam}.new && mv {fam}.new {fam}"
)


def check_fileset(prefix: str | Path) -> Fileset:
    """Refuse a file set whose three files cannot belong together.

    Checked are: presence, magic number, mode byte, size of the .bed against the rows of .bim and
    .fam, the padding bits after the last person (zero by definition), six columns in every row,
    identifiers that appear once, and variants in order of position: PLINK writes no other, so that
    a .bim out of order may have been sorted or lifted without its .bed.

    Parameters
    ----------
    prefix : str or Path
        Path without suffix.

    Returns
    -------
    Fileset
        Prefix and counts.

    Raises
    ------
    InputFileError
        A file is missing or empty.
    GenotypeFileError
        The files are damaged, sample-major, or disagree.
    IdentifierError
        A person or a variant is listed twice.
    """
    return load_fileset(prefix)[0]


def load_fileset(prefix: str | Path) -> tuple[Fileset, pd.DataFrame, pd.DataFrame]:
    """Check a file set as `check_fileset` does, and hand out its people and variants too.

    Returns
    -------
    tuple
        The checked set, `read_fam` and `read_bim` of it.

    Raises
    ------
    InputFileError, GenotypeFileError, IdentifierError
        See `check_fileset`.
    """
    fileset, people, variants = open_fileset(prefix)
    refuse_repeated_names(str(prefix), variants)
    return fileset, people, variants


def open_fileset(prefix: str | Path) -> tuple[Fileset, pd.DataFrame, pd.DataFrame]:
    """Check a file set as `load_fileset` does, but for variants of one name."""
    prefix = str(prefix)
    verify(f"{prefix}.bed")
    people, variants = read_fam(prefix), read_bim(prefix)
    check_size(prefix, len(people), len(variants))
    check_padding(Path(f"{prefix}.bed"), len(people), len(variants))
    _unique(
        prefix,
        "fam",
        (people["fid"] + " " + people["iid"]).tolist(),
        "people (FID IID)",
        cause="the same person exported twice",
        # PLINK removes all rows of a name. With names of their own, kinship finds the copies.
        next_step=NUMBERED.format(fam=f"{prefix}.fam"),
    )
    _check_order(prefix, variants)
    return Fileset(prefix, len(people), len(variants)), people, variants


def refuse_repeated_names(prefix: str, variants: pd.DataFrame, once: str = "") -> None:
    """Refuse variants of one name; `once` is the command that leaves one row of each.

    Raises
    ------
    IdentifierError
        With the number of names, the first of them, and the command.
    """
    _unique(
        prefix,
        "bim",
        variants["snp"].tolist(),
        "variant names",
        cause="one site with several probes, or one name on two sites",
        next_step=once
        or f"plink2 --bfile {prefix} --rm-dup force-first --make-bed --out {prefix}.once"
        " keeps the first row of each, and all names",
    )


def read_fam(prefix: str | Path) -> pd.DataFrame:
    """Read the people of a file set, in order, nothing parsed.

    Returns
    -------
    DataFrame
        `fid`, `iid`, `father`, `mother`, `sex` (1 male, 2 female, 0 unknown, whatever word it was
        written in: `gendmr.genotypes.sexes.CODES`) and `phenotype`, all text.

    Raises
    ------
    InputFileError, GenotypeFileError, IdentifierError
        The file is missing, empty, or has rows that are not of six columns, or a sex that is none,
        or a header.
    """
    names = ("fid", "iid", "father", "mother", "sex", "phenotype")
    people = pd.DataFrame(dict(zip(names, _columns(str(prefix), "fam"), strict=True)))
    _no_comments(str(prefix), people)
    people["sex"] = recode_sex_column(prefix, people["sex"])
    return people


def read_bim(prefix: str | Path) -> pd.DataFrame:
    """Read the variants of a file set, in order.

    Returns
    -------
    DataFrame
        `chromosome` (text, `1` to `22`, `X`, `Y`, `XY`, `MT`, whatever way it was written), `snp`,
        `cm` (text), `position` (int64, base pairs, 1-based), `a1` (the effect allele, column 5)
        and `a2` (column 6).

    Raises
    ------
    InputFileError, GenotypeFileError
        The file is missing, empty, has rows that are not of six columns, or a position that is not
        a whole number.
    """
    names = ("chromosome", "snp", "cm", "position", "a1", "a2")
    table = pd.DataFrame(dict(zip(names, _columns(str(prefix), "bim"), strict=True)))
    try:
        table["position"] = table["position"].astype("int64")
    except ValueError as error:
        raise GenotypeFileError(
            f"{prefix}.bim: column 4 is not a position in base pairs ({error})",
            cause="columns in another order",
            next_step="columns are: chromosome, name, centimorgans, position, A1, A2",
        ) from error
    codes = {code: chromosome_name(code) for code in table["chromosome"].unique()}
    table["chromosome"] = table["chromosome"].map(codes)
    return table


def _columns(prefix: str, suffix: str) -> list[np.ndarray]:
    path = Path(f"{prefix}.{suffix}")
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.glob(f"{path.stem}*"))
        neighbours = first_few(siblings) if siblings else "nothing of that name"
        raise InputFileError(
            f"{path}: no such file (found {neighbours})",
            cause="the prefix is written with a suffix, or the path is wrong",
            next_step="give the path without .bed, and keep .bed, .bim and .fam together",
        )
    verify(path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
        # A no-break space is part of a name, as PLINK reads it: only str.split ends words at it.
        tokens = text.split() if data.isascii() else [word.decode() for word in data.split()]
    except UnicodeDecodeError as error:
        raise GenotypeFileError(
            f"{path}: not text (byte {error.start})",
            cause="the files of the set were exchanged, or the file is compressed",
            next_step=f"file {path}",
        ) from error
    if not tokens:
        noun = "people" if suffix == "fam" else "variants"
        raise GenotypeFileError(
            f"{path}: no {noun}",
            cause="a filter upstream removed everything, or the copy failed",
            next_step="restore the file",
        )
    _six_columns(path, data)
    table = np.fromiter(tokens, dtype=object, count=len(tokens)).reshape(-1, COLUMNS)
    return [np.ascontiguousarray(table[:, column]) for column in range(COLUMNS)]


def _six_columns(path: Path, data: bytes) -> None:
    """Count the tokens of every line at once; half a million lines take a tenth of a second."""
    text = np.frombuffer(data, dtype=np.uint8)
    blank = text <= ord(" ")
    starts = np.flatnonzero(~blank & np.concatenate(([True], blank[:-1])))
    ends = np.append(np.flatnonzero(text == ord("\n")), len(text))
    counts = np.diff(np.searchsorted(starts, ends), prepend=0)
    bad_lines = np.flatnonzero((counts != COLUMNS) & (counts != 0))
    if len(bad_lines):
        line = int(bad_lines[0])
        raise GenotypeFileError(
            f"{path}: {len(bad_lines)} of {int((counts > 0).sum())} rows do not have {COLUMNS}"
            f" columns; the first is line {line + 1}, with {int(counts[line])}",
            cause="the file is cut short, has a header, or an identifier holds a space",
            next_step=f"sed -n {line + 1}p {path}",
        )


def _check_order(prefix: str, variants: pd.DataFrame) -> None:
    """Refuse chromosomes in pieces or out of order, and positions that go back."""
    codes, names = pd.factorize(variants["chromosome"])
    position = variants["position"].to_numpy()
    placed = (position > 0) & (variants["chromosome"] != "0").to_numpy()
    codes, position = codes[placed], position[placed]
    same_chromosome = np.diff(codes) == 0
    back = np.flatnonzero(same_chromosome & (np.diff(position) < 0)) + 1
    runs = codes[np.concatenate(([True], ~same_chromosome))] if len(codes) else codes
    ranks = [PLACE[names[code]] for code in runs if names[code] in PLACE]
    disorders = []
    if len(back):
        first = first_few(variants["snp"].to_numpy()[placed][back])
        disorders.append(f"{len(back)} of {len(variants)} stand behind a later one ({first})")
    if pieces := len(runs) - len(np.unique(runs)):
        disorders.append(f"{pieces} chromosomes are in several pieces")
    elif ranks != sorted(ranks):
        disorders.append(f"chromosomes come in the order {', '.join(names[code] for code in runs)}")
    if disorders:
        raise GenotypeFileError(
            f"{prefix}.bim: variants are not in order of chromosome and position:"
            f" {'; '.join(disorders)}",
            cause="the .bim was sorted, shuffled or lifted without the .bed, and its names belong"
            " to other genotypes",
            next_step="restore the .bim; if its order is that of the .bed:"
            f" plink1.9 --bfile {prefix} --keep-allele-order --make-bed --out {prefix}.sorted",
        )


def _no_comments(prefix: str, people: pd.DataFrame) -> None:
    first = people.iloc[0]
    if first["iid"].upper() == "IID" and not first["fid"].startswith("#"):
        raise IdentifierError(
            f"{prefix}.fam: the first row is a header: {first_few(first)}",
            cause="a .fam has no header; other programs write one",
            next_step=f"sed -i 1d {prefix}.fam",
        )
    hidden = people.loc[people["fid"].str.startswith("#"), "fid"]
    if len(hidden):
        raise IdentifierError(
            f"{prefix}.fam: {len(hidden)} rows begin with '#': {first_few(hidden)}",
            cause="a header, or family names that PLINK 2 takes for comments",
            next_step=f"sed -i '/^#/d' {prefix}.fam, which takes out a header; families of such"
            " names have to be renamed",
        )


def _unique(
    prefix: str, suffix: str, ids: list[str], noun: str, *, cause: str, next_step: str
) -> None:
    if len(set(ids)) == len(ids):
        return
    twice = [name for name, count in Counter(ids).items() if count > 1]
    raise IdentifierError(
        f"{prefix}.{suffix}: {len(twice)} {noun} appear more than once: {first_few(twice)}",
        cause=cause,
        next_step=next_step,
    )
