"""A real MLflow server on a free port of this machine, and what a store holds, for comparison."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gendmr.tracking.store import quiet_mlflow

START = 120.0  # seconds: it imports for ten, on a busy machine for longer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`mlflow server` in a folder; it can be killed and started again on the same port."""

    def __init__(self, folder: Path, store: str = "sqlite:///server.db") -> None:
        self.folder, self.store, self.port = folder, store, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
                 "--port", str(self.port), "--workers", "1", "--backend-store-uri", self.store,
                 "--artifacts-destination", str(self.folder / "server-artifacts")],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=5).close()  # noqa: S310
                return
            except OSError:
                log_text = (self.folder / "server.log").read_text()[-2000:]
                assert self.process.poll() is None, f"the server ended: {log_text}"
                assert time.monotonic() < deadline, f"the server does not answer: {log_text}"
                time.sleep(0.2)

    def kill(self) -> None:
        """End it at once, with the workers it has started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
            self.process = None
            # Its workers are no children of ours: one may listen for a moment longer.
            deadline = time.monotonic() + 30
            while self._listens():
                assert time.monotonic() < deadline, "a worker of the server outlives its kill"
                time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def client_of(uri: str) -> Any:
    quiet_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(uri)


def runs_of(uri: str, experiment: str, *, deleted: bool = False) -> list[Any]:
    from mlflow.entities import ViewType

    client = client_of(uri)
    experiment_entity = client.get_experiment_by_name(experiment)
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    return list(
        client.search_runs([experiment_entity.experiment_id], run_view_type=view, max_results=1000)
    )


def contents(
    uri: str, experiment: str, folder: Path, *, times: bool = False
) -> dict[str, dict[str, Any]]:
    """Return all that the current runs of an experiment hold, by the key of the fold.

    Identifiers of runs are replaced by keys, for they are drawn at random.
    """
    client = client_of(uri)
    runs = runs_of(uri, experiment)
    keys = {run.info.run_id: run.data.tags["gendmr.key"] for run in runs}
    assert len(set(keys.values())) == len(runs), "a fold appears twice"
    content_of: dict[str, dict[str, Any]] = {}
    for run in runs:
        tags = dict(run.data.tags)
        if "mlflow.parentRunId" in tags:
            tags["mlflow.parentRunId"] = keys[tags["mlflow.parentRunId"]]
        target = folder / keys[run.info.run_id].replace("/", "_")
        target.mkdir(parents=True)
        client.download_artifacts(run.info.run_id, "", str(target))
        content_of[keys[run.info.run_id]] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time) if times else None,
            "tags": tags,
            "params": dict(run.data.params),
            "metrics": {
                name: [
                    (point.step, point.value, point.timestamp)
                    for point in client.get_metric_history(run.info.run_id, name)
                ]
                for name in run.data.metrics
            },
            "artifacts": {
                path.relative_to(target).as_posix(): path.read_bytes()
                for path in sorted(target.rglob("*"))
                if path.is_file()
            },
        }
    return content_of
