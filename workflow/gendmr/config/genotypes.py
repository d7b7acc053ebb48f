"""The section `genotypes` of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gendmr.config.base import REFUSED, RefusedEntry, Section, passes
from gendmr.errors import ConfigurationError, first_few
from gendmr.files.shipped import shipped_file

Build = Literal["GRCh37", "GRCh38", "NCBI36"]
FORMS = {
    **dict.fromkeys((".vcf", ".vcf.gz", ".vcf.bgz", ".vcf.zst"), "vcf"),
    ".bcf": "bcf",
    ".pgen": "pgen",
    ".bgen": "bgen",
}
# How other forms are converted; {stem} is the path without its suffix.
CONVERTED = {
    ".gen": "plink2 --gen {path} ref-first --sample {stem}.sample --make-pgen --out {stem}"
    " (ref-last where its second allele is the reference), then give {stem}.pgen",
    ".ped": "plink1.9 --file {stem} --make-bed --out {stem}, then give {stem}",
    ".map": "plink1.9 --file {stem} --make-bed --out {stem}, then give {stem}",
    ".tped": "plink1.9 --tfile {stem} --make-bed --out {stem}, then give {stem}",
    ".haps": "plink2 --haps {path} ref-first --sample {stem}.sample --make-pgen --out {stem}, then"
    " give {stem}.pgen",
    ".txt": "plink1.9 --23file {path} FAMILY PERSON --make-bed --out {stem} for each person of"
    " 23andMe or AncestryDNA, then give each {stem}",
    ".bed.gz": "gunzip {path}, also of .bim and .fam, then give the path without .bed",
    ".zip": "unzip -d {stem} {path}, then give the path of what is in {stem}",
}

# Single files of a set, how the set is named instead, and the end of its path.
PARTS = (
    ((".bed", ".bim", ".fam"), "without .bed, .bim or .fam", ""),
    ((".pvar", ".pvar.zst", ".psam"), "of the .pgen", ".pgen"),
)


def form_of(path: str) -> str:
    """Return how genotypes are stored: `vcf`, `bcf`, `pgen`, `bgen`, or `bed`, a PLINK 1 prefix."""
    return next((form for suffix, form in FORMS.items() if path.endswith(suffix)), "bed")


def beside_pgen(path: str) -> list[str]:
    """Return the files that PLINK 2 reads beside a .pgen.

    The .psam, the variants (packed or not, or both where both are there; the plain one where none
    is), and the index of a .pgen whose index is a file of its own.
    """
    stem = path.removesuffix(".pgen")
    variants = [file for file in (f"{stem}.pvar", f"{stem}.pvar.zst") if Path(file).exists()]
    index = [file for file in (f"{path}.pgi",) if Path(file).exists()]
    return [f"{stem}.psam", *(variants or [f"{stem}.pvar"]), *index]


class Lift(Section):
    """How the positions of one input set become those of the study's build."""

    build: Build
    """Genome build of the set."""
    chain: str
    """UCSC chain file (may be gzipped) from that build to `genotypes.build`. None is shipped."""


class Bgen(Section):
    """What BGEN files do not say of themselves."""

    reference: Literal["first", "last"]
    """Which of two alleles is that of the reference genome. UK Biobank: first."""
    samples: str | dict[str, str] | None = None
    """The .sample file of all .bgen inputs, or of each by its path in `inputs`. Without it the one
    beside a file and of its name counts, and without such a file the names in the .bgen."""

    def sample_of(self, path: str) -> str | None:
        """Return the .sample file of an input; None where the names in the .bgen count."""
        default_path = f"{path.removesuffix('.bgen')}.sample"
        samples = self.samples
        if isinstance(samples, dict):
            samples = samples.get(path)
        return samples or (default_path if Path(default_path).exists() else None)


