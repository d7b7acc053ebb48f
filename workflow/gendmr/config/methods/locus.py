"""The section of the method `locus`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import field_validator

from gendmr.config.methods.base import Rates, SnpReader
from gendmr.config.modalities.snp import SnpOverride
from gendmr.files.intervals import parse_interval


class LocusMethod(SnpReader):
    """The dosage of one locus with the covariates: what is known without any new method."""

    kind: Literal["locus"] = "locus"
    """Chooses the method."""
    interval: str = "19:44000000-46500000"
    """The locus (chromosome, first and last base pair); its SNP with the smallest p-value in the
    training people is used, mapped to a gene or not. The default is the APOE region in GRCh37."""
    snps: tuple[str, ...] = ()
    """Use these SNPs of the cohort instead, whether or not they pass the thresholds of
    `modalities.snp.selection`."""

    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "quantitative", "survival")
    readable: ClassVar[tuple[str, ...] | None] = ("snp",)
    covariates: ClassVar[Literal["never", "always", "optional"]] = "always"
    rates: ClassVar[Rates] = {
        "train_fold": {
            "seconds": {"start": 2.5, "people_instances": 0.25},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.1, "people_instances": 1.5},
        },
        "train_null": {
            "seconds": {"start": 2.5, "permutations_people_instances": 0.5},
            "memory": {"start": 250, "people_instances": 30},
            "disk": {"start": 0.2},
        },
    }

    @property
    def snp_override(self) -> SnpOverride:
        """SNPs it takes in place of the study's selection."""
        return SnpOverride(interval=self.interval, names=self.snps)

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        parse_interval(value)
        return value
