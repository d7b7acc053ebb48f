"""The dominant modality in training: from histories to numbers and figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gendmr.config.report import ReportSection
from gendmr.report.sections.dominance import read_dominance
from report.studies import report_study

Maker = Callable[..., Path]


def write_history(results: Path, fold: int, shares: list[float | None]) -> None:
    """Of one fold: imaging is dominant for these shares of cases, neither for the rest."""
    lines = []
    for epoch, share in enumerate(shares, start=1):
        remainder = None if share is None else 1 - share
        line = {"epoch": epoch, "lead_region_case": share, "lead_snp_case": share and 0.0}
        line |= {"lead_none_case": remainder, "lead_region_control": 0.25}
        line |= {"lead_snp_control": 0.5, "lead_none_control": 0.25}
        lines.append(json.dumps(line) + "\n")
    path = results / "training" / "gendmr" / "repeat-0" / f"fold-{fold}" / "history.jsonl"
    path.write_text("".join(lines))


def test_shares_are_those_of_the_kept_epoch(study: Maker) -> None:
    results = study()
    for fold in range(5):  # run.json: the third epoch is the best
        write_history(results, fold, [0.0, 0.1, 0.2 + fold / 10, 0.9])
    rows = report_study(results, ReportSection()).to_json()["dominance"]
    assert [item["method"] for item in rows] == ["gendmr"]
    assert rows[0]["modalities"] == ["images", "genotypes", "none dominant"]
    assert [row["group"] for row in rows[0]["groups"]] == ["case", "control"]
    cases, controls = (row["shares"] for row in rows[0]["groups"])
    assert cases == pytest.approx({"images": 0.4, "genotypes": 0, "none dominant": 0.6})
    assert controls == pytest.approx({"images": 0.25, "genotypes": 0.5, "none dominant": 0.25})
    page = (results / "report" / "summary.html").read_text()
    assert "Dominant modality in training" in page
    assert '<td class="n">40 %</td>' in page


def test_mean_goes_on_as_long_as_half_of_the_folds(study: Maker) -> None:
    results = study()
    lengths = (2, 2, 3, 4, 4)
    for fold, length in enumerate(lengths):
        write_history(results, fold, [fold / 10] * length)
    dominance = read_dominance(results, "gendmr", [(0, fold) for fold in range(5)])
    assert dominance is not None
    assert dominance.shares["images", "case"].shape == (5, 4)
    mean = dominance.mean("images", "case")
    assert mean[:3] == pytest.approx([0.2, 0.2, 0.3])
    assert np.isnan(mean[3])


def test_only_methods_with_roles_have_a_figure_and_old_ones_go(study: Maker) -> None:
    results = study()
    figures = results / "report" / "figures"
    figures.mkdir(parents=True)
    for suffix in ("png", "svg"):
        (figures / f"dominance-removed.{suffix}").touch()
    report_study(results, ReportSection())
    names = sorted(path.name for path in figures.glob("dominance-*"))
    assert names == ["dominance-gendmr.png", "dominance-gendmr.svg"]

    for fold in range(5):
        path = results / "training" / "gendmr" / "repeat-0" / f"fold-{fold}" / "history.jsonl"
        path.write_text('{"epoch": 1, "train_loss": 0.7}\n')
    summary = report_study(results, ReportSection()).to_json()
    assert summary["dominance"] == []
    assert list(figures.glob("dominance-*")) == []
    assert "Dominant modality" not in (results / "report" / "summary.html").read_text()


@pytest.mark.parametrize(
    "groups", [("all",), ("event", "censored"), ("CN", "late_MCI", "AD", "FTD")]
)
def test_groups_and_modalities_are_those_of_the_history(
    study: Maker, groups: tuple[str, ...]
) -> None:
    """A measurement, a time, classes; names with the separator of the columns in them."""
    results = study()
    for fold in range(5):
        path = results / "training" / "gendmr" / "repeat-0" / f"fold-{fold}" / "history.jsonl"
        shares = {"none": 0.5, "region": 0.2, "snp": 0.1, "edge": 0.2}
        line = {f"lead_{name}_{group}": share for group in groups for name, share in shares.items()}
        path.write_text("".join(json.dumps({"epoch": e, **line}) + "\n" for e in (1, 2, 3)))
    row = report_study(results, ReportSection()).to_json()["dominance"][0]
    assert row["modalities"] == ["images", "genotypes", "connectomes", "none dominant"]
    assert [item["group"] for item in row["groups"]] == list(groups)
    assert all(item["shares"]["none dominant"] == 0.5 for item in row["groups"])
    page = (results / "report" / "summary.html").read_text()
    assert all(f"<td>{group}</td>" in page for group in groups)


def test_nobody_with_both_modalities_is_no_number(study: Maker) -> None:
    results = study()
    for fold in range(5):
        write_history(results, fold, [None, None, None] if fold else [0.5, 0.5, 0.5])
    row = report_study(results, ReportSection()).to_json()["dominance"][0]["groups"][0]
    assert row["shares"]["images"] == 0.5  # of the one fold that has them
    path = results / "training" / "gendmr" / "repeat-0"
    for fold in range(5):
        empty = {f"lead_{who}_{group}": None for who in ("region", "snp", "none")
                 for group in ("case", "control")}  # fmt: skip
        (path / f"fold-{fold}" / "history.jsonl").write_text(json.dumps({"epoch": 1, **empty}))
    assert report_study(results, ReportSection()).to_json()["dominance"] == []
