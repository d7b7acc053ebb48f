"""What can be said of matrices of expression before they are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from gendmr.config.expression import ExpressionSection
from gendmr.expression.join import read_symbols
from gendmr.expression.matrix import read_matrix


def checks(stages: Mapping[str, Mapping[str, Any]]) -> Iterator[Callable[[], object]]:
    """Yield a check of each matrix, and of the table of symbols.

    Parameters
    ----------
    stages : mapping of str to mapping
        Sections of the study by stage; `expression` is among them.
    """
    expression = ExpressionSection.parse(dict(stages["expression"]), where="expression")
    for matrix in expression.matrices:
        yield partial(read_matrix, matrix)
    yield partial(read_symbols, expression.symbols)
