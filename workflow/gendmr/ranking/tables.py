"""A ranked table with what lies behind it, and the schema of the z-scores under the null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gendmr.config.ranking import RankingSection
from gendmr.files.datasets import Schema, Variable
from gendmr.files.tables import MISSING
from gendmr.ranking.significance import Significance, permutation_p_values

if TYPE_CHECKING:
    import xarray as xr

TESTED = ("p", "p_fwer", "q", "p_pooled", "q_pooled", "p_kind")
STABLE = ("rank", "rank_median", "rank_low", "rank_high", "stability")


@dataclass(frozen=True)
class RankedTable:
    """A ranked table with what lies behind it, in its order.

    Parameters
    ----------
    key : str
        Column of the names, and dimension of the null: `gene`, `region`.
    rows : DataFrame
    by_fold : float64 (fold, n)
        Scores in each fold.
    null : float32 (permutation, n)
        z under permuted outcomes; no rows where no null was run.
    family_wise_threshold : float or None
        The z that is family-wise significant.
    top_k : int
        Length of the short list; 0 where agreement of folds is not told.
    null_first : bool (permutation, fold, n), in no order
        Which rows are in the short list of each fold under the first permutations.
    joint : bool
        Whether p_fwer and q are of all rows together; else rows have a z and a p of their own only,
        and the null of the table is not kept.
    """

    key: str
    rows: pd.DataFrame
    by_fold: np.ndarray
    null: np.ndarray
    family_wise_threshold: float | None
    top_k: int
    null_first: np.ndarray
    joint: bool = True


def empty_table(
    key: str, columns: Sequence[str], top_k: int = 0, *, joint: bool = True
) -> RankedTable:
    """Return a table without rows: no fold attributes anything to these instances."""
    no_scores = np.zeros((0, 0))
    rows = pd.DataFrame(columns=pd.Index(columns))
    no_list = np.zeros((0, 0, 0), dtype=bool)
    return RankedTable(key, rows, no_scores, no_scores, None, top_k, no_list, joint)


def ranked_table(
    table: pd.DataFrame,
    key: str,
    columns: Sequence[str],
    by_fold: np.ndarray,
    null: np.ndarray,
    options: RankingSection,
    top_k: int = 0,
    null_first: np.ndarray | None = None,
) -> RankedTable:
    """Return the table in the order of its scores, with p-values where there is a null.

    Parameters
    ----------
    table : DataFrame
        n rows with `key` and `score`; it is changed.
    key : str
        Column of the names.
    columns : sequence of str
        Of the result.
    by_fold : float64 (fold, n)
    null : float (permutation, n)
        Mean scores over folds.
    options : RankingSection
    top_k : int
    null_first : bool (permutation, fold, n), optional
    """
    significance = significance_of(table["score"].to_numpy(), null, options)
    for column in ("z", "p", "p_fwer", "q", "p_pooled", "q_pooled"):
        table[column] = np.nan
    table["p_kind"] = MISSING
    z = np.zeros((0, len(table)), dtype=np.float32)
    if significance is not None:
        table["z"], table["p"], table["q"] = significance.z, significance.p, significance.q
        table["p_fwer"], table["p_kind"] = significance.family_wise, significance.kind
        table["p_pooled"], table["q_pooled"] = significance.pooled, significance.q_pooled
        z = significance.null
    if null_first is None:
        null_first = np.zeros((0, *by_fold.shape), dtype=bool)
    order = order_by_score(table, key)
    table = table.iloc[order].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    return RankedTable(
        key=key,
        rows=table[list(columns)],
        by_fold=by_fold[:, order],
        null=z[:, order],
        family_wise_threshold=(
            significance.family_wise_threshold if significance is not None else None
        ),
        top_k=top_k,
        null_first=null_first,
    )


def order_by_score(table: pd.DataFrame, key: str) -> np.ndarray:
    """Return the order of the rows, int (n,): largest `score` first, then by name."""
    # Names stay Python strings: an array of fixed width is as wide as its longest name.
    by_name = np.argsort(table[key].to_numpy(dtype=object), kind="stable")
    by_score = np.argsort(-table["score"].to_numpy()[by_name], kind="stable")
    return np.asarray(by_name[by_score])


def significance_of(
    observed: np.ndarray, null: np.ndarray, options: RankingSection, *, extras: bool = True
) -> Significance | None:
    """Return what a null says of scores; None without permutations.

    Parameters
    ----------
    observed : float (n,)
    null : float (permutation, n)
    options : RankingSection
    extras : bool
        Whether `tail` and `sequential` count.
    """
    if not len(null):
        return None
    return permutation_p_values(
        observed,
        null,
        relative=options.relative,
        tail=options.tail and extras,
        sequential=options.sequential if extras else 0,
    )


def null_ranking_schema(keys: Sequence[str] | None = None) -> Schema:
    """Return the schema of `ranking/<method>/null.nc`: z of each table under permuted outcomes.

    Parameters
    ----------
    keys : sequence of str, optional
        Dimensions that must be there; without it those of all modalities may be.
    """
    optional = keys is None
    if keys is None:
        from gendmr.modalities import names
        from gendmr.ranking.levels import level_of

        keys = [key for name in names() for key in level_of(name).keys_of(name)]
    return {
        name: variable
        for key in keys
        for name, variable in (
            (
                f"z_{key}",
                Variable(
                    ("permutation", key),
                    "float32",
                    "SD",
                    "z under permuted outcomes",
                    None,
                    optional,
                ),
            ),
            (key, Variable((key,), "text", "", "in the order of the table", None, optional)),
        )
    }


def null_ranking(tables: Mapping[str, RankedTable], permutations: int) -> xr.Dataset:
    """Return null.nc: z of the rows of each table under every permutation.

    Parameters
    ----------
    tables : mapping of str to RankedTable
    permutations : int
    """
    import xarray as xr

    variables, coordinates = {}, {}
    for table in tables.values():
        if not table.joint:
            continue
        names = table.rows[table.key].to_numpy(dtype=object)
        # An empty array of objects would be stored as numbers.
        coordinates[table.key] = (table.key, names if names.size else names.astype(str))
        null = table.null
        if not len(null):
            null = np.zeros((permutations, len(table.rows)), dtype=np.float32)
        variables[f"z_{table.key}"] = (("permutation", table.key), null)
    return xr.Dataset(variables, coords=coordinates)
