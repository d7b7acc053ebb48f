"""The section `snp` of `modalities`: which SNPs enter a fold."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator

from gendmr.config.base import Section
from gendmr.config.modalities.base import ModalitySection
from gendmr.files.intervals import parse_interval


class SelectionSection(Section):
    """Which SNPs enter a fold: decided in the fold, by its training people only."""

    mode: Literal["genes", "fold_association", "both"] = "genes"
    """`genes`: SNPs that map to a gene, nearest to the gene first; `fold_association`: the
    smallest p-values of the training people, anywhere; `both`: SNPs that map to a gene, smallest
    p-values first."""
    genes: tuple[str, ...] = ()
    """Keep only these genes (`genes` and `both`); empty keeps all."""
    maximum: int = Field(default=5000, ge=1)
    """SNPs in all; where there are more, every gene gives up its last ones first."""
    per_gene: int = Field(default=10, ge=1)
    """SNPs per gene (`genes` and `both`)."""
    maf: float = Field(default=0.01, ge=0, le=0.5)
    """Smallest minor allele frequency in the training people."""
    missing: float = Field(default=0.1, ge=0, le=1)
    """Largest share of missing genotypes in the training people."""
    hwe: float = Field(default=1e-6, ge=0, le=1)
    """Smallest p-value of the exact Hardy-Weinberg test in the training controls; 0 keeps all."""
    r2: float = Field(default=0.8, gt=0, le=1)
    """Of two SNPs on a chromosome with a larger squared correlation only the first stays."""


class SnpOverride(Section):
    """SNPs that a method takes in place of the study's selection."""

    interval: str
    """A genomic interval such as `19:44000000-46500000`."""
    names: tuple[str, ...] = ()
    """SNPs by name; where there are any, the interval does not count."""


class SnpSection(ModalitySection):
    """Genotypes in a fold: selection of SNPs and ancestry components, by training people alone."""

    selection: SelectionSection = SelectionSection()
    """SNPs of a fold."""
    components: int = Field(default=4, ge=0, le=50)
    """Ancestry components, fitted on the training people and projected onto the others."""
    component_r2: float = Field(default=0.2, gt=0, le=1)
    """LD pruning of the variants that the components are made from."""
    component_variants: int = Field(default=20000, ge=100)
    """Variants for the components, evenly spread, before pruning."""
    exclude: tuple[str, ...] = ()
    """Genomic intervals whose SNPs no method sees; ancestry components do."""
    override: SnpOverride | None = None
    """Set by methods that choose their SNPs themselves."""

    customary: ClassVar[bool] = True
    place: ClassVar[int] = 0
    adjusts: ClassVar[bool] = True
    stage: ClassVar[str | None] = "genotypes"

    def of_cohort(self) -> Self:
        """Return the section without what only folds read: all of it."""
        return type(self)()

    def sources(self, results: str) -> dict[str, str]:
        """Return the files from which the cohort's file is made."""
        return {
            "genotypes": f"{results}/genotypes/qc.bed",
            "variants": f"{results}/genotypes/qc.bim",
            "people": f"{results}/genotypes/qc.fam",
            "attrition": f"{results}/genotypes/attrition.tsv",
            "kinship": f"{results}/genotypes/kinship.tsv",
            "genes": f"{results}/annotation/snp2gene.tsv",
            "annotation": f"{results}/annotation/summary.json",
        }

    def most(self, instances: int, groups: int | None = None) -> int:
        """Return how many SNPs a fold reads at most; `groups` are genes."""
        if self.override:
            return instances
        if groups is not None and self.selection.mode != "fold_association":
            instances = min(instances, self.selection.per_gene * groups)
        return min(instances, self.selection.maximum)

    def bytes_of_fold(self, people: int, instances: int) -> float:
        """Return the memory: all SNPs in two bits each, the selected ones also as numbers."""
        return people * (instances / 4 + 9.0 * min(instances, self.selection.maximum))

    @field_validator("exclude")
    @classmethod
    def _intervals(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            parse_interval(value)
        return values
