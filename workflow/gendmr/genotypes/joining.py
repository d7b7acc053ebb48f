"""Checked sets written side by side or one below the other, by PLINK 1.9.

PLINK 1.9 drops names beyond ASCII from the lists it is given. Variants are therefore called `v1`,
`v2`, … while it works, and have their names back afterwards.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.genotypes.filesets import load_fileset
from gendmr.genotypes.loaded import Loaded
from gendmr.genotypes.plink import Plink, link, write_names

AUTOSOMES = tuple(str(number) for number in range(1, 23))
ORDER = {name: number for number, name in enumerate([*AUTOSOMES, "X", "Y", "XY", "MT"])}
COLUMNS = ["chromosome", "snp", "cm", "position", "a1", "a2"]


def join_sets(
    sets: list[Loaded],
    flips: list[list[str]],
    unusable: list[str],
    everybody: pd.DataFrame,
    plink: Plink,
    work: Path,
) -> tuple[str, np.ndarray]:
    """Write one set of all; variants that cannot be used may be left out.

    Parameters
    ----------
    sets : list of Loaded
    flips : list of list of str
        Variants of each set whose alleles are on the other strand.
    unusable : list of str
        Names that need not be joined.
    everybody : DataFrame
        People of all sets, for parents.
    plink : Plink
    work : Path
        Receives the files.

    Returns
    -------
    prefix : str
        Of the set, in `work`.
    names : ndarray of str
        Its variants, in order.
    """
    single = len(sets) == 1 and _in_order(sets[0].bim)
    for number, loaded in enumerate(sets):
        as_given = single and not loaded.rewritten
        link(loaded.fileset.prefix, work, f"set{number}", ("bed", "bim") if as_given else ("bed",))
        _write_fam(work / f"set{number}.fam", loaded.fam, everybody)
        if single and loaded.rewritten:
            write_bim(work / f"set{number}.bim", loaded.bim)
    if single:
        return "set0", sets[0].bim["snp"].to_numpy()
    return _join(sets, flips, set(unusable), plink, work)


def _join(
    sets: list[Loaded], flips: list[list[str]], removed: set[str], plink: Plink, work: Path
) -> tuple[str, np.ndarray]:
    """Let PLINK 1.9 sort, flip and merge."""
    number_of: dict[str, str] = {}
    for loaded in sets:
        for name in loaded.bim["snp"]:
            number_of.setdefault(name, f"v{len(number_of) + 1}")
    set_names: list[str] = []
    people: dict[str, None] = {}
    variants: dict[str, None] = {}
    for place, loaded in enumerate(sets):
        names = [name for name in loaded.bim["snp"] if name not in removed]
        if not names:
            continue
        numbers = [number_of[name] for name in names]
        write_bim(work / f"set{place}.bim", loaded.bim.assign(snp=loaded.bim["snp"].map(number_of)))
        write_names(work / f"set{place}.extract", numbers)
        write_names(work / f"set{place}.flip", [number_of[name] for name in flips[place]])
        iids = loaded.fam["iid"].tolist()
        plink.run(
            "1.9",
            [
                *("--bfile", f"set{place}", "--allow-extra-chr", "--allow-no-sex"),
                *("--extract", f"set{place}.extract", "--keep-allele-order"),
                *(("--flip", f"set{place}.flip") if flips[place] else ()),
                "--make-bed",
            ],
            out=f"part{place}",
            folder=work,
            people=iids,
            variants=numbers,
        )
        set_names.append(f"part{place}")
        people |= dict.fromkeys(iids)
        variants |= dict.fromkeys(numbers)
    if not set_names:
        write_bim(work / "set0.bim", sets[0].bim)
        return "set0", sets[0].bim["snp"].to_numpy()
    if len(set_names) == 1:
        joined = set_names[0]
    else:
        joined = "joined"
        (work / "parts.txt").write_text("".join(f"{set_name}\n" for set_name in set_names[1:]))
        plink.run(
            "1.9",
            [
                *("--bfile", set_names[0], "--merge-list", "parts.txt", "--allow-no-sex"),
                *("--keep-allele-order", "--make-bed"),
            ],
            out=joined,
            folder=work,
            people=list(people),
            variants=list(variants),
        )
    bim = load_fileset(work / joined)[2]
    name_of = {number: name for name, number in number_of.items()}
    write_bim(work / f"{joined}.bim", bim.assign(snp=bim["snp"].map(name_of)))
    return joined, bim["snp"].map(name_of).to_numpy()


def _in_order(bim: pd.DataFrame) -> bool:
    """Tell whether chromosomes are contiguous and positions ascend, as PLINK 2 wants them."""
    order = bim["chromosome"].map(ORDER)
    if order.isna().any():
        return False
    chromosome, position = np.diff(order.to_numpy(int)), np.diff(bim["position"].to_numpy())
    return bool(((chromosome > 0) | ((chromosome == 0) & (position >= 0))).all())


def write_bim(path: Path, bim: pd.DataFrame) -> None:
    """Write variants as `read_bim` returns them."""
    bim[COLUMNS].to_csv(path, sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE)


def _write_fam(path: Path, fam: pd.DataFrame, everybody: pd.DataFrame) -> None:
    """Write people without a phenotype; parents who are not there make nobody a non-founder."""
    present = set(zip(everybody["fid"], everybody["iid"], strict=True))
    columns = (fam[name].tolist() for name in ("fid", "iid", "father", "mother", "sex"))
    rows = []
    for fid, iid, father, mother, sex in zip(*columns, strict=True):
        parents = [parent if (fid, parent) in present else "0" for parent in (father, mother)]
        rows.append("\t".join([fid, iid, *parents, sex, "-9"]) + "\n")
    path.write_text("".join(rows), encoding="utf-8")
