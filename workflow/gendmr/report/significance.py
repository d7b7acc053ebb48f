"""What a permutation null says of a ranking, and who finds what."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.report.numbers import finite

BLOCKS: dict[str, Kind] = {
    "block": "text",
    "genes": "text",
    "n_gene": "number",
    "n_snp": "number",
    "rank": "number",
    "z": "number",
    "p": "number",
    "p_fwer": "number",
    "q": "number",
    "q_pooled": "number",
}
SETS: dict[str, Kind] = {
    "set": "text",
    "kind": "text",
    "n_ranked": "number",
    "n_block": "number",
    "score": "number",
    "expected": "number",
    "p": "number",
    "q": "number",
    "p_permuted": "number",
    "leading": "text",
}
UNITS = {"blocks": "LD block"}
PROPERTIES = {
    "n_snp": "number of SNPs",
    "length": "length of the gene",
    "maf": "mean minor allele frequency",
}


def any_permuted(ranking: Path, methods: Iterable[str]) -> bool:
    """Return whether the ranking of one of some methods was compared with permuted outcomes.

    Parameters
    ----------
    ranking : Path
        ``results/<study>/ranking``.
    methods : iterable of str
    """
    files = [ranking / name / "summary.json" for name in methods]
    return any(
        read_json(path).get("null", {}).get("permutations") for path in files if path.is_file()
    )


def significance(ranking: Path, blocks: int) -> dict[str, Any] | None:
    """Return what the report says of one method's null; None where there is no ranking.

    Parameters
    ----------
    ranking : Path
        `ranking/<method>`.
    blocks : int
        LD blocks to list.
    """
    path = ranking / "summary.json"
    if not path.is_file():
        return None
    summary = read_json(path)
    if "null" not in summary:
        return None
    strata = ranking.parent.parent / "cohort" / "strata.json"
    return {
        "null": summary["null"],
        "strata": read_json(strata).get("factors", []) if strata.is_file() else [],
        "tables": [
            {"name": name, "unit": UNITS.get(name, name.removesuffix("s")), **counts}
            for name, counts in summary["null"].get("found", {}).items()
        ],
        "agreement": [
            {"name": name, **item}
            for name, item in summary.items()
            if isinstance(item, dict)
            and item.get("count")
            and item.get("top_k_overlap") is not None
        ],
        "bias": [
            {**item, "words": PROPERTIES.get(item["property"], item["property"])}
            for item in summary["bias"]
        ],
        "blocks": _blocks(ranking / "blocks.tsv", blocks),
        "sets": _sets(ranking / "enrichment.tsv"),
    }


def _blocks(path: Path, limit: int) -> list[dict[str, Any]]:
    """Return the first blocks of more than one gene: what is not as many findings as genes."""
    if not path.is_file():
        return []
    table = read_table(path, BLOCKS, extra=True)
    first_blocks = table[table["n_gene"] > 1].sort_values("rank", kind="stable").head(limit)
    return [_plain(row, BLOCKS) for row in first_blocks.to_dict("records")]


def _sets(path: Path) -> list[dict[str, Any]]:
    """Return the tested sets, the smallest p first."""
    if not path.is_file():
        return []
    table = read_table(path, SETS, extra=True)
    tested = table[table["p"].notna()].sort_values("p", kind="stable")
    return [_plain(row, SETS) for row in tested.to_dict("records")]


def who_finds_what(
    ranking: Path, truth: dict[str, Any] | None, limit: int
) -> dict[str, Any] | None:
    """Return the first genes that several methods rank, side by side.

    Parameters
    ----------
    ranking : Path
        `results/<study>/ranking` with comparison.tsv and comparison.json.
    truth : dict, optional
        Of a simulation: marks planted genes.
    limit : int
        Genes to list.
    """
    path = ranking / "comparison.tsv"
    if not path.is_file():
        return None
    comparison = read_json(path.with_suffix(".json"))
    methods = list(comparison["methods"])
    if len(methods) < 2:
        return None
    columns: dict[str, Kind] = {"gene": "text", "chromosome": "text", "methods": "number"}
    columns |= {f"{name}:{column}": "number" for name in methods for column in ("rank", "p_fwer")}
    table = read_table(path, columns, extra=True)
    planted = {str(item["gene"]) for item in (truth or {}).get("genes", [])}
    rows = [
        {
            "gene": row["gene"],
            "chromosome": row["chromosome"],
            "planted": row["gene"] in planted if truth else None,
            "by": [
                {
                    "rank": finite(float(row[f"{name}:rank"])),
                    "significant": bool(row[f"{name}:p_fwer"] <= comparison["level"]),
                }
                for name in methods
            ],
        }
        for row in table.head(limit).to_dict("records")
    ]
    return {
        "methods": methods,
        "top_k": comparison["top_k"],
        "found": [comparison["methods"][name]["p_fwer"] for name in methods],
        "shared": comparison["shared"],
        "rows": rows,
        "listed": len(table),
    }


def _plain(row: dict[Any, Any], columns: dict[str, Kind]) -> dict[str, Any]:
    return {
        name: finite(float(row[name])) if kind == "number" else str(row[name])
        for name, kind in columns.items()
    }
