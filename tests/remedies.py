"""The remedies that errors print, carried out as a user would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gendmr.errors import GendmrError, SeveralErrors
from gendmr.genotypes.plink import find

Files = TypeVar("Files")
COMMAND = re.compile(r"\b(plink1\.9|plink2|awk|zcat|cat|bcftools|gunzip|unzip|sed|mv) ")
END = re.compile(
    r", then |; sex is then|, and give | \(ref-last| keeps the first| for each person|, also of"
    r"|, of each set|, where NAMES|; or leave them out|, which takes out"
)


def command_of(error: GendmrError) -> str:
    """Return the command in the next step of an error."""
    start = COMMAND.search(error.next_step)
    assert start, error.next_step
    command = error.next_step[start.start() :]
    end = END.search(command)
    return command[: end.start()] if end else command


def carry_out(error: GendmrError, **words: str) -> None:
    """Run the command of an error; `words` stand for its words in capitals."""
    command = command_of(error)
    for word, value in words.items():
        command = command.replace(word, shlex.quote(value))
    for name, version in (("plink1.9", "1.9"), ("plink2", "2")):
        command = command.replace(f"{name} ", f"{find(version).path} --memory 900 ")
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        check=True,
        capture_output=True,
        env=os.environ,
    )


def row(module: str, remedy: str, *more: Any) -> Any:
    """Return the parameters of a test whose first two are those of `mended`."""
    return pytest.param(module, remedy, *more, id=f"{Path(module).stem}: {remedy[:40]}")


def each_part(names: Sequence[str], rows: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by rows of `row`, once for each of the last parameters of a row.

    Parameters
    ----------
    names : sequence of str
        Parameters of the test; what a row holds beyond them are alternatives of the last one: a
        remedy that says "do this, or that" has two.
    rows : iterable
    """
    first = len(names) - 1
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(*parameters.values[:first], last, id=f"{parameters.id} {number}")
            for parameters in rows
            for number, last in enumerate(parameters.values[first:])
        ],
    )


def both(*changes: Callable[[Files], object]) -> Callable[[Files], object]:
    """Return the change of files that is some changes, one after the other."""

    def change(files: Files) -> None:
        for part in changes:
            part(files)

    return change


@contextmanager
def mended(
    module: str, remedy: str, error: type[GendmrError], call: Callable[[], object]
) -> Iterator[GendmrError]:
    """Check that a call is refused, and no longer after its remedy was carried out.

    The block under `with` does what the remedy says, and nothing else; it is given the error.

    Parameters
    ----------
    module : str
        File of the package that holds the remedy, below `workflow/gendmr`; the inventory of
        `test_workflow_remedies` reads it.
    remedy : str
        Part of the next step, as it stands in the code and as it is printed.
    error : type
        Class of the error.
    call : callable
    """
    refused = refusal(remedy, error, call)
    yield refused
    call()


def refusal(remedy: str, error: type[GendmrError], call: Callable[[], object]) -> GendmrError:
    """Return the error of a call, or the one among several, whose next step has these words."""
    with pytest.raises(GendmrError) as refused:
        call()
    several = refused.value
    errors = several.errors if isinstance(several, SeveralErrors) else (several,)
    fitting = [candidate for candidate in errors if remedy in candidate.next_step]
    assert fitting, f"no {remedy!r} in: {several}"
    assert isinstance(fitting[0], error), repr(fitting[0])
    return fitting[0]
