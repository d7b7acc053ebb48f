"""Replay finished folds from their files into an MLflow store; idempotent.

Whatever a database, a disk, a server or a network does becomes a `TrackingError` with the command
that completes the replay; which of them may stop a workflow is for the caller to say (none does).
"""

from __future__ import annotations

import math
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gendmr.errors import TrackingError
from gendmr.tracking.listing import TrackedMethod
from gendmr.tracking.store import Store, quiet_mlflow
from gendmr.tracking.views import columns_of_methods

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUFFIXES = ("", "-wal", "-shm", "-journal")
DATABASE_TIMEOUT_S = 5.0  # to wait for a database that another program writes to
LOCK_TIMEOUT_S = 60.0  # to wait for another replay of the same study
# What SQLite and the system say, what it means, and what helps.
TROUBLES = (
    ("is locked", "another program holds the database", "close it, then: {sync}"),
    ("another replay", "a replay that hangs, or one on another machine", "end it, then: {sync}"),
    ("readonly", "the database is read-only", "make it writable, then: {sync}"),
    ("read-only", "the folder is read-only", "make it writable, then: {sync}"),
    ("permission", "the folder is not writable for this user", "make it writable, then: {sync}"),
    ("unable to open", "the folder is not writable", "make it writable, then: {sync}"),
    ("is full", "the disk is full", "make room, then: {sync}"),
    ("no space", "the disk is full", "make room, then: {sync}"),
    ("too large", "a limit on the size of files", "raise it, then: {sync}"),
)


def replay_locally(
    folder: Path, study: str, experiment: str, methods: Sequence[TrackedMethod]
) -> dict[str, int]:
    """Replay into ``<folder>/mlflow.db`` with artifacts in ``<folder>/artifacts``.

    Parameters
    ----------
    folder : Path
        ``results/<study>/tracking``.
    study, experiment : str
        Name of the study, and of the experiment in MLflow.
    methods : sequence of TrackedMethod
        What is finished.

    Returns
    -------
    dict
        How many runs are `new`, `unchanged`, `superseded` and `withdrawn`.

    Raises
    ------
    TrackingError
        The database is locked, read-only, damaged or of another MLflow version; the disk is full;
        the checkout was moved.
    """
    quiet_mlflow()
    database, artifacts = folder / "mlflow.db", (folder / "artifacts").resolve()
    try:
        with exclusive_lock(folder / ".lock", LOCK_TIMEOUT_S):
            _prepare(database)
            store = Store(connect(f"sqlite:///{database.resolve()}"), study)
            store.open(experiment, artifacts.as_uri(), columns_of_methods(methods))
            return store.replay(methods)
    except TrackingError:
        raise
    except Exception as error:
        raise _explained(error, database) from error


def replay_to_server(
    uri: str,
    timeout: float,
    study: str,
    experiment: str,
    methods: Sequence[TrackedMethod],
    *,
    patience: float = math.inf,
) -> dict[str, int]:
    """Replay to a server.

    Parameters
    ----------
    uri : str
        ``http://host:port``.
    timeout : float
        Seconds to wait for an answer; after the first failure nothing more is sent.
    study, experiment : str
        Name of the study, and of the experiment on the server.
    methods : sequence of TrackedMethod
        What is finished.
    patience : float
        Seconds for all of it.

    Raises
    ------
    TrackingError
        The server did not answer or refused, or time was up; what it has taken stays there.
    """
    quiet_mlflow(timeout)
    try:
        reach(uri, timeout)
        store = Store(connect(uri), study, patience)
        store.open(experiment, None, columns_of_methods(methods))
        return store.replay(methods)
    except Exception as error:
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise TrackingError(
            f"The MLflow server {shown(uri)} did not take the runs ({reason})",
            cause="it is down, unreachable from here, or too slow",
            next_step="gendmr tracking sync with the study's options sends what is missing",
        ) from error


def remove_store(folder: Path) -> None:
    """Delete the database and its artifacts, to be made again from the files.

    Only before this process has opened the database: MLflow keeps it open.
    """
    try:
        with exclusive_lock(folder / ".lock", LOCK_TIMEOUT_S):
            _unlink(folder / "mlflow.db")
            if (folder / "artifacts").is_dir():
                shutil.rmtree(folder / "artifacts")
    except OSError as error:
        raise _explained(error, folder / "mlflow.db") from error


@contextmanager
def exclusive_lock(path: Path, patience: float) -> Iterator[None]:
    """Hold a lock: a replay by hand may meet the one of a running workflow.

    A fresh database that two processes migrate at once is left broken, and a fold that two replay
    would appear twice.

    Raises
    ------
    BlockingIOError
        Another process holds it after `patience` seconds.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BlockingIOError(f"another replay holds {path}") from None
                time.sleep(0.05)
        yield


def reach(uri: str, timeout: float) -> None:
    """Raise `OSError` unless something listens there: MLflow itself would wait for minutes."""
    address = urlsplit(uri)
    port = address.port or (443 if address.scheme == "https" else 80)
    socket.create_connection((str(address.hostname), port), timeout=timeout).close()


def shown(uri: str) -> str:
    """Return an address without the credentials it may carry."""
    address = urlsplit(uri)
    return f"{address.scheme}://{address.hostname}" + (f":{address.port}" if address.port else "")


def connect(uri: str) -> MlflowClient:
    """Return a client; to an SQLite database without waiting for the disk at each commit."""
    from mlflow import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if uri.startswith("sqlite") and not event.contains(Engine, "connect", _skip_fsync):
        event.listen(Engine, "connect", _skip_fsync)
    return MlflowClient(tracking_uri=uri)


def _prepare(database: Path) -> None:
    """Make a database, or see that the one that is there can be written to."""
    if database.exists():
        with closing(
            sqlite3.connect(database, timeout=DATABASE_TIMEOUT_S, isolation_level=None)
        ) as connection:
            # MLflow would try for almost an hour to open a database that it cannot write to.
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {int(version)}")
            connection.execute("ROLLBACK")
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # Created under another name and moved, so that a kill leaves no half of a database.
    fresh = database.with_name(f".fresh.{database.name}")
    _unlink(fresh)
    try:
        with closing(sqlite3.connect(fresh)) as connection:
            connection.execute("CREATE TABLE probe (x)")
            connection.execute("DROP TABLE probe")
        artifacts = (database.parent / "artifacts").resolve().as_uri()
        store = SqlAlchemyStore(f"sqlite:///{fresh.resolve()}", artifacts)
        store.engine.dispose()
        fresh.replace(database)
    finally:
        _unlink(fresh)


def _unlink(database: Path) -> None:
    for suffix in SUFFIXES:
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _skip_fsync(connection: Any, _: object) -> None:
    # MLflow commits hundreds of times; what a power cut could cost is made again from the files.
    connection.execute("PRAGMA synchronous=OFF")


def _explained(error: Exception, database: Path) -> TrackingError:
    problem = f"{database}: {type(error).__name__}: {_first_line(error)}"
    results = database.parent.parent
    sync = f"gendmr tracking sync --results {results}"
    for sign, cause, help_ in TROUBLES:
        if sign in str(error).lower():
            return TrackingError(problem, cause=cause, next_step=help_.format(sync=sync))
    return TrackingError(
        problem,
        cause="the database is damaged, or another version of MLflow made it",
        next_step=f"gendmr tracking rebuild --results {results} makes it again from the files;"
        " nothing is lost",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300]
