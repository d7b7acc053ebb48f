"""Several PLINK sets into one: who and what they share, strands, and what cannot be joined.

The first two steps of the stage: `merge` and `variant missingness`. PLINK moves the genotypes;
here only the .bim and .fam are compared.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.config.genotypes import GenotypesSection, form_of
from gendmr.errors import GendmrError, GenotypeFileError
from gendmr.files.atomic import move_into_place, write_json
from gendmr.genotypes.builds import check_build, detect_build, read_reference
from gendmr.genotypes.filesets import Fileset, load_fileset
from gendmr.genotypes.formats import convert
from gendmr.genotypes.lifting import ONE_PLACE, lift_variants
from gendmr.genotypes.linkage import linkage_note
from gendmr.genotypes.loaded import Loaded
from gendmr.genotypes.plink import Plink, find, link, read_report, workplace, write_names
from gendmr.genotypes.removals import Removals
from gendmr.genotypes.shared_people import group_by_people
from gendmr.genotypes.strands import harmonise, places_text

AUTOSOMES = tuple(str(number) for number in range(1, 23))
# Last base of the first and first base of the second pseudo-autosomal region, as PLINK's --split-x.
PSEUDO_AUTOSOMAL = {
    "NCBI36": (2_709_520, 154_584_238),
    "GRCh37": (2_699_520, 154_931_044),
    "GRCh38": (2_781_479, 155_701_383),
}


def merge_genotypes(section: GenotypesSection, folder: Path | str, plink: Plink) -> None:
    """Check the input sets, merge them, and drop variants with too many missing calls.

    Parameters
    ----------
    section : GenotypesSection
        Inputs and thresholds.
    folder : Path or str
        Receives ``merged.{bed,bim,fam}`` (people of all sets, autosomes and X; phenotype unknown),
        ``merged.smiss`` (missingness of people), ``merge.missingness.npy`` (share of missing calls
        of each variant before the filter), ``merge.attrition.tsv`` and ``merge.json``.
    plink : Plink
        Threads and memory.

    Raises
    ------
    InputFileError, GenotypeFileError, IdentifierError
        An input is damaged, sets overlap, or nothing is left.
    ToolError
        PLINK is missing or failed.
    """
    folder = Path(folder)
    removals = Removals("variant")
    notes: list[str] = []
    plain = {source: load_fileset(source) for source in section.inputs if form_of(source) == "bed"}
    with workplace(folder) as work:
        sets = _load(section, plain, work, plink, notes)
        for loaded in sets:
            prefix, count = loaded.fileset.prefix, loaded.fileset.n_people
            note = linkage_note(prefix, loaded.label, count, loaded.bim)
            notes += [note] if note else []
        _check_builds(section, sets, removals, notes)
        blocks, twice = group_by_people(sets, notes)
        _unusable(sets, section, removals)
        flips = harmonise(sets, blocks, section, removals, notes)
        everybody = pd.concat([loaded.fam for loaded in sets]).drop_duplicates("iid")
        for number, loaded in enumerate(sets):
            copied = ("bed",) if loaded.lifted else ("bed", "bim")
            link(loaded.fileset.prefix, work, f"set{number}", copied)
            if loaded.lifted:
                _write_bim(work / f"set{number}.bim", loaded.bim)
            _write_fam(work / f"set{number}.fam", loaded.fam, everybody)
        if len(sets) == 1 and _in_order(sets[0].bim):
            source, names = "set0", sets[0].bim["snp"].to_numpy()
        else:
            source, names = _join(sets, flips, removals, plink, work)
        before = len(names)
        usable = ~pd.Index(names).isin(removals.ids)
        if not usable.any():
            raise GenotypeFileError(
                f"none of {before} variants can be used; reasons: {removals.summary()}",
                cause="positions missing, chromosomes named otherwise, or sets without common"
                " variants",
                next_step=f"look at the first variants of {sets[0].source}",
            )
        exclude = ["--bfile", source, "--allow-extra-chr"]
        if not usable.all():
            write_names(work / "unusable.txt", names[~usable].tolist())
            exclude += ["--exclude", "unusable.txt"]
        plink.run(
            "2",
            [*exclude, "--missing", "variant-only", "vcols=fmiss"],
            out="sites",
            folder=work,
        )
        missing = read_report(work / "sites.vmiss", {"F_MISS": "float64"})["F_MISS"].to_numpy()
        high = missing > section.variant_missingness
        removals.add(
            names[usable][high].tolist(),
            "variant missingness",
            "too many people without a call",
            missing[high].tolist(),
            section.variant_missingness,
        )
        if high.all():
            raise GenotypeFileError(
                f"all {len(high)} variants have more than {section.variant_missingness:.3g} of"
                f" their calls missing (the best has {missing.min():.3g})",
                cause="sets with different people and few common variants",
                next_step="raise variant_missingness, or give sets of the same array",
            )
        retained = names[usable][~high]
        write_names(work / "removed.txt", [*names[~usable], *names[usable][high]])
        plink.run(
            "2",
            [
                *("--bfile", source, "--allow-extra-chr", "--exclude", "removed.txt"),
                *("--missing", "sample-only", "--make-bed"),
            ],
            out="merged",
            folder=work,
        )
        np.save(work / "missingness.npy", missing.astype(np.float32))
        for suffix in ("bed", "bim", "fam", "smiss"):
            move_into_place(work / f"merged.{suffix}", folder / f"merged.{suffix}")
        move_into_place(work / "missingness.npy", folder / "merge.missingness.npy")
    where = _chromosomes(sets, retained)
    removals.write(folder / "merge.attrition.tsv")
    write_json(
        folder / "merge.json",
        {
            "inputs": [
                {
                    "name": loaded.label,
                    "people": loaded.fileset.n_people,
                    "variants": loaded.fileset.n_variants,
                    "build": loaded.build,
                }
                for loaded in sets
            ],
            "people": len(everybody),
            "twice": twice,
            "variants": len(set().union(*(loaded.bim["snp"] for loaded in sets))),
            "retained": len(retained),
            "on_x": int((where == "X").sum()),
            "autosomes": len(set(where.unique()) - {"X"}),
            "removed": removals.counts(),
            "notes": notes,
            "plink": {version: find(version).version for version in ("1.9", "2")},
        },
    )


def _chromosomes(sets: list[Loaded], names: np.ndarray) -> pd.Series:
    first = pd.concat([loaded.bim[["snp", "chromosome"]] for loaded in sets])
    if len(first) == len(names):
        return first["chromosome"]
    return first[first["snp"].isin(names)].drop_duplicates("snp")["chromosome"]


def _load(
    section: GenotypesSection,
    plain: dict[str, tuple[Fileset, pd.DataFrame, pd.DataFrame]],
    work: Path,
    plink: Plink,
    notes: list[str],
) -> list[Loaded]:
    """Convert what is no PLINK 1 file set, and name each set."""
    short = [Path(source).name for source in section.inputs]
    counts = Counter(short)
    sets = []
    for number, (source, name) in enumerate(zip(section.inputs, short, strict=True)):
        label = name if counts[name] == 1 else f"{name}-{number + 1}"
        if source in plain:
            sets.append(Loaded(*plain[source], source, label))
            continue
        prefix = convert(source, work, f"converted{number}", plink, notes)
        try:
            sets.append(Loaded(*load_fileset(prefix), source, label))
        except GendmrError as error:
            raise type(error)(
                f"{source}, as PLINK 2 converts it: {error.what.replace(str(prefix), name)}",
                cause="rows out of order or twice in the file",
                next_step="bcftools sort, bcftools norm --rm-dup exact; or convert by hand"
                f" (plink2 --make-bed) {source}, mend that set and give it",
            ) from error
    return sets


def _check_builds(
    section: GenotypesSection, sets: list[Loaded], removals: Removals, notes: list[str]
) -> None:
    """Refuse sets that are not of their declared build; lift those that the user names."""
    if not section.check_build:
        notes.append("the build of the positions was not checked: switched off")
    reference = read_reference(section.reference_positions) if section.check_build else None
    for loaded in sets:
        lift = section.lift.get(loaded.source)
        declared = lift.build if lift else section.build
        if reference is not None:
            _check_build(loaded, declared, reference, len(sets) > 1, notes)
        if lift is None:
            continue
        before = loaded.bim
        loaded.bim, reasons = lift_variants(before, lift.chain)
        loaded.lifted = True
        for reason in sorted(set(reasons) - {ONE_PLACE}):
            gone = before[reasons == reason]
            removals.add(
                gone["snp"].tolist(), "merge", reason, places_text(gone, ""), section.build
            )
        lost = int((reasons != ONE_PLACE).sum())
        notes.append(
            f"{loaded.label} was lifted from {lift.build} to {section.build} with"
            f" {Path(lift.chain).name}: {lost} of {len(before)} variants have no single place there"
        )
        if reference is not None:
            _check_build(loaded, section.build, reference, len(sets) > 1, notes)


def _check_build(
    loaded: Loaded, declared: str, reference: pd.DataFrame, several: bool, notes: list[str]
) -> None:
    evidence = detect_build(loaded.bim, reference)
    print(f"{loaded.label}: {evidence.words()} of {evidence.variants} reference positions")
    loaded.build = evidence.summary(declared)
    note = check_build(loaded.source, evidence, declared, several=several)
    if note:
        notes.append(note.replace(loaded.source, loaded.label, 1))


def _unusable(sets: list[Loaded], section: GenotypesSection, removals: Removals) -> None:
    chosen = section.chromosomes or AUTOSOMES
    first, second = PSEUDO_AUTOSOMAL[section.build]
    for loaded in sets:
        chromosome = loaded.bim["chromosome"].to_numpy(str)
        position = loaded.bim["position"].to_numpy()
        on_x = chromosome == "X"
        known = np.isin(chromosome, AUTOSOMES) | on_x
        for mask, reason, value, threshold in (
            (~known, "not on an autosome or X", chromosome, "1-22, X"),
            (known & (position < 1), "no position", position, 1),
            (
                known & ~on_x & ~np.isin(chromosome, chosen),
                "chromosome not chosen",
                chromosome,
                ",".join(chosen),
            ),
            (
                on_x & ((position <= first) | (position >= second)),
                "pseudo-autosomal",
                position,
                f"{first + 1}-{second - 1}",
            ),
        ):
            if mask.any():
                names = loaded.bim["snp"].to_numpy()[mask].tolist()
                removals.add(names, "chromosome", reason, value[mask].tolist(), threshold)


def _join(
    sets: list[Loaded], flips: list[list[str]], removals: Removals, plink: Plink, work: Path
) -> tuple[str, np.ndarray]:
    """Let PLINK 1.9 sort, flip and merge; returns the prefix and the variant names in order."""
    gone = set(removals.ids)
    parts = []
    for number, loaded in enumerate(sets):
        names = [name for name in loaded.bim["snp"] if name not in gone]
        if not names:
            continue
        write_names(work / f"set{number}.extract", names)
        write_names(work / f"set{number}.flip", flips[number])
        plink.run(
            "1.9",
            [
                *("--bfile", f"set{number}", "--allow-extra-chr", "--allow-no-sex"),
                *("--extract", f"set{number}.extract", "--keep-allele-order"),
                *(("--flip", f"set{number}.flip") if flips[number] else ()),
                "--make-bed",
            ],
            out=f"part{number}",
            folder=work,
        )
        parts.append(f"part{number}")
    if not parts:
        return "set0", sets[0].bim["snp"].to_numpy()
    if len(parts) == 1:
        joined = parts[0]
    else:
        joined = "joined"
        (work / "parts.txt").write_text("".join(f"{part}\n" for part in parts[1:]))
        plink.run(
            "1.9",
            [
                *("--bfile", parts[0], "--merge-list", "parts.txt", "--allow-no-sex"),
                *("--keep-allele-order", "--make-bed"),
            ],
            out=joined,
            folder=work,
        )
    return joined, load_fileset(work / joined)[2]["snp"].to_numpy()


def _in_order(bim: pd.DataFrame) -> bool:
    """Tell whether chromosomes are contiguous and positions ascend, as PLINK 2 wants them."""
    codes = {name: number for number, name in enumerate([*AUTOSOMES, "X", "Y", "XY", "MT"])}
    order = bim["chromosome"].map(codes)
    if order.isna().any():
        return False
    chromosome, position = np.diff(order.to_numpy(int)), np.diff(bim["position"].to_numpy())
    return bool(((chromosome > 0) | ((chromosome == 0) & (position >= 0))).all())


def _write_bim(path: Path, bim: pd.DataFrame) -> None:
    columns = ["chromosome", "snp", "cm", "position", "a1", "a2"]
    bim[columns].to_csv(path, sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE)


def _write_fam(path: Path, fam: pd.DataFrame, everybody: pd.DataFrame) -> None:
    """Write people without a phenotype; parents who are not there make nobody a non-founder."""
    rows = []
    for fid, iid, father, mother, sex in _pedigree(fam, everybody):
        known = sex if sex in {"1", "2"} else "0"
        rows.append(f"{fid}\t{iid}\t{father}\t{mother}\t{known}\t-9\n")
    path.write_text("".join(rows), encoding="utf-8")


def _pedigree(fam: pd.DataFrame, everybody: pd.DataFrame) -> list[list[str]]:
    present = set(zip(everybody["fid"], everybody["iid"], strict=True))
    columns = (fam[name].tolist() for name in ("fid", "iid", "father", "mother", "sex"))
    return [
        [
            fid,
            iid,
            father if (fid, father) in present else "0",
            mother if (fid, mother) in present else "0",
            sex,
        ]
        for fid, iid, father, mother, sex in zip(*columns, strict=True)
    ]
