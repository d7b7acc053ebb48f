"""The section `ranking` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gendmr.config.base import Section


class RankingSection(Section):
    """How the signed held-out risk of SNPs and regions becomes a ranking."""

    score: Literal["mean_abs", "abs_mean"] = "mean_abs"
    """Risk of one SNP or region over the held-out people of a fold. `mean_abs`: mean of
    |risk - its mean over these people|, what it adds to the differences between people;
    `abs_mean`: |mean risk|, which also counts what is the same for everybody."""
    aggregation: Literal["sum", "max", "mean"] = "sum"
    """How the SNPs of a gene become the gene's score that is ranked; `score_max` is always
    written beside it. `mean` does not grow with the number of SNPs, `sum` does."""
    ld_weighting: bool = True
    """Divide the risk of each SNP by 1 + the sum of its r2 with the gene's other SNPs, so that a
    block of copies counts about once. r2 is of all genotyped people, without diagnoses."""
    top_k: int = Field(default=25, ge=1, le=10_000)
    """Stability is the share of folds in which a gene or region is among the first `top_k`
    (regions: never more than a quarter of them)."""
    label: int = Field(default=12, ge=0, le=50)
    """Genes named in the figure along the genome."""
