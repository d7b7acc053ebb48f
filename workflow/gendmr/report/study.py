"""The report of a study: numbers, figures, page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.config.report import ReportSection
from gendmr.files.atomic import write_json, write_text
from gendmr.report.figures import draw_performance, draw_roc
from gendmr.report.page import render
from gendmr.report.summary import summarise


def report_study(
    results: Path,
    options: ReportSection,
    *,
    methods: Sequence[str] | None = None,
    ranked: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write ``report/summary.json``, ``report/summary.html`` and ``report/figures``.

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
    draw_performance(summary, folder / "figures" / "performance.png")
    draw_roc(results, summary, folder / "figures" / "roc.png")
    write_text(folder / "summary.html", render(results, summary, options.registrations))
    write_json(folder / "summary.json", summary)
    return summary
