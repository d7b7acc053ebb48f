"""What one section of a study says of another, known when the configuration is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gendmr.config.methods_check import check_method, check_modality
from gendmr.config.modalities import SECTIONS
from gendmr.config.outcomes.base import unmeasured
from gendmr.errors import ConfigurationError, Problems, did_you_mean, first_few

if TYPE_CHECKING:
    from gendmr.config.study import Study


def cross_check(study: Study) -> Problems:
    """Return all that sections of a study say of one another and that does not fit.

    Each would otherwise only show when files are read, or after training.
    """
    problems = Problems()
    for check in CHECKS:
        for error in check(study):
            problems.add(error)
    if not study.modality_sections():
        # What methods read would be told as missing once more, one by one.
        return problems
    for error in unmeasured(study.cohort.outcomes, study.modality_sections()):
        problems.add(error)
    stages = {stage: getattr(study, stage) for stage in study.measuring_stages()}
    for modality, section in study.modality_sections().items():
        problems.attempt(section.check_cohort, study.cohort)
        measured = stages.get(section.stage or "")
        problems.attempt(section.check_stage, f"modalities.{modality}", measured)
    unmeasured_outcomes = {
        name
        for name, outcome in study.cohort.outcomes.items()
        if outcome.modality not in (None, *study.modality_sections())
    }
    for name, method in study.methods.items():
        if study.outcome_of(name) in unmeasured_outcomes:
            # That the modality is not there was said of the outcome.
            continue
        where = f"training.methods.{name}"
        problems.attempt(
            check_method,
            where,
            method,
            outcome=study.outcome_of(name),
            cohort=study.cohort,
            available=tuple(study.modality_sections()),
            readable=study.readable(method),
        )
        problems.attempt(method.check_cohort, study.cohort)
        reads = method.reads_of(study.readable(method))
        problems.attempt(method.check_stages, where, reads, stages)
        for modality, section in study.modality_sections().items():
            check_modality(where, method, modality, section, stages, problems)
    for error in (*_null_methods(study), *_reference(study)):
        problems.add(error)
    return problems


def _simulated(study: Study) -> Iterator[ConfigurationError]:
    """Refuse a section `simulate` beside files, or a form of images, that it does not make."""
    if study.simulate is None:
        return
    folder, imaging = f"results/{study.study}/simulate/", study.imaging
    paths = [study.cohort.participants, *(study.genotypes.inputs if study.genotypes else ())]
    paths += [*filter(None, [imaging.bids]), *imaging.measured_paths] if imaging else []
    elsewhere = [path for path in paths if path and f"/{folder}" not in f"/{path}"]
    if elsewhere:
        yield ConfigurationError(
            f"simulate: the study {study.study} makes its own cohort in {folder}, but"
            f" {len(elsewhere)} of its inputs lie elsewhere: {first_few(elsewhere)}",
            cause="a copied configuration of the demo that still has the section simulate",
            next_step="your own data: delete the section simulate and report.truth; another"
            f" simulated study: let all inputs begin with {folder}",
        )
    measured = study.simulate.imaging == "measurements"
    if imaging and measured != (imaging.measurements is not None):
        needed, unfit_key = ("measurements", "bids") if measured else ("bids", "measurements")
        yield ConfigurationError(
            f"`simulate: imaging:` is {'measurements' if measured else 't1w'}, so the section"
            f" `imaging` needs `{needed}`, not `{unfit_key}`",
            cause="one of the two was changed without the other",
            next_step=f"let imaging name {needed} in {folder}, or change `simulate: imaging:`",
        )


def _modalities(study: Study) -> Iterator[ConfigurationError]:
    if study.genotypes is not None and study.annotation is None:
        yield ConfigurationError(
            "genotypes without a section annotation: SNPs need a table of genes",
            next_step="add annotation: genes: <gene.loc, glist or GTF>",
        )
    sections = study.modality_sections()
    if not sections:
        yield ConfigurationError(
            "the study has no modality: neither genotypes nor imaging, and no entry of"
            " modalities that brings its own files",
            next_step="add a section genotypes or imaging; config/config.yaml is an example",
        )
    idle = [
        name
        for name in study.modalities.model_fields_set
        if name not in sections and getattr(study.modalities, name) is not None
    ]
    if idle:
        yield ConfigurationError(
            f"modalities: {first_few(idle)}: the study has no section"
            f" {first_few(str(SECTIONS[name].stage) for name in idle)} that measures it",
            cause="a section that was deleted, or an entry too many",
            next_step="add the section, or take the entry out of modalities",
        )
    if study.cohort.require not in ("any", "all", *sections):
        yield ConfigurationError(
            f"cohort.require = {study.cohort.require!r}: no modality of the study; there are"
            f" {first_few(sections)}",
            next_step="set it to any, all, or one of these",
        )


def _covariates(study: Study) -> Iterator[ConfigurationError]:
    """Refuse covariates that the cohort does not declare: missing in the first fold."""
    declared = study.cohort.covariates
    for where, names in {
        "training.covariates": study.adjusted_for,
        **{
            f"modalities.{name}.covariates": section.named_covariates()
            for name, section in study.modality_sections().items()
        },
    }.items():
        absent = [name for name in names if name not in declared]
        if absent:
            yield ConfigurationError(
                f"{where} names {first_few(absent)}, not in cohort.covariates, which has"
                f" {first_few(declared, 20) or 'none'}{did_you_mean(absent, declared)}",
                cause="a misspelt name, or a column that cohort.covariates does not declare",
                next_step=f"add it to cohort.covariates, or take it out of {where}",
            )


def _strata(study: Study) -> Iterator[ConfigurationError]:
    by = [column for column in (study.cohort.group_by, study.cohort.fold_by) if column]
    factors = [*study.cohort.covariates, *by, *(["ancestry"] if study.genotypes else [])]
    unknown = [name for name in study.cohort.strata or () if name not in factors]
    if unknown:
        yield ConfigurationError(
            f"cohort.strata names {first_few(unknown)}; there are"
            f" {first_few(factors, 20)}{did_you_mean(unknown, factors)}",
            cause="a misspelt name, a column that cohort.covariates does not declare, or"
            " ancestry in a study without genotypes",
            next_step="correct cohort.strata, or leave it out",
        )


def _null_methods(study: Study) -> Iterator[ConfigurationError]:
    ranked = study.ranked_methods()
    unknown = sorted(set(study.training.null.methods or ()) - set(ranked))
    if unknown:
        yield ConfigurationError(
            f"training.null.methods: {first_few(unknown)}: no method of that name has"
            f" attributions; there are {first_few(ranked, 20)}",
            cause="a misspelt name, or a method that reads covariates only",
            next_step="name some of these, or leave null.methods out",
        )


def _reference(study: Study) -> Iterator[ConfigurationError]:
    reference = study.report.reference
    if reference is not None and reference not in study.methods:
        yield ConfigurationError(
            f"report.reference = {reference!r}: no such method; the study has"
            f" {first_few(study.methods, 30)}",
            cause="a misspelt name, or a method that was taken out of training.methods",
            next_step="name one of these, or leave report.reference out",
        )


CHECKS: tuple[Callable[[Study], Iterator[ConfigurationError]], ...] = (
    *(_simulated, _modalities, _covariates, _strata),
)
