"""All that is missing or does not fit in what a study is given, found without running anything."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gendmr.config.base import Section
from gendmr.config.study import Study
from gendmr.errors import InputFileError, Problems, first_few


def named_files(study: Study, doubtful: Collection[str] = ()) -> list[str]:
    """Return the files that a configuration names one by one, each once.

    Parameters
    ----------
    study : Study
    doubtful : collection of str
        Where `genotypes` is among them, its files are left out: a path in another form than is
        read would be told as three files that are not there.
    """
    certain = "genotypes" not in doubtful
    genotypes = study.genotypes.files if study.genotypes and certain else ()
    return list(dict.fromkeys([*genotypes, *study.tables()]))


def absent_files(study: Study, doubtful: Collection[str] = ()) -> list[str]:
    """Return those that are not there; a folder is there, too."""
    return [path for path in named_files(study, doubtful) if not Path(path).exists()]


def stage_sections(study: Study) -> dict[str, dict[str, Any]]:
    """Return the sections by stage of what is looked at before anything runs, as plain values.

    Of `ranking` only the files are: all its other options rerun no check.
    """
    stages = {
        stage: getattr(study, stage).model_dump(mode="json")
        for stage in study.measuring_stages()
        if stage != "simulate"
    }
    if study.ranking.enrichment is not None:
        stages["ranking"] = {"enrichment": study.ranking.enrichment.model_dump(mode="json")}
    return stages


def check_methods(study: Study, problems: Problems) -> None:
    """Do the checks of methods, each in a module `preflight` of the package of its kind.

    Parameters
    ----------
    study : Study
        One of a user's own.
    problems : Problems
        Receives what files lack that a method needs.
    """
    stages: dict[str, Section] = {
        stage: getattr(study, stage) for stage in study.measuring_stages()
    }
    for name, method in study.methods.items():
        module = f"gendmr.methods.{method.kind}.preflight"
        if find_spec(module) is not None:
            check = importlib.import_module(module).check
            reads = method.reads_of(study.readable(method))
            problems.attempt(check, f"training.methods.{name}", method, reads, stages)


def problems_of(
    study: Study,
    counts: dict[str, Any] | None = None,
    *,
    tell_absent: bool = True,
    doubtful: Collection[str] = (),
) -> Problems:
    """Return all that is missing or does not fit.

    Parameters
    ----------
    study : Study
        One of a user's own; of a simulated one nothing is there yet.
    counts : dict, optional
        Receives what `gendmr.cohort.check.examine` counts.
    tell_absent : bool
        The files that are named and not there are the first problem.
    doubtful : collection of str
        Sections of the configuration whose entries are wrong in part: their files are not read,
        and no others where `cohort` is among them, which says how all are joined.
    """
    from gendmr.cohort.check import examine

    problems, file_problems = Problems(), Problems()
    named, absent = named_files(study, doubtful), absent_files(study, doubtful)
    if absent and tell_absent:
        problems.add(
            InputFileError(
                f"{len(absent)} of {len(named)} files that the study names are not"
                f" there: {first_few(absent, 50)}",
                cause="another folder: paths are relative to the one in which snakemake runs",
                next_step="correct the paths in the configuration, or bring the files",
            )
        )
    if "cohort" in doubtful:
        return problems
    stages = {
        stage: section for stage, section in stage_sections(study).items() if stage not in doubtful
    }
    sections = {
        name: section
        for name, section in study.modality_sections().items()
        if section.stage not in doubtful and (section.stage or "modalities" not in doubtful)
    }
    examined = examine(study.cohort, sections, stages, file_problems)
    if "training" not in doubtful:
        check_methods(study, file_problems)
    if counts is not None:
        counts.update(examined)
    for error in file_problems.errors:
        # What a reader says of a file that is missing was said above.
        if not any(error.what.startswith(f"{path}: no such file") for path in absent):
            problems.add(error)
    return problems


def examine_study(
    config: str | Path | dict[str, Any], where: str = "", counts: dict[str, Any] | None = None
) -> tuple[Study | None, Problems]:
    """Return a study, and all that is wrong in its configuration and in the files that it names.

    Parameters
    ----------
    config : str, Path or dict
        As `Study.parse` takes it.
    where : str
        What errors call it.
    counts : dict, optional
        Receives what `gendmr.cohort.check.examine` counts.

    Raises
    ------
    ConfigurationError
        There is no such file, or it holds something else than keys and values.
    """
    reading, problems = Study.examine(config, where=where)
    study = reading.section
    if study is not None and study.simulate is None and "simulate" not in reading.doubtful:
        files = problems_of(study, counts, doubtful=reading.doubtful)
        reading.keep(files.errors, problems)
    return study, problems
