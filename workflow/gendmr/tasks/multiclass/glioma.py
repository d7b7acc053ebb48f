"""Classes of diffuse glioma in adults, from IDH, 1p/19q, CDKN2A and grade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import pandas as pd

from gendmr.config.outcomes.multiclass import GLIOMA_CLASSES, GliomaRule
from gendmr.errors import OutcomeError, first_few
from gendmr.files.tables import MISSING
from gendmr.tasks.reading import blank

V = TypeVar("V")
GLIOBLASTOMA, ASTROCYTOMA_4, ASTROCYTOMA_2_3, OLIGODENDROGLIOMA = GLIOMA_CLASSES
IDH = {"wt": "wildtype", "wildtype": "wildtype", "mutant": "mutant", "mut": "mutant"}
CODELETION = {"codel": True, "codeleted": True, "non-codel": False, "non-codeleted": False}
GRADES = {"g2": 2, "g3": 3, "g4": 4, "2": 2, "3": 3, "4": 4}
COPIES = {str(number): number for number in range(-2, 3)}
COPIES |= {f"{number}.0": number for number in range(-2, 3)}


def glioma_classes(
    table: pd.DataFrame, rule: GliomaRule, where: str
) -> tuple[pd.Series, pd.Series]:
    """Return the class of each person, `n/a` where it cannot be told, and why it cannot.

    A marker that does not matter may be missing: an IDH-wildtype tumour needs no 1p/19q. Of a
    mutant one without codeletion, grade 4 or a deletion decides alone; that it is neither can only
    be said where both are known.

    Parameters
    ----------
    table : DataFrame of text
    rule : GliomaRule
    where : str
        Path of the file, for errors.

    Returns
    -------
    classes, reason : Series of str

    Raises
    ------
    OutcomeError
        A column holds nothing that the rule can read.

    Notes
    -----
    Louis et al. 2021, Neuro-Oncology 23:1231-1251: CDKN2A/B homozygous deletion makes an IDH-mutant
    astrocytoma grade 4.
    """
    idh = _read(table, rule.idh, IDH, where, "WT or Mutant")
    codel = _read(table, rule.codel, CODELETION, where, "codel or non-codel")
    copies = _read(table, rule.cdkn2a, COPIES, where, "-2, -1, 0, 1 or 2")
    grade = _read(table, rule.grade, GRADES, where, "G2, G3 or G4")
    border = -2 if rule.deletion == "homozygous" else -1
    classes, reasons = [], []
    for one_idh, one_codel, one_copies, one_grade in zip(idh, codel, copies, grade, strict=True):
        name, reason = MISSING, ""
        if one_idh is None:
            reason = f"{rule.idh} unknown"
        elif one_idh == "wildtype":
            name = GLIOBLASTOMA
        elif one_codel is None:
            reason = f"IDH mutant, {rule.codel} unknown"
        elif one_codel:
            name = OLIGODENDROGLIOMA
        elif one_grade == 4 or (one_copies is not None and one_copies <= border):
            name = ASTROCYTOMA_4
        elif one_grade is None or one_copies is None:
            lacking = rule.grade if one_grade is None else rule.cdkn2a
            reason = f"IDH mutant without codeletion, {lacking} unknown"
        else:
            name = ASTROCYTOMA_2_3
        classes.append(name)
        reasons.append(reason)
    return (
        pd.Series(classes, index=table.index, dtype=object),
        pd.Series(reasons, index=table.index, dtype=object),
    )


def _read(
    table: pd.DataFrame, column: str, meanings: Mapping[str, V], where: str, expected: str
) -> list[V | None]:
    """Return what each value means, None where it means nothing."""
    texts = table[column].str.strip()
    values = [meanings.get(text.lower()) for text in texts]
    filled = ~blank(texts)
    if not any(value is not None for value in values):
        raise OutcomeError(
            f"{where}: no value of column {column} is {expected}; it has"
            f" {first_few(sorted(set(texts[filled])))}",
            cause="another column, or another spelling",
            next_step="name the right column in the rule glioma, or write the values so",
        )
    return values
