"""What a method of a study cannot do, known when the configuration is read."""

from __future__ import annotations

from collections.abc import Mapping

from gendmr.config.base import Section
from gendmr.config.cohort import CohortSection
from gendmr.config.methods.base import COVARIATES, MethodSection
from gendmr.config.modalities.base import ModalitySection
from gendmr.errors import ConfigurationError, Problems, did_you_mean, first_few


def check_method(
    where: str,
    method: MethodSection,
    *,
    outcome: str,
    cohort: CohortSection,
    available: tuple[str, ...],
    readable: tuple[str, ...],
) -> None:
    """Refuse a method that would fail, or mean nothing, in its first fold.

    Parameters
    ----------
    where : str
        Its place in the configuration, for errors.
    method : MethodSection
    outcome : str
        That it learns.
    cohort : CohortSection
    available, readable : tuple of str
        Modalities of the study, and those that the method can read.

    Raises
    ------
    ConfigurationError
        The outcome is none of the study, or of a kind that the method does not learn; a modality is
        not there, or cannot be read, or is to be shuffled and is not read.
    SeveralErrors
        Several of these.
    """
    problems = Problems()
    problems.attempt(_check_outcome, where, method, outcome, cohort)
    problems.attempt(_check_reads, where, method, available, readable)
    problems.attempt(_check_shuffled, where, method, cohort, readable)
    problems.refuse()


def check_modality(
    where: str,
    method: MethodSection,
    name: str,
    section: ModalitySection,
    stages: Mapping[str, Section],
    problems: Problems,
) -> None:
    """Note what a method wants otherwise of a modality and cannot have.

    Parameters
    ----------
    where : str
        Its place in the configuration, for errors.
    method : MethodSection
    name, section : str, ModalitySection
        The modality, as the study has it.
    stages : mapping of str to Section
        Sections of the study by stage.
    problems : Problems
        Receives what does not fit.
    """
    adapted = problems.attempt(method.adapt, name, section)
    if adapted is None or name not in method.modality_options:
        return
    where = f"{where}.modality_options.{name}"
    problems.attempt(adapted.check_stage, where, stages.get(section.stage or ""))
    adapted_options, shared_options = (
        modality.of_cohort().model_dump(mode="json") for modality in (adapted, section)
    )
    keys = [
        key
        for key in method.modality_options[name]
        if adapted_options.get(key) != shared_options.get(key)
    ]
    if keys:
        problems.add(
            ConfigurationError(
                f"{where} sets {first_few(keys)}, which decide the file of the cohort that all"
                " methods read",
                cause="a key that no method can have for itself",
                next_step=f"set it in modalities.{name}, and take it out of modality_options",
            )
        )


def _check_outcome(where: str, method: MethodSection, outcome: str, cohort: CohortSection) -> None:
    if outcome not in cohort.outcomes:
        raise ConfigurationError(
            f"{where}.outcome = {outcome!r}: no such outcome; the study has"
            f" {first_few(cohort.outcomes)}",
            cause="a misspelt name, or an outcome that is not in cohort.outcomes",
            next_step="name one of these, or leave it out for the first",
        )
    kind = cohort.outcomes[outcome].kind
    if kind not in method.tasks:
        raise ConfigurationError(
            f"{where}: the method {method.kind} cannot learn {outcome}, which is {kind}; it"
            f" learns {first_few(method.tasks)}",
            cause="another kind of outcome than the method was made for",
            next_step=f"choose another method, or an outcome that is {method.tasks[0]}",
        )


def _check_reads(
    where: str, method: MethodSection, available: tuple[str, ...], readable: tuple[str, ...]
) -> None:
    able = (*(readable if method.readable is None else method.readable),)
    able += (COVARIATES,) if method.covariates != "never" else ()
    unreadable = [source for source in method.reads or () if source not in able]
    absent = [source for source in method.reads or () if source not in (*available, COVARIATES)]
    if unreadable and not set(unreadable) <= set(absent):
        raise ConfigurationError(
            f"{where}.reads: the method {method.kind} cannot read {first_few(unreadable)};"
            f" it reads {first_few(able)}",
            next_step="take them out of reads, or choose another method",
        )
    reads_modality = any(source != COVARIATES for source in method.reads_of(readable))
    if not reads_modality and method.reads is not None and method.covariates == "always":
        raise ConfigurationError(
            f"{where}.reads: the method {method.kind} reads more than covariates:"
            f" {first_few(able)}",
            next_step="name a modality too, or choose the method ridge",
        )
    if absent or not (reads_modality or method.covariates == "optional"):
        raise ConfigurationError(
            f"{where}.reads: the study has no modality"
            f" {first_few(absent or method.readable or ())}; it has {first_few(available)}",
            cause="a section that was deleted, or a misspelt name",
            next_step="name one of these, or take the method out",
        )


def _check_shuffled(
    where: str, method: MethodSection, cohort: CohortSection, readable: tuple[str, ...]
) -> None:
    reads = [name for name in method.reads_of(readable) if name != COVARIATES]
    unread = [name for name in method.shuffled if name not in reads]
    if unread:
        raise ConfigurationError(
            f"{where}.shuffled names {first_few(unread)}, which the method does not read; it reads"
            f" {first_few(reads)}",
            cause="a control of a modality that is not there",
            next_step="name one of these",
        )
    labels = [method.outcome or next(iter(cohort.outcomes)), *cohort.categorical]
    for name, within in method.shuffled.items():
        unknown = [column for column in within if column not in labels]
        if unknown:
            raise ConfigurationError(
                f"{where}.shuffled.{name} names {first_few(unknown)}; people can change places"
                f" within {first_few(labels, 20)}{did_you_mean(unknown, labels)}",
                cause="a column of numbers, or one that cohort.categorical does not name",
                next_step="name some of these, or give [] to shuffle among all people",
            )
