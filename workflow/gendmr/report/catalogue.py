"""Every figure of the page: where it lies, who draws it, what is said of it.

Figures of outcomes are those of their tasks, and a comparison of methods: `drawn_figures`. Figures
of other stages are rows of `FIGURES`. Outputs of the rule, page and captions are made from both.
Figures of single methods (`dominance-<method>`) are in neither: which methods have one is known
from their histories.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gendmr.chapters import chapter_modules
from gendmr.config.outcomes.base import OutcomeSection
from gendmr.files.atomic import write_text
from gendmr.report.schema import StudySummary
from gendmr.tasks import figures_of, task_of

# Places on the page, each of which a template fills.
SECTIONS = (
    *("left", "performance", "null", "enrichment", "genes", "regions", "instances"),
    "registration",
)


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
        ``module:function`` of this package, called as ``function(results, summary, path,
        **arguments)``; empty: another stage draws it.
    arguments : mapping
        See `draw`.
    label, legend : str
        For the report of Snakemake, where the figure stands alone (reStructuredText).
    shown : callable
        ``shown(summary)``: whether a file that is there belongs to this study.
    outcome : str
        In whose part of the section it stands; empty for figures of no single outcome.
    """

    path: str
    section: str
    alt: str
    caption: str
    draw: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    legend: str = ""
    shown: Callable[[StudySummary], bool] = _always
    outcome: str = ""

    def function(self) -> Callable[[Path, StudySummary, Path], Any]:
        """Return the function that draws it."""
        module, _, name = self.draw.partition(":")
        return partial(getattr(importlib.import_module(f"gendmr.{module}"), name), **self.arguments)


FIGURES: dict[str, ReportFigure] = {
    "flow": ReportFigure(
        path="cohort/figures/flow.png",
        section="left",
        alt="Flow diagram of exclusions",
        caption="From everybody who came in to everybody who was analysed.",
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
        shown=lambda summary: summary.genes is not None,
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
    "networks": ReportFigure(
        path="ranking/{main}/figures/networks.png",
        section="instances",
        alt="Pairs of networks, and the first edges between regions",
        caption="Left: pairs of networks, framed where the family-wise p is at most 5 %; numbers"
        " are ranks. Right: the first edges, the first the widest; orange where a stronger"
        " correlation goes with more risk, blue where a weaker one does.",
    ),
    "connections": ReportFigure(
        path="ranking/{main}/figures/connections.png",
        section="instances",
        alt="First edges in a glass brain",
        caption="The first edges between the places of their regions; orange where a stronger"
        " correlation goes with more risk, blue where a weaker one does.",
    ),
    "voxels": ReportFigure(
        path="ranking/{main}/figures/voxels.png",
        section="instances",
        alt="First voxels in a glass brain",
        caption="The tenth of the voxels with the highest scores; red where more grey matter goes"
        " with more risk, blue where less does.",
    ),
    "quality": ReportFigure(
        path="imaging/figures/quality.png",
        section="registration",
        alt="Quality of imaging",
        caption="Quality of imaging over all people.",
    ),
}
# Named by text, so that no import tells the fingerprint of them.
DRAWING_MODULE = "report.figures"


def drawn_figures(
    outcomes: Mapping[str, OutcomeSection], learned: Collection[str]
) -> dict[str, ReportFigure]:
    """Return the figures that the report draws itself, by the name of their file.

    Parameters
    ----------
    outcomes : mapping of str to OutcomeSection
        All outcomes of the study; where there are several, names end with the outcome.
    learned : collection of str
        Outcomes that some method learns: others have no figures.
    """
    figures: dict[str, ReportFigure] = {}
    for name, section in outcomes.items():
        if name not in learned:
            continue
        task = task_of(name, section)
        ending, of_outcome = (f"-{name}", f", {task.label}") if len(outcomes) > 1 else ("", "")
        metric = task.metrics[0]
        figures[f"comparison{ending}"] = ReportFigure(
            path=f"report/figures/comparison{ending}.png",
            section="performance",
            alt=f"{metric.label} of each method and its difference from the reference{of_outcome}",
            caption=f"Left: {metric.label} of each method; small circles are folds, the dot is"
            " their mean, the bar its 95 % interval; dotted: chance. Right: by how much it is"
            " better than the reference in the same folds; grey and hollow where the interval"
            " includes 0.",
            draw=f"{DRAWING_MODULE}:draw_comparison",
            arguments={"task": task},
            label=f"{metric.label} and differences{of_outcome}",
            legend=f"All methods in the same folds. Left: {metric.label} of held-out people; small"
            " circles are folds, the dot is their mean, the bar its 95 % interval (Nadeau and"
            " Bengio 2003, which respects that training sets overlap); the dotted line is chance."
            " Right: by how much a method is better than the reference, paired by fold; grey and"
            " hollow where its interval includes 0, that is where these folds do not say which of"
            " the two is better.",
            outcome=name,
        )
        for figure in figures_of(task):
            words = figure.name.replace("_", " ")
            figures[f"{figure.name}{ending}"] = ReportFigure(
                path=f"report/figures/{figure.name}{ending}.png",
                section="performance",
                alt=f"{words}{of_outcome}",
                caption=figure.caption,
                draw=f"{DRAWING_MODULE}:draw_task_figure",
                arguments={"task": task, "name": figure.name},
                label=f"{words}{of_outcome}",
                legend=figure.caption,
                outcome=name,
            )
    return figures


def code_modules(outcomes: Mapping[str, OutcomeSection], stages: Iterable[str]) -> list[str]:
    """Return the modules that a report of these outcomes and stages runs, for its fingerprint.

    Kinds of outcome and chapters are found by name, so that no import tells of them.
    """
    kinds = sorted({section.kind for section in outcomes.values()})
    of_kinds = [
        f"tasks.{kind}.{module}"
        for kind in kinds
        for module in ("task", "metrics", "figures")
        if find_spec(f"gendmr.tasks.{kind}.{module}") is not None
    ]
    return ["report.study", DRAWING_MODULE, *of_kinds, *chapter_modules(stages)]


def legend_file(name: str, figure: ReportFigure, folder: Path) -> str:
    """Write the legend of a figure for Snakemake, which takes captions from files only.

    Parameters
    ----------
    name : str
        Of the file.
    figure : ReportFigure
    folder : Path
        Made where it does not exist; a file that says the same is left alone.

    Returns
    -------
    str
        Its absolute path.
    """
    path = folder.resolve() / f"{name}.rst"
    text = figure.legend + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return str(path)
