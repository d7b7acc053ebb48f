"""Choose well-known SNPs and their positions on three builds: how build_positions.tsv was made.

python resources/choose_build_positions.py --grch37 hapmap3_db150_hg19.snplist.gz
    --grch38 hapmap3_db151_hg38.snplist.gz --ncbi36 chr10_cc1000.bim
    > resources/build_positions.tsv
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd

PER_CHROMOSOME = 500  # SNPs of all autosomes, with two builds
WITH_NCBI36 = 500  # further ones of each chromosome with NCBI36 positions
# Names below are used in made-up data too, and would be no evidence there.
FIRST_NAME = 1_000_000


def read_list(path: str) -> pd.DataFrame:
    """Read `rsid … #CHROM POS`."""
    table = pd.read_csv(path, sep=r"\s+", usecols=["rsid", "#CHROM", "POS"])
    return table.set_axis(["snp", "chromosome", "position"], axis=1)


def read_map(path: str) -> pd.DataFrame:
    """Read chromosome, name and position of a .bim."""
    table = pd.read_csv(path, sep=r"\s+", header=None, usecols=[0, 1, 3])
    return table.set_axis(["chromosome", "snp", "position"], axis=1)


def evenly(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return `count` rows that lie evenly in the order of the table."""
    rows = np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))
    return table.iloc[rows]


def main() -> None:
    """Print the table in the order of chromosome and GRCh37 position."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--grch37", required=True)
    parser.add_argument("--grch38", required=True)
    parser.add_argument("--ncbi36", nargs="+", required=True)
    given = parser.parse_args()
    both = read_list(given.grch37).merge(
        read_list(given.grch38), on=["snp", "chromosome"], suffixes=("_37", "_38")
    )
    older = pd.concat([read_map(path) for path in given.ncbi36]).drop_duplicates("snp")
    both = both.merge(older, on=["snp", "chromosome"], how="left")
    number = both["snp"].str[2:].astype(int)
    both = both[(number >= FIRST_NAME) & (both["position_37"] != both["position_38"])]
    both = both.sort_values(["chromosome", "position_37"])
    # A SNP that moved alone between two builds is an error of a database.
    for name in ("position", "position_38"):
        shift = both[name] - both["position_37"]
        near = (shift == shift.shift()) | (shift == shift.shift(-1))
        both = both[near | (both[name].isna() if name == "position" else False)]
    chosen = []
    for _, part in both.groupby("chromosome"):
        old = part[part["position"].notna()]
        chosen += [evenly(part, PER_CHROMOSOME)]
        chosen += [evenly(old, WITH_NCBI36)] if len(old) else []
    table = pd.concat(chosen).drop_duplicates("snp").sort_values(["chromosome", "position_37"])
    table = table.assign(position=table["position"].astype("Int64"))
    table = table[["snp", "chromosome", "position", "position_37", "position_38"]]
    table.columns = pd.Index(["snp", "chromosome", "NCBI36", "GRCh37", "GRCh38"])
    table.to_csv(sys.stdout, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


if __name__ == "__main__":
    main()
