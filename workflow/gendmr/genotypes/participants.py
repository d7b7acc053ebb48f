"""Who leaves: missing calls, sex, heterozygosity, duplicates, kin. Nobody's diagnosis is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import first_few, plural
from gendmr.files.atomic import read_json, write_json, write_text
from gendmr.files.tables import write_table
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.genotypes.heterozygosity import check_heterozygosity
from gendmr.genotypes.kin import (
    names_of_copies,
    remove_duplicates,
    remove_kin,
    remove_second_copies,
)
from gendmr.genotypes.kinship import compare_copies, find_kin, refuse_false_kin
from gendmr.genotypes.people_step import PeopleStep, refuse_empty
from gendmr.genotypes.plink import FEW_FOUNDERS, Plink, link, read_report, workplace, write_names
from gendmr.genotypes.removals import Removals
from gendmr.genotypes.sex_check import SEX, check_sex

ENOUGH_AUTOSOMES = 5


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
        variants = read_bim(folder / "merged")
        step = PeopleStep(section, work, people, variants, merged, plink, removals, notes)
        if step.few:
            notes.append(
                f"frequencies and linkage come from {step.founders()} people only"
                f" (fewer than {FEW_FOUNDERS}): heterozygosity, sex check and components are rough"
            )
        _prune(step)
        sex = check_sex(step)
        heterozygosity = check_heterozygosity(step)
        pairs, judged = find_kin(step)
        if 0 < merged["autosomes"] < ENOUGH_AUTOSOMES and len(pairs):
            notes.append(
                f"kinship comes from {merged['autosomes']} chromosome(s) only, where chance sharing"
                f" looks like kin ({len(pairs)} pairs): raise `kinship` if they are too many"
            )
        if judged:
            compare_copies(merged["twice"], pairs, step)
        else:
            remove_second_copies(merged["twice"], missing, removals)
        refuse_false_kin(pairs, step)
        remove_duplicates(section, pairs, missing, removals)
        if section.remove_kin:
            remove_kin(section, pairs, missing, removals)
        elif (pairs["kinship"] < section.duplicate_kinship).any():
            kin = pairs[pairs["kinship"] < section.duplicate_kinship]
            notes.append(f"{plural(len(kin), 'pair')} of kin kept, each within one fold")
            cryptic = kin[kin["pedigree"] == "cryptic"]
            if len(cryptic):
                listed = [f"{row.id1} and {row.id2}" for row in cryptic.itertuples()]
                notes.append(
                    f"{plural(len(cryptic), 'pair')} of kin of no family in the .fam:"
                    f" {first_few(listed)}; all are in genotypes/kinship.tsv"
                )
        refuse_empty(people[~people.index.isin(removals.ids)], removals)
    write_text(folder / "pruned.txt", "".join(f"{name}\n" for name in step.pruned))
    names = names_of_copies(merged["twice"], removals, missing)
    removals.rename(names)
    write_table(folder.parent / "kinship.tsv", pairs.replace({"id1": names, "id2": names}))
    measures = pd.DataFrame(
        {
            "missing": missing,
            "sex": people["sex"].map(SEX),
            "f_x": None if sex is None else sex["f"],
            "f_autosomes": heterozygosity["f"],
            "f_residual": heterozygosity["residual"],
        },
        index=people.index,
    )
    measures.index = measures.index.map(lambda iid: names.get(iid, iid))
    write_table(folder / "participants.measures.tsv", measures.reset_index(names="id"))
    removals.write(folder / "participants.attrition.tsv")
    removed_people = people[["fid", "iid"]].replace({"iid": names})
    removed_people = removed_people[removed_people["iid"].isin(removals.ids)]
    write_json(
        folder / "participants.json",
        {
            "copies": names,
            "people": len(people) - len(removed_people),
            "removed": removals.counts(),
            "removed_people": [
                {"fid": fid, "iid": iid}
                for fid, iid in zip(removed_people["fid"], removed_people["iid"], strict=True)
            ],
            "pairs": pairs["relation"].value_counts().sort_index().to_dict(),
            "notes": notes,
        },
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


def _prune(step: PeopleStep) -> None:
    """Choose variants in approximate linkage equilibrium, where there are any."""
    section, work = step.section, step.work
    arguments = ["--extract", "common.txt", "--indep-pairwise"]
    arguments += [str(section.pruning_window), str(section.pruning_step), str(section.pruning_r2)]
    if step.founders() < 2:
        step.notes.append(
            "fewer than two unrelated people: heterozygosity, sex and components not computed"
        )
        return
    step.run("2", ["--freq", "cols=altfreq"], "common", step.variants["snp"].tolist())
    report = read_report(work / "common.afreq", {"ALT_FREQS": "float64"})
    frequency = report["ALT_FREQS"].to_numpy()
    is_common = np.minimum(frequency, 1 - frequency) >= section.pruning_maf
    if not is_common.any():
        step.notes.append(
            f"no variant has a minor allele frequency of {section.pruning_maf} or more:"
            " heterozygosity, sex and components not computed"
        )
        return
    names_of_common = step.variants.loc[is_common, "snp"].tolist()
    # By name and not by `--maf`, which keeps variants that no founder has a call of.
    write_names(work / "common.txt", names_of_common)
    step.run("2", arguments, "pruned", names_of_common)
    listed = work / "pruned.prune.in"
    # PLINK 2 writes no list where no chromosome has two variants.
    names = listed.read_text(encoding="utf-8").split() if listed.exists() else None
    step.pruned = tuple(step.variants.loc[is_common, "snp"] if names is None else names)
