"""What every test folder shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from factories import make_cohort

# Property tests of damaged input: HYPOTHESIS_PROFILE=nightly searches ten times longer.
settings.register_profile("default", deadline=None, max_examples=200)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell that runs the tests in the background has them ignore Ctrl-C, which every program that
# they start would inherit: those are told to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; without it the test is skipped."""
    folder = os.environ.get("GENDMR_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("GENDMR_REAL_DATA names no folder")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def nightly() -> bool:
    """Whether tests may take hours: `make nightly`."""
    return os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As in a job: threads that wait for each other cost more than they bring."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def shared_cohort(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``shared_cohort(snps=60)``: a cohort of `factories`, written once for equal options.

    Tests read it; whoever changes a cohort makes one of his own with `make_cohort`.
    """
    written: dict[tuple[tuple[str, Any], ...], Path] = {}

    def cohort(**options: Any) -> Path:
        key = tuple(sorted(options.items()))
        if key not in written:
            written[key] = make_cohort(tmp_path_factory.mktemp("shared") / "cohort", **options)
        return written[key]

    return cohort


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that no core waits for one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
