"""The remedies that errors print, carried out as a user would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

from gendmr.errors import GendmrError
from gendmr.genotypes.plink import find

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
