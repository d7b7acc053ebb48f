"""What becomes of a file that is damaged between two steps: commands of a study, run on damage.

    python benchmarks/damages.py STUDY_FOLDER --configfile study.yaml --number 1000

STUDY_FOLDER is where Snakemake ran the study to its end. Each time a job of a random rule is drawn
and one of the results that it reads, which is damaged at random: a flipped bit, a stretch of
zeros, a cut, a lost or doubled stretch, bytes appended. The job's own command is then run in a
process of its own, as the rule runs it, forked from one that has imported the package already.
Counted are named errors, commands that end well with the same bytes in all their outputs (they did
not read what was damaged), silent ones (other bytes), tracebacks, and processes that were ended by
a signal. The study itself stays as it is: results are links to its files, and every file is written
under another name and renamed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import shlex
import shutil
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gendmr
from gendmr.estimate.plan import planned_jobs

SECONDS = 600  # after which a command counts as stalled
SLOW = {"register_t1w", "train_null", "sync_tracking"}
# Packages that commands import inside a function.
IMPORTED_LATER = (
    *("h5py", "torch", "sklearn.linear_model", "scipy.stats", "matplotlib.pyplot", "xarray"),
    *("nibabel", "nilearn.connectome", "jinja2"),
)
ENDINGS = {0: "ended well", 2: "named error", 3: "traceback", 4: "refused options"}


@dataclass(frozen=True)
class Command:
    """A job of the finished study: words after `gendmr`, results that it reads, its outputs."""

    rule: str
    words: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def commands(*words: str) -> list[Command]:
    """Return the jobs of a study, from a dry run in this folder with some words."""
    from snakemake.logging import logger

    jobs: list[Command] = []

    def listen(record: object) -> bool:
        text = getattr(record, "shellcmd", None)
        rule = str(getattr(record, "rule_name", ""))
        if (
            text
            and hasattr(record, "output")
            and not rule.startswith("simulate_")
            and rule not in SLOW
        ):
            call = text.partition("python -m gendmr ")[2].partition(" &> ")[0]
            inputs = tuple(str(path) for path in record.input)  # type: ignore[attr-defined]
            outputs = tuple(str(path) for path in record.output)
            results = tuple(
                path for path in inputs if path.startswith("results/") and "/simulate/" not in path
            )
            # Genotypes that only pass between two steps are gone.
            if results and all(Path(path).exists() for path in inputs):
                jobs.append(Command(rule, tuple(shlex.split(call)), results, outputs))
        return True

    logger.addFilter(listen)
    try:
        planned_jobs(*words, "--forceall")
    finally:
        logger.removeFilter(listen)
    return jobs


def damaged(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Return a kind of damage and the other bytes."""
    start, stop = (int(place) for place in np.sort(random.integers(0, len(content) + 1, 2)))
    place, bit = int(random.integers(max(len(content), 1))), 1 << int(random.integers(8))
    return {
        0: ("flipped bit", content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]),
        1: ("zeros", content[:start] + bytes(stop - start) + content[stop:]),
        2: ("cut", content[:start]),
        3: ("lost stretch", content[:start] + content[stop:]),
        4: ("doubled stretch", content[:stop] + content[start:]),
        5: ("appended bytes", content + random.bytes(1 + start % 64)),
    }[int(random.integers(6))]


def import_package() -> None:
    """Import what commands import, so that each forked process need not."""
    for module in pkgutil.walk_packages(gendmr.__path__, "gendmr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in IMPORTED_LATER:
        importlib.import_module(name)


def run(command: Command) -> str:
    """Run a command in a process of its own; return how it ended."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            signal.alarm(SECONDS)
            log = os.open("damage.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = _called(command.words)
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return ENDINGS[os.WEXITSTATUS(status)]


def _called(words: tuple[str, ...]) -> int:
    import traceback

    import click

    from gendmr.cli.main import root
    from gendmr.errors import GendmrError
    from gendmr.files.seal import seal_results

    seal_results()
    sys.argv = ["gendmr", *words]
    try:
        root(list(words), standalone_mode=False)
    except GendmrError as error:
        print(f"{type(error).__name__}: {error}")
        return 2
    except click.ClickException as error:
        error.show()
        return 4
    except BaseException:
        traceback.print_exc()
        return 3
    return 0


def main() -> None:
    """Damage, run, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--configfile", default="study.yaml")
    parser.add_argument("--snakefile", type=Path, default=Path("Snakefile"))
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    import_package()
    pristine = arguments.study.resolve()
    words = ["--snakefile", str(pristine / arguments.snakefile)]
    words += ["--configfile", str(pristine / arguments.configfile)]
    with tempfile.TemporaryDirectory(dir=pristine.parent) as name:
        folder = Path(name)
        for entry in pristine.iterdir():
            if entry.name not in {"results", ".snakemake", "logs"}:
                (folder / entry.name).symlink_to(entry)
        shutil.copytree(pristine / "results", folder / "results", copy_function=os.link)
        with contextlib.chdir(folder):
            _count(commands(*words), pristine, random, arguments.number)


def _count(jobs: list[Command], pristine: Path, random: np.random.Generator, number: int) -> None:
    by_rule: dict[str, list[Command]] = {}
    for job in jobs:
        by_rule.setdefault(job.rule, []).append(job)
    rules = sorted(by_rule)
    ends: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    done = 0
    while done < number:
        several = by_rule[rules[int(random.integers(len(rules)))]]
        job = several[int(random.integers(len(several)))]
        target = Path(job.inputs[int(random.integers(len(job.inputs)))])
        if not target.is_file() or not target.stat().st_size:
            continue
        content = target.read_bytes()
        kind, damaged_bytes = damaged(content, random)
        if damaged_bytes == content:
            continue
        done += 1
        target.unlink()
        target.write_bytes(damaged_bytes)
        end = run(job)
        if end == "ended well":
            contents = [Path(path).read_bytes() for path in job.outputs]
            _restore(pristine, target)
            # Beside the same command without damage: a page of a study may tell the day.
            run(job)
            same_outputs = contents == [Path(path).read_bytes() for path in job.outputs]
            end = "did not read it" if same_outputs else "silent"
        ends[end] += 1
        suffixes[target.suffix] += 1
        if end not in ("named error", "did not read it"):
            print(f"{end}: {job.rule}, {kind} in {target}", flush=True)
            print(
                "  " + "\n  ".join(Path("damage.log").read_text(errors="replace").splitlines()[-6:])
            )
        for path in {str(target), *job.outputs}:
            _restore(pristine, Path(path))
    print(f"{done} damages of {', '.join(f'{n} {suffix}' for suffix, n in suffixes.most_common())}")
    print(", ".join(f"{n} {outcome}" for outcome, n in ends.most_common()))
    bad = done - ends["named error"] - ends["did not read it"]
    sys.exit(1 if bad else 0)


def _restore(pristine: Path, path: Path) -> None:
    """Put the study's own file and its seal back."""
    for name in (path, path.with_name(f".{path.name}.sha256")):
        name.unlink(missing_ok=True)
        if (pristine / name).is_file():
            os.link(pristine / name, name)


if __name__ == "__main__":
    main()
