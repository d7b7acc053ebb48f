"""What MLflow's page of a study shows first: saved views, and a word on how to read it.

MLflow's list of runs shows names and times until somebody chooses columns. Its saved views are tags
of the experiment; these are in its menu *Views*, and a link opens one:
``http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=methods``.
"""

from __future__ import annotations

import json
from typing import Any

VIEW = "mlflow.sharedViewState."
NOTE = (
    "Choose a view, top right: **Methods** (a row each), **Folds**, **Curves** (by method). To"
    " compare, tick rows and press *Compare*. A run is named method · repeat · fold; metrics with a"
    " plain name, as `auc`, are of held-out people, and for a method their mean over folds."
)
# Of methods: mean over folds and its 95 % interval; pooled over people.
OF_METHODS = ("auc", "auc/low", "auc/high", "auc/pooled", "brier", "balanced_accuracy")
OF_FOLDS = ("auc", "brier", "balanced_accuracy", "validation/auc")


def experiment_tags() -> dict[str, str]:
    """Return the tags of a study's experiment."""
    methods = {
        "searchFilter": 'tags.level = "method"',
        "selectedColumns": [_metric(name) for name in OF_METHODS],
    }
    folds = {
        "searchFilter": 'tags.level = "fold"',
        "selectedColumns": [
            *map(_parameter, ("method", "repeat", "fold")),
            *map(_metric, OF_FOLDS),
        ],
    }
    by_method = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": "method"}],
    }
    curves = {**folds, "groupBy": by_method, **_charts()}
    return {
        # Opens the page for trained models, not the one for language models.
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.note.content": NOTE,
        **{
            f"{VIEW}{key}": _saved(name, state)
            for key, name, state in (
                ("methods", "Methods", methods),
                ("folds", "Folds", folds),
                ("curves", "Curves", curves),
            )
        },
    }


def _saved(name: str, state: dict[str, Any]) -> str:
    ordered = {"orderByKey": _metric("auc"), "orderByAsc": False, **state}
    # In the order in which the menu lists them; the time has no other meaning.
    envelope = {"name": name, "createdAt": 1, "updatedAt": 1, "state": json.dumps(ordered)}
    return json.dumps(envelope)


def _charts() -> dict[str, Any]:
    shown = {
        "Held-out people": [("BAR", "auc"), ("BAR", "brier")],
        "Training": [
            ("LINE", "curve/validation_auc"),
            ("LINE", "curve/validation_loss"),
            ("LINE", "curve/train_loss"),
        ],
    }
    sections = [
        {
            "uuid": title,
            "name": title,
            "display": True,
            "isReordered": True,
            "deleted": False,
            "isGenerated": False,
        }
        for title in shown
    ]
    charts = [
        {
            "type": kind,
            "uuid": f"{title}/{metric}",
            "metricSectionId": title,
            "metricKey": metric,
            "displayName": metric,
            "runsCountToCompare": 10,
            "deleted": False,
            "isGenerated": False,
            **({"dataAccessKey": metric} if kind == "BAR" else _line(metric)),
        }
        for title, metrics in shown.items()
        for kind, metric in metrics
    ]
    return {
        "compareRunSections": sections,
        "compareRunCharts": charts,
        "isAccordionReordered": True,
    }


def _line(metric: str) -> dict[str, Any]:
    return {
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _parameter(name: str) -> str:
    return f"params.`{name}`"
