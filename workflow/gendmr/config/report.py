"""The section `report` of the configuration."""

from __future__ import annotations

from pydantic import Field

from gendmr.config.base import Section


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
    """Number of regions in the table of the summary."""
    snp_auc_limit: float = Field(default=0.75, ge=0.5, le=1.0)
    """A method that sees genotypes only and does better than this is reported as a likely leak:
    for Alzheimer's disease without APOE expect 0.55 to 0.70."""
    registrations: int = Field(default=6, ge=0, le=60)
    """Number of registration pictures in the summary, those with the lowest overlap first."""
