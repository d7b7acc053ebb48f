"""Tables and figures of a method's ranking, by what the method reads: for rules and drawing alike.

This module imports nothing heavy, because the rules read it at each start of Snakemake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gendmr.ranking.levels import level_of, module_of


@dataclass(frozen=True)
class RankingFigure:
    """A figure of a ranking.

    Parameters
    ----------
    label : str
        In the report of Snakemake; its caption is `workflow/report/<name>.rst`.
    table : str, optional
        The table without which there is nothing to draw; None: any will do.
    """

    label: str
    table: str | None = None


FIGURES = {
    "genome": RankingFigure("genes along the genome", "genes"),
    "qq": RankingFigure("p-values of genes", "genes"),
    "stability": RankingFigure("stability of ranks"),
    "brain": RankingFigure("regions on the brain", "regions"),
    "networks": RankingFigure("pairs of networks, and edges", "network_pairs"),
    "connections": RankingFigure("edges in a glass brain", "network_pairs"),
    "voxels": RankingFigure("voxels in a glass brain", "volume_regions"),
}


def tables_of(modalities: Sequence[str]) -> list[str]:
    """Return the tables of a method that reads these modalities: `genes`, `regions`."""
    return [table for name in modalities for table in level_of(name).tables_of(name)]


def figures_of(modalities: Sequence[str]) -> list[str]:
    """Return the figures of a method that reads these modalities."""
    tables = tables_of(modalities)
    return [name for name, figure in FIGURES.items() if figure.table in (None, *tables)]


def code_of(modalities: Sequence[str]) -> list[str]:
    """Return the modules that rank these modalities and no others, for a fingerprint."""
    return ["ranking.rank", *(module_of(name) for name in modalities)]
