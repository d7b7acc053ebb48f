"""The section `expression` of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gendmr.config.base import Section
from gendmr.errors import first_few

Unit = Literal["counts", "tpm", "fpkm", "fpkm_uq", "log2", "z"]


class MatrixSection(Section):
    """A matrix of expression: the people of one cohort or platform."""

    path: str
    """Tab- or comma-separated, `.gz` too; the first column and the first row are names."""
    unit: Unit
    """What the numbers are; checked against the values."""
    rows: Literal["genes", "people"] = "genes"
    """What a row is."""
    platform: str = Field(default="one", min_length=1, max_length=40)
    """Name of the cohort or platform; matrices of one platform must be of one unit."""
    drop: tuple[str, ...] = ()
    """Further columns that are no measurements, e.g. `[gene_type]`."""


class ExpressionSection(Section):
    """Expression matrices, joined into one order of genes."""

    matrices: tuple[MatrixSection, ...] = Field(min_length=1)
    """One for each cohort or platform; nobody may be in two of them."""
    symbols: str | None = None
    """Tab-separated table `gene`, `symbol`: names of the matrices (Ensembl identifiers without
    version) to symbols. Genes that are not in it keep their name."""
    duplicates: Literal["highest_mean", "first", "stop"] = "highest_mean"
    """Which of several rows of one gene stays: the one with the highest mean over all people of the
    matrix, or the first."""
    missing_genes: Literal["drop", "stop"] = "drop"
    """Genes that some matrix lacks: left out for everybody and listed, or an error."""
    groups: str | None = None
    """Families of genes, for methods that read them: a table `gene`, `group` with a row for each
    membership, or one with a column for each family. A gene may be in several."""
    positions: str | None = None
    """Where genes lie, for methods that read them in that order: a table with the columns `gene`,
    `chromosome` and `start`."""
    exclude: tuple[str, ...] = ()
    """People to leave out."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        units: dict[str, set[str]] = {}
        for matrix in self.matrices:
            units.setdefault(matrix.platform, set()).add(matrix.unit)
        mixed = sorted(name for name, platform_units in units.items() if len(platform_units) > 1)
        if mixed:
            yield f"matrices of one platform have several units: {first_few(mixed)}"
        if len({matrix.unit == "z" for matrix in self.matrices}) > 1:
            yield "z-scores beside another unit: they cannot be brought to one scale"

    def files(self) -> list[str]:
        """Return the files that the section names."""
        paths = [
            *(matrix.path for matrix in self.matrices),
            self.symbols,
            self.groups,
            self.positions,
        ]
        return [path for path in paths if path]
