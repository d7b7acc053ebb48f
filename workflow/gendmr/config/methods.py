"""Methods and their options: the entries of `training.methods`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from gendmr.config.base import Section

INTERVAL = re.compile(r"(?:chr)?(\d{1,2}|X):(\d+)-(\d+)")


@dataclass(frozen=True)
class OwnSnps:
    """SNPs that a method takes in place of the study's selection.

    Parameters
    ----------
    interval : str
        A stretch of the genome such as `19:44000000-46500000`.
    names : tuple of str
        SNPs by name; where there are any, the interval does not count.
    """

    interval: str
    names: tuple[str, ...]


class MethodSection(Section):
    """What every method has."""

    exclude: tuple[str, ...] = ()
    """Stretches of the genome whose SNPs this method does not see, such as
    `19:44000000-46500000` (chromosome, first and last base pair in the build of the study): what
    remains without the APOE region, say."""

    module: ClassVar[str]
    """Module of the package that holds the method."""
    gpus: ClassVar[int] = 0
    """GPUs it can use."""

    @property
    def ranked(self) -> bool:
        """Whether it gives signed risks of SNPs or regions."""
        return True

    @property
    def own_snps(self) -> OwnSnps | None:
        """SNPs it takes in place of the study's selection; None takes the selection."""
        return None

    @field_validator("exclude")
    @classmethod
    def _intervals(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse_interval(value)
        return values


def parse_interval(text: str) -> tuple[str, int, int]:
    """Return chromosome, first and last base pair (1-based, closed) of `19:44000000-46500000`.

    Raises
    ------
    ValueError
        The text has another form.
    """
    found = INTERVAL.fullmatch(text)
    if not found or int(found[2]) > int(found[3]):
        raise ValueError(f"{text!r} is not a stretch like 19:44000000-46500000")
    return found[1], int(found[2]), int(found[3])


class GendmrMethod(MethodSection):
    """GenDMR: multi-instance attention over SNPs and regions, roles that swap, a fused head."""

    kind: Literal["gendmr"] = "gendmr"
    """Chooses the method."""
    modalities: tuple[Literal["snp", "region"], ...] = ("snp", "region")
    """The bags."""
    evidence: Literal["none", "diagnosis", "both", "all"] = "all"
    """What the training people say about an instance, offered to its token: association with the
    diagnosis; `both`: also with the out-of-fold imaging risk and with what imaging leaves
    unexplained; `all`: also with the single regions that differ between cases and controls."""
    position: Literal["genomic", "index", "none", "shuffled"] = "genomic"
    """Where a SNP lies: base pairs on its chromosome, its rank in the list, nowhere, or base pairs
    of another SNP (a control)."""
    blocks: int = Field(default=0, ge=0, le=4)
    """Attention blocks among the SNPs of a chromosome."""
    heads: int = Field(default=4, ge=1)
    """Attention heads of a block; they divide the width."""
    width: int = Field(default=16, ge=4, le=512)
    """Length of a token."""
    attention: int = Field(default=16, ge=4, le=512)
    """Hidden units of the gated attention."""
    fourier: int = Field(default=8, ge=1, le=16)
    """Octaves of the position features."""
    parts: int = Field(default=5, ge=2, le=20)
    """Parts of the training people for cross-fitting: the loss on a part uses evidence from the
    others."""
    partitions: int = Field(default=3, ge=1, le=50)
    """Different ways to cut the training people into parts, used in turn by the epochs."""
    dominance: Literal["person", "batch", "epoch", "none"] = "person"
    """Who leads is decided for each person, for the people of a batch together, for an epoch, or
    not at all: then each modality teaches the other for everybody."""
    roles: Literal["exchange", "imaging", "genetics"] = "exchange"
    """`exchange`: whoever leads teaches; or a fixed teacher."""
    distillation: float = Field(default=1.0, ge=0)
    """Largest weight of what the teacher's answer adds to the loss; 0 leaves distillation out."""
    contrast: float = Field(default=0.1, ge=0)
    """Weight of the contrast between the student's and the teacher's view of a person; 0 leaves it
    out."""
    temperature: float = Field(default=3.0, gt=0)
    """Softens the answers of teacher and student."""
    ramp: int = Field(default=10, ge=1)
    """Epochs over which the weight of distillation rises."""
    margin: float = Field(default=0.05, ge=0, le=1)
    """Smallest difference of the probabilities of the true class that makes a modality lead."""
    memory: float = Field(default=0.9, ge=0, lt=1)
    """Share of the past in a person's averaged probabilities, epoch by epoch."""
    queue: int = Field(default=512, ge=0)
    """Views of earlier batches that a student is contrasted with."""
    projection: int = Field(default=128, ge=2)
    """Length of a view."""

    module: ClassVar[str] = "methods.gendmr"
    gpus: ClassVar[int] = 1


class RidgeMethod(MethodSection):
    """Ridge logistic regression on one or several modalities: the sceptic's baseline."""

    kind: Literal["ridge"] = "ridge"
    """Chooses the method."""
    modalities: tuple[Literal["snp", "region", "covariates"], ...] = Field(
        default=("snp", "region", "covariates"), min_length=1
    )
    """What enters, side by side; `covariates` are those of `adjustment`, with the components."""
    penalties: tuple[float, ...] = Field(
        default=(1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0), min_length=1
    )
    """Penalties on squared coefficients of standardised features, compared within the training
    people by cross-validated log loss."""

    module: ClassVar[str] = "methods.ridge"

    @field_validator("penalties")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value <= 0 for value in values):
            raise ValueError("penalties must be above 0")
        return values

    @property
    def ranked(self) -> bool:
        """Whether it gives signed risks of SNPs or regions."""
        return any(name in self.modalities for name in ("snp", "region"))


