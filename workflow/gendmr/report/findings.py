"""Ranked genes, regions and other instances, and how many planted ones are among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.files.tables import MISSING, Kind, read_table
from gendmr.report.method_schema import Row
from gendmr.report.numbers import finite
from gendmr.report.schema import LeadingRows

NUMBERS: dict[str, Kind] = {
    "score": "number",
    "rank": "number",
    "rank_low": "number",
    "rank_high": "number",
    "stability": "number",
}
P_VALUES: dict[str, Kind] = {
    "z": "number",
    "p": "number",
    "p_fwer": "number",
    "q": "number",
    "q_pooled": "number",
}


def read_truth(path: str | None) -> dict[str, Any] | None:
    """Read the planted truth of a simulation.

    Raises
    ------
    InputFileError
        The configured file does not exist.
    """
    if path is None:
        return None
    if not Path(path).is_file():
        raise InputFileError(
            f"{path}: no such truth file",
            cause="report.truth names the truth of another study",
            next_step="correct report.truth, or leave it out for real people",
        )
    truth: dict[str, Any] = read_json(path)
    return truth


def ranked_genes(ranking: Path, top: int, truth: dict[str, Any] | None) -> LeadingRows | None:
    """Return the first genes of a ranking, and where the planted ones came out.

    None where the method reads no SNPs.
    """
    path = ranking / "genes.tsv"
    if not path.is_file():
        return None
    columns: dict[str, Kind] = {"gene": "text", **NUMBERS, "n_snp": "number"}
    table = read_table(path, columns, optional=P_VALUES, extra=True)
    if table.empty:
        return None
    planted = {str(item["gene"]): item for item in (truth or {}).get("genes", [])}
    positions: list[Row] = [
        {
            "gene": gene,
            "odds_ratio": item.get("odds_ratio"),
            "through": item.get("through") or None,
            "rank": _rank_of(table, table["gene"] == gene),
        }
        for gene, item in planted.items()
    ]
    return _ranking(table, ["gene"], top, positions if truth else None)


def ranked_regions(ranking: Path, top: int, truth: dict[str, Any] | None) -> LeadingRows | None:
    """Return the first regions of a ranking, and where the planted ones came out.

    None where the method reads no regions.
    """
    path = ranking / "regions.tsv"
    if not path.is_file():
        return None
    columns: dict[str, Kind] = {"region": "text", "hemisphere": "text", **NUMBERS}
    table = read_table(path, columns, optional={"direction": "text", **P_VALUES}, extra=True)
    if table.empty:
        return None
    planted = {str(item["region"]): item for item in (truth or {}).get("regions", [])}
    positions: list[Row] = [
        {
            "region": region,
            "effect": item.get("effect"),
            "rank": _rank_of(table, table["region"] == region),
        }
        for region, item in planted.items()
    ]
    columns_of_names = ["region", "hemisphere", "direction"]
    return _ranking(table, columns_of_names, top, positions if truth else None)


def ranked_instances(ranking: Path, modality: str, top: int) -> LeadingRows | None:
    """Return the first instances of a modality that has no chapter of its own.

    Parameters
    ----------
    ranking : Path
        ``ranking/<method>``.
    modality : str
        Its table is ``<modality>s.tsv``, whose first column names the instances.
    top : int

    Returns
    -------
    LeadingRows or None
        Rows have ``name``, and ``about``: what the table says of an instance besides. None where
        the method ranks none.
    """
    path = ranking / f"{modality}s.tsv"
    if not path.is_file():
        return None
    table = read_table(path, NUMBERS, optional=P_VALUES, extra=True)
    if table.empty:
        return None
    numbers = {*NUMBERS, *P_VALUES}
    texts = [
        str(name)
        for name in table
        if name not in numbers and not pd.api.types.is_numeric_dtype(table[name])
    ]
    table = table.rename(columns={texts[0]: "name"}) if texts else table.assign(name="")
    further_columns = [name for name in texts[1:] if not _all_numbers(table[name])]
    table["about"] = [
        ", ".join(value for value in map(str, row) if value not in ("", MISSING))
        for row in table[further_columns].itertuples(index=False)
    ]
    return _ranking(table, ["name", "about"], top, None)


def _all_numbers(column: pd.Series) -> bool:
    return bool(pd.to_numeric(column.replace(MISSING, None), errors="coerce").notna().any())


def _ranking(
    table: pd.DataFrame, names: list[str], top: int, positions: list[Row] | None
) -> LeadingRows:
    planted = None if positions is None else {row[names[0]] for row in positions}
    ranked = table.dropna(subset=["rank"]).sort_values("rank", kind="stable")
    rows: list[Row] = []
    for row in ranked.head(top).to_dict("records"):
        entry: dict[str, Any] = {name: str(row[name]) for name in names if name in row}
        for name in (*NUMBERS, "n_snp", *P_VALUES):
            if name in row:
                entry[name] = finite(float(row[name]))
        if "chromosome" in row:
            entry["chromosome"] = str(row["chromosome"])
        entry["planted"] = None if planted is None else row[names[0]] in planted
        rows.append(entry)
    return LeadingRows(
        n=len(ranked),
        rows=rows,
        p_values=bool("p" in table and table["p"].notna().any()),
        among_first=None
        if planted is None
        else sum(name in planted for name in ranked.head(top)[names[0]]),
        top=min(top, len(ranked)),
        planted=positions,
    )


def _rank_of(table: pd.DataFrame, rows: pd.Series) -> int | None:
    ranks = table.loc[rows, "rank"].dropna()
    return None if ranks.empty else int(ranks.min())
