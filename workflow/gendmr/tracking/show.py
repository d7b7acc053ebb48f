"""MLflow's pages of a study, opened where its methods stand side by side.

MLflow's own start page is that of language models, and a click on a study leads to its empty
traces: `gendmr.tracking.pages` has it show the other side.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlencode

from gendmr.errors import InputFileError, TrackingError
from gendmr.tracking.pages import APP
from gendmr.tracking.store import quiet_mlflow

START_S = 180.0  # MLflow imports for ten seconds, on a busy machine for a minute
HOST = "127.0.0.1"  # the pages have no password
PORTS = 50  # tried, one after the other
# Without the first, MLflow starts a second process for evaluations of language models.
SWITCHES = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_LOGGING_LEVEL": "WARNING"}


@contextmanager
def served(results: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the runs of a study to this machine; yield the address of its methods.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    port : int
        The first that is tried.

    Raises
    ------
    InputFileError
        The study has no database of runs.
    TrackingError
        MLflow does not start.
    """
    database = results / "tracking" / "mlflow.db"
    if not database.is_file():
        raise InputFileError(
            f"{database}: no such file",
            cause="no fold has been trained yet, or tracking is switched off",
            next_step=f"gendmr tracking sync --results {results}",
        )
    port = _free_port(port)
    quiet_mlflow()
    log = results / "tracking" / "show.log"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{database.resolve()}"),
        *("--artifacts-destination", str((results / "tracking" / "artifacts").resolve())),
        # A package that was installed before it had the plugin does without.
        *(("--app-name", APP) if _has_plugin() else ()),
    ]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env=os.environ | SWITCHES,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # its workers end with it
        )
    try:
        address = f"http://{HOST}:{port}"
        _wait(address, process, log)
        yield f"{address}/#{_methods(address)}", process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        log.unlink(missing_ok=True)


def show(results: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve the runs of a study until it is interrupted; say where.

    Raises
    ------
    InputFileError, TrackingError
        See `served`.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    say("MLflow starts, which takes some seconds.")
    try:
        with served(results, port) as (address, process):
            say(f"Methods side by side: {address}")
            say("Ctrl-C ends it.")
            process.wait()
    except KeyboardInterrupt:
        say("")


def _has_plugin() -> bool:
    return APP in entry_points(group="mlflow.app").names


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _free_port(first: int) -> int:
    for port in range(first, first + PORTS):
        with socket.socket() as probe:
            # Else a port is taken for used a minute after its server has ended.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise TrackingError(
        f"none of the ports {first} to {first + PORTS - 1} is free",
        cause="many servers on this machine",
        next_step=f"name another with --port, such as --port {first + 1000}",
    )


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310 - our own
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                last_lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
                raise TrackingError(
                    f"MLflow does not start: {' / '.join(last_lines) or 'it says nothing'}",
                    cause="the database is damaged, or of another version of MLflow",
                    next_step=f"gendmr tracking rebuild --results {log.parents[1]}",
                ) from None
            time.sleep(0.2)


def _methods(address: str) -> str:
    """Return the page of the saved view of methods of the study's experiment."""
    from mlflow import MlflowClient

    experiments = MlflowClient(address).search_experiments(
        filter_string="name != 'Default'", order_by=["last_update_time DESC"]
    )
    number = experiments[0].experiment_id if experiments else "0"
    words = {"viewStateShareKey": "methods", "workflowType": "machine_learning"}
    return f"/experiments/{number}/runs?{urlencode(words)}"
