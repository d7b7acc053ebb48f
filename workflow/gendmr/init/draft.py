"""The text of a first configuration: each value with where it comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from gendmr.cohort.codes import SEX, is_unknown
from gendmr.config.genotypes import Bgen, GenotypesSection, form_of
from gendmr.config.imaging import ImagingSection
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError, InputFileError, first_few
from gendmr.files.atomic import write_text
from gendmr.files.tables import read_table
from gendmr.genotypes.bgen import bgen_people, variants_table
from gendmr.genotypes.builds import detect_build, read_reference
from gendmr.imaging.bids import find_images
from gendmr.imaging.measurements import checked_measurements

MOST_VARIANTS = 200_000  # of a BGEN, from which its build is told
REFERENCE = "resources/build_positions.tsv"
IDENTIFIERS = ("participant_id", "subject_id", "id", "iid", "eid", "subject", "ptid", "rid", "fid")
OUTCOMES = (
    "diagnosis",
    "outcome",
    "dx",
    "dx_group",
    "group",
    "status",
    "case",
    "cc",
    "asd",
    "phenotype",
    "y",
)
CASES = ("1", "case", "ad", "patient", "patients", "affected", "asd", "scz", "yes", "true", "mci")
CONTROLS = ("0", "control", "cn", "hc", "controls", "healthy", "nc", "unaffected", "no", "false")
SEXES = ("sex", "gender")
SITES = ("site", "center", "centre", "scanner")


@dataclass(frozen=True)
class Inputs:
    """What the user names.

    Parameters
    ----------
    study, participants : str
    genotypes : sequence of str
        Prefixes of PLINK 1, or files.
    bgen_reference, bgen_samples : str, optional
        Of .bgen files: which allele is the reference (`first`, `last`), and their .sample file.
    genes, images, atlas, regions : str, optional
        The gene table; a BIDS folder, the labels to be measured in its images and their table.
    measurements : sequence of str
    outcome : str, optional
        Column of the outcome.
    """

    study: str
    participants: str
    genotypes: Sequence[str] = ()
    bgen_reference: str | None = None
    bgen_samples: str | None = None
    genes: str | None = None
    images: str | None = None
    atlas: str | None = None
    regions: str | None = None
    measurements: Sequence[str] = ()
    outcome: str | None = None


@dataclass
class Draft:
    """Lines of the configuration, and what of it was guessed."""

    lines: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)


def write_draft(inputs: Inputs, path: Path) -> list[str]:
    """Write the configuration and return what was guessed.

    Raises
    ------
    ConfigurationError
        Nothing to measure is named, the file exists, or no column can be the outcome.
    InputFileError, TableError
        A named file is missing or malformed.
    """
    if path.exists():
        raise ConfigurationError(
            f"{path}: exists already", next_step="name another file with --output"
        )
    if not (inputs.genotypes or inputs.images or inputs.measurements):
        raise ConfigurationError(
            "nothing to learn from: no --genotypes, --images or --measurements",
            cause="only the table of participants was named",
            next_step="name PLINK prefixes, a BIDS folder, or tables of region measurements",
        )
    if inputs.genotypes:
        _refuse_other_forms(inputs)
    _look_for(inputs)
    draft = Draft()
    draft.lines = [
        f"# Written by `gendmr init` from the files of {inputs.study}; every key that is left out",
        "# takes its default: config/config.yaml explains them.",
        f"study: {inputs.study}",
        "seed: 1    # all randomness derives from it",
    ]
    if inputs.genotypes:
        _genotypes(inputs, draft)
    _imaging(inputs, draft)
    _cohort(inputs, draft)
    text = "\n".join(draft.lines) + "\n"
    # What cannot be parsed must not be written: the first error would be ours.
    Study.parse(yaml.safe_load(text), where=str(path))
    write_text(path, text)
    return draft.guesses


def is_bgen(path: str) -> bool:
    """Return whether a path is that of a BGEN file."""
    return form_of(path) == "bgen"


def _bgen(inputs: Inputs) -> dict[str, str]:
    """Return the section `genotypes.bgen`; empty without BGEN files."""
    if not any(map(is_bgen, inputs.genotypes)):
        return {}
    if inputs.bgen_reference is None:
        raise ConfigurationError(
            "--genotypes names .bgen files, which do not say which of two alleles is that of the"
            " reference genome",
            cause="BGEN leaves that to who wrote the file",
            next_step="add --bgen-reference first (UK Biobank, QCTOOL, PLINK's ref-first) or"
            " --bgen-reference last",
        )
    samples = {"samples": inputs.bgen_samples} if inputs.bgen_samples else {}
    return {"reference": inputs.bgen_reference, **samples}


def _refuse_other_forms(inputs: Inputs) -> None:
    """Refuse .ped and the like with the command of PLINK that converts them."""
    bgen = _bgen(inputs)
    section = {"inputs": list(inputs.genotypes), "build": "GRCh37"}
    GenotypesSection.parse(section | ({"bgen": bgen} if bgen else {}))


def _look_for(inputs: Inputs) -> None:
    """Refuse names that lead nowhere, all at once."""
    paths = [inputs.participants, *inputs.measurements]
    optional = (inputs.genes, inputs.images, inputs.atlas, inputs.regions, inputs.bgen_samples)
    paths += [path for path in optional if path]
    for genotype_path in inputs.genotypes:
        beds = [f"{genotype_path}{suffix}" for suffix in (".bed", ".bim", ".fam")]
        paths += beds if form_of(genotype_path) == "bed" else [genotype_path]
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        raise InputFileError(
            f"{len(missing)} of {len(paths)} files are not there: {first_few(missing)}",
            cause="another folder, or a PLINK prefix with its suffix",
            next_step="name PLINK sets without .bed, and paths as seen from here",
        )


def _genotypes(inputs: Inputs, draft: Draft) -> None:
    build = _build_of(inputs.genotypes, draft)
    draft.lines += ["", "genotypes:", "  inputs:"]
    draft.lines += [f"    - {_quoted(path)}" for path in inputs.genotypes]
    draft.lines.append(f"  build: {build}    # compared with known positions when it runs")
    bgen = _bgen(inputs)
    if bgen:
        draft.lines.append("  bgen:")
        draft.lines += [f"    {key}: {_quoted(value)}" for key, value in bgen.items()]
        _look_at_people(inputs, draft)
    if not inputs.genes:
        raise ConfigurationError(
            "--genotypes without --genes",
            cause="SNPs are ranked by gene, and no gene table was named",
            next_step="name a gene table: MAGMA's NCBI37.3.gene.loc, PLINK's glist-hg19, or a GTF",
        )
    name = Path(inputs.genes).name.lower()
    form = "gtf" if ".gtf" in name else "glist" if "glist" in name else "gene.loc"
    of_genes = "GRCh38" if re.search(r"38", name) else "GRCh37"
    draft.guesses.append(f"the gene table is {form} in {of_genes}, by its name")
    draft.lines += [
        "",
        "annotation:",
        f"  genes: {_quoted(inputs.genes)}",
        f"  format: {form}",
        f"  build: {of_genes}",
    ]
    if of_genes != build:
        draft.lines.append("  accept_other_build: true    # a table of the same build is better")
        draft.guesses.append(f"genes are in {of_genes}, genotypes in {build}: find a table of it")


def _look_at_people(inputs: Inputs, draft: Draft) -> None:
    """Read who is in the BGEN files, and say by which file they are named."""
    section = Bgen.model_validate(_bgen(inputs))
    for name in filter(is_bgen, inputs.genotypes):
        sample = section.sample_of(name)
        people = bgen_people(name, sample, draft.guesses)
        source = sample or "the names in the file"
        draft.guesses.append(f"the {len(people)} people of {name} are those of {source}")


def _build_of(prefixes: Sequence[str], draft: Draft) -> str:
    """Return the build that the first PLINK 1 set or BGEN fits, GRCh37 where none tells."""
    for prefix in prefixes:
        form = form_of(prefix)
        if form in ("bed", "bgen") and Path(REFERENCE).is_file():
            if form == "bgen":
                bim = variants_table(Path(prefix), MOST_VARIANTS)
            else:
                names = ["chromosome", "snp", "cm", "position", "a1", "a2"]
                bim = pd.read_csv(f"{prefix}.bim", sep=r"\s+", header=None, names=names, dtype=str)
                bim["position"] = bim["position"].astype(int)
            evidence = detect_build(bim, read_reference(REFERENCE))
            if evidence.fitting_build:
                draft.guesses.append(
                    f"genotypes are in {evidence.fitting_build}: {evidence.words()}"
                )
                return evidence.fitting_build
    draft.guesses.append("genotypes are in GRCh37: their positions do not tell")
    return "GRCh37"


def _imaging(inputs: Inputs, draft: Draft) -> None:
    if inputs.images and inputs.measurements:
        raise ConfigurationError(
            "both --images and --measurements",
            next_step="name one: images to measure here, or what was measured elsewhere",
        )
    if inputs.images and not (inputs.atlas and inputs.regions):
        raise ConfigurationError(
            "--images without --atlas and --regions",
            cause="regions are measured in an atlas, which cannot be guessed",
            next_step="name the image of its labels (--atlas) and their table (--regions)",
        )
    _look_into_folders(inputs)
    if inputs.images:
        draft.lines += [
            "",
            "imaging:",
            f"  bids: {_quoted(inputs.images)}",
            "  atlas:",
            f"    labels: {_quoted(str(inputs.atlas))}",
            f"    table: {_quoted(str(inputs.regions))}",
            f"    name: {_quoted(Path(str(inputs.atlas)).name)}",
            "  preset: fast    # testing 4 mm, fast 2 mm, precise 1 mm",
        ]
    if inputs.measurements:
        draft.lines += ["", "imaging:", "  measurements:    # recognised by their content"]
        draft.lines += [f"    - {_quoted(path)}" for path in inputs.measurements]


def _look_into_folders(inputs: Inputs) -> None:
    """Refuse folders without an image, or without a measurement, with what was looked for."""
    if inputs.images:
        find_images(inputs.images)
    folders = [path for path in inputs.measurements if Path(path).is_dir()]
    if folders:
        checked_measurements(ImagingSection.parse({"measurements": folders}))


def _cohort(inputs: Inputs, draft: Draft) -> None:
    table = read_table(inputs.participants, {}, extra=True)
    columns: dict[str, str] = {}
    lower = {name.lower(): name for name in table.columns}
    key = next((lower[name] for name in IDENTIFIERS if name in lower), None)
    if key is None:
        raise ConfigurationError(
            f"{inputs.participants}: no column of identifiers among {first_few(table.columns, 12)}",
            cause=f"none of {first_few(IDENTIFIERS, 12)}",
            next_step="rename the column of people's names to participant_id",
        )
    if key != "participant_id":
        columns["participant_id"] = key
        draft.guesses.append(f"people are named by the column {key}")
    covariates, categorical = [], []
    if "age" in lower and _numeric(table[lower["age"]]):
        covariates.append("age")
        if lower["age"] != "age":
            columns["age"] = lower["age"]
    for name, candidates in (("sex", SEXES), ("site", SITES)):
        column = next((lower[candidate] for candidate in candidates if candidate in lower), None)
        if column is None:
            continue
        if name == "sex" and not _sexes_known(table[column]):
            draft.guesses.append(
                f"{column} is left out: say what its codes mean (cohort.sex_codes)"
            )
            continue
        covariates.append(name)
        categorical.append(name)
        if column != name:
            columns[name] = column
    draft.lines += ["", "cohort:", f"  participants: {_quoted(inputs.participants)}"]
    if columns:
        draft.lines.append("  columns:    # ours to yours")
        draft.lines += [f"    {ours}: {_quoted(yours)}" for ours, yours in columns.items()]
    draft.lines.append(f"  covariates: [{', '.join(covariates)}]")
    draft.lines.append(f"  categorical: [{', '.join(categorical)}]")
    _outcome(inputs, table, lower, draft)
    draft.lines += ["", "training:", f"  covariates: [{', '.join(covariates)}]"]


def _outcome(inputs: Inputs, table: pd.DataFrame, lower: dict[str, str], draft: Draft) -> None:
    column = inputs.outcome or next((lower[name] for name in OUTCOMES if name in lower), None)
    if column is None or column not in table:
        raise ConfigurationError(
            f"{inputs.participants}: no column of an outcome"
            + (f" named {inputs.outcome!r}" if inputs.outcome else "")
            + f" among {first_few(table.columns, 12)}",
            cause=f"none of {first_few(OUTCOMES, 12)}",
            next_step="name it with --outcome",
        )
    values = table[column][~is_unknown(table[column])].str.strip()
    labels = values.value_counts()
    case = [label for label in labels.index if label.lower() in CASES]
    control = [label for label in labels.index if label.lower() in CONTROLS]
    name = re.sub(r"[^a-z0-9-]+", "-", column.lower()).strip("-")[:30] or "outcome"
    name = name if re.match(r"[a-z]", name) else f"outcome-{name}"[:30]
    draft.lines += ["  outcomes:", f"    {name}:"]
    if case and control:
        other_labels = [label for label in labels.index if label not in (*case, *control)]
        draft.lines += [
            "      kind: binary",
            f"      column: {_quoted(column)}",
            f"      case: [{', '.join(map(_quoted, case))}]",
            f"      control: [{', '.join(map(_quoted, control))}]",
        ]
        draft.guesses.append(
            f"{column}: cases are {first_few(case)} ({int(labels[case].sum())} people), controls"
            f" {first_few(control)} ({int(labels[control].sum())})"
            + (f"; left out {first_few(other_labels)}" if other_labels else "")
        )
    elif _numeric(values) and len(labels) > 10:
        draft.lines += ["      kind: quantitative", f"      column: {_quoted(column)}"]
        draft.guesses.append(f"{column} is a measurement")
    elif 2 <= len(labels) <= 10:
        classes = sorted(labels.index)
        draft.lines += [
            "      kind: multiclass",
            f"      column: {_quoted(column)}",
            f"      classes: [{', '.join(map(_quoted, classes))}]",
        ]
        draft.guesses.append(f"{column} has the classes {first_few(classes, 10)}")
    else:
        raise ConfigurationError(
            f"{inputs.participants}: column {column} has {len(labels)} different values:"
            f" {first_few(labels.index)}",
            cause="no case and control, no few classes, no numbers",
            next_step="name another column with --outcome",
        )


def _numeric(values: pd.Series) -> bool:
    known_values = values[~is_unknown(values)]
    return bool(len(known_values) and pd.to_numeric(known_values, errors="coerce").notna().all())


def _sexes_known(values: pd.Series) -> bool:
    known_values = values[~is_unknown(values)].str.strip().str.casefold()
    return bool(len(known_values) and known_values.isin(SEX).all())


def _quoted(text: str) -> str:
    """Return a text as YAML takes it for a text: `1` and `no` in quotation marks."""
    return yaml.safe_dump(text, default_style='"').strip()
