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
        The database is damaged or of another MLflow version.
    """
    quiet_mlflow()
    folder.mkdir(parents=True, exist_ok=True)
    database, artifacts = folder / "mlflow.db", (folder / "artifacts").resolve()
    with _alone(folder):
        try:
            client = _client(f"sqlite:///{database.resolve()}")
            return _replay(client, study, experiment, methods, artifacts.as_uri())
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
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((str(address.hostname), port), timeout=timeout).close()
        _replay(_client(uri), study, experiment, methods, None)
    except Exception as error:
        # Whatever a server or a network does must not cost a finished study its report.
        shown = f"{address.scheme}://{address.hostname}:{port}"
        return (
            f"The MLflow server {shown} did not take the runs ({type(error).__name__}); they are"
            " in the study's own database, and `gendmr tracking sync` sends them again."
        )
    return None


def remove_store(folder: Path) -> None:
    """Delete the database and its artifacts, to be made again from the files."""
    with _alone(folder):
        for name in ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal"):
            (folder / name).unlink(missing_ok=True)
        if (folder / "artifacts").is_dir():
            shutil.rmtree(folder / "artifacts")


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


def _replay(
    client: MlflowClient,
    study: str,
    experiment: str,
    methods: Sequence[Method],
    artifact_location: str | None,
) -> dict[str, int]:
    counts = {"new": 0, "unchanged": 0, "superseded": 0, "withdrawn": 0}
    found = client.get_experiment_by_name(experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None and artifact_location and found.artifact_location != artifact_location:
        raise TrackingError(
            f"artifacts were stored in {found.artifact_location}, not in {artifact_location}",
            cause="the checkout was moved or copied",
            next_step="gendmr tracking rebuild --results results/<study>",
        )
    if found is None:
        experiment_id = client.create_experiment(experiment, artifact_location=artifact_location)
        client.set_experiment_tag(experiment_id, "gendmr.study", study)
    else:
        experiment_id = found.experiment_id
    present = _current_runs(client, experiment_id, study)
    wanted: set[str] = set()
    for method in methods:
        runs = [read_json(fold.folder / "run.json") for fold in method.folds]
        parameters = _shared(runs)
        parent = present.get(method.name)
        if parent is not None and parent.data.params != parameters:
            # Parameters of a run cannot be changed, so another configuration is another run.
            _retire(client, parent, "superseded", counts)
            parent = None
        if parent is None:
            parent = _start(
                client, experiment_id, study, method.name, method.name, {}, method.table
            )
            _log(client, parent.info.run_id, [], parameters)
        parent_id = parent.info.run_id
        wanted.add(method.name)
        if parent.data.tags.get("gendmr.checksum") != method.checksum:
            _log(client, parent_id, list(_summary_points(method)), {})
            for label, path in method.attachments.items():
                folder = str(Path(label).parent)
                client.log_artifact(parent_id, str(path), None if folder == "." else folder)
            _finish(client, parent_id, method.checksum, method.table)
        for fold, run in zip(method.folds, runs, strict=True):
            wanted.add(fold.key)
            existing = present.get(fold.key)
            if existing is not None and existing.data.tags.get("gendmr.checksum") == fold.checksum:
                counts["unchanged"] += 1
                if existing.data.tags.get("mlflow.parentRunId") != parent_id:
                    client.set_tag(existing.info.run_id, "mlflow.parentRunId", parent_id)
                continue
            _replay_fold(client, experiment_id, study, parent_id, fold, run)
            counts["new"] += 1
            if existing is not None:
                _retire(client, existing, "superseded", counts)
    for key, run in present.items():
        if key not in wanted:
            _retire(client, run, "withdrawn", counts)
    return counts


def _current_runs(client: MlflowClient, experiment_id: str, study: str) -> dict[str, Run]:
    """Return the finished runs by key; what a kill left half-written is thrown away."""
    current: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=PAGE, page_token=token)
        for run in page:
            tags = run.data.tags
            if tags.get("gendmr.study") != study:
                continue
            if tags.get("gendmr.state") == "current" and tags["gendmr.key"] not in current:
                current[tags["gendmr.key"]] = run
            else:
                client.delete_run(run.info.run_id)
        token = page.token
        if not token:
            return current


def _replay_fold(
    client: MlflowClient,
    experiment_id: str,
    study: str,
    parent_id: str,
    fold: Fold,
    run: dict[str, Any],
) -> None:
    metrics = read_json(fold.folder / "metrics.json")
    tags = {
        "mlflow.parentRunId": parent_id,
        "gendmr.method": fold.method,
        "gendmr.repeat": str(fold.repeat),
        "gendmr.fold": str(fold.fold),
    }
    notes = [str(note) for note in run.get("notes", [])]
    if notes:
        tags["mlflow.note.content"] = "\n".join(f"* {note}" for note in notes)
    name = f"{fold.method} · repeat {fold.repeat} · fold {fold.fold}"
    started = _start(
        client, experiment_id, study, fold.key, name, tags, fold.folder / "metrics.json"
    )
    run_id = started.info.run_id
    points = [*_curve_points(fold.folder / "history.jsonl"), *_final_points(metrics)]
    _log(client, run_id, points, _parameters(run))
    for file in fold.files:
        client.log_artifact(run_id, str(fold.folder / file))
    _finish(
        client,
        run_id,
        fold.checksum,
        fold.folder / "metrics.json",
        failed=run.get("status", "finished") not in ("finished", "done", "ok", "complete"),
    )


def _start(
    client: MlflowClient,
    experiment_id: str,
    study: str,
    key: str,
    name: str,
    tags: dict[str, str],
    dated_by: Path,
) -> Run:
    return client.create_run(
        experiment_id,
        start_time=_milliseconds(dated_by),
        run_name=name,
        tags={
            "gendmr.study": study,
            "gendmr.key": key,
            "gendmr.state": "writing",
            "gendmr.level": "fold" if "mlflow.parentRunId" in tags else "method",
            "mlflow.user": "gendmr",
            "mlflow.source.name": "gendmr tracking sync",
            "mlflow.source.type": "JOB",
            **tags,
        },
    )


def _finish(
    client: MlflowClient, run_id: str, checksum: str, dated_by: Path, *, failed: bool = False
) -> None:
    client.set_tag(run_id, "gendmr.checksum", checksum)
    client.set_tag(run_id, "gendmr.state", "current")
    client.set_terminated(
        run_id, "FAILED" if failed else "FINISHED", end_time=_milliseconds(dated_by)
    )


def _retire(client: MlflowClient, run: Run, state: str, counts: dict[str, int]) -> None:
    client.set_tag(run.info.run_id, "gendmr.state", state)
    client.delete_run(run.info.run_id)
    counts[state] += 1


def _log(
    client: MlflowClient,
    run_id: str,
    points: list[tuple[str, float, int]],
    parameters: dict[str, str],
) -> None:
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, 0, step) for name, value, step in points]
    for start in range(0, len(metrics), PAGE):
        client.log_batch(run_id, metrics=metrics[start : start + PAGE], synchronous=True)
    params = [Param(name, value) for name, value in sorted(parameters.items())]
    for start in range(0, len(params), 100):
        client.log_batch(run_id, params=params[start : start + 100], synchronous=True)


def _curve_points(path: Path) -> Iterator[tuple[str, float, int]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if not line.strip():
            continue
        entry = json.loads(line)
        step = int(entry.get("epoch", entry.get("step", number)))
        for name, value in entry.items():
            if name not in POSITION and _is_number(value):
                yield f"curve/{name}", float(value), step


def _final_points(metrics: dict[str, Any]) -> Iterator[tuple[str, float, int]]:
    for name, value in metrics.get("held_out", {}).items():
        if _is_number(value):
            yield name, float(value), 0
    for name, value in metrics.get("validation", {}).items():
        if _is_number(value):
            yield f"validation/{name}", float(value), 0
    for pattern, values in metrics.get("by_modality", {}).items():
        for name, value in values.items():
            if _is_number(value):
                yield _safe(f"by_modality/{pattern}/{name}"), float(value), 0
    for name in ("n_train", "n_held_out", "threshold"):
        if _is_number(metrics.get(name)):
            yield name, float(metrics[name]), 0


def _summary_points(method: Method) -> Iterator[tuple[str, float, int]]:
    rows = read_table(method.table, METRICS_COLUMNS)
    for fold, metric, value in zip(rows["fold"], rows["metric"], rows["value"], strict=True):
        if not str(fold).isdigit() and not math.isnan(value):
            # The mean over folds bears the plain name: parents and folds then sort together.
            yield _safe(metric if fold == "mean" else f"{metric}/{fold}"), float(value), 0


def _parameters(run: dict[str, Any]) -> dict[str, str]:
    plain = {
        name: run[name]
        for name in ("method", "kind", "repeat", "fold", "seed", "device", "epochs", "best_epoch")
        if run.get(name) is not None
    }
    nested = {name: run[name] for name in ("options", "selection", "versions") if name in run}
    return {
        _safe(name): (value if isinstance(value, str) else json.dumps(value, sort_keys=True))[
            :LONGEST_PARAMETER
        ]
        for name, value in {**plain, **_flat(nested)}.items()
    }


def _shared(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the parameters that all folds of a method have in common."""
    each = [_parameters(run) for run in runs]
    if not each:
        return {}
    return {
        name: value
        for name, value in each[0].items()
        if value and all(other.get(name) == value for other in each[1:])
    }


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
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
    # MLflow takes letters, digits and _ - . : / and spaces in names
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)[:250]


def _milliseconds(path: Path) -> int:
    return int(path.stat().st_mtime * 1000)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300]
