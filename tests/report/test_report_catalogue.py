"""The table of figures: each row is drawn, and shown with its caption where it belongs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from markupsafe import escape
from PIL import Image

from gendmr import style
from gendmr.chapters import chapters_of
from gendmr.config.outcomes.quantitative import QuantitativeOutcome
from gendmr.config.report import ReportSection
from gendmr.files.fingerprint import imports
from gendmr.report.catalogue import FIGURES, SECTIONS, code_modules, drawn_figures, legend_file
from gendmr.report.page import render
from gendmr.tasks import kinds
from report.studies import OUTCOMES, report_study, summarise

Maker = Callable[..., Path]
NULL = {"permutations": 9, "smallest_p": 0.1, "tail": False, "sequential": 0}
COUNTS = {"family_wise": 0, "q": 0, "q_pooled": 0}
SET = {"set": "s", "n_ranked": 3, "n_block": 2, "score": 1.0, "expected": 0.5, "p": 0.5, "q": 0.5}


DRAWN = drawn_figures(OUTCOMES, OUTCOMES)
ALL = FIGURES | DRAWN


def caption(name: str) -> str:
    return f"<figcaption>{escape(ALL[name].caption)}</figcaption>"


@pytest.mark.parametrize("name", ALL)
def test_each_row_is_shown_once_where_its_file_is_there(study: Maker, name: str) -> None:
    """With a null and tested sets, so that every section of the page is there."""
    results = study()
    summary = summarise(results, ReportSection())
    assert summary.genes is not None
    summary = dataclasses.replace(
        summary,
        genes=dataclasses.replace(summary.genes, p_values=True),
        significance={
            "null": NULL,
            "strata": ["sex"],
            "tables": [{"name": "genes", "unit": "gene", **COUNTS}],
            "agreement": [],
            "bias": [],
            "blocks": [],
            "sets": [SET | {"p_permuted": 0.5, "leading": "A;B"}],
        },
    )
    path = results / ALL[name].path.format(main="gendmr")
    if not path.is_file():
        assert caption(name) not in render(results, summary, DRAWN, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (100, 60)).save(path)
    assert render(results, summary, DRAWN, 0).count(caption(name)) == 1


def test_p_values_and_regions_that_are_not_ranked_have_no_figure(study: Maker) -> None:
    results = study()
    folder = results / "ranking" / "gendmr"
    Image.new("L", (100, 60)).save(folder / "figures" / "qq.png")  # of an earlier run
    (folder / "regions.tsv").unlink()
    report_study(results, ReportSection())
    page = (results / "report" / "summary.html").read_text()
    assert caption("genome") in page
    assert caption("qq") not in page
    assert caption("brain") not in page


def test_rows_are_complete() -> None:
    assert {figure.section for figure in ALL.values()} <= set(SECTIONS)
    for figure in DRAWN.values():
        assert callable(figure.function())
        assert figure.label
        assert figure.legend


def test_a_legend_is_written_for_snakemake_and_left_alone_when_it_says_the_same(
    tmp_path: Path,
) -> None:
    path = Path(legend_file("roc", DRAWN["roc"], tmp_path / "captions"))
    assert path.is_absolute()
    assert "averaged over folds" in path.read_text()
    written = path.stat().st_mtime_ns
    assert legend_file("roc", DRAWN["roc"], tmp_path / "captions") == str(path)
    assert path.stat().st_mtime_ns == written
    path.write_text("of an older version")
    legend_file("roc", DRAWN["roc"], tmp_path / "captions")
    assert "averaged over folds" in path.read_text()


def test_the_rules_import_the_table_without_what_draws() -> None:
    code = (
        "import sys; from gendmr.report.catalogue import drawn_figures;"
        "from gendmr.config.outcomes.binary import BinaryOutcome as B;"
        "drawn_figures({'diagnosis': B()}, ['diagnosis']);"
        "print([m for m in ('matplotlib', 'scipy', 'torch', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_figures_of_several_outcomes_are_named_after_them() -> None:
    outcomes = OUTCOMES | {
        "memory": QuantitativeOutcome(column="m"),
        "age": QuantitativeOutcome(column="a"),
    }
    figures = drawn_figures(outcomes, ["diagnosis", "memory"])
    assert {figure.path for figure in figures.values()} == {
        f"report/figures/{name}.png"
        for name in (
            "comparison-diagnosis", "roc-diagnosis", "calibration-diagnosis",
            "comparison-memory", "scatter-memory", "bland_altman-memory",
        )
    }  # fmt: skip
    assert "comparison" in DRAWN


def test_what_draws_a_figure_reruns_the_report_and_no_fold() -> None:
    """What a fold runs imports no module that draws, not even by way of others."""
    assert "tasks.binary.figures" in code_modules(OUTCOMES, [])
    seen: set[str] = set()
    waiting = [f"gendmr.tasks.{kind}.task" for kind in kinds()]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(imports(name))
    assert not {name for name in seen if name.endswith((".figures", ".drawing", ".curves"))}


@pytest.mark.parametrize("stage", ["expression", "connectivity", "histology", "lesions"])
def test_chapter_of_a_stage_is_on_the_page_where_its_figure_is(study: Maker, stage: str) -> None:
    chapter = chapters_of([stage])[stage]
    results = study()
    report_study(results, ReportSection())
    assert chapter.title not in (results / "report" / "summary.html").read_text()
    for figure in chapter.figures:
        style.save(style.canvas(size=(2.0, 1.0))[0], results / figure.path)
    report_study(results, ReportSection())
    page = (results / "report" / "summary.html").read_text()
    assert chapter.title in page
    assert all(f'alt="{figure.alt}"' in page for figure in chapter.figures)


def test_chapters_are_part_of_the_report_of_studies_with_that_stage_only() -> None:
    assert "expression.chapter" in code_modules(OUTCOMES, ["genotypes", "expression"])
    assert "expression.chapter" not in code_modules(OUTCOMES, ["genotypes"])
