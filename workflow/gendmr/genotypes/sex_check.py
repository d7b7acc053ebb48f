"""Recorded sex against chromosome X."""

from __future__ import annotations

import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError, plural
from gendmr.genotypes.people_step import PeopleStep
from gendmr.genotypes.plink import write_names

SEX = {"1": "male", "2": "female"}
# With fewer variants, F on chromosome X is mostly noise.
ENOUGH_ON_X = 50
# Swapped samples are a few percent at most; more wrong sexes mean misplaced rows.
MANY_WRONG, SHARE_WRONG = 10, 0.1


def check_sex(step: PeopleStep) -> pd.DataFrame | None:
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
    variants = step.pruned_on("X")
    if len(variants) < ENOUGH_ON_X:
        notes.append(
            f"sex not checked: {len(variants)} X variants after pruning, {ENOUGH_ON_X} are needed"
        )
        return None
    write_names(work / "x.txt", variants)
    bounds = [str(section.sex_female_max), str(section.sex_male_min)]
    # PLINK 1.9 drops names beyond ASCII from lists, so that PLINK 2 chooses for it.
    step.run("2", ["--extract", "x.txt", "--make-bed"], "on_x", variants)
    step.run("1.9", ["--check-sex", *bounds], "sex", variants, source="on_x")
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
        notes.append(
            f"kept although sex is unclear on X: {plural(len(unclear), 'person', 'people')}"
        )
    if (unknown := int(table["sex"].isna().sum())) > 0:
        notes.append(f"sex not checked in {plural(unknown, 'person', 'people')}: none recorded")
    return table


def _refuse_scrambled_sex(table: pd.DataFrame, n_wrong: int, section: GenotypesSection) -> None:
    """Stop where sex is wrong in so many people that their rows, not their sex, must be."""
    low, high = section.sex_female_max, section.sex_male_min
    clear = int((table["sex"].notna() & ~table["f"].between(low, high)).sum())
    if n_wrong >= MANY_WRONG and n_wrong > SHARE_WRONG * clear:
        raise GenotypeFileError(
            f"recorded sex and chromosome X disagree in {n_wrong} of {clear} people"
            f" ({n_wrong / clear:.0%})",
            cause="the rows of the .fam are not those of the .bed (reordered, or of another set),"
            " or its codes are exchanged (1 is male, 2 female)",
            next_step="restore the .fam; if only its column of sex is wrong, set"
            " genotypes.sex_check: false",
        )
