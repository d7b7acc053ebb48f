"""VCF, BCF, BGEN and PLINK 2 files as inputs: PLINK 2 turns them into PLINK 1 file sets.

A PLINK 1 file set holds whole copies only. Where a file has dosages (DS or GP of a VCF, those of a
.pgen or .bgen), a dosage within `genotypes.hard_call_threshold` of a whole number becomes that
number, and any other is a missing call: what the imputation itself calls a poor guess is no
genotype. The note says what that cost.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import zstandard

from gendmr.config.genotypes import GenotypesSection, form_of
from gendmr.errors import GenotypeFileError, InputFileError, ToolError
from gendmr.genotypes.bgen import (
    bgen_people,
    read_bgen_header,
    read_variants,
    withdrawn,
    write_sample,
)
from gendmr.genotypes.plink import Plink, read_report, write_people
from gendmr.genotypes.removals import Removals
from gendmr.genotypes.vcf_header import VcfHeader, read_vcf_header

# What PLINK 2 says from release alpha 6 on of a VCF with X and people without sex.
NO_SEX = "no sex information was provided"
HALF_CALL = "half-call"
MISSING = {"MISSING_DOSAGE_CT": "float64", "MISSING_CT": "float64", "OBS_CT": "float64"}

BLOCK = 1 << 20  # bytes


def convert(
    source: str,
    work: Path,
    name: str,
    *,
    section: GenotypesSection,
    sexes: Mapping[str, str],
    plink: Plink,
    removals: Removals,
    notes: list[str],
) -> Path:
    """Write an input that is no PLINK 1 file set as one.

    Parameters
    ----------
    source : str
        Path of a .vcf (perhaps .gz, .bgz or .zst), .bcf, .bgen or .pgen (with .pvar and .psam
        beside it).
    work : Path
        Receives ``<name>.{bed,bim,fam}``. Column 5 of the .bim is the alternative allele.
    name : str
        Of the new set.
    section : GenotypesSection
        `hard_call_threshold`, `variant_missingness`, `most_lost` and `bgen`.
    sexes : mapping of str to str
        PLINK's code of sex of samples of VCF, BCF and BGEN files.
    plink : Plink
        Threads and memory.
    removals : Removals
        Receives variants of more than two alleles.
    notes : list of str
        What was left out or made missing is added.

    Returns
    -------
    Path
        Prefix of the new set.

    Raises
    ------
    InputFileError
        A file is missing or no VCF or BGEN, or the variants of a .pgen stand in two files that
        differ.
    IdentifierError
        A sample of a VCF, BCF or BGEN has a space in its name, or is there twice.
    GenotypeFileError
        Hard calls would cost more variants than `most_lost` allows, or a .bgen is cut off or does
        not go with its .sample file.
    ToolError
        PLINK cannot read it.
    """
    path = Path(source).resolve()
    people: list[str] | None
    if form_of(source) == "pgen":
        stem = path.with_suffix("")
        packed = Path(f"{stem}.pvar.zst").is_file()
        refuse_two_variant_files(path)
        refuse_absent(path, Path(f"{stem}.pvar{'.zst' if packed else ''}"), Path(f"{stem}.psam"))
        arguments = ["--pfile", str(stem), *(["vzs"] if packed else [])]
        people = None
    elif form_of(source) == "bgen":
        refuse_absent(path)
        arguments, people = _arguments_of_bgen(source, section, sexes, work, name, notes)
    else:
        refuse_absent(path)
        header = read_vcf_header(path)
        people = list(header.samples)
        arguments = _arguments_of_vcf(path, form_of(source), header, sexes, work / f"{name}.psam")
    arguments += ["--allow-extra-chr", "--make-pgen", "pvar-cols=maybecm"]
    arguments += ["--hard-call-threshold", str(section.hard_call_threshold)]
    hard = f"{name}-hard"
    try:
        plink.run("2", arguments, out=hard, folder=work, people=people, variants=None)
    except ToolError as error:
        # PLINK breaks its lines at any space.
        plink_error = " ".join(error.what.split())
        if HALF_CALL in plink_error:
            whole = source.partition(".vcf")[0].removesuffix(".bcf") + ".whole"
            raise GenotypeFileError(
                f"{source}: half of a genotype is missing (0/.) in some calls",
                cause="a caller that writes them, which may mean a missing or a haploid call",
                next_step=f"count them as missing: plink2 --{form_of(source)} {source}"
                f" --vcf-half-call missing --make-pgen --out {whole}, then give"
                f" {whole}.pgen",
            ) from error
        if form_of(source) == "bgen":
            _refuse_cut(path)
        if NO_SEX not in plink_error:
            raise
        arguments += ["--not-chr", "X"]
        plink.run("2", arguments, out=hard, folder=work, people=people, variants=None)
        notes.append(
            f"{path.name}: chromosome X was left out, for the file says nobody's sex, without which"
            " this PLINK does not read it; genotypes.sexes names a table of it"
        )
    names, several = _read_pvar(work / f"{hard}.pvar")
    if form_of(source) == "bgen":
        several |= _skipped(path, len(names) + len(several))
    plink.run(
        "2",
        [
            *("--pfile", hard, "--allow-extra-chr", "--max-alleles", "2", "--make-bed"),
            *("--missing", "variant-only", "vcols=nmissdosage,nmiss,nobs"),
        ],
        out=name,
        folder=work,
        people=people,
        variants=names,
    )
    if several:
        removals.add(several, "merge", "more than two alleles", several.values(), 2)
        notes.append(
            f"{len(several)} of {len(names) + len(several)} variants of {path.name} have more than"
            " two alleles and were left out"
        )
    _count_lost(path.name, read_report(work / f"{name}.vmiss", MISSING), section, notes)
    if people:
        _split_double_names(work / f"{name}.fam", people, path.name, notes)
    return work / name


def refuse_absent(*files: Path) -> None:
    """Refuse files that are missing or empty.

    Raises
    ------
    InputFileError
        Names the first of them.
    """
    for file in files:
        if not file.is_file() or file.stat().st_size == 0:
            raise InputFileError(
                f"{file}: {'empty' if file.is_file() else 'no such file'}",
                cause="the path in genotypes.inputs is wrong, or a copy failed",
                next_step=f"ls -l {file.parent}",
            )


def _arguments_of_vcf(
    path: Path, form: str, header: VcfHeader, sexes: Mapping[str, str], people: Path
) -> list[str]:
    """Return the options of an import; what is known of sex is given in a .psam."""
    arguments = [f"--{form}", str(path)]
    if header.dosage:
        arguments.append(f"dosage={header.dosage}")
    if any(sexes.get(sample, "0") != "0" for sample in header.samples):
        rows = [f"0\t{sample}\t{sexes.get(sample, '0')}\n" for sample in header.samples]
        people.write_text("#FID\tIID\tSEX\n" + "".join(rows), encoding="utf-8")
        arguments += ["--psam", people.name]
    return arguments


def _arguments_of_bgen(
    source: str,
    section: GenotypesSection,
    sexes: Mapping[str, str],
    work: Path,
    name: str,
    notes: list[str],
) -> tuple[list[str], list[str]]:
    """Return the options of an import and who is imported; all are named in a .sample of ours."""
    if section.bgen is None:
        raise ValueError(f"{source}: genotypes.bgen says which allele is the reference")
    people = bgen_people(source, section.bgen.sample_of(source), notes)
    people["sex"] = people["iid"].map(sexes).fillna(people["sex"])
    write_sample(work / f"{name}.sample", people)
    arguments = ["--bgen", str(Path(source).resolve()), f"ref-{section.bgen.reference}"]
    arguments += ["--sample", f"{name}.sample"]
    has_withdrawn = withdrawn(people)
    if has_withdrawn.any():
        write_people(work / f"{name}.withdrawn", people[has_withdrawn])
        arguments += ["--remove", f"{name}.withdrawn"]
        notes.append(
            f"{Path(source).name}: {int(has_withdrawn.sum())} of {len(people)} people have negative"
            " numbers for names, as UK Biobank marks who has withdrawn, and were left out"
        )
    return arguments, people.loc[~has_withdrawn, "iid"].tolist()


def _refuse_cut(path: Path) -> None:
    """Refuse a .bgen that ends before its last variant."""
    for _ in read_variants(path, read_bgen_header(path)):
        pass


def _skipped(path: Path, n_read: int) -> dict[str, int]:
    """Return the number of alleles of the variants of a .bgen that PLINK 2 skips, by name."""
    header = read_bgen_header(path)
    if n_read == header.variants:
        return {}
    return {
        variant.name: len(variant.alleles)
        for variant in read_variants(path, header)
        if len(variant.alleles) != 2
    }


def _read_pvar(path: Path) -> tuple[list[str], dict[str, int]]:
    """Return the names of variants of two alleles, and the number of alleles of all others.

    Names of variants that have none are those that `gendmr.genotypes.variant_names` would give.
    """
    names, several = [], {}
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("#"):
                continue
            chromosome, position, name, reference, alternative = line.rstrip("\n").split("\t")[:5]
            if "," not in alternative:
                names.append(name)
                continue
            label = f"{chromosome}:{position}:{reference}:{alternative}" if name == "." else name
            several[label] = alternative.count(",") + 2
    return names, several


def _count_lost(
    name: str, missing: pd.DataFrame, section: GenotypesSection, notes: list[str]
) -> None:
    """Say how many calls became missing and how many variants leave for it; refuse too many."""
    hard_call_missing = missing["MISSING_CT"] / missing["OBS_CT"]
    dosage_missing = missing["MISSING_DOSAGE_CT"] / missing["OBS_CT"]
    uncertain = int((missing["MISSING_CT"] - missing["MISSING_DOSAGE_CT"]).sum())
    limit = section.variant_missingness
    n_lost = int(((hard_call_missing > limit) & (dosage_missing <= limit)).sum())
    if not uncertain:
        return
    share = uncertain / float(missing["OBS_CT"].sum())
    touched = int((missing["MISSING_CT"] > missing["MISSING_DOSAGE_CT"]).sum())
    loss = (
        f"{name} holds dosages, and all steps read hard calls: dosages within"
        f" {section.hard_call_threshold:g} of a whole number count as that number, the other"
        f" {uncertain} of {int(missing['OBS_CT'].sum())} calls ({share:.1%}), in {touched} of"
        f" {len(missing)} variants, as missing, for which {n_lost} variants leave"
    )
    if n_lost > section.most_lost * len(missing):
        raise GenotypeFileError(
            loss,
            cause="variants that were imputed badly (R2 or INFO below 0.8)",
            next_step="filter the file by R2 or INFO, or take the nearest whole number of every"
            " dosage: genotypes.hard_call_threshold: 0.499",
        )
    notes.append(loss)


def refuse_two_variant_files(pgen: Path) -> None:
    """Refuse a .pvar.zst that holds something else than the .pvar beside it.

    PLINK 2 reads one of the two, by the options of the call; the .pgen belongs to one of them only.

    Parameters
    ----------
    pgen : Path

    Raises
    ------
    InputFileError
        With the command that puts the older one aside.
    """
    stem = pgen.with_suffix("")
    plain, packed = Path(f"{stem}.pvar"), Path(f"{stem}.pvar.zst")
    if not (plain.is_file() and packed.is_file()) or _same_content(plain, packed):
        return
    older, newer = sorted((plain, packed), key=lambda file: file.stat().st_mtime_ns)
    raise InputFileError(
        f"{packed} and {plain.name} beside it hold different variants",
        cause=f"an older export that was left there: {older.name} is older than {newer.name}",
        next_step=f"keep the one that was made with the .pgen; if that is {newer.name}:"
        f" mv {shlex.quote(str(older))} {shlex.quote(f'{older}.old')}",
    )


def _same_content(plain: Path, packed: Path) -> bool:
    """Return whether a packed file holds the bytes of a plain one; one cut off does not."""
    with plain.open("rb") as stream, packed.open("rb") as source:
        unpacked = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        try:
            while block := unpacked.read(BLOCK):
                if stream.read(len(block)) != block:
                    return False
        except zstandard.ZstdError:
            return False
        return not stream.read(1)


def _split_double_names(path: Path, samples: list[str], name: str, notes: list[str]) -> None:
    """Make FID and IID of samples that are all called `X_X`, as PLINK 1.9 writes them."""
    halves = [sample[: len(sample) // 2] for sample in samples]
    if len(samples) < 2 or any(
        f"{half}_{half}" != sample for half, sample in zip(halves, samples, strict=True)
    ):
        return
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [
        "\t".join([half, half, *row[2:]]) + "\n" for half, row in zip(halves, rows, strict=True)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    notes.append(
        f"{name}: all {len(samples)} samples are named twice ({samples[0]}), as PLINK 1.9 writes"
        f" FID and IID; they are called {halves[0]} and so on"
    )
