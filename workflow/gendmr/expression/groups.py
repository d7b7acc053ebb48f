"""Families of genes: which ones each gene of the study is in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gendmr.errors import InputFileError, ModalityError, TableError, first_few
from gendmr.files.tables import MISSING
from gendmr.files.text import read_text_file

SEPARATOR = ";"


def families_of(path: str | None, genes: Sequence[str]) -> np.ndarray:
    """Return the families of each gene, text (gene,), separated by `;`; empty where in none.

    Parameters
    ----------
    path : str, optional
        Tabs or commas. With the columns `gene` and `group`: a row per membership. Otherwise a
        column per family, its header the name, as in MCAT's `signatures.csv`.
    genes : sequence of str

    Raises
    ------
    TableError
        Neither form; a name that holds `;`.
    ModalityError
        None of its genes is in the study.
    """
    if path is None:
        return np.full(len(genes), "", dtype=object)
    members = read_families(path)
    if not set(members) & set(genes):
        raise ModalityError(
            f"{path}: none of its {len(members)} genes is among the {len(genes)} of the study;"
            f" it has {first_few(members)}, the study {first_few(genes)}",
            cause="symbols in the one, Ensembl identifiers in the other, or another species",
            next_step="give expression.symbols, or names as in the matrix",
        )
    return np.array([SEPARATOR.join(members.get(gene, [])) for gene in genes], dtype=object)


def read_families(path: str) -> dict[str, list[str]]:
    """Return the families of each gene of a table; see `families_of` for its forms.

    Raises
    ------
    InputFileError
        There is no such file.
    TableError
        Neither form; a name that holds `;`.
    """
    if not Path(path).is_file():
        raise InputFileError(f"{path}: no such file", next_step="check expression.groups")
    text = read_text_file(path, setting="expression.groups")
    lines = text.lstrip("\ufeff").splitlines()
    separator = "\t" if "\t" in lines[0] else ","
    rows = list(csv.reader(lines, delimiter=separator))
    header = [name.strip() for name in rows[0]]
    members: dict[str, list[str]] = {}
    if {"gene", "group"} <= set(header):
        gene, group = header.index("gene"), header.index("group")
        pairs = [(row[group], row[gene]) for row in rows[1:] if len(row) == len(header)]
    elif len(header) > 1 or len(rows) > 1:
        pairs = [
            (header[place], value)
            for row in rows[1:]
            for place, value in enumerate(row[: len(header)])
        ]
    else:
        raise TableError(
            f"{path}: neither the columns gene and group nor a column for each family",
            next_step="write a row for each membership: gene<TAB>group",
        )
    for family, name in ((family.strip(), name.strip()) for family, name in pairs):
        if name and name != MISSING:
            members.setdefault(name, [])
            if family not in members[name]:
                members[name].append(family)
    unusable = sorted(
        {family for families in members.values() for family in families if SEPARATOR in family}
    )
    if unusable:
        raise TableError(f"{path}: names of families hold {SEPARATOR!r}: {first_few(unusable)}")
    return members
