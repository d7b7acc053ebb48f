"""How far the path of the cohort's folder travels: few rooms, each below the one before."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pytest

from leakage.kinds import train
from workflow.test_workflow_layout import FLOOR


def room_of(frame: FrameType | None) -> str | None:
    """Return the package of gendmr that a frame runs in."""
    name = str(frame.f_globals.get("__name__", "")) if frame else ""
    parts = name.split(".")
    return parts[1] if parts[0] == "gendmr" and len(parts) > 1 else None


def holds(frame: FrameType, folder: str) -> bool:
    """Return whether an argument of a call is a path of the folder."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = (frame.f_locals.get(name) for name in names)
    return any(isinstance(value, (str, Path)) and str(value).startswith(folder) for value in values)


class Walk:
    """The calls between rooms that hand on a path of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.steps: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """See `sys.setprofile`."""
        room = room_of(frame) if event == "call" else None
        if room is not None and holds(frame, self.folder):
            caller = frame.f_back
            while caller is not None and room_of(caller) is None:
                caller = caller.f_back
            self.steps.add((room_of(caller) or room, room))

    @property
    def rooms(self) -> set[str]:
        """Rooms that see the path."""
        return {room for step in self.steps for room in step}

    @property
    def climbs(self) -> list[tuple[str, str]]:
        """Steps to a room on a higher floor."""
        return sorted(step for step in self.steps if FLOOR[step[1]] > FLOOR[step[0]])


@pytest.fixture(scope="module")
def walk(shared_cohort, tmp_path_factory):
    cohort = shared_cohort(people=60, snps=40, regions=6, genes=12, imaged=0.8, folds=3)
    walk = Walk(cohort)
    sys.setprofile(walk)
    try:
        train(cohort, tmp_path_factory.mktemp("walk") / "out", "ridge")
    finally:
        sys.setprofile(None)
    return walk


def test_the_folder_of_the_cohort_is_seen_by_few_rooms(walk):
    assert {"training", "cohort"} <= walk.rooms
    assert len(walk.rooms) <= 6, walk.rooms


def test_the_folder_of_the_cohort_only_goes_down(walk):
    assert walk.climbs == []
