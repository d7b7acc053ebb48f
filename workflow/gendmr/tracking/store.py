"""One study in one MLflow store: which runs are there, and how a fold becomes one.

What a run carries to be recognised again are tags, all beginning with ``gendmr.``:

===================== ========================================================================
``gendmr.study``      runs of other studies in the same experiment are left alone
``gendmr.key``        ``<method>`` for a parent, ``<method>/repeat-<r>/fold-<k>`` for a child
``gendmr.checksum``   checksum of the files that were replayed
``gendmr.metrics``    of a fold: checksum of its metrics, which come when all folds are finished
``gendmr.state``      ``live`` while a fold trains, ``writing`` while it is replayed, then
                      ``current``; an older run of the same fold is ``superseded``, a fold that the
                      study no longer has ``withdrawn``
``gendmr.training``   of a live run only: which training it shows
===================== ========================================================================

Superseded and withdrawn runs are moved to MLflow's deleted runs: the comparison shows each fold
once, and the older runs can still be looked at and restored (in the user interface: state
"Deleted").
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gendmr.errors import TrackingError
from gendmr.files.atomic import read_json
from gendmr.tracking import content
from gendmr.tracking.content import Point
from gendmr.tracking.listing import Fold, TrackedMethod, fold_key
from gendmr.tracking.views import TaskColumns, experiment_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

METRICS_TAG = "gendmr.metrics"
PAGE = 1000  # metrics in one request: MLflow's limit
FEW = 100  # parameters and tags in one request


def quiet_mlflow(timeout: float = 5.0) -> None:
    """Set MLflow's switches before it is imported: no telemetry, no git, short waits."""
    os.environ.update(
        {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_DISABLE_AGENT_HINT": "true",
            "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, round(timeout))),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "GIT_PYTHON_REFRESH": "quiet",
        }
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


class Store:
    """One study in one MLflow store.

    Parameters
    ----------
    client : MlflowClient
        The store.
    study : str
        Runs of other studies in the same experiment are left alone.
    patience : float
        Seconds after which `TimeoutError` is raised instead of another request.
    """

    def __init__(self, client: MlflowClient, study: str, patience: float = math.inf) -> None:
        self.client = client
        self.study = study
        self.deadline = time.monotonic() + patience
        self.patience = patience
        self.experiment_id = ""
        self.counts = {"new": 0, "unchanged": 0, "superseded": 0, "withdrawn": 0}

    def open(
        self, experiment: str, artifact_location: str | None, columns: Sequence[TaskColumns] = ()
    ) -> None:
        """Find or make the experiment.

        Parameters
        ----------
        experiment : str
        artifact_location : str, optional
        columns : sequence of TaskColumns
            What its saved views show.

        Raises
        ------
        TrackingError
            Its artifacts lie elsewhere: the checkout was moved.
        """
        existing = self.client.get_experiment_by_name(experiment)
        if existing is None:
            self.experiment_id = self.client.create_experiment(
                experiment, artifact_location=artifact_location
            )
            tags: dict[str, str] = {}
        else:
            if artifact_location and existing.artifact_location != artifact_location:
                raise TrackingError(
                    f"artifacts were stored in {existing.artifact_location}, not in"
                    f" {artifact_location}",
                    cause="the checkout was moved or copied",
                    next_step="gendmr tracking rebuild --results results/<study>",
                )
            if existing.lifecycle_stage == "deleted":
                self.client.restore_experiment(existing.experiment_id)
            self.experiment_id, tags = existing.experiment_id, existing.tags
        for name, value in experiment_tags(columns).items():
            if name not in tags:  # what somebody changed by hand stays
                self.client.set_experiment_tag(self.experiment_id, name, value)

    def replay(self, methods: Sequence[TrackedMethod]) -> dict[str, int]:
        """Replay what is new or changed and retire what is not among the results any more."""
        current, live = self.index()
        keys: set[str] = set()
        for method in methods:
            runs = [read_json(fold.folder / "run.json") for fold in method.folds]
            parent = self._replay_method(method, runs, current.get(method.name), live)
            keys.add(method.name)
            for fold, run in zip(method.folds, runs, strict=True):
                self.replay_fold(parent, fold, run, current.get(fold.key))
                keys.add(fold.key)
        for key, logged in current.items():
            if key not in keys:
                self.retire(logged, "withdrawn")
        # What was logged while a fold trained is all in the runs of finished folds.
        for logged in live.values():
            self.client.delete_run(logged.info.run_id)
        return self.counts

    def index(self) -> tuple[dict[str, Run], dict[str, Run]]:
        """Return the current and the live runs by key; what a kill left half-written is deleted."""
        current: dict[str, Run] = {}
        live: dict[str, Run] = {}
        token = None
        while True:
            self._in_time()
            page = self.client.search_runs([self.experiment_id], max_results=PAGE, page_token=token)
            for run in page:
                tags = run.data.tags
                if tags.get("gendmr.study") != self.study:
                    continue
                kind = {"current": current, "live": live}.get(tags.get("gendmr.state", ""))
                if kind is not None and tags["gendmr.key"] not in kind:
                    kind[tags["gendmr.key"]] = run
                else:
                    self.client.delete_run(run.info.run_id)
            token = page.token
            if not token:
                return current, live

    def replay_fold(
        self, parent: str, fold: Fold, run: dict[str, Any], existing: Run | None
    ) -> None:
        """Replay one fold unless `existing` shows the same files; it is superseded if not."""
        if existing is not None and self._is_of(existing, fold):
            if existing.data.tags.get("mlflow.parentRunId") != parent:
                self.client.set_tag(existing.info.run_id, "mlflow.parentRunId", parent)
            self.counts["unchanged"] += 1
            return
        run_id = self._start(
            fold.key,
            content.run_name(fold.method, fold.repeat, fold.fold),
            {
                "mlflow.parentRunId": parent,
                **content.fold_tags(fold.method, fold.repeat, fold.fold),
            },
            content.begun(fold.folder),
        )
        self.complete_fold(run_id, fold, run)
        ended = content.milliseconds(fold.folder / "run.json")
        self.client.set_terminated(run_id, "FINISHED", end_time=ended)
        self._declare(run_id, fold.checksum)
        if existing is not None:
            self.retire(existing, "superseded")

    def _is_of(self, existing: Run, fold: Fold) -> bool:
        """Return whether a run shows a fold; one without metrics gets those of the fold."""
        tags = existing.data.tags
        if tags["gendmr.checksum"] != fold.checksum:
            return False
        metrics_checksum = tags.get(METRICS_TAG, "")
        if metrics_checksum or not fold.metrics:
            return bool(metrics_checksum == fold.metrics_checksum)
        self.log(existing.info.run_id, content.metric_points(fold))
        self.client.set_tag(existing.info.run_id, METRICS_TAG, fold.metrics_checksum)
        return True

    def complete_fold(self, run_id: str, fold: Fold, run: dict[str, Any]) -> None:
        """Give a run all that a finished fold has; points that it has already stay as they are."""
        self.log(run_id, content.fold_points(fold, run), content.parameters(run))
        notes = content.fold_notes(fold, run)
        tags = content.task_tags(run)
        if notes:
            tags["mlflow.note.content"] = notes
        if fold.metrics:
            tags[METRICS_TAG] = fold.metrics_checksum
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        for file in fold.files:
            self._in_time()
            self.client.log_artifact(run_id, str(fold.folder / file))
        self.counts["new"] += 1

    def start_live(self, method: str, repeat: int, fold: int, *, training: str, parent: str) -> str:
        """Start the run of a fold that is being trained."""
        tags = {
            "mlflow.parentRunId": parent,
            "gendmr.training": training,
            **content.fold_tags(method, repeat, fold),
        }
        key, name = fold_key(method, repeat, fold), content.run_name(method, repeat, fold)
        return self._start(key, name, tags, _now(), state="live")

    def live_parent(self, method: str, current: dict[str, Run], live: dict[str, Run]) -> str:
        """Return the run of a method; made where there is none, and completed by the replay."""
        run = current.get(method) or live.get(method)
        if run is not None:
            return str(run.info.run_id)
        return self._start(method, method, _method_tags(method), _now(), state="live")

    def end_live(self, run_id: str, fold: Fold, run: dict[str, Any]) -> None:
        """Make the run of a fold that was followed the run of the finished fold."""
        self.complete_fold(run_id, fold, run)
        self.client.set_terminated(run_id, "FINISHED", end_time=_now())
        self.client.delete_tag(run_id, "gendmr.training")
        self._declare(run_id, fold.checksum)

    def retire(self, run: Run, state: str) -> None:
        """Move a run to the deleted ones."""
        self.client.set_tag(run.info.run_id, "gendmr.state", state)
        self.client.delete_run(run.info.run_id)
        self.counts[state] += 1

    def log(
        self, run_id: str, points: Iterable[Point], parameters: dict[str, str] | None = None
    ) -> None:
        """Log points and parameters; what is there already is not logged twice."""
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, 0, step) for name, value, step in points]
        for start in range(0, len(metrics), PAGE):
            self._in_time()
            self.client.log_batch(run_id, metrics=metrics[start : start + PAGE], synchronous=True)
        params = [Param(name, value) for name, value in sorted((parameters or {}).items())]
        for start in range(0, len(params), FEW):
            self._in_time()
            self.client.log_batch(run_id, params=params[start : start + FEW], synchronous=True)

    def _replay_method(
        self,
        method: TrackedMethod,
        runs: Sequence[dict[str, Any]],
        existing: Run | None,
        live: dict[str, Run],
    ) -> str:
        if existing is not None and existing.data.tags["gendmr.checksum"] == method.checksum:
            return str(existing.info.run_id)
        if existing is None and method.name in live:
            # The run was created while its folds trained, and is still empty.
            run_id = str(live.pop(method.name).info.run_id)
        else:
            # MLflow shows the largest of several values of one step: a run is never written twice.
            start_ms = min(
                (content.begun(fold.folder) for fold in method.folds),
                default=content.milliseconds(method.table),
            )
            run_id = self._start(method.name, method.name, _method_tags(method.name), start_ms)
        self.log(run_id, content.summary_points(method), content.shared_parameters(runs))
        notes = content.method_notes(method, runs)
        tags = content.task_tags(runs[0]) if runs else {}
        if notes:
            tags["mlflow.note.content"] = notes
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)
        for label, path in method.attachments.items():
            self._in_time()
            folder = str(Path(label).parent)
            self.client.log_artifact(run_id, str(path), None if folder == "." else folder)
        start = self.client.get_run(run_id).info.start_time
        took = sum(content.duration(fold.folder) for fold in method.folds)
        self.client.set_terminated(run_id, "FINISHED", end_time=start + took)
        self._declare(run_id, method.checksum)
        if existing is not None:
            self.retire(existing, "superseded")
        return run_id

    def _start(
        self, key: str, name: str, tags: dict[str, str], start_ms: int, state: str = "writing"
    ) -> str:
        self._in_time()
        run = self.client.create_run(
            self.experiment_id,
            start_time=start_ms,
            run_name=name,
            tags={
                "gendmr.study": self.study,
                "gendmr.key": key,
                "gendmr.state": state,
                "mlflow.user": "gendmr",
                "mlflow.source.name": "gendmr",
                "mlflow.source.type": "JOB",
                **tags,
            },
        )
        return str(run.info.run_id)

    def _declare(self, run_id: str, checksum: str) -> None:
        self.client.set_tag(run_id, "gendmr.checksum", checksum)
        # Marked complete last: the next replay deletes runs without this mark.
        self.client.set_tag(run_id, "gendmr.state", "current")

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"not done after {self.patience:g} seconds")


def _method_tags(method: str) -> dict[str, str]:
    return {"level": "method", "method": method}


def _now() -> int:
    return int(time.time() * 1000)
