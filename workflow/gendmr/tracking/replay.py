"""Replay finished folds from their files into an MLflow store; idempotent.

What a run carries to be recognised again are tags, all beginning with ``gendmr.``:

===================== ========================================================================
``gendmr.key``        ``<method>`` for a parent, ``<method>/repeat-<r>/fold-<k>`` for a child
``gendmr.checksum``   checksum of the files that were replayed
``gendmr.state``      ``writing`` until all is there, then ``current``; an older run of the same
                      fold is ``superseded``, a fold that the study no longer has ``withdrawn``
===================== ========================================================================

Superseded and withdrawn runs are moved to MLflow's deleted runs: the comparison shows each fold
once, and the older runs can still be looked at and restored (in the user interface: state
"Deleted").
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gendmr.errors import TrackingError
from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table
from gendmr.tracking.listing import METRICS_COLUMNS, Fold, Method

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000  # metrics in one request: MLflow's limit
LONGEST_PARAMETER = 6000  # characters: MLflow's limit
POSITION = ("epoch", "step")

Points = list[tuple[str, float, int]]


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
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "GIT_PYTHON_REFRESH": "quiet",
        }
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


def replay_locally(
    folder: Path, study: str, experiment: str, methods: Sequence[Method]
) -> dict[str, int]:
    """Replay into ``<folder>/mlflow.db`` with artifacts in ``<folder>/artifacts``.

    Parameters
    ----------
    folder : Path
        ``results/<study>/tracking``.
    study, experiment : str
        Name of the study, and of the experiment in MLflow.
    methods : sequence of Method
        What is finished.

    Returns
    -------
    dict
        How many runs are `new`, `unchanged`, `superseded` and `withdrawn`.

    Raises
    ------
    TrackingError
        The database is damaged or of another MLflow version, or the checkout was moved.
    """
    quiet_mlflow()
    database, artifacts = folder / "mlflow.db", (folder / "artifacts").resolve()
    with _alone(folder):
        try:
            store = Store(_client(f"sqlite:///{database.resolve()}"), study)
            store.open(experiment, artifacts.as_uri())
            return store.replay(methods)
        except TrackingError:
            raise
        except Exception as error:
            raise TrackingError(
                f"{database}: {type(error).__name__}: {_first_line(error)}",
                cause="the database is damaged, or another version of MLflow made it",
                next_step=f"gendmr tracking rebuild --results {folder.parent}"
                " makes it again from the files; nothing is lost",
            ) from error


def replay_to_server(
    uri: str, timeout: float, study: str, experiment: str, methods: Sequence[Method]
) -> str | None:
    """Replay to a server; return a note when that failed, and never raise.

    Parameters
    ----------
    uri : str
        ``http://host:port``.
    timeout : float
        Seconds to wait for an answer; after the first failure nothing more is sent.
    study, experiment : str
        Name of the study, and of the experiment on the server.
    methods : sequence of Method
        What is finished.
    """
    quiet_mlflow(timeout)
    address = urlsplit(uri)
    shown = f"{address.scheme}://{address.hostname}"
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        shown += f":{port}"
        socket.create_connection((str(address.hostname), port), timeout=timeout).close()
        store = Store(_client(uri), study)
        store.open(experiment, None)
        store.replay(methods)
    except Exception as error:
        # Whatever a server or a network does must not cost a finished study its report.
        return (
            f"The MLflow server {shown} did not take the runs ({type(error).__name__}); they are"
            " in the study's own database, and `gendmr tracking sync` sends them again."
        )
    return None


def remove_store(folder: Path) -> None:
    """Delete the database and its artifacts, to be made again from the files.

    Only before this process has opened the database: MLflow keeps it open.
    """
    with _alone(folder):
        for name in ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal"):
            (folder / name).unlink(missing_ok=True)
        if (folder / "artifacts").is_dir():
            shutil.rmtree(folder / "artifacts")


class Store:
    """One study in one MLflow store.

    Parameters
    ----------
    client : MlflowClient
        The store.
    study : str
        Runs of other studies in the same experiment are left alone.
    """

    def __init__(self, client: MlflowClient, study: str) -> None:
        self.client = client
        self.study = study
        self.experiment_id = ""
        self.counts = {"new": 0, "unchanged": 0, "superseded": 0, "withdrawn": 0}

    def open(self, experiment: str, artifact_location: str | None) -> None:
        """Find or make the experiment.

        Raises
        ------
        TrackingError
            Its artifacts lie elsewhere: the checkout was moved.
        """
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            self.experiment_id = self.client.create_experiment(
                experiment, artifact_location=artifact_location
            )
            return
        if artifact_location and found.artifact_location != artifact_location:
            raise TrackingError(
                f"artifacts were stored in {found.artifact_location}, not in {artifact_location}",
                cause="the checkout was moved or copied",
                next_step="gendmr tracking rebuild --results results/<study>",
            )
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        self.experiment_id = found.experiment_id

    def replay(self, methods: Sequence[Method]) -> dict[str, int]:
        """Replay what is new or changed and retire what is not among the results any more."""
        present = self._current_runs()
        wanted: set[str] = set()
        for method in methods:
            runs = [read_json(fold.folder / "run.json") for fold in method.folds]
            parent_id = self._replay_method(method, _shared(runs), present.get(method.name))
            wanted.add(method.name)
            for fold, run in zip(method.folds, runs, strict=True):
                self._replay_fold(parent_id, fold, run, present.get(fold.key))
                wanted.add(fold.key)
        for key, run in present.items():
            if key not in wanted:
                self._retire(run, "withdrawn")
        return self.counts

    def _current_runs(self) -> dict[str, Run]:
        """Return the finished runs by key; what a kill left half-written is thrown away."""
        current: dict[str, Run] = {}
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], max_results=PAGE, page_token=token)
            for run in page:
                tags = run.data.tags
                if tags.get("gendmr.study") != self.study:
                    continue
                if tags.get("gendmr.state") == "current" and tags["gendmr.key"] not in current:
                    current[tags["gendmr.key"]] = run
                else:
                    self.client.delete_run(run.info.run_id)
            token = page.token
            if not token:
                return current

    def _replay_method(
        self, method: Method, parameters: dict[str, str], existing: Run | None
    ) -> str:
        if existing is not None and existing.data.params != parameters:
            # Parameters of a run cannot be changed, so another configuration is another run.
            self._retire(existing, "superseded")
            existing = None
        if existing is not None and existing.data.tags["gendmr.checksum"] == method.checksum:
            return str(existing.info.run_id)
        if existing is None:
            run_id = self._start(method.name, method.name, {"gendmr.level": "method"}, method.table)
            self._log(run_id, [], parameters)
        else:
            run_id = str(existing.info.run_id)
        self._log(run_id, list(_summary_points(method)), {})
        for label, path in method.attachments.items():
            folder = str(Path(label).parent)
            self.client.log_artifact(run_id, str(path), None if folder == "." else folder)
        self._finish(run_id, method.checksum, method.table)
        return run_id

    def _replay_fold(
        self, parent_id: str, fold: Fold, run: dict[str, Any], existing: Run | None
    ) -> None:
        if existing is not None and existing.data.tags["gendmr.checksum"] == fold.checksum:
            if existing.data.tags.get("mlflow.parentRunId") != parent_id:
                self.client.set_tag(existing.info.run_id, "mlflow.parentRunId", parent_id)
            self.counts["unchanged"] += 1
            return
        tags = {
            "mlflow.parentRunId": parent_id,
            "gendmr.level": "fold",
            "gendmr.method": fold.method,
            "gendmr.repeat": str(fold.repeat),
            "gendmr.fold": str(fold.fold),
        }
        if run.get("notes"):
            tags["mlflow.note.content"] = "\n".join(f"* {note}" for note in run["notes"])
        dated_by = fold.folder / "metrics.json"
        name = f"{fold.method} · repeat {fold.repeat} · fold {fold.fold}"
        run_id = self._start(fold.key, name, tags, dated_by)
        points = [
            *_curve_points(fold.folder / "history.jsonl"),
            *_final_points(read_json(dated_by)),
        ]
        self._log(run_id, points, _parameters(run))
        for file in fold.files:
            self.client.log_artifact(run_id, str(fold.folder / file))
        self._finish(run_id, fold.checksum, dated_by)
        self.counts["new"] += 1
        if existing is not None:
            self._retire(existing, "superseded")

    def _start(self, key: str, name: str, tags: dict[str, str], dated_by: Path) -> str:
        run = self.client.create_run(
            self.experiment_id,
            start_time=_milliseconds(dated_by),
            run_name=name,
            tags={
                "gendmr.study": self.study,
                "gendmr.key": key,
                "gendmr.state": "writing",
                "mlflow.user": "gendmr",
                "mlflow.source.name": "gendmr tracking sync",
                "mlflow.source.type": "JOB",
                **tags,
            },
        )
        return str(run.info.run_id)

    def _finish(self, run_id: str, checksum: str, dated_by: Path) -> None:
        self.client.set_tag(run_id, "gendmr.checksum", checksum)
        self.client.set_terminated(run_id, "FINISHED", end_time=_milliseconds(dated_by))
        # Last of all: a run that a kill left before this line is thrown away next time.
        self.client.set_tag(run_id, "gendmr.state", "current")

    def _retire(self, run: Run, state: str) -> None:
        self.client.set_tag(run.info.run_id, "gendmr.state", state)
        self.client.delete_run(run.info.run_id)
        self.counts[state] += 1

    def _log(self, run_id: str, points: Points, parameters: dict[str, str]) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, 0, step) for name, value, step in points]
        for start in range(0, len(metrics), PAGE):
            self.client.log_batch(run_id, metrics=metrics[start : start + PAGE], synchronous=True)
        params = [Param(name, value) for name, value in sorted(parameters.items())]
        for start in range(0, len(params), 100):
            self.client.log_batch(run_id, params=params[start : start + 100], synchronous=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    # A replay by hand may meet the one of a running workflow; a fresh database that two processes
    # migrate at once is left broken.
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _client(uri: str) -> MlflowClient:
    from mlflow import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if uri.startswith("sqlite") and not event.contains(Engine, "connect", _skip_fsync):
        event.listen(Engine, "connect", _skip_fsync)
    return MlflowClient(tracking_uri=uri)


def _skip_fsync(connection: Any, _: object) -> None:
    # MLflow commits hundreds of times; what a power cut could cost is made again from the files.
    connection.execute("PRAGMA synchronous=OFF")


def _curve_points(path: Path) -> Iterator[tuple[str, float, int]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if not line.strip():
            continue
        entry = json.loads(line)
        step = int(entry.get("epoch", entry.get("step", number)))
        for name, value in entry.items():
            if name not in POSITION and _is_number(value):
                yield _safe(f"curve/{name}"), float(value), step


def _final_points(metrics: dict[str, Any]) -> Iterator[tuple[str, float, int]]:
    named = {
        **metrics.get("held_out", {}),
        **{f"validation/{name}": value for name, value in metrics.get("validation", {}).items()},
        **{
            f"by_modality/{pattern}/{name}": value
            for pattern, values in metrics.get("by_modality", {}).items()
            for name, value in values.items()
        },
        **{name: metrics.get(name) for name in ("n_train", "n_held_out", "threshold")},
    }
    for name, value in named.items():
        if _is_number(value):
            yield _safe(name), float(value), 0


def _summary_points(method: Method) -> Iterator[tuple[str, float, int]]:
    rows = read_table(method.table, METRICS_COLUMNS)
    for fold, metric, value in zip(rows["fold"], rows["metric"], rows["value"], strict=True):
        if not str(fold).isdigit() and not math.isnan(value):
            # The mean over folds bears the plain name: parents and folds then sort together.
            yield _safe(metric if fold == "mean" else f"{metric}/{fold}"), float(value), 0


def _parameters(run: dict[str, Any]) -> dict[str, str]:
    plain = ("method", "kind", "repeat", "fold", "seed", "device", "epochs", "best_epoch")
    named: dict[str, Any] = {name: run[name] for name in plain if run.get(name) is not None}
    for name in ("options", "selection", "versions"):
        named.update(_flat(run.get(name) or {}, f"{name}."))
    return {
        _safe(name): (value if isinstance(value, str) else json.dumps(value, sort_keys=True))[
            :LONGEST_PARAMETER
        ]
        for name, value in named.items()
    }


def _shared(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the parameters that all folds of a method have in common."""
    each = [_parameters(run) for run in runs]
    return {
        name: value
        for name, value in (each[0] if each else {}).items()
        if all(other.get(name) == value for other in each[1:])
    }


def _flat(value: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict) and item:
            flat.update(_flat(item, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _safe(name: str) -> str:
    # MLflow takes letters, digits, spaces and _ - . / in names; others become underscores.
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-./ ") else "_" for c in name)[:250]


def _milliseconds(path: Path) -> int:
    return int(path.stat().st_mtime * 1000)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300]
