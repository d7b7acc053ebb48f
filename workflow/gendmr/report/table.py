"""The essence of a study for a terminal, from ``summary.json`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json

GENES, REGIONS = 15, 5


def study_table(results: Path) -> str:
    """Return the table that a finished study ends with.

    Raises
    ------
    InputFileError
        The report has not been made.
    """
    path = results / "report" / "summary.json"
    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="the study has not finished, or the path is not results/<study>",
            next_step="snakemake --cores 2",
        )
    summary = read_json(path)
    groups = summary["people"]["groups"]
    everybody = groups[-1]
    lines = [
        f"{summary['title']}: {summary['people']['n']} people"
        f" ({groups[0]['n']} cases, {groups[1]['n']} controls);"
        f" {everybody['both']} with genotypes and images,"
        f" {everybody['snp_only']} with genotypes only,"
        f" {everybody['region_only']} with images only",
        "",
        *_methods(summary),
    ]
    for name, title, limit in (("genes", "Genes", GENES), ("regions", "Regions", REGIONS)):
        if summary[name]:
            lines += ["", *_ranking(summary, name, title, limit)]
    if summary["warnings"]:
        lines += ["", "Warnings", *[f"  ! {warning}" for warning in summary["warnings"]]]
    lines += ["", *_paths(results)]
    return "\n".join(lines)


def _methods(summary: dict[str, Any]) -> list[str]:
    by_name = {item["method"]: item for item in summary["methods"]}
    reference = summary["comparison"]["reference"]
    rows = []
    for name in summary["comparison"]["order"]:
        item = by_name[name]
        auc, delta = item["metrics"].get("auc", {}), item["difference"]
        rows.append(
            (
                name,
                _number(auc.get("mean")),
                _interval(auc),
                "" if delta["mean"] is None else f"{delta['mean']:+.3f}",
                _interval(delta, 3),
                delta["verdict"],
                ", ".join(item["reads"]),
            )
        )
    header = ("Method", "AUC", "95 % interval", f"- {reference}", "95 % interval", "", "reads")
    return _columns(header, rows)


def _ranking(summary: dict[str, Any], name: str, title: str, limit: int) -> list[str]:
    found = summary[name]
    rows = []
    for row in found["rows"][:limit]:
        label = row["gene"] if name == "genes" else f"{row['region']} ({row['hemisphere']})"
        low, high = row.get("rank_low"), row.get("rank_high")
        rows.append(
            (
                f"{row['rank']:.0f}",
                label,
                "" if low is None or high is None else f"{low:.0f} to {high:.0f}",
                _number(row.get("stability")),
                *(
                    [_p_value(row.get("p")), _p_value(row.get("p_fwer"))]
                    if found["p_values"]
                    else []
                ),
                "planted" if row["planted"] else "",
            )
        )
    heading = f"{title} by {summary['main']}: first {len(rows)} of {found['n']}"
    if found["among_first"] is not None:
        heading += f"; {len(found['planted'])} of all are planted"
    tested = ("p", "p, family-wise") if found["p_values"] else ()
    header = ("Rank", title[:-1], "rank interval", "stability", *tested, "")
    return [heading, *_columns(header, rows)]


def _paths(results: Path) -> list[str]:
    report = results / "report" / "report.html"
    lines = [f"Summary   {results / 'report' / 'summary.html'}"]
    if report.is_file():
        lines.insert(0, f"Report    {report}")
    else:
        lines.append(f"Report    snakemake --report {report}")
    if (results / "tracking" / "mlflow.db").is_file():
        store = f"sqlite:///{(results / 'tracking' / 'mlflow.db').as_posix()}"
        lines.append(f"Compare   mlflow ui --host 127.0.0.1 --backend-store-uri {store}")
    return lines


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    return [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]


def _interval(values: dict[str, Any], digits: int = 2) -> str:
    low, high = values.get("low"), values.get("high")
    return "" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _p_value(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
