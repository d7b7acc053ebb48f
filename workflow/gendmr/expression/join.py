"""All matrices of a study in one order of genes, with lists of what is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.expression import ExpressionSection
from gendmr.errors import InputFileError, ModalityError, TableError, first_few
from gendmr.expression.groups import families_of
from gendmr.expression.matrix import LINEAR, MILLION, base_name, read_matrix
from gendmr.expression.positions import places_of
from gendmr.files.atomic import write_json
from gendmr.files.datasets import write_dataset
from gendmr.files.expression import EXPRESSION
from gendmr.files.provenance import versions
from gendmr.files.tables import MISSING, read_table, write_table

STAGE = "expression"


def join_matrices(section: ExpressionSection, output: Path | str) -> dict[str, Any]:
    """Write the stage's files; return the summary.

    They are ``expression.nc``, ``genes.tsv``, ``quality.tsv``, ``attrition.tsv``, ``summary.json``
    and ``figures/quality.png``.

    Genes are sorted by name, so that the order of rows and of matrices does not matter. Counts
    become counts per million of all genes of the person's matrix, before any gene is left out.

    Parameters
    ----------
    section : ExpressionSection
    output : Path or str
        The stage's folder.

    Raises
    ------
    InputFileError, TableError, IdentifierError, ModalityError
        See `read_matrix`; somebody is in two matrices, nobody is left, no gene is in all matrices,
        or a list of families matches no gene.
    """
    output = Path(output)
    symbols = read_symbols(section.symbols)
    numbered_tables, removed, notes = [], [], []
    for number, matrix in enumerate(section.matrices):
        values = read_matrix(matrix)
        if matrix.unit == "counts":
            totals = np.nansum(values.to_numpy(), axis=1)
            failed = (totals <= 0) & ~values.index.isin(section.exclude)
            if failed.any():
                raise ModalityError(
                    f"{matrix.path}: {int(failed.sum())} people have no count at all:"
                    f" {first_few(values.index[failed])}",
                    cause="a failed sample",
                    next_step="name them in expression.exclude, or take them out",
                )
            values = values * (MILLION / np.where(totals > 0, totals, np.nan))[:, None]
        values, twice = _resolve(values, symbols, section.duplicates, matrix.path)
        removed += [(gene, name, f"another row of {gene} stays") for gene, name in twice]
        if twice:
            notes.append(
                f"{len(twice)} rows of {matrix.path} are further rows of a gene and left out"
                f" ({section.duplicates})."
            )
        numbered_tables.append((number, values))
    _refuse_shared_people(section, [values for _, values in numbered_tables])
    genes = _common_genes(section, [values for _, values in numbered_tables], removed, notes)
    table = pd.concat([values[genes] for _, values in numbered_tables])
    platform = np.concatenate(
        [
            np.full(len(values), section.matrices[number].platform)
            for number, values in numbered_tables
        ]
    )
    linear = np.concatenate(
        [
            np.full(len(values), section.matrices[number].unit in LINEAR)
            for number, values in numbered_tables
        ]
    )
    quality = _quality(table, platform, section)
    stays = (quality["status"] == "measured").to_numpy()
    if not stays.any():
        raise ModalityError(
            f"none of {len(quality)} people has expression",
            cause="everybody is excluded, or matrices without numbers",
            next_step="look at expression.exclude and at the matrices",
        )
    groups = families_of(section.groups, genes)
    if section.groups:
        members = int((groups != "").sum())
        notes.append(f"{members} of {len(genes)} genes are in a family of {section.groups}.")
    places = places_of(section.positions, genes)
    if section.positions:
        n_placed = int((places >= 0).sum())
        notes.append(f"{n_placed} of {len(genes)} genes have a position in {section.positions}.")
    _write(output, table[stays], platform[stays], linear[stays], groups, places)
    write_table(output / "quality.tsv", quality)
    write_table(
        output / "genes.tsv", pd.DataFrame(removed, columns=["gene", "as_written", "reason"])
    )
    write_table(output / "attrition.tsv", _attrition(quality))
    for status, why in (("excluded", "are left out by expression.exclude"), ("empty", "have none")):
        names = quality.loc[quality["status"] == status, "participant_id"]
        if len(names):
            notes.append(f"{len(names)} of {len(quality)} people {why}: {first_few(names)}.")
    summary = {
        "people": int(stays.sum()),
        "genes": len(genes),
        "left_genes": len(removed),
        "platforms": {
            str(name): int((platform[stays] == name).sum())
            for name in sorted(set(platform.tolist()))
        },
        "notes": notes,
        "versions": versions("numpy", "pandas"),
    }
    write_json(output / "summary.json", summary)
    from gendmr.expression.figures import draw_quality

    draw_quality(output / "figures" / "quality.png", table[stays], platform[stays], linear[stays])
    return summary


def read_symbols(path: str | None) -> dict[str, str]:
    """Return the symbol of each gene that a table gives one; empty without a table.

    Raises
    ------
    InputFileError, TableError
        No table with the columns `gene` and `symbol`.
    """
    if path is None:
        return {}
    table = read_table(path, {"gene": "text", "symbol": "text"}, extra=True, key="gene")
    return {
        base_name(gene): symbol
        for gene, symbol in zip(table["gene"], table["symbol"], strict=True)
        if symbol not in ("", MISSING)
    }


def _resolve(
    values: pd.DataFrame, symbols: dict[str, str], rule: str, path: str
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return one column per gene, and (gene, name in the file) of those that are left out."""
    written_names = [str(name) for name in values.columns]
    genes = [symbols.get(base_name(name), base_name(name)) for name in written_names]
    if any(name in ("", MISSING) for name in genes):
        raise TableError(
            f"{path}: a gene without a name", next_step="name every gene, or take it out"
        )
    array = values.to_numpy()
    finite = np.isfinite(array)
    mean = np.where(finite, array, 0.0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    column_of: dict[str, int] = {}
    removed = []
    for place, gene in enumerate(genes):
        if gene not in column_of:
            column_of[gene] = place
            continue
        first = column_of[gene]
        if rule == "stop":
            raise TableError(
                f"{path}: the gene {gene} has several rows: {written_names[first]},"
                f" {written_names[place]}",
                cause="two transcripts, or two identifiers of one symbol",
                next_step="leave one, or set expression.duplicates to highest_mean or first",
            )
        if rule == "highest_mean" and mean[place] > mean[first]:
            column_of[gene] = place
            removed.append((gene, written_names[first]))
        else:
            removed.append((gene, written_names[place]))
    resolved = pd.DataFrame(
        array[:, list(column_of.values())], index=values.index, columns=list(column_of)
    )
    return resolved, removed


def _refuse_shared_people(section: ExpressionSection, tables: Sequence[pd.DataFrame]) -> None:
    path_of: dict[str, str] = {}
    for matrix, values in zip(section.matrices, tables, strict=True):
        repeated = [str(name) for name in values.index if name in path_of]
        if repeated:
            raise ModalityError(
                f"{len(repeated)} people are in two matrices, {path_of[repeated[0]]} and"
                f" {matrix.path}: {first_few(repeated)}",
                cause="one sample measured on two platforms, or one file given twice",
                next_step="leave each person in one of them",
            )
        path_of |= {str(name): matrix.path for name in values.index}


def _common_genes(
    section: ExpressionSection,
    tables: Sequence[pd.DataFrame],
    removed: list[tuple[str, str, str]],
    notes: list[str],
) -> list[str]:
    """Return the genes that all matrices have, sorted; the others are added to `removed`."""
    everywhere = set(tables[0].columns).intersection(*(values.columns for values in tables))
    anywhere = set(tables[0].columns).union(*(values.columns for values in tables))
    lacking = sorted(anywhere - everywhere)
    if lacking and (section.missing_genes == "stop" or not everywhere):
        raise ModalityError(
            f"{len(lacking)} of {len(anywhere)} genes are not in all {len(tables)} matrices:"
            f" {first_few(lacking)}",
            cause="other identifiers (Ensembl and symbols) or other gene models",
            next_step="give expression.symbols, or set expression.missing_genes to drop"
            if everywhere
            else "give expression.symbols: no gene is in all of them",
        )
    if lacking:
        notes.append(
            f"{len(lacking)} of {len(anywhere)} genes are not in all matrices and left out:"
            f" {first_few(lacking)}; the list is expression/genes.tsv."
        )
        removed += [(gene, gene, "not in all matrices") for gene in lacking]
    empty = [
        gene
        for gene in sorted(everywhere)
        if not any(np.isfinite(values[gene].to_numpy()).any() for values in tables)
    ]
    removed += [(gene, gene, "no value at all") for gene in empty]
    return sorted(everywhere - set(empty))


def _quality(table: pd.DataFrame, platform: np.ndarray, section: ExpressionSection) -> pd.DataFrame:
    """Return one row per person: genes with a value, the median, why he is not used."""
    names = [str(name) for name in table.index]
    unknown = sorted(set(section.exclude) - set(names))
    if unknown:
        raise InputFileError(
            f"expression.exclude names {len(unknown)} people without expression:"
            f" {first_few(unknown)}",
            cause="a misspelt identifier",
            next_step=f"identifiers there: {first_few(names)}",
        )
    values = table.to_numpy()
    n_genes = np.isfinite(values).sum(axis=1)
    status = np.select(
        [np.isin(names, section.exclude), n_genes == 0], ["excluded", "empty"], "measured"
    )
    return pd.DataFrame(
        {
            "participant_id": names,
            "status": status,
            "platform": platform,
            "genes": n_genes,
            "median": [float(np.nanmedian(row)) if n else np.nan
                       for row, n in zip(values, n_genes, strict=True)],
            "zeros": (values == 0).mean(axis=1).round(4) if values.shape[1] else 0.0,
        }
    )  # fmt: skip


def _attrition(quality: pd.DataFrame) -> pd.DataFrame:
    left_out = quality[quality["status"] != "measured"]
    reasons = {"excluded": "expression.exclude", "empty": "no gene has a value"}
    return pd.DataFrame(
        {
            "kind": "participant",
            "id": left_out["participant_id"],
            "stage": STAGE,
            "step": "expression " + left_out["status"],
            "reason": left_out["status"].map(reasons),
            "value": MISSING,
            "threshold": MISSING,
        }
    )


def _write(
    output: Path,
    table: pd.DataFrame,
    platform: np.ndarray,
    linear: np.ndarray,
    groups: np.ndarray,
    places: np.ndarray,
) -> None:
    import xarray as xr

    dataset = xr.Dataset(
        {
            "level": (("participant", "expression"), table.to_numpy(dtype=np.float32)),
            "logarithmic": ("participant", (~linear.astype(bool)).astype(np.int8)),
            "platform": ("participant", platform.astype(object)),
        },
        coords={
            "participant": np.array([str(name) for name in table.index], dtype=object),
            "expression": np.array([str(name) for name in table.columns], dtype=object),
            "groups": ("expression", groups.astype(object)),
            "place": ("expression", places),
        },
    )
    write_dataset(output / "expression.nc", dataset, EXPRESSION)
