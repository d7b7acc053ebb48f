"""The report of a study: numbers, figures, page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gendmr.config.outcomes.base import OutcomeSection
from gendmr.config.report import ReportSection
from gendmr.files.atomic import write_json, write_text
from gendmr.files.tables import write_table
from gendmr.report.catalogue import drawn_figures
from gendmr.report.comparison import comparison_table, modality_table
from gendmr.report.figures import draw_dominance
from gendmr.report.page import embedded, render
from gendmr.report.schema import StudySummary
from gendmr.report.sections.dominance import read_dominance
from gendmr.report.sections.genetics.ancestry import ancestry_table
from gendmr.report.summary import summarise


def report_study(
    results: Path,
    options: ReportSection,
    outcomes: Mapping[str, OutcomeSection],
    *,
    methods: Sequence[str] | None = None,
    ranked: Sequence[str] | None = None,
) -> StudySummary:
    """Write ``summary.json``, ``versions.json``, the page, tables and figures of ``report/``.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    options : ReportSection
        Settings of the stage.
    outcomes : mapping of str to OutcomeSection
        `cohort.outcomes` of the study.
    methods, ranked : sequence of str, optional
        The methods of the study and those that are ranked; absent: all that are finished.

    Returns
    -------
    StudySummary
        What ``summary.json`` holds.
    """
    summary = summarise(results, options, outcomes, methods=methods, ranked=ranked)
    folder = results / "report"
    write_table(folder / "comparison.tsv", comparison_table(summary))
    write_table(folder / "by_modality.tsv", modality_table(summary.methods))
    write_table(folder / "by_ancestry.tsv", ancestry_table(summary.methods))
    figures = drawn_figures(outcomes, {item.outcome for item in summary.methods})
    for figure in figures.values():
        figure.function()(results, summary, results / figure.path)
    _draw_dominance(results, summary, folder / "figures")
    page = render(results, summary, figures, options.registrations)
    write_text(folder / "summary.html", page)
    write_text(folder / "embedded.html", embedded(page))
    write_json(folder / "versions.json", summary.made_with)
    write_json(folder / "summary.json", summary.to_json())
    return summary


def _draw_dominance(results: Path, summary: StudySummary, figures: Path) -> None:
    """Draw ``dominance-<method>`` of each method with roles; remove what an earlier run left."""
    for outdated in figures.glob("dominance-*.*"):
        outdated.unlink()
    for item in summary.methods:
        dominance = read_dominance(results, item.method, item.folds)
        if dominance is not None:
            draw_dominance(dominance, figures / f"dominance-{item.method}.png")
