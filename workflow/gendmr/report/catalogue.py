"""Every figure of the page: where it lies, who draws it, what is said of it.

A new figure of the report is a function and a row here: outputs of the rule, page and captions are
made from the rows. Rows without a drawing function are figures of other stages. Figures of single
methods (`dominance-<method>`) are no rows: which methods have one is known from their histories.

This module imports nothing heavy, because the rules read it at each start of Snakemake.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gendmr.files.atomic import write_text
from gendmr.report.schema import StudySummary

# Places on the page, each of which a template fills.
SECTIONS = ("left", "performance", "null", "enrichment", "genes", "regions", "registration")


def _always(summary: StudySummary) -> bool:
    return True


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the page.

    Parameters
    ----------
    path : str
        PNG below results/<study>; ``{main}`` stands for the method whose ranking comes first.
    section : str
        One of `SECTIONS`.
    alt : str
        For those who cannot see it.
    caption : str
        On the page, amid its explanations.
    draw : str
        ``module:function`` of this package, called as ``function(results, summary, path)``; empty:
        another stage draws it.
    label, legend : str
        For the report of Snakemake, where the figure stands alone (reStructuredText).
    shown : callable
        ``shown(summary)``: whether a file that is there belongs to this study.
    """

    path: str
    section: str
    alt: str
    caption: str
    draw: str = ""
    label: str = ""
    legend: str = ""
    shown: Callable[[StudySummary], bool] = _always

    @property
    def module(self) -> str:
        """Return the module that draws it, as fingerprints name it."""
        return self.draw.partition(":")[0]

    def function(self) -> Callable[[Path, StudySummary, Path], Any]:
        """Return the function that draws it."""
        module, _, name = self.draw.partition(":")
        function: Callable[[Path, StudySummary, Path], Any] = getattr(
            importlib.import_module(f"gendmr.{module}"), name
        )
        return function


FIGURES: dict[str, ReportFigure] = {
    "flow": ReportFigure(
        path="cohort/figures/flow.png",
        section="left",
        alt="Flow diagram of exclusions",
        caption="From everybody who came in to everybody who was analysed.",
    ),
    "comparison": ReportFigure(
        path="report/figures/comparison.png",
        section="performance",
        alt="AUC of each method and its difference from the reference",
        caption="Left: AUC of each method; small circles are folds, the dot is their mean, the bar"
        " its 95 % interval; dotted: chance. Right: the difference from the reference in the same"
        " folds; grey and hollow where its interval includes 0.",
        draw="report.figures:draw_comparison",
        label="AUC and differences",
        legend="All methods in the same folds. Left: AUC of held-out people; small circles are"
        " folds, the dot is their mean, the bar its 95 % interval (Nadeau and Bengio 2003, which"
        " respects that training sets overlap); the dotted line is chance. Right: the difference"
        " from the reference, paired by fold; grey and hollow where its interval includes 0,"
        " that is where these folds do not say which of the two is better.",
    ),
    "roc": ReportFigure(
        path="report/figures/roc.png",
        section="performance",
        alt="ROC curves",
        caption="ROC curves, averaged over folds: cases found against controls wrongly called"
        " cases, with a 95 % band over people; dashed: the reference.",
        draw="report.figures:draw_roc",
        label="ROC curves",
        legend="ROC curves of held-out people, averaged over folds at the same share of controls"
        " wrongly called cases, with a 95 % band from resampling people; dashed in every panel:"
        " the reference.",
    ),
    "calibration": ReportFigure(
        path="report/figures/calibration.png",
        section="performance",
        alt="Calibration of predicted probabilities",
        caption="Is a probability of 0.7 right in 7 of 10? Dots: share of cases among people of"
        " like probability, with 95 % intervals; the diagonal is perfect.",
        draw="report.figures:draw_calibration",
        label="calibration",
        legend="Predicted probability of being a case against how often it was so, in held-out"
        " people: dots are shares among people of like probability, with Wilson intervals; the line"
        " is a smooth curve, the diagonal is perfect.",
    ),
    "qq": ReportFigure(
        path="ranking/{main}/figures/qq.png",
        section="null",
        alt="p-values of genes against uniform ones",
        caption="p-values of genes against what they would be if nothing was there.",
        shown=lambda summary: summary.genes is not None and summary.genes.p_values,
    ),
    "enrichment": ReportFigure(
        path="ranking/{main}/figures/enrichment.png",
        section="enrichment",
        alt="Gene sets",
        caption="Gene sets and known loci against blocks of like size.",
    ),
    "genome": ReportFigure(
        path="ranking/{main}/figures/genome.png",
        section="genes",
        alt="Gene scores along the genome",
        caption="Gene scores along the genome.",
    ),
    "stability": ReportFigure(
        path="ranking/{main}/figures/stability.png",
        section="genes",
        alt="Rank stability",
        caption="How far ranks move from fold to fold.",
    ),
    "brain": ReportFigure(
        path="ranking/{main}/figures/brain.png",
        section="regions",
        alt="Region scores on the brain",
        caption="Region scores on the template brain.",
        shown=lambda summary: summary.regions is not None,
    ),
    "quality": ReportFigure(
        path="imaging/figures/quality.png",
        section="registration",
        alt="Quality of imaging",
        caption="Quality of imaging over all people.",
    ),
}
DRAWN = {name: figure for name, figure in FIGURES.items() if figure.draw}
# Named by text in the rows, so that no import tells the fingerprint of them.
DRAWING_MODULES = sorted({figure.module for figure in DRAWN.values()})


def legend_file(name: str, folder: Path) -> str:
    """Write the legend of a figure for Snakemake, which takes captions from files only.

    Parameters
    ----------
    name : str
        In `DRAWN`.
    folder : Path
        Made where it does not exist; a file that says the same is left alone.

    Returns
    -------
    str
        Its absolute path.
    """
    path = folder.resolve() / f"{name}.rst"
    text = DRAWN[name].legend + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return str(path)
