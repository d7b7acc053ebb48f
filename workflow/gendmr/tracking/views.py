"""What MLflow's page of a study shows first: saved views, and a word on how to read it.

MLflow's list of runs shows names and times until somebody chooses columns. Its saved views are tags
of the experiment; these are in its menu *Views*, and a link opens one:
``http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=methods``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gendmr.config.outcomes import parse_outcome
from gendmr.errors import ConfigurationError
from gendmr.files.atomic import read_json
from gendmr.tasks import task_of

if TYPE_CHECKING:
    from gendmr.config.study import Study
    from gendmr.tasks.base import Task
    from gendmr.tracking.listing import TrackedMethod

VIEW = "mlflow.sharedViewState."
NOTE = (
    "Choose a view, top right: **Methods** (a row each), **Folds**, **Curves** (by method). To"
    " compare, tick rows and press *Compare*. A run is named method · repeat · fold; metrics with a"
    " plain name, as `{primary}`, are of held-out people, and for a method their mean over folds."
)
SHOWN = 3  # metrics of a kind of outcome in the list of runs


@dataclass(frozen=True)
class TaskColumns:
    """What the views of one kind of outcome show.

    Parameters
    ----------
    kind : str
        `binary`, `survival`: the tag `task` of its runs.
    metrics : sequence of str
        The primary one first.
    ascending : bool
        Whether the best has the smallest primary metric.
    """

    kind: str
    metrics: Sequence[str]
    ascending: bool = False

    @property
    def primary(self) -> str:
        """The metric that runs are sorted by."""
        return self.metrics[0]


def columns_of_task(task: Task) -> TaskColumns:
    """Return the columns of a task: all its metrics."""
    names = [metric.name for metric in task.metrics]
    return TaskColumns(task.kind, names, task.metrics[0].better == "lower")


def columns_of_study(study: Study) -> list[TaskColumns]:
    """Return the columns of each kind of outcome that a study learns, the first outcome's first."""
    learned = {study.outcome_of(name) for name in study.methods}
    outcomes = {name: section for name, section in study.cohort.outcomes.items() if name in learned}
    columns: dict[str, TaskColumns] = {}
    for name, section in outcomes.items():
        columns.setdefault(section.kind, columns_of_task(task_of(name, section)))
    return list(columns.values())


def columns_of_methods(methods: Sequence[TrackedMethod]) -> list[TaskColumns]:
    """Return the columns of each kind of outcome that finished methods have learned.

    They are those of the tables of metrics. Which end is the better one is for the task to say;
    where a run does not name it, the larger one is.
    """
    columns: dict[str, TaskColumns] = {}
    for method in methods:
        if not (method.folds and method.metrics):
            continue
        run = read_json(method.folds[0].folder / "run.json")
        kind = str(run.get("task", ""))
        if kind not in columns:
            columns[kind] = TaskColumns(kind, method.metrics, _ascending(run, method.metrics[0]))
    return list(columns.values())


def _ascending(run: Mapping[str, Any], primary: str) -> bool:
    section = (run.get("options") or {}).get("task")
    if not section:
        return False
    try:
        parsed = parse_outcome(json.dumps(section), where="run.json")
    except ConfigurationError:  # written by another version
        return False
    metrics = task_of(str(run.get("outcome", "")), parsed).metrics
    return any(metric.name == primary and metric.better == "lower" for metric in metrics)


def experiment_tags(columns: Sequence[TaskColumns] = ()) -> dict[str, str]:
    """Return the tags of a study's experiment; views only where it is known what they show.

    A study that learns one kind of outcome has three views. Of several kinds, each has its own,
    with its own metrics: those of the first outcome come first and have the plain names.
    """
    # Opens the page for trained models, not the one for language models.
    tags = {"mlflow.experimentKind": "custom_model_development"}
    if not columns:
        return tags
    tags["mlflow.note.content"] = NOTE.format(primary=columns[0].primary)
    for number, task_columns in enumerate(columns):
        suffix, title = (
            ("", "") if not number else (f"-{task_columns.kind}", f" · {task_columns.kind}")
        )
        kind_filter = f' and tags.task = "{task_columns.kind}"' if len(columns) > 1 else ""
        for key, name, state in _views(task_columns, kind_filter):
            tags[f"{VIEW}{key}{suffix}"] = _saved(f"{name}{title}", task_columns, state)
    return tags


def _views(columns: TaskColumns, kind_filter: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give key, name and state of the views of one kind of outcome."""
    primary, further_metrics = columns.primary, columns.metrics[1:SHOWN]
    # Of methods: mean over folds and its 95 % interval; pooled over people.
    interval = [f"{primary}/{name}" for name in ("low", "high", "pooled")]
    methods = {
        "searchFilter": f'tags.level = "method"{kind_filter}',
        "selectedColumns": [_metric(name) for name in (primary, *interval, *further_metrics)],
    }
    folds = {
        "searchFilter": f'tags.level = "fold"{kind_filter}',
        "selectedColumns": [
            *map(_parameter, ("method", "repeat", "fold")),
            *map(_metric, (primary, *further_metrics)),
        ],
    }
    by_method = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": "method"}],
    }
    yield "methods", "Methods", methods
    yield "folds", "Folds", folds
    yield "curves", "Curves", {**folds, "groupBy": by_method, **_charts(columns)}


def _saved(name: str, columns: TaskColumns, state: dict[str, Any]) -> str:
    order = {"orderByKey": _metric(columns.primary), "orderByAsc": columns.ascending}
    ordered = {**order, **state}
    # In the order in which the menu lists them; the time has no other meaning.
    envelope = {"name": name, "createdAt": 1, "updatedAt": 1, "state": json.dumps(ordered)}
    return json.dumps(envelope)


def _charts(columns: TaskColumns) -> dict[str, Any]:
    charted = {
        "Held-out people": [("BAR", name) for name in columns.metrics[:2]],
        "Training": [
            ("LINE", f"curve/validation_{columns.primary}"),
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
        for title in charted
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
        for title, metrics in charted.items()
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
