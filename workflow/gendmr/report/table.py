"""The essence of a study for a terminal, from ``summary.json`` alone."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.report.words import pattern_words

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
            next_step="snakemake --cores 2 --configfile CONFIG",
        )
    summary = read_json(path)
    people = summary["people"]
    labels = {item["name"]: item["label"] for item in people["modalities"]}
    patterns = [
        f"{row['n']} with {pattern_words(row['pattern'], labels)}" for row in people["patterns"]
    ]
    lines = [f"{summary['title']}: {people['n']} people; {', '.join(patterns)}"]
    for outcome in summary["outcomes"]:
        lines += ["", _outcome(outcome), *_methods(summary, outcome)]
    for name, title, limit in (("genes", "Genes", GENES), ("regions", "Regions", REGIONS)):
        if summary[name]:
            lines += ["", *_ranking(summary, title, limit, summary[name])]
    for name, ranking in summary["instances"].items():
        lines += ["", *_ranking(summary, f"{name.capitalize()}s", REGIONS, ranking)]
    if summary["warnings"]:
        lines += ["", "Warnings", *[f"  ! {warning}" for warning in summary["warnings"]]]
    lines += ["", *_paths(results)]
    return "\n".join(lines)


def _outcome(outcome: dict[str, Any]) -> str:
    """Return the heading of an outcome: who has it, in which groups."""
    groups = outcome["groups"]
    counts = [f"{group['group']} {group['n']}" for group in groups if len(groups) > 1]
    counts += [f"{outcome['unknown']} without it"] if outcome["unknown"] else []
    group_counts = f" ({', '.join(counts)})" if counts else ""
    return f"{outcome['label']}: {outcome['n']} people{group_counts}"


def _methods(summary: dict[str, Any], outcome: dict[str, Any]) -> list[str]:
    by_name = {item["method"]: item for item in summary["methods"]}
    comparison, metric = outcome["comparison"], outcome["metrics"][0]
    if comparison is None:
        return ["  no method learns it"]
    rows = []
    for name in comparison["order"]:
        item = by_name[name]
        estimate, delta = item["metrics"].get(metric["name"], {}), item["difference"]
        rows.append(
            (
                name,
                _number(estimate.get("mean")),
                _interval(estimate),
                "" if delta["mean"] is None else f"{delta['mean']:+.3f}",
                _interval(delta, 3),
                delta["verdict"],
                ", ".join(item["reads"]),
            )
        )
    against = f"better than {comparison['reference']} by"
    better = ", lower is better" if metric["better"] == "lower" else ""
    label = metric["label"] + better
    return _columns(("Method", label, "95 % interval", against, "95 % interval", "", "reads"), rows)


def _ranking(summary: dict[str, Any], title: str, limit: int, ranking: dict[str, Any]) -> list[str]:
    rows = []
    for row in ranking["rows"][:limit]:
        low, high = row.get("rank_low"), row.get("rank_high")
        rows.append(
            (
                f"{row['rank']:.0f}",
                _label(row),
                "" if low is None or high is None else f"{low:.0f} to {high:.0f}",
                _number(row.get("stability")),
                *(
                    [_p_value(row.get("p")), _p_value(row.get("p_fwer"))]
                    if ranking["p_values"]
                    else []
                ),
                "planted" if row["planted"] else "",
            )
        )
    heading = f"{title} by {summary['main']}: first {len(rows)} of {ranking['n']}"
    if ranking["among_first"] is not None:
        heading += f"; {len(ranking['planted'])} of all are planted"
    tested = ("p", "p, family-wise") if ranking["p_values"] else ()
    header = ("Rank", title[:-1], "rank interval", "stability", *tested, "")
    return [heading, *_columns(header, rows), *_smallest_p(summary, ranking)]


def _smallest_p(summary: dict[str, Any], ranking: dict[str, Any]) -> list[str]:
    """Return what counted p-values cannot be below: a coarse null makes strong genes look alike."""
    null = (summary["significance"] or {}).get("null", {})
    if not ranking["p_values"] or not null.get("smallest_p"):
        return []
    return [
        f"  {null['permutations']} permutations: no p is below {null['smallest_p']:.2g},"
        " however strong the finding"
    ]


def _label(row: dict[str, Any]) -> str:
    """Return the name of an instance, with what tells it from others of that name."""
    if "hemisphere" in row:
        return f"{row['region']} ({row['hemisphere']})"
    return str(row.get("gene") or row.get("name"))


def _paths(results: Path) -> list[str]:
    report = results / "report" / "report.html"
    lines = [f"Summary   {results / 'report' / 'summary.html'}"]
    if report.is_file():
        lines.insert(0, f"Report    {report}")
    if (results / "tracking" / "mlflow.db").is_file():
        show = f"{_program()} tracking show --results {shlex.quote(str(results))}"
        lines.append(f"Compare   {show}")
    return lines


def _program() -> str:
    """Return `gendmr` as a shell finds it in which no environment was activated."""
    path = Path(sys.prefix) / "bin" / "gendmr"
    if not path.is_file():
        return "gendmr"
    folder = Path.cwd()
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))


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
