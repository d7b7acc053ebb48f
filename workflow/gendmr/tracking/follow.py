"""Live logging: a process beside the workflow that sends to a server what training writes to files.

It is no part of any job, so that nothing a server does can reach one: it reads the file
``checkpoints/<key>/progress.json`` that a network leaves after each epoch, and the files of
finished folds. Only this process needs a network, not the nodes of a cluster. What it could not
send is in ``tracking/live.json`` and sent by the replay at the end of the study.

A run that a fold's training has begun ends with the fold; when this process ends first (the
workflow was stopped or killed), it is marked as killed. If the same training goes on later, so does
its run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gendmr.config.tracking import TrackingSection
from gendmr.errors import InputFileError, OutputError
from gendmr.files.atomic import read_json, read_json_lines, write_json
from gendmr.tracking import replay
from gendmr.tracking.content import Point, curve_points
from gendmr.tracking.listing import FOLD_FILES, Fold, fold_folder, fold_key, read_fold
from gendmr.tracking.store import Store, quiet_mlflow
from gendmr.tracking.views import TaskColumns

if TYPE_CHECKING:
    from mlflow.entities import Run

LONGEST_PAUSE = 60.0  # seconds between attempts while a server is away
STEP = 20.0  # seconds that one look may take


@dataclass
class Training:
    """A fold that is being trained, as its file of progress shows it.

    `sent` are the points that the run `run_id` has.
    """

    method: str
    repeat: int
    fold: int
    name: str
    points: list[Point]
    run_id: str = ""
    sent: set[Point] = field(default_factory=set)

    @property
    def key(self) -> str:
        """Name of the fold within its study."""
        return fold_key(self.method, self.repeat, self.fold)


class Follower:
    """Sends what is new, one look at a time; nothing that a server does raises.

    Parameters
    ----------
    results : Path
        ``results/<study>``.
    options : TrackingSection
        With the address of the server.
    methods : sequence of str
    repeats, folds : int
        Of the study: folders left over from an earlier configuration are not looked at.
    columns : sequence of TaskColumns
        Of the study's kinds of outcome, for the saved views; without them the replay at the end of
        the study saves them.
    say : callable
        Gets a line when the server goes and when it is back.
    """

    def __init__(
        self,
        results: Path,
        options: TrackingSection,
        *,
        methods: Sequence[str],
        repeats: int,
        folds: int,
        columns: Sequence[TaskColumns] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.results, self.options, self.say = results, options, say
        self.columns = columns
        self.study = results.resolve().name
        self.server = replay.shown(str(options.uri))
        self.places = [
            (method, repeat, fold)
            for method in methods
            for repeat in range(repeats)
            for fold in range(folds)
        ]
        self.since = time.time()
        self.trainings: dict[str, Training] = {}
        self.logged: dict[str, tuple[int, ...]] = {}
        self.first_time = True
        self.failures: list[str] = []
        self.away, self.not_before = 0, 0.0
        quiet_mlflow(options.timeout)
        self._tell()

    def look(self) -> None:
        """Send what is new; a server that does not answer is left alone for a while."""
        if time.monotonic() < self.not_before:
            return
        running = self._running()
        finished = self._finished(running)
        behind = [item for item in running.values() if not item.run_id or self._unsent(item)]
        if not (behind or finished or self.first_time):
            return

        def send(store: Store) -> None:
            current, live = store.index()
            if self.first_time:
                self._end_those_left_running(store, live, running)
                self.first_time = False
            for item in behind:
                self._send(store, item, current, live)
            for fold, state in finished:
                self._finish(store, fold, current, live)
                self.logged[fold.key] = state

        self._guarded(send)

    def close(self) -> None:
        """Mark what is still running as killed: a fold that is being trained outlives nobody."""
        self.not_before = 0.0
        run_ids = {item.run_id for item in self.trainings.values() if item.run_id}
        if not run_ids:
            return

        def end(store: Store) -> None:
            _, live = store.index()
            for run in live.values():
                if run.info.run_id in run_ids and run.info.status == "RUNNING":
                    store.client.set_terminated(run.info.run_id, "KILLED")

        self._guarded(end)

    def _running(self) -> dict[str, Training]:
        """Return the folds that have been trained since this process began."""
        trainings: dict[str, Training] = {}
        for path in self.results.glob("training/*/checkpoints/*/progress.json"):
            try:
                if path.stat().st_mtime < self.since:
                    continue
                progress = read_json(path)
            except (OSError, InputFileError):
                continue  # it has just been removed: the fold is finished
            place = (path.parents[2].name, progress["repeat"], progress["fold"])
            if place in self.places:
                item = Training(*place, path.parent.name, list(curve_points(progress["history"])))
                earlier = self.trainings.get(item.key)
                if earlier is not None and earlier.name == item.name:
                    item.run_id, item.sent = earlier.run_id, earlier.sent
                trainings[item.key] = item
        self.trainings |= trainings
        return trainings

    def _finished(self, running: dict[str, Training]) -> list[tuple[Fold, tuple[int, ...]]]:
        """Return the finished folds whose files have changed since they were sent."""
        finished = []
        for place in self.places:
            key = fold_key(*place)
            if key in running:
                continue
            with contextlib.suppress(OSError):  # removed while it is read: trained again
                files = [fold_folder(self.results, *place) / name for name in FOLD_FILES]
                state = tuple(path.stat().st_mtime_ns for path in files)
                if self.logged.get(key) != state:
                    finished.append((read_fold(self.results, *place), state))
        return finished

    def _send(
        self, store: Store, item: Training, current: dict[str, Run], live: dict[str, Run]
    ) -> None:
        run = live.get(item.key)
        if run is not None and run.data.tags.get("gendmr.training") != item.name:
            store.client.delete_run(run.info.run_id)  # of a training that was given up
            run = None
        if run is None:
            parent = store.live_parent(item.method, current, live)
            item.run_id = store.start_live(
                item.method, item.repeat, item.fold, training=item.name, parent=parent
            )
            item.sent = set()
            if item.key in current:
                store.retire(current.pop(item.key), "superseded")
            _, fresh = store.index()
            live |= fresh
        elif item.run_id != run.info.run_id or run.info.status != "RUNNING":
            item.run_id, item.sent = str(run.info.run_id), set()
            store.client.update_run(item.run_id, status="RUNNING")
        store.log(item.run_id, self._unsent(item))
        item.sent = set(item.points)

    def _finish(
        self, store: Store, fold: Fold, current: dict[str, Run], live: dict[str, Run]
    ) -> None:
        logged = current.get(fold.key)
        run, training = live.get(fold.key), self.trainings.pop(fold.key, None)
        if logged is not None and logged.data.tags["gendmr.checksum"] == fold.checksum:
            return
        details = read_json(fold.folder / "run.json")
        final = set(curve_points(read_json_lines(fold.folder / "history.jsonl")))
        if run is not None and training is not None and training.sent <= final:
            store.end_live(str(run.info.run_id), fold, details)
            if logged is not None:
                store.retire(logged, "superseded")
            return
        store.replay_fold(store.live_parent(fold.method, current, live), fold, details, logged)
        if run is not None:
            store.client.delete_run(run.info.run_id)
        current.update(store.index()[0])

    @staticmethod
    def _unsent(item: Training) -> list[Point]:
        return [point for point in item.points if point not in item.sent]

    @staticmethod
    def _end_those_left_running(
        store: Store, live: dict[str, Run], running: dict[str, Training]
    ) -> None:
        for key, run in live.items():
            is_fold = run.data.tags.get("level") == "fold"
            if is_fold and key not in running and run.info.status == "RUNNING":
                store.client.set_terminated(run.info.run_id, "KILLED")

    def _guarded(self, work: Callable[[Store], None]) -> None:
        try:
            with replay.exclusive_lock(self.results / "tracking" / ".server.lock", 0.0):
                replay.reach(str(self.options.uri), self.options.timeout)
                store = Store(replay.connect(str(self.options.uri)), self.study, STEP)
                store.open(self.options.experiment or self.study, None, self.columns)
                work(store)
        except BlockingIOError:
            return  # the replay at the end of the study sends it
        except Exception as error:
            self._failed(error)
        else:
            if self.away:
                self.say(f"{self.server} is back after {self.away} failures")
            self.away = 0

    def _failed(self, error: Exception) -> None:
        self.failures.append(type(error).__name__)
        if not self.away:
            self.say(f"{self.server}: {type(error).__name__}: {error}")
        self.away += 1
        self.not_before = time.monotonic() + min(LONGEST_PAUSE, 2.0**self.away)
        self._tell()

    def _tell(self) -> None:
        state = {
            "server": self.server,
            "failures": len(self.failures),
            "first": self.failures[0] if self.failures else None,
        }
        with contextlib.suppress(OSError, OutputError):  # other jobs report a full disk
            write_json(self.results / "tracking" / "live.json", state)


def follow(follower: Follower, *, interval: float, ended: Callable[[], bool]) -> None:
    """Look again and again until `ended`, then a last time.

    Parameters
    ----------
    follower : Follower
    interval : float
        Seconds between two looks.
    ended : callable
        Whether that which trains has ended.
    """
    try:
        while not ended():
            follower.look()
            time.sleep(interval)
        follower.not_before = 0.0
        follower.look()
    finally:
        follower.close()
