"""The section `annotation` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gendmr.config.base import Section


class AnnotationSection(Section):
    """Settings of the stage `annotation`: which genes a SNP is assigned to."""

    genes: str
    """The gene table."""
    format: Literal["gene.loc", "glist", "gtf"] = "gene.loc"
    """`gene.loc`: MAGMA, 1-based closed. `glist`: PLINK, 0-based half-open, without strands.
    `gtf`: GENCODE or Ensembl, 1-based closed, features `gene`."""
    build: Literal["GRCh37", "GRCh38", "NCBI36"] = "GRCh37"
    """Genome build of the gene table; must be that of the genotypes."""
    upstream_kb: float = Field(default=35.0, ge=0, le=10_000)
    """Window before the start of transcription, in kilobases; by strand."""
    downstream_kb: float = Field(default=10.0, ge=0, le=10_000)
    """Window after the end of transcription, in kilobases; by strand."""
    nearest: bool = False
    """Assign a SNP outside every window to the nearest gene of its chromosome."""
    gene_types: tuple[str, ...] = ()
    """GTF only: values of gene_type (or gene_biotype) to keep, e.g. ["protein_coding"]; empty:
    all."""
    accept_other_build: bool = False
    """Go on although the builds differ. Assignments are then suspect, and the report says so."""
