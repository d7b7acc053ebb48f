"""The section `report` of the configuration."""

from __future__ import annotations

from pydantic import Field, field_validator

from gendmr.config.base import Section
from gendmr.files.intervals import parse_interval


class ReportSection(Section):
    """Settings of the stage `report`."""

    title: str | None = Field(default=None, min_length=1, max_length=120)
    """Title of the summary; absent: the name of the study."""
    truth: str | None = None
    """Path of a simulation's truth.json: its planted genes and regions are marked. Leave it out
    for real people."""
    top_genes: int = Field(default=25, ge=1, le=500)
    """Number of genes in the table of the summary."""
    top_regions: int = Field(default=10, ge=1, le=500)
    """Number of regions in the table of the summary, and of instances of other modalities."""
    reference: str | None = None
    """Method that all others of its outcome are compared with in the same folds. Other outcomes,
    and all without this entry, take their first method with attributions, else their first."""
    snp_auc_limit: float = Field(default=0.75, ge=0.5, le=1.0)
    """A method that reads SNPs only and whose pooled AUC (cases and controls) is above this is
    reported: as a likely leak where it reads no SNP of the APOE region, else as a note that names
    APOE. For Alzheimer's disease without APOE expect 0.55 to 0.70."""
    apoe_region: str | None = None
    """The APOE region, such as `19:44000000-46500000` (chromosome, first and last base pair in the
    build of the study); absent: 44.0 to 46.5 Mb of chromosome 19 in GRCh37, and the same interval
    in GRCh38 (43.5 to 46.0 Mb) or NCBI36 (48.7 to 51.2 Mb)."""
    covariates_skill_limit: float = Field(default=0.3, ge=0, le=1.0)
    """A method that reads covariates only and whose primary metric is further than this on the way
    from chance (0) to perfect (1) is reported: 0.3 is an AUC or a C of 0.65, a correlation of 0.3.
    That they match the reference is reported whatever it is."""
    registrations: int = Field(default=6, ge=0, le=60)
    """Number of registration pictures in the summary, those with the lowest overlap first."""

    @field_validator("apoe_region")
    @classmethod
    def _interval(cls, value: str | None) -> str | None:
        if value is not None:
            parse_interval(value)
        return value
