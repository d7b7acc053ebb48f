"""Three or more classes without an order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gendmr.config.base import Section
from gendmr.config.outcomes.base import OutcomeSection
from gendmr.errors import first_few


class GliomaRule(Section):
    """Classes of diffuse glioma in adults from molecular markers, after WHO 2021.

    IDH wildtype is `glioblastoma`; IDH mutant with 1p/19q codeletion `oligodendroglioma`; the other
    mutant ones are `astrocytoma-4` with a CDKN2A deletion or grade 4, else `astrocytoma-2-3`.
    """

    idh: str
    """Column with `WT` or `Mutant`, in any letter case."""
    codel: str
    """Column with `codel` or `non-codel`."""
    cdkn2a: str
    """Column with the copy-number class of CDKN2A: -2 homozygous, -1 hemizygous deletion."""
    grade: str
    """Column with `G2`, `G3`, `G4`, or the number alone."""
    deletion: Literal["homozygous", "any"] = "homozygous"
    """`homozygous`: -2, as WHO 2021 asks; `any`: -1 too, as the code of Zhang et al.
    2024 has it."""

    def columns(self) -> tuple[str, ...]:
        """Return the columns that it reads."""
        return (self.idh, self.codel, self.cdkn2a, self.grade)


GLIOMA_CLASSES = ("glioblastoma", "astrocytoma-4", "astrocytoma-2-3", "oligodendroglioma")


class MulticlassOutcome(OutcomeSection):
    """Classes, by the labels of a column."""

    kind: Literal["multiclass"] = "multiclass"
    """Chooses the task."""
    column: str = ""
    """Column of participants.tsv; without it, `glioma` makes the classes."""
    glioma: GliomaRule | None = None
    """Makes the classes from several columns. `classes` are then those of the rule, all or some."""
    classes: tuple[str, ...] = Field(min_length=3, max_length=20)
    """The classes, in the order in which tables and figures show them. Letter case counts. People
    with any other label are listed and left out."""
    pooled: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Further labels that count as one of the classes, e.g. `{MCI: [EMCI, LMCI]}`."""

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if bool(self.column) == (self.glioma is not None):
            yield "give either column or glioma"
        if self.glioma and (strange := sorted(set(self.classes) - set(GLIOMA_CLASSES))):
            yield (
                f"classes of no rule: {first_few(strange)};"
                f" glioma makes {first_few(GLIOMA_CLASSES)}"
            )
        unknown = sorted(set(self.pooled) - set(self.classes))
        if unknown:
            yield f"pooled names no class: {first_few(unknown)}"
        labels = [*self.classes, *(label for labels in self.pooled.values() for label in labels)]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            yield f"labels of two classes at once: {first_few(twice)}"