class GenotypesSection(Section):
    """Settings of the stage `genotypes`: what is read, who and what is removed.

    No diagnosis is used here: column 6 of the .fam is ignored.
    """

    inputs: tuple[str, ...] = Field(min_length=1)
    """PLINK 1 file sets, as paths without .bed, or files that end in .vcf, .vcf.gz, .vcf.bgz,
    .vcf.zst, .bcf, .pgen or .bgen. Sets of other people are merged over the variants they share;
    sets of the same people (one per chromosome) are put side by side; a person in two sets with
    common variants is compared with itself, and the copy with the better call rate stays."""
    bgen: Bgen | None = None
    """Needed where an input is a .bgen: `{reference: first, samples: data/ukb.sample}`."""
    build: Build = "GRCh37"
    """Genome build of the positions: GRCh37 (hg19), GRCh38 (hg38) or NCBI36 (hg18)."""
    check_build: bool = True
    """Compare positions with those of well-known SNPs on three builds, and stop where another
    build than the declared one fits."""
    reference_positions: str = "resources/build_positions.tsv"
    """Table of these SNPs: `snp`, `chromosome` and a column of positions for each build."""
    lift: dict[str, Lift] = Field(default_factory=dict)
    """Input sets of another build, by their path in `inputs`, with the chain file that lifts them:
    `{data/array2: {build: NCBI36, chain: hg18ToHg19.over.chain.gz}}`. Nothing else is lifted."""
    sexes: str | None = None
    """Table with the columns `iid` and `sex` (M, F, n/a) of the samples of VCF and BCF files, which
    carry no sex, and of BGEN files, where it goes before that of the .sample file. Without it the
    sex of VCF samples is not checked."""
    hard_call_threshold: float = Field(default=0.1, gt=0, lt=0.5)
    """A dosage (of a VCF's DS or GP, a .pgen or .bgen) within it of a whole number counts as that
    number; any other is a missing call. 0.499 takes the nearest whole number."""
    most_lost: float = Field(default=0.5, gt=0, le=1)
    """Highest share of the variants of a set that may leave for poor dosages, or because sets that
    are merged disagree in position or alleles; and of people who may leave as duplicates or be kin
    of one another. Beyond it the run stops and names the cause."""
    minimum_shared: float = Field(default=0.1, ge=0, le=1)
    """Where sets of other people are merged: smallest share of the variants of the smallest set
    that all sets must have."""
    chromosomes: tuple[str, ...] = ()
    """Autosomes to keep, e.g. ["19"]; empty: all."""
    keep_autosomes_only: bool = True
    """Drop chromosome X from the result; it is used for the sex check in any case."""
    keep_ambiguous: bool = False
    """When sets of other people are merged: keep A/T and C/G variants, whose strand cannot be seen.
    True only if all sets are known to be on the same strand (imputed data)."""
    variant_missingness: float = Field(default=0.05, ge=0, le=1)
    """Highest share of people without a call at a variant."""
    person_missingness: float = Field(default=0.05, ge=0, le=1)
    """Highest share of variants without a call in a person."""
    maf: float = Field(default=0.01, ge=0, lt=0.5)
    """Lowest minor allele frequency."""
    hwe: float = Field(default=1e-10, ge=0, lt=1)
    """Lowest p of the exact Hardy-Weinberg test in everybody. Lenient, for cases may deviate where
    there is an association; the test in controls belongs inside the folds. 0: no filter."""
    heterozygosity_sd: float = Field(default=3.0, gt=0)
    """Farthest F coefficient from what ancestry components of the others predict, in robust
    standard deviations: contamination, inbreeding."""
    sex_check: bool = True
    """Compare the sex of the .fam with the F coefficient of chromosome X."""
    sex_female_max: float = Field(default=0.2, ge=-1, le=1)
    """A recorded man with F below it is removed."""
    sex_male_min: float = Field(default=0.8, ge=-1, le=1)
    """A recorded woman with F above it is removed. Between the two, sex is unclear."""
    remove_unclear_sex: bool = False
    """Remove people with a recorded sex and an F between the two bounds as well."""
    duplicate_kinship: float = Field(default=0.354, gt=0, le=0.5)
    """KING coefficient from which two people are the same genome (or monozygotic twins): the one
    with the better call rate stays."""
    kinship: float = Field(default=0.0884, gt=0, le=0.5)
    """KING coefficient from which two people are listed as kin (second degree)."""
    remove_kin: bool = False
    """Remove kin until no pair is left. False: they stay and share a fold."""
    pruning_window: int = Field(default=50, ge=2)
    """Window of linkage pruning, in variants."""
    pruning_step: int = Field(default=5, ge=1)
    """Step of linkage pruning, in variants."""
    pruning_r2: float = Field(default=0.2, gt=0, le=1)
    """Highest r2 between two variants after pruning."""
    pruning_maf: float = Field(default=0.05, ge=0, lt=0.5)
    """Lowest minor allele frequency of the variants for heterozygosity, sex and components."""
    components: int = Field(default=10, ge=1, le=100)
    """Ancestry components, for pictures and description; training fits its own in each fold."""
    component_variants: int = Field(default=50_000, ge=100)
    """Most pruned variants, drawn at random, that components are computed from: more add time
    and change nothing that can be seen."""

    @field_validator("inputs")
    @classmethod
    def _prefixes(cls, inputs: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if passes(REFUSED, info):
            return inputs
        refused = [error for error in map(_refusal, inputs) if error is not None]
        if len(set(inputs)) < len(inputs):
            twice = sorted({name for name in inputs if inputs.count(name) > 1})
            refused.append(
                ConfigurationError(
                    f"genotypes.inputs: the same file set is named twice: {first_few(twice)}",
                    next_step="name each once",
                )
            )
        if refused:
            raise RefusedEntry(refused)
        return inputs

    @field_validator("chromosomes")
    @classmethod
    def _autosomes(cls, chromosomes: tuple[str, ...]) -> tuple[str, ...]:
        autosomes = {str(number) for number in range(1, 23)}
        if invalid := [name for name in chromosomes if name not in autosomes]:
            raise ValueError(f'{", ".join(invalid)}: autosomes are written "1" to "22"')
        return chromosomes

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        yield from self._bgen_contradictions()
        for name, lift in self.lift.items():
            if name not in self.inputs:
                yield f"lift names {name}, which is none of the inputs"
            if lift.build == self.build:
                yield f"lift: {name} is of {lift.build} already"
        if self.sex_female_max >= self.sex_male_min:
            yield "sex_female_max must be below sex_male_min"
        if self.kinship > self.duplicate_kinship:
            yield "kinship must not exceed duplicate_kinship"
        if self.pruning_step > self.pruning_window:
            yield "pruning_step must not exceed pruning_window"

    def _bgen_contradictions(self) -> Iterator[str]:
        bgen_inputs = [name for name in self.inputs if form_of(name) == "bgen"]
        if bgen_inputs and self.bgen is None:
            yield (
                f"{bgen_inputs[0]} does not say which of two alleles is the reference: add"
                " `bgen: {reference: first}` (UK Biobank, QCTOOL, PLINK's ref-first) or"
                " `bgen: {reference: last}`"
            )
        if self.bgen is not None and not bgen_inputs:
            yield "bgen is given, and no input ends in .bgen"
        samples = self.bgen.samples if self.bgen else None
        for name in samples if isinstance(samples, dict) else ():
            if name not in bgen_inputs:
                yield f"bgen: samples names {name}, which is none of the .bgen inputs"

    @property
    def files(self) -> list[str]:
        """Return every file that the inputs, the check of the build and lifting read."""
        paths: list[str] = []
        for name in self.inputs:
            form = form_of(name)
            if form == "bed":
                paths += [f"{name}.{suffix}" for suffix in ("bed", "bim", "fam")]
            elif form == "pgen":
                paths += [name, *beside_pgen(name)]
            else:
                paths.append(name)
            sample = self.bgen.sample_of(name) if form == "bgen" and self.bgen else None
            paths += [sample] if sample and sample not in paths else []
        paths += [lift.chain for lift in self.lift.values()]
        paths += [self.sexes] if self.sexes else []
        return [*paths, self.reference_file] if self.check_build else paths

    @property
    def reference_file(self) -> str:
        """Return where the table of `reference_positions` is.

        The shipped one lies beside the package, wherever Snakemake runs.
        """
        return shipped_file(self.reference_positions)


def _refusal(path: str) -> ConfigurationError | None:
    """Return the error for a path that is no prefix, or a file in a form that is not read."""
    for suffixes, needed, end in PARTS:
        if part := next((suffix for suffix in suffixes if path.endswith(suffix)), None):
            return ConfigurationError(
                f"genotypes.inputs: {path}: give the path {needed}",
                cause="the files of a set are named by one path",
                next_step=f"write {path.removesuffix(part)}{end}",
            )
    suffix = next((suffix for suffix in CONVERTED if path.lower().endswith(suffix)), None)
    # A file set may be called `study.txt`.
    if suffix is None or Path(f"{path}.bed").is_file():
        return None
    stem = path[: -len(suffix)]
    return ConfigurationError(
        f"genotypes.inputs: {path}: {suffix} is no form that is read",
        cause="read are .bed with .bim and .fam (a path without suffix), .vcf (.gz, .bgz, .zst),"
        " .bcf, .pgen and .bgen",
        next_step="convert it: " + CONVERTED[suffix].format(path=path, stem=stem),
    )
