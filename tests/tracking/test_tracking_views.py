"""Saved views: what they show and how they sort goes by the kind of outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gendmr.config.study import Study
from gendmr.tracking.listing import find_methods
from gendmr.tracking.views import (
    VIEW,
    TaskColumns,
    columns_of_methods,
    columns_of_study,
    experiment_tags,
)

BINARY = TaskColumns("binary", ("auc", "brier", "f1", "mcc"))
RISK = TaskColumns("survival", ("ibs", "c_index"), ascending=True)


def state(tags: dict[str, str], view: str) -> dict[str, Any]:
    return dict(json.loads(json.loads(tags[f"{VIEW}{view}"])["state"]))


def test_experiment_tags__of_one_kind_sort_by_its_primary_metric() -> None:
    tags = experiment_tags([BINARY])
    views = {name.removeprefix(VIEW) for name in tags if name.startswith(VIEW)}
    assert views == {"methods", "folds", "curves"}
    methods = state(tags, "methods")
    assert methods["searchFilter"] == 'tags.level = "method"'
    assert methods["orderByKey"] == "metrics.`auc`" and methods["orderByAsc"] is False
    assert methods["selectedColumns"] == [
        f"metrics.`{name}`" for name in ("auc", "auc/low", "auc/high", "auc/pooled", "brier", "f1")
    ]
    charts = [chart["metricKey"] for chart in state(tags, "curves")["compareRunCharts"]]
    assert charts == [
        "auc",
        "brier",
        "curve/validation_auc",
        "curve/validation_loss",
        "curve/train_loss",
    ]
    assert "as `auc`" in tags["mlflow.note.content"]


def test_experiment_tags__of_several_kinds_have_views_of_their_own() -> None:
    tags = experiment_tags([RISK, BINARY])
    first, second = state(tags, "methods"), state(tags, "methods-binary")
    assert first["orderByKey"] == "metrics.`ibs`" and first["orderByAsc"] is True
    assert first["searchFilter"] == 'tags.level = "method" and tags.task = "survival"'
    assert second["orderByKey"] == "metrics.`auc`" and second["orderByAsc"] is False
    assert json.loads(tags[f"{VIEW}folds-binary"])["name"] == "Folds · binary"


def test_experiment_tags__without_columns_are_no_views() -> None:
    assert not any(name.startswith(VIEW) for name in experiment_tags())


def test_columns_of_study__begin_with_the_first_outcome() -> None:
    study = Study.parse(
        {
            "study": "own",
            "seed": 1,
            "imaging": {"bids": "bids", "atlas": {"labels": "a.nii.gz", "table": "a.tsv"}},
            "cohort": {
                "participants": "people.tsv",
                "outcomes": {
                    "score": {"kind": "quantitative", "column": "score"},
                    "diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]},
                    "other": {"kind": "quantitative", "column": "other"},
                },
            },
            "training": {
                "methods": {
                    "a": {"kind": "ridge", "outcome": "diagnosis"},
                    "b": {"kind": "ridge", "outcome": "other"},
                    "c": {"kind": "ridge", "outcome": "score"},
                }
            },
        }
    )
    assert [column.kind for column in columns_of_study(study)] == ["quantitative", "binary"]


def test_columns_of_methods__are_those_of_the_tables(finished: Callable[..., Path]) -> None:
    results = finished("gendmr", "ridge")
    assert columns_of_methods(find_methods(results)) == [
        TaskColumns("binary", ("auc", "brier", "f1"))
    ]
    for path in results.glob("training/ridge/*/*/run.json"):
        run = json.loads(path.read_text())
        run["task"], run["outcome"] = "quantitative", "score"
        run["options"]["task"] = {"kind": "quantitative", "column": "score"}
        path.write_text(json.dumps(run))
    table = results / "training/ridge/metrics.tsv"
    table.write_text(table.read_text().replace("\tauc", "\trmse").replace("\tbrier", "\tr2"))
    _, second = columns_of_methods(find_methods(results))
    assert (second.kind, second.primary) == ("quantitative", "rmse") and second.ascending
