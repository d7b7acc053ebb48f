"""Classes of glioma from markers, with both readings of a CDKN2A deletion."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import pytest

from gendmr.config.outcomes.multiclass import GLIOMA_CLASSES, GliomaRule, MulticlassOutcome
from gendmr.errors import OutcomeError
from gendmr.tasks import task_of
from gendmr.tasks.multiclass.glioma import glioma_classes

GBM, A4, A23, OLIGO = GLIOMA_CLASSES
# idh, codel, cdkn2a, grade: homozygous, any
PEOPLE = [
    (("WT", "n/a", "0", "G2"), GBM, GBM),
    (("Mutant", "codel", "-2", "G4"), OLIGO, OLIGO),
    (("Mutant", "non-codel", "-2", "G2"), A4, A4),
    (("Mutant", "non-codel", "-1", "G2"), A23, A4),
    (("Mutant", "non-codel", "0", "G4"), A4, A4),
    (("Mutant", "non-codel", "0", "G3"), A23, A23),
    (("mutant", "non-codel", "n/a", "G4"), A4, A4),
    (("Mutant", "non-codel", "n/a", "G3"), "n/a", "n/a"),
    (("Mutant", "non-codel", "-1", "n/a"), "n/a", A4),
    (("Mutant", "n/a", "0", "G3"), "n/a", "n/a"),
    (("n/a", "codel", "0", "G3"), "n/a", "n/a"),
]
COLUMNS = ["idh", "codel", "cdkn2a", "grade"]


def rule(deletion: Literal["homozygous", "any"]) -> GliomaRule:
    return GliomaRule(idh="idh", codel="codel", cdkn2a="cdkn2a", grade="grade", deletion=deletion)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame([values for values, _, _ in PEOPLE], columns=COLUMNS)


@pytest.mark.parametrize(("deletion", "place"), [("homozygous", 1), ("any", 2)])
def test_glioma_classes__follow_the_rule(
    table: pd.DataFrame, deletion: Literal["homozygous", "any"], place: int
) -> None:
    classes, reason = glioma_classes(table, rule(deletion), "participants.tsv")
    assert classes.tolist() == [row[place] for row in PEOPLE]
    assert ((reason != "") == (classes == "n/a")).all()


def test_who_has_no_class_is_listed_with_the_marker_that_lacks(table: pd.DataFrame) -> None:
    section = MulticlassOutcome(classes=GLIOMA_CLASSES, glioma=rule("homozygous"))
    task = task_of("diagnosis", section)
    assert set(task.wanted()) == set(COLUMNS)
    parsed = task.parse(table, "participants.tsv")
    assert parsed.columns[""].tolist() == [row[1] for row in PEOPLE]
    assert parsed.reason[7] == ("no diagnosis: IDH mutant without codeletion, cdkn2a unknown")
    assert parsed.reason[10] == "no diagnosis: idh unknown"


def test_a_column_that_holds_something_else_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(OutcomeError, match="no value of column codel is codel or non-codel"):
        glioma_classes(table.assign(codel=["1"] * len(table)), rule("any"), "participants.tsv")
