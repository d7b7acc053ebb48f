"""Input sets made ready to be joined: converted, checked, names and alleles tidied."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gendmr.config.genotypes import GenotypesSection, form_of
from gendmr.errors import GendmrError
from gendmr.genotypes.builds import check_build, detect_build, read_reference
from gendmr.genotypes.filesets import Fileset, open_fileset, refuse_repeated_names
from gendmr.genotypes.formats import convert
from gendmr.genotypes.lifting import ONE_PLACE, lift_variants
from gendmr.genotypes.loaded import Loaded
from gendmr.genotypes.plink import Plink
from gendmr.genotypes.removals import Removals
from gendmr.genotypes.sexes import read_sexes
from gendmr.genotypes.strands import places_text
from gendmr.genotypes.variant_names import tidy_variants
from gendmr.genotypes.vcf_header import read_vcf_header

Opened = tuple[Fileset, pd.DataFrame, pd.DataFrame]


def open_plain_sets(section: GenotypesSection) -> dict[str, Opened]:
    """Check the inputs that are PLINK 1 file sets; the others are converted first.

    Raises
    ------
    InputFileError, GenotypeFileError, IdentifierError
        See `gendmr.genotypes.filesets.open_fileset`.
    """
    return {source: open_fileset(source) for source in section.inputs if form_of(source) == "bed"}


def load_sets(
    section: GenotypesSection,
    plain: dict[str, Opened],
    work: Path,
    plink: Plink,
    removals: Removals,
    notes: list[str],
) -> list[Loaded]:
    """Convert what is no PLINK 1 file set, give each set a label, and tidy its variants."""
    file_names = [Path(source).name for source in section.inputs]
    counts = Counter(file_names)
    sexes = read_sexes(section.sexes) if section.sexes else {}
    sets = []
    for number, (source, name) in enumerate(zip(section.inputs, file_names, strict=True)):
        label = name if counts[name] == 1 else f"{name}-{number + 1}"
        if source in plain:
            opened = plain[source]
            once = ""
        else:
            prefix = work / f"converted{number}"
            convert(
                source,
                work,
                prefix.name,
                section=section,
                sexes=sexes,
                plink=plink,
                removals=removals,
                notes=notes,
            )
            opened, once = _open_converted(source, prefix, section)
        fileset, fam, bim = opened
        tidied = tidy_variants(bim, label, notes)
        refuse_repeated_names(source, tidied, once)
        sets.append(Loaded(fileset, fam, tidied, source, label, rewritten=tidied is not bim))
    return sets


def _open_converted(source: str, prefix: Path, section: GenotypesSection) -> tuple[Opened, str]:
    """Return an input that PLINK converted, and the command that leaves one row of each name."""
    form = form_of(source)
    stem = source.partition(".vcf")[0].removesuffix(f".{form}")
    reads = f"--pfile {stem}"
    if form == "bgen" and section.bgen is not None:
        sample = section.bgen.sample_of(source)
        reads = f"--bgen {source} ref-{section.bgen.reference}"
        reads += f" --sample {sample}" if sample else ""
    elif form != "pgen":
        dosage = read_vcf_header(Path(source)).dosage
        reads = f"--{form} {source}" + (f" dosage={dosage}" if dosage else "")
    command = f"plink2 {reads} {{}} --make-pgen --out {stem}.{{}}, and give {stem}.{{}}.pgen"
    try:
        opened = open_fileset(prefix)
    except GendmrError as error:
        raise type(error)(
            f"{source}, as PLINK 2 converts it:"
            f" {error.what.replace(str(prefix), Path(source).name)}",
            cause="rows out of order in the file",
            next_step=command.format("--sort-vars", "sorted", "sorted"),
        ) from error
    return opened, command.format("--rm-dup force-first", "once", "once")


def check_builds(
    section: GenotypesSection, sets: list[Loaded], removals: Removals, notes: list[str]
) -> None:
    """Refuse sets that are not of their declared build; lift those that the user names."""
    if not section.check_build:
        notes.append("the build of the positions was not checked: switched off")
    reference = read_reference(section.reference_file) if section.check_build else None
    for number in range(len(sets)):
        loaded = sets[number]
        lift = section.lift.get(loaded.source)
        declared = lift.build if lift else section.build
        if reference is not None:
            _check_build(loaded, declared, reference, len(sets) > 1, notes)
        if lift is None:
            continue
        unlifted = loaded.bim
        lifted, reasons = lift_variants(unlifted, lift.chain)
        sets[number] = loaded = replace(loaded, bim=lifted, rewritten=True)
        for reason in sorted(set(reasons) - {ONE_PLACE}):
            unplaced = unlifted[reasons == reason]
            removals.add(
                unplaced["snp"].tolist(), "merge", reason, places_text(unplaced, ""), section.build
            )
        n_unplaced = int((reasons != ONE_PLACE).sum())
        notes.append(
            f"{loaded.label} was lifted from {lift.build} to {section.build} with"
            f" {Path(lift.chain).name}: {n_unplaced} of {len(unlifted)} variants have no single"
            " place there"
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
