"""What can be said of the families of genes of subspaces before anything is joined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gendmr.config.base import Section
from gendmr.config.expression import ExpressionSection
from gendmr.config.methods.base import MethodSection
from gendmr.config.methods.subspace import SubspaceMethod
from gendmr.errors import ConfigurationError, did_you_mean, first_few
from gendmr.expression.groups import read_families


def check(
    where: str, method: MethodSection, reads: tuple[str, ...], stages: Mapping[str, Section]
) -> None:
    """Refuse a subspace that names a family which is not in the table.

    Parameters
    ----------
    where : str
        Place of the method in the configuration, for errors.
    method : MethodSection
    reads : tuple of str
        Modalities that it reads.
    stages : mapping of str to Section
        Sections of the study by stage.

    Raises
    ------
    ConfigurationError
    """
    expression = stages.get("expression")
    if not isinstance(method, SubspaceMethod) or not isinstance(expression, ExpressionSection):
        return
    table = expression.groups
    # A table that is not there is named with all other missing files.
    if table is None or "expression" not in reads or not Path(table).is_file():
        return
    families = read_families(table)
    available = sorted({family for gene in families.values() for family in gene})
    named = [family for members in method.subspaces.values() for family in members]
    absent = [family for family in dict.fromkeys(named) if family not in available]
    if absent:
        raise ConfigurationError(
            f"{where}.subspaces: {table} has no family {first_few(absent)}; it has"
            f" {first_few(available, 12)}{did_you_mean(absent, available)}",
            cause="families spelt otherwise, or the default subspaces beside a table of one's own",
            next_step="name families of the table in `subspaces` of the method",
        )
