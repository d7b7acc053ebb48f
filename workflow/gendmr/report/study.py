"""The report of a study: numbers, figures, page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.config.report import ReportSection
from gendmr.files.atomic import write_json, write_text
from gendmr.files.tables import write_table
from gendmr.report.ancestry import ancestry_table
from gendmr.report.comparison import comparison_table, modality_table
from gendmr.report.figures import draw_calibration, draw_comparison, draw_leaders, draw_roc
from gendmr.report.leaders import read_leaders
from gendmr.report.page import render
from gendmr.report.summary import summarise


def report_study(
    results: Path,
    options: ReportSection,
    *,
    methods: Sequence[str] | None = None,
    ranked: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write ``summary.json``, ``versions.json``, the page, tables and figures of ``report/``.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    options : ReportSection
        Settings of the stage.
    methods, ranked : sequence of str, optional
        The methods of the study and those that are ranked; absent: all that are finished.

    Returns
    -------
    dict
        What ``summary.json`` holds.
    """
    summary = summarise(results, options, methods=methods, ranked=ranked)
    folder = results / "report"
    write_table(folder / "comparison.tsv", comparison_table(summary["methods"]))
    write_table(folder / "by_modality.tsv", modality_table(summary["methods"]))
    write_table(folder / "by_ancestry.tsv", ancestry_table(summary["methods"]))
    draw_comparison(summary, folder / "figures" / "comparison.png")
    draw_roc(results, summary, folder / "figures" / "roc.png")
    draw_calibration(results, summary, folder / "figures" / "calibration.png")
    _draw_all_leaders(results, summary, folder / "figures")
    write_text(folder / "summary.html", render(results, summary, options.registrations))
    write_json(folder / "versions.json", summary["made_with"])
    write_json(folder / "summary.json", summary)
    return summary


def _draw_all_leaders(results: Path, summary: dict[str, Any], figures: Path) -> None:
    """Draw ``leaders-<method>`` of each method with roles; remove what an earlier run left."""
    for old in figures.glob("leaders-*.*"):
        old.unlink()
    for item in summary["methods"]:
        listed = [(each["repeat"], each["fold"]) for each in item["auc_of_folds"]]
        leaders = read_leaders(results, item["method"], listed)
        if leaders is not None:
            draw_leaders(leaders, figures / f"leaders-{item['method']}.png")
