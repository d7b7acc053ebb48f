"""The table of figures: each row is drawn, and shown with its caption where it belongs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from markupsafe import escape

from gendmr.config.report import ReportSection
from gendmr.report.catalogue import DRAWN, FIGURES, SECTIONS, legend_file
from gendmr.report.page import render
from report.studies import report_study, summarise

Maker = Callable[..., Path]
NULL = {"permutations": 9, "smallest_p": 0.1, "tail": False, "sequential": 0}
COUNTS = {"family_wise": 0, "q": 0, "q_pooled": 0}
SET = {"set": "s", "n_ranked": 3, "n_block": 2, "score": 1.0, "expected": 0.5, "p": 0.5, "q": 0.5}


def caption(name: str) -> str:
    return f"<figcaption>{escape(FIGURES[name].caption)}</figcaption>"


@pytest.mark.parametrize("name", FIGURES)
def test_each_row_is_shown_once_where_its_file_is_there(study: Maker, name: str) -> None:
    """With a null and tested sets, so that every section of the page is there."""
    results = study()
    summary = summarise(results, ReportSection())
    assert summary.genes is not None
    agreement = {"count": 0, "top_k_overlap": None}
    found = dict.fromkeys(("genes", "blocks", "regions"), COUNTS)
    summary = dataclasses.replace(
        summary,
        genes=dataclasses.replace(summary.genes, p_values=True),
        significance={
            "null": NULL | {"found": found},
            "genes": agreement,
            "regions": agreement,
            "bias": [],
            "blocks": [],
            "sets": [SET | {"p_permuted": 0.5, "leading": "A;B"}],
        },
    )
    path = results / FIGURES[name].path.format(main="gendmr")
    if not path.is_file():
        assert caption(name) not in render(results, summary, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")
    assert render(results, summary, 0).count(caption(name)) == 1


def test_p_values_and_regions_that_are_not_ranked_have_no_figure(study: Maker) -> None:
    results = study()
    folder = results / "ranking" / "gendmr"
    (folder / "figures" / "qq.png").write_bytes(b"of an earlier run")
    (folder / "regions.tsv").unlink()
    report_study(results, ReportSection())
    page = (results / "report" / "summary.html").read_text()
    assert caption("genome") in page
    assert caption("qq") not in page
    assert caption("brain") not in page


def test_rows_are_complete() -> None:
    assert {figure.section for figure in FIGURES.values()} <= set(SECTIONS)
    for figure in DRAWN.values():
        assert callable(figure.function())
        assert figure.label
        assert figure.legend


def test_a_legend_is_written_for_snakemake_and_left_alone_when_it_says_the_same(
    tmp_path: Path,
) -> None:
    path = Path(legend_file("roc", tmp_path / "captions"))
    assert path.is_absolute()
    assert "averaged over folds" in path.read_text()
    written = path.stat().st_mtime_ns
    assert legend_file("roc", tmp_path / "captions") == str(path)
    assert path.stat().st_mtime_ns == written
    path.write_text("of an older version")
    legend_file("roc", tmp_path / "captions")
    assert "averaged over folds" in path.read_text()


def test_the_rules_import_the_table_without_what_draws() -> None:
    code = (
        "import sys; import gendmr.report.catalogue;"
        "print([m for m in ('pandas', 'matplotlib', 'numpy', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
