"""Who leaves: missing calls, sex, heterozygosity, duplicates, kin. Nobody's diagnosis is read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, IdentifierError, first_few
from gendmr.files.atomic import move_into_place, read_json, write_json, write_text
from gendmr.files.tables import write_table
from gendmr.genotypes.filesets import read_fam
from gendmr.genotypes.kin import declared_pairs, names_of_copies, remove_duplicates, remove_kin
from gendmr.genotypes.plink import (
    FEW_FOUNDERS,
    Plink,
    Version,
    link,
    read_report,
    workplace,
    write_names,
    write_people,
)
from gendmr.genotypes.removals import Removals

FIRST_DEGREE = 0.177  # Manichaikul et al. 2010, table 1: 2^(-5/2)
SEX = {"1": "male", "2": "female"}
# With fewer variants, F on chromosome X is mostly noise.
ENOUGH_ON_X = 50
ENOUGH_AUTOSOMES = 5
# Swapped samples are a few percent at most; more wrong sexes mean misplaced rows.
MANY_WRONG, SHARE_WRONG = 10, 0.1


def filter_participants(section: GenotypesSection, folder: Path | str, plink: Plink) -> None:
    """Find the people to remove and the pairs of kin.

    Parameters
    ----------
    section : GenotypesSection
        Thresholds.
    folder : Path or str
        Where `merge_genotypes` left its files. Receives ``kinship.tsv`` in its parent;
        ``participants.attrition.tsv``, ``participants.measures.tsv`` (what was judged of each
        person), ``participants.json`` and ``pruned.txt`` (variants in approximate linkage
        equilibrium) in itself.
    plink : Plink
        Threads and memory.

    Raises
    ------
    GenotypeFileError
        Nobody is left, or recorded sex is wrong in so many that the .fam must be.
    IdentifierError
        Two copies of a person are different genomes.
    ToolError
        PLINK is missing or failed.
    """
    folder = Path(folder)
    people = read_fam(folder / "merged").set_index("iid", drop=False)
    merged = read_json(folder / "merge.json")
    removals = Removals("participant")
    notes: list[str] = []
    missing = _missingness(section, folder, people, removals)
    with workplace(folder) as work:
        link(folder / "merged", work, "merged", ("bed", "bim", "fam"))
        step = _Step(section, work, people, merged, plink, removals, notes)
        if step.few:
            notes.append(
                f"frequencies and linkage come from {step.founders()} people only"
                f" (fewer than {FEW_FOUNDERS}): heterozygosity, sex check and components are rough"
            )
        pruned = _prune(step)
        sex = _check_sex(step)
        heterozygosity = _check_heterozygosity(step)
        pairs = _find_kin(step)
        if 0 < merged["autosomes"] < ENOUGH_AUTOSOMES and len(pairs):
            notes.append(
                f"kinship comes from {merged['autosomes']} chromosome(s) only, where chance sharing"
                f" looks like kin ({len(pairs)} pairs): raise `kinship` if they are too many"
            )
        _compare_copies(merged["twice"], pairs, step)
        remove_duplicates(section, pairs, missing, removals)
        if section.remove_kin:
            remove_kin(section, pairs, missing, removals)
        elif (pairs["kinship"] < section.duplicate_kinship).any():
            kin = pairs[pairs["kinship"] < section.duplicate_kinship]
            notes.append(f"{len(kin)} pairs of kin were kept; they share a fold")
            cryptic = kin[kin["pedigree"] == "cryptic"]
            if len(cryptic):
                listed = [f"{row.id1} and {row.id2}" for row in cryptic.itertuples()]
                notes.append(
                    f"{len(cryptic)} of these pairs are of no family in the .fam:"
                    f" {first_few(listed)}; all are in genotypes/kinship.tsv"
                )
        _refuse_empty(people[~people.index.isin(removals.ids)], removals)
        if pruned:
            move_into_place(work / "pruned.prune.in", folder / "pruned.txt", empty=True)
        else:
            write_text(folder / "pruned.txt", "")
    names = names_of_copies(merged["twice"], removals, missing)
    removals.rename(names)
    write_table(folder.parent / "kinship.tsv", pairs.replace({"id1": names, "id2": names}))
    measures = pd.DataFrame(
        {
            "missing": missing,
            "sex": people["sex"].map(SEX),
            "f_x": None if sex is None else sex["f"],
            "f_autosomes": heterozygosity,
        },
        index=people.index,
    )
    measures.index = measures.index.map(lambda iid: names.get(iid, iid))
    write_table(folder / "participants.measures.tsv", measures.reset_index(names="id"))
    removals.write(folder / "participants.attrition.tsv")
    left = people[["fid", "iid"]].replace({"iid": names})
    left = left[left["iid"].isin(removals.ids)]
    write_json(
        folder / "participants.json",
        {
            "copies": names,
            "people": len(people) - len(left),
            "removed": removals.counts(),
            "removed_people": [
                {"fid": fid, "iid": iid} for fid, iid in zip(left["fid"], left["iid"], strict=True)
            ],
            "pairs": pairs["relation"].value_counts().sort_index().to_dict(),
            "notes": notes,
        },
    )


@dataclass
class _Step:
    """What the checks share; a call of PLINK sees only people who are still in."""

    section: GenotypesSection
    work: Path
    people: pd.DataFrame
    merged: dict[str, Any]
    plink: Plink
    removals: Removals
    notes: list[str]

    @property
    def few(self) -> bool:
        return self.founders() < FEW_FOUNDERS

    def founders(self) -> int:
        present = self.present()
        return int(((present["father"] == "0") & (present["mother"] == "0")).sum())

    def present(self) -> pd.DataFrame:
        return self.people[~self.people.index.isin(self.removals.ids)]

    def run(self, version: Version, arguments: list[str], out: str) -> None:
        _refuse_empty(self.present(), self.removals)
        gone = self.people[self.people.index.isin(self.removals.ids)]
        write_people(self.work / "gone.txt", gone)
        without = ["--remove", "gone.txt"] if len(gone) else []
        if version == "1.9":
            without.append("--allow-no-sex")
        elif self.few:
            without += ["--bad-freqs", "--bad-ld"]
        self.plink.run(
            version, ["--bfile", "merged", *without, *arguments], out=out, folder=self.work
        )


def _refuse_empty(present: pd.DataFrame, removals: Removals) -> None:
    if present.empty:
        raise GenotypeFileError(
            f"nobody is left; reasons: {removals.summary()}",
            cause="thresholds too strict, or damaged genotypes",
            next_step="loosen the thresholds of the section genotypes",
        )


def _missingness(
    section: GenotypesSection, folder: Path, people: pd.DataFrame, removals: Removals
) -> pd.Series:
    report = read_report(folder / "merged.smiss", {"IID": "str", "F_MISS": "float64"})
    missing = report.set_index("IID")["F_MISS"].reindex(people.index)
    high = missing[missing > section.person_missingness]
    removals.add(
        high.index,
        "person missingness",
        "too many variants without a call",
        high,
        section.person_missingness,
    )
    return missing


def _prune(step: _Step) -> bool:
    """Leave variants in approximate linkage equilibrium in pruned.prune.in; tell whether any."""
    section, work = step.section, step.work
    arguments = ["--maf", str(section.pruning_maf), "--indep-pairwise"]
    arguments += [str(section.pruning_window), str(section.pruning_step), str(section.pruning_r2)]
    if step.founders() < 2:
        step.notes.append(
            "fewer than two unrelated people: heterozygosity, sex and components not computed"
        )
        return False
    step.run("2", ["--freq", "cols=altfreq"], "common")
    frequency = read_report(work / "common.afreq", {"ALT_FREQS": "float64"})["ALT_FREQS"]
    common = np.minimum(frequency, 1 - frequency) >= section.pruning_maf
    if not common.any():
        step.notes.append(
            f"no variant has a minor allele frequency of {section.pruning_maf} or more:"
            " heterozygosity, sex and components not computed"
        )
        return False
    step.run("2", arguments, "pruned")
    return True


def _check_sex(step: _Step) -> pd.DataFrame | None:
    """Compare recorded sex with the F coefficient of chromosome X (PLINK 1.9 --check-sex)."""
    section, people, removals, notes = step.section, step.people, step.removals, step.notes
    work = step.work
    if not section.sex_check:
        notes.append("sex not checked: switched off")
        return None
    if step.merged["on_x"] == 0:
        notes.append("sex not checked: no X variants")
        return None
    recorded = people["sex"].map(SEX)
    if recorded.isna().all():
        notes.append("sex not checked: no sex in the .fam")
        return None
    pruned = work / "pruned.prune.in"
    on_x = _names_on_x(work / "merged.bim")
    chosen = sorted(on_x & set(pruned.read_text().split())) if pruned.exists() else []
    if len(chosen) < ENOUGH_ON_X:
        notes.append(
            f"sex not checked: {len(chosen)} X variants after pruning, {ENOUGH_ON_X} are needed"
        )
        return None
    write_names(work / "x.txt", chosen)
    bounds = [str(section.sex_female_max), str(section.sex_male_min)]
    step.run("1.9", ["--chr", "X", "--extract", "x.txt", "--check-sex", *bounds], "sex")
    rows = [line.split() for line in (work / "sex.sexcheck").read_text().splitlines()[1:]]
    f = pd.Series({row[1]: float(row[5]) for row in rows}, dtype=float)
    table = pd.DataFrame({"sex": recorded.reindex(f.index), "f": f})
    male = table[(table["sex"] == "male") & (table["f"] < section.sex_female_max)]
    female = table[(table["sex"] == "female") & (table["f"] > section.sex_male_min)]
    _refuse_scrambled_sex(table, len(male) + len(female), section)
    removals.add(
        male.index, "sex", "recorded male, genotypes female", male["f"], section.sex_female_max
    )
    removals.add(
        female.index, "sex", "recorded female, genotypes male", female["f"], section.sex_male_min
    )
    unclear = table[table["f"].between(section.sex_female_max, section.sex_male_min)]
    unclear = unclear[unclear["sex"].notna()]
    if section.remove_unclear_sex:
        removals.add(
            unclear.index,
            "sex",
            "sex unclear",
            unclear["f"],
            f"{section.sex_female_max:g}-{section.sex_male_min:g}",
        )
    elif len(unclear):
        notes.append(f"{len(unclear)} people whose sex is unclear on chromosome X were kept")
    if (unknown := int(table["sex"].isna().sum())) > 0:
        notes.append(f"sex not checked in {unknown} people: none recorded")
    return table


def _refuse_scrambled_sex(table: pd.DataFrame, wrong: int, section: GenotypesSection) -> None:
    """Stop where sex is wrong in so many people that their rows, not their sex, must be."""
    low, high = section.sex_female_max, section.sex_male_min
    clear = int((table["sex"].notna() & ~table["f"].between(low, high)).sum())
    if wrong >= MANY_WRONG and wrong > SHARE_WRONG * clear:
        raise GenotypeFileError(
            f"recorded sex and chromosome X disagree in {wrong} of {clear} people"
            f" ({wrong / clear:.0%})",
            cause="the rows of the .fam are not those of the .bed (reordered, or of another set),"
            " or its codes are exchanged (1 is male, 2 female)",
            next_step="restore the .fam; if only its column of sex is wrong, set"
            " genotypes.sex_check: false",
        )


def _names_on_x(bim: Path) -> set[str]:
    names = set()
    with bim.open(encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("X\t"):
                names.add(line.split("\t", 2)[1])
    return names


def _check_heterozygosity(step: _Step) -> pd.Series | None:
    """Flag people whose F coefficient on pruned autosomes lies far from the mean."""
    section, work, removals, notes = step.section, step.work, step.removals, step.notes
    pruned = work / "pruned.prune.in"
    if not pruned.exists():
        return None
    few = ["small-sample"] if step.few else []
    step.run("2", ["--extract", pruned.name, "--autosome", "--het", *few], "het")
    report = read_report(work / "het.het", {"IID": "str", "F": "float64"})
    f = report.set_index("IID")["F"].dropna()
    spread = float(f.std())
    if len(f) < 3 or spread == 0:
        notes.append("heterozygosity not checked: fewer than three people")
        return f
    low, high = (float(f.mean() + side * section.heterozygosity_sd * spread) for side in (-1, 1))
    for outside, reason, limit in (
        (f[f < low], "too heterozygous", low),
        (f[f > high], "too homozygous", high),
    ):
        removals.add(outside.index, "heterozygosity", reason, outside, limit)
    return f


def _find_kin(step: _Step) -> pd.DataFrame:
    """List pairs at or above the kinship threshold (KING-robust, Manichaikul et al. 2010)."""
    section, work, people = step.section, step.work, step.people
    columns = ["id1", "id2", "kinship", "relation", "pedigree"]
    if len(step.present()) < 2:
        return pd.DataFrame(columns=columns)
    limit = section.kinship
    step.run("2", ["--autosome", "--make-king-table", "--king-table-filter", str(limit)], "king")
    report = read_report(work / "king.kin0", {"IID1": "str", "IID2": "str", "KINSHIP": "float64"})
    report = report.dropna()  # people without a heterozygous call have no kinship
    position = {iid: number for number, iid in enumerate(people.index)}
    ordered = [
        sorted(pair, key=position.__getitem__)
        for pair in zip(report["IID1"], report["IID2"], strict=True)
    ]
    kinship = report["KINSHIP"].to_numpy()
    table = pd.DataFrame(
        {
            "id1": [pair[0] for pair in ordered],
            "id2": [pair[1] for pair in ordered],
            "kinship": kinship,
            "relation": np.select(
                [kinship >= section.duplicate_kinship, kinship >= FIRST_DEGREE],
                ["duplicate", "first"],
                "second",
            ),
            "pedigree": declared_pairs(people, ordered),
        }
    )
    order = sorted(
        range(len(table)), key=lambda row: (position[ordered[row][0]], position[ordered[row][1]])
    )
    return table.iloc[order].reset_index(drop=True)


def _compare_copies(twice: list[dict[str, Any]], pairs: pd.DataFrame, step: _Step) -> None:
    """Refuse one identifier on two genomes."""
    same = {
        frozenset(pair): kinship
        for *pair, kinship in zip(pairs["id1"], pairs["id2"], pairs["kinship"], strict=True)
    }
    gone = set(step.removals.ids)
    limit = step.section.duplicate_kinship
    other, alone = [], []
    for person in twice:
        present = [name for name in person["names"] if name not in gone]
        if len(present) < len(person["names"]):
            alone.append(person["iid"])
        for pair in combinations(present, 2):
            if same.get(frozenset(pair), 0.0) < limit:
                other.append(" and ".join(pair))
    if other:
        raise IdentifierError(
            f"{len(other)} of {len(twice)} people who are in several sets are not the same genome"
            f" there (kinship below {limit}): {first_few(other)}",
            cause="samples were swapped, or two people have the same number",
            next_step="find out who is who; then rename (plink1.9 --update-ids) or remove"
            " (--remove) the wrong copies",
        )
    if alone:
        step.notes.append(
            f"{len(alone)} people who are in several sets could not be compared with themselves,"
            f" for a copy had left before: {first_few(alone)}"
        )