class LocusMethod(MethodSection):
    """The dosage of one locus with the covariates: what is known without any new method."""

    kind: Literal["locus"] = "locus"
    """Chooses the method."""
    interval: str = "19:44000000-46500000"
    """The locus (chromosome, first and last base pair); its SNP with the smallest p-value in the
    training people is used, mapped to a gene or not. The default is the APOE region in GRCh37."""
    snps: tuple[str, ...] = ()
    """Use these SNPs of the cohort instead, whether or not they pass the thresholds of
    `selection`."""

    module: ClassVar[str] = "methods.locus"

    @property
    def own_snps(self) -> OwnSnps:
        """SNPs it takes in place of the study's selection."""
        return OwnSnps(self.interval, self.snps)

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        parse_interval(value)
        return value


class PolygenicMethod(MethodSection):
    """A polygenic score: clumped SNPs weighted by their effects in the training people."""

    kind: Literal["polygenic"] = "polygenic"
    """Chooses the method."""
    thresholds: tuple[float, ...] = Field(
        default=(1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.5, 1.0), min_length=1
    )
    """P-value thresholds, compared within the training people by cross-validated log loss."""
    r2: float = Field(default=0.1, gt=0, le=1)
    """Of two SNPs within 1 Mb with a larger squared correlation the weaker is left out."""

    module: ClassVar[str] = "methods.polygenic"

    @field_validator("thresholds")
    @classmethod
    def _shares(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < value <= 1 for value in values):
            raise ValueError("thresholds are p-values: above 0, at most 1")
        return values


class AssociationMethod(MethodSection):
    """Statistics of single SNPs and regions, one at a time: a ranking without a network."""

    kind: Literal["association"] = "association"
    """Chooses the method."""
    channels: Literal["diagnosis", "both"] = "diagnosis"
    """`diagnosis`: the test of each SNP; `both`: the two-channel score, root of the summed squares
    of the tests against the out-of-fold imaging risk and against what imaging leaves
    unexplained."""

    module: ClassVar[str] = "methods.association"


class FusionMethod(MethodSection):
    """Plain networks over a vector of SNPs and a vector of region measurements."""

    kind: Literal["fusion"] = "fusion"
    """Chooses the method."""
    mode: Literal["concatenation", "late", "ogm_ge", "fixed_teacher"] = "concatenation"
    """`concatenation`: one head over both codes; `late`: a head each, logits averaged; `ogm_ge`:
    concatenation whose stronger modality's gradient is damped, with noise (Peng et al. 2022);
    `fixed_teacher`: concatenation distilled from unimodal networks that were trained first and stay
    as they are."""
    width: int = Field(default=32, ge=4, le=512)
    """Length of a code."""
    strength: float = Field(default=0.5, ge=0)
    """Of the damping (`ogm_ge`)."""
    distillation: float = Field(default=1.0, ge=0)
    """Weight of the teachers' answers (`fixed_teacher`)."""
    temperature: float = Field(default=3.0, gt=0)
    """Softens them (`fixed_teacher`)."""

    module: ClassVar[str] = "methods.fusion"
    gpus: ClassVar[int] = 1


AnyMethod = Annotated[
    GendmrMethod | RidgeMethod | LocusMethod | PolygenicMethod | AssociationMethod | FusionMethod,
    Field(discriminator="kind"),
]
