"""Which variants leave, given the people who stay; and the checked genotypes themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection
from gendmr.errors import GenotypeFileError
from gendmr.files.atomic import (
    atomic_path,
    move_into_place,
    read_json,
    read_text,
    write_json,
    write_text,
)
from gendmr.files.tables import read_table
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.genotypes.plink import (
    FEW_FOUNDERS,
    Plink,
    link,
    read_report,
    workplace,
    write_names,
    write_people,
)
from gendmr.genotypes.removals import COLUMNS, Removals


def filter_variants(section: GenotypesSection, folder: Path | str, plink: Plink) -> None:
    """Filter variants by missing calls, frequency and Hardy-Weinberg among the people who stay.

    Parameters
    ----------
    section : GenotypesSection
        Thresholds.
    folder : Path or str
        Where `merge_genotypes` and `filter_participants` left their files. Its parent receives
        ``qc.{bed,bim,fam}`` and ``attrition.tsv`` (all steps), itself ``variants.json`` and
        ``variants.measures.npz`` (`maf` and `hwe` of the variants that were judged).
    plink : Plink
        Threads and memory.

    Raises
    ------
    GenotypeFileError
        No variant is left.
    ToolError
        PLINK is missing or failed.
    """
    folder = Path(folder)
    people = read_fam(folder / "merged")
    attrition = read_table(folder / "participants.attrition.tsv", dict.fromkeys(COLUMNS, "text"))
    copies = read_json(folder / "participants.json")["copies"]
    is_removed = people["iid"].replace(copies).isin(attrition["id"])
    removed_people, staying = people[is_removed], people.loc[~is_removed, "iid"].tolist()
    names = read_bim(folder / "merged")["snp"].tolist()
    removals = Removals("variant")
    with workplace(folder) as work:
        link(folder / "merged", work, "merged", ("bed", "bim", "fam"))
        base = ["--bfile", "merged"]
        if len(removed_people):
            write_people(work / "gone.txt", removed_people)
            base += ["--remove", "gone.txt"]
        founders = (people["father"] == "0") & (people["mother"] == "0")
        small_sample = ["--bad-freqs"] if int((founders & ~is_removed).sum()) < FEW_FOUNDERS else []
        plink.run(
            "2",
            [
                *(*base, *small_sample, "--freq", "cols=altfreq", "--hardy", "cols=p"),
                *("--missing", "variant-only", "vcols=chrom,fmiss"),
            ],
            out="sites",
            folder=work,
            people=staying,
            variants=names,
        )
        sites = read_report(
            work / "sites.vmiss", {"#CHROM": "str", "ID": "str", "F_MISS": "float64"}
        )
        frequency = read_report(work / "sites.afreq", {"ALT_FREQS": "float64"})["ALT_FREQS"]
        sites["maf"] = np.minimum(frequency.to_numpy(), 1 - frequency.to_numpy())
        autosomal = (sites["#CHROM"] != "X").to_numpy()
        sites["hwe"] = np.nan
        if autosomal.any():
            sites.loc[autosomal, "hwe"] = read_report(work / "sites.hardy", {"P": "float64"})[
                "P"
            ].to_numpy()
        _apply_thresholds(section, sites, autosomal, removals)
        write_names(work / "removed.txt", removals.ids)
        if len(removals.ids) == len(sites):
            raise GenotypeFileError(
                f"no variant is left; reasons: {removals.summary()}",
                cause="thresholds too strict, or too few people",
                next_step="loosen the thresholds of the section genotypes",
            )
        gone_names = set(removals.ids)
        plink.run(
            "2",
            [*base, "--exclude", "removed.txt", "--make-bed"],
            out="qc",
            folder=work,
            people=staying,
            variants=[name for name in names if name not in gone_names],
        )
        if copies:
            fam = read_fam(work / "qc").replace({"iid": copies})
            lines = ["\t".join(row) + "\n" for row in fam.itertuples(index=False)]
            (work / "qc.fam").write_text("".join(lines), encoding="utf-8")
        for suffix in ("bed", "bim", "fam"):
            move_into_place(work / f"qc.{suffix}", folder.parent / f"qc.{suffix}")
    _write_attrition(folder.parent / "attrition.tsv", folder, removals)
    write_json(
        folder / "variants.json",
        {
            "people": len(people) - len(removed_people),
            "variants": len(sites) - len(removals.ids),
            "removed": removals.counts(),
            "notes": ["the Hardy-Weinberg test was computed in everybody, cases included"]
            if section.hwe > 0
            else ["no Hardy-Weinberg filter"],
        },
    )
    with atomic_path(folder / "variants.measures.npz") as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            maf=sites["maf"].to_numpy(dtype=np.float32),
            hwe=sites["hwe"].to_numpy(dtype=np.float64),
        )


def _apply_thresholds(
    section: GenotypesSection, sites: pd.DataFrame, autosomal: np.ndarray, removals: Removals
) -> None:
    names = sites["ID"].to_numpy()
    missing, maf, hwe = (sites[name].to_numpy() for name in ("F_MISS", "maf", "hwe"))
    if section.keep_autosomes_only:
        removals.add(
            names[~autosomal],
            "chromosome",
            "on X, which serves the sex check only",
            sites["#CHROM"].to_numpy()[~autosomal],
            "1-22",
        )
    for high, step, reason, value, threshold in (
        (
            missing > section.variant_missingness,
            "variant missingness",
            "too many people without a call, after people left",
            missing,
            section.variant_missingness,
        ),
        (~(maf >= section.maf), "maf", "minor allele too rare", maf, section.maf),
        (maf == 0, "maf", "one allele only", maf, section.maf),
        (
            hwe < section.hwe,
            "hwe",
            "departs from Hardy-Weinberg proportions",
            hwe,
            section.hwe,
        ),
    ):
        removals.add(names[high], step, reason, value[high], threshold)


def _write_attrition(path: Path, folder: Path, removals: Removals) -> None:
    """Join the lists as text: parsing half a million rows again would take longer than PLINK."""
    tables = [read_text(folder / f"{name}.attrition.tsv") for name in ("participants", "merge")]
    rows = [table.partition("\n")[2] for table in tables]
    write_text(path, "\t".join(COLUMNS) + "\n" + "".join(rows) + removals.rows())
