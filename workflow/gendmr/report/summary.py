"""All numbers of the page, in one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from gendmr import __version__
from gendmr.config.outcomes.base import OutcomeSection
from gendmr.config.report import ReportSection
from gendmr.errors import InputFileError
from gendmr.files.atomic import read_json
from gendmr.modalities import modality_of
from gendmr.report.comparison import (
    check_reference,
    check_same_people,
    compare,
    reference_method,
)
from gendmr.report.detectable import RankedUnits, smallest_effects
from gendmr.report.findings import ranked_genes, ranked_instances, ranked_regions, read_truth
from gendmr.report.limits import not_done
from gendmr.report.method_schema import Comparison, MethodSummary, OutcomeSummary
from gendmr.report.outcomes import OutcomeOfPeople, read_outcomes, words_of
from gendmr.report.people import (
    analysed,
    count_removals,
    groups_of,
    modalities_in,
    quality_by_group,
    read_people,
)
from gendmr.report.performance import COVARIATES, merged, method_summary, outcome_of
from gendmr.report.provenance import given_files, made_with
from gendmr.report.schema import LeadingRows, StudySummary
from gendmr.report.sections import genetics, imaging
from gendmr.report.sections.dominance import dominance_of
from gendmr.report.sections.genetics.ancestry import count_groups, read_groups
from gendmr.report.sections.genetics.apoe import apoe_region
from gendmr.report.sections.genetics.exclusion import exclusions, without_exclusion
from gendmr.report.sections.genetics.genotyped import genotype_sets
from gendmr.report.significance import significance, who_finds_what
from gendmr.report.warnings import warnings
from gendmr.training.agreement import check_methods

BLOCKS = 10  # LD blocks of several genes that are listed
# Modalities with chapters, and tables, of their own.
CHAPTERS = (genetics.MODALITY, imaging.MODALITY)


def summarise(
    results: Path,
    options: ReportSection,
    outcomes: Mapping[str, OutcomeSection],
    *,
    methods: Sequence[str] | None = None,
    ranked: Sequence[str] | None = None,
) -> StudySummary:
    """Collect what a study found from its finished files.

    Parameters
    ----------
    results : Path
        ``results/<study>``; its name is the name of the study.
    options : ReportSection
        Lengths of tables, limits, the planted truth if there is one.
    outcomes : mapping of str to OutcomeSection
        `cohort.outcomes` of the study.
    methods, ranked : sequence of str, optional
        The methods of the study in the order of its configuration, and those that are ranked;
        absent: all that are finished.

    Returns
    -------
    StudySummary
        What ``summary.json`` holds; numbers that do not exist are None.

    Raises
    ------
    InputFileError, TableError
        A result is missing or malformed, or methods were judged on different people.
    ConfigurationError
        `report.reference` is no method of the study.
    FoldError
        Folds, methods or rankings were made of different files.
    """
    if methods is None:
        methods = sorted(path.parent.name for path in results.glob("training/*/metrics.tsv"))
    if ranked is None:
        ranked = _ranked_methods(results)
    if not methods:
        raise InputFileError(
            f"{results}/training: no method has a metrics.tsv",
            cause="training has not finished, or the path is not results/<study>",
            next_step="snakemake --cores 2 training --configfile CONFIG",
        )
    truth = read_truth(options.truth)
    study = results.resolve().name
    cohort = results / "cohort"
    people = read_people(cohort)
    known_outcomes = read_outcomes(cohort, outcomes)
    ancestry = read_groups(cohort)
    summaries = [
        method_summary(results, name, _learned(results, name, known_outcomes), ancestry)
        for name in methods
    ]
    check_methods(_records(results, methods, ranked))
    check_reference(summaries, options.reference)
    summaries, described = _compare(summaries, known_outcomes, people, options.reference, ranked)
    main = next((name for name in ranked if name in methods), None)
    tables = {
        name: _ranked_tables(results / "ranking" / name, _reads(summaries, name), options, truth)
        for name in ranked
    }
    mains = tables.get(main or "", {})
    versions = merged(item.versions for item in summaries)
    summary = StudySummary(
        study=study,
        title=options.title or f"Study {study}",
        gendmr=__version__,
        main=main,
        truth=None if truth is None else {"null": bool(truth.get("null", False))},
        people=analysed(people),
        left=count_removals(cohort),
        quality=quality_by_group(cohort),
        genotypes=genotype_sets(results),
        ancestry=count_groups(ancestry, known_outcomes),
        outcomes=described,
        methods=summaries,
        dominance=dominance_of(results, summaries),
        genes=mains.get(genetics.MODALITY),
        regions=mains.get(imaging.MODALITY),
        instances=_other_instances(mains),
        other_rankings=[
            {
                "method": name,
                "genes": leaders.get(genetics.MODALITY),
                "regions": leaders.get(imaging.MODALITY),
                "instances": _other_instances(leaders),
            }
            for name, leaders in tables.items()
            if name != main and leaders
        ],
        significance=significance(results / "ranking" / main, BLOCKS) if main else None,
        who_finds=who_finds_what(results / "ranking", truth, options.top_genes),
        exclusions=exclusions(results, summaries, ranked, options.top_genes),
        registration=imaging.registration(results / "imaging" / "quality.tsv")
        if imaging.MODALITY in modalities_in(people)
        else None,
        detectable=smallest_effects(
            known_outcomes,
            people,
            {name: _tests(name, mains.get(name)) for name in modalities_in(people)},
        ),
        versions=versions,
        made_with=made_with(results, ranked, versions),
        given=given_files(results),
        devices=sorted({device for item in summaries for device in item.devices}),
        seeds=[
            {
                "method": item.method,
                "first": item.seeds[0],
                "n": len(item.seeds),
                "all": item.seeds,
            }
            for item in summaries
            if item.seeds
        ],
    )
    missing = without_exclusion(summary, apoe_region(options.apoe_region, results), results)
    return replace(
        summary,
        warnings=warnings(summary, options, results),
        not_done=not_done(summary, results, ranking=missing),
    )


def _ranked_methods(results: Path) -> list[str]:
    """Return the methods that have a ranking: a folder with tables."""
    folders = sorted(path for path in results.glob("ranking/*") if path.is_dir())
    return [folder.name for folder in folders if any(folder.glob("*.tsv"))]


def _records(
    results: Path, methods: Sequence[str], ranked: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return what a fold of each method, and each ranking, says of the files it was made of."""
    folds = [
        next((results / "training" / method).glob("repeat-*/fold-*/run.json"), None)
        for method in methods
    ]
    rankings = [results / "ranking" / method / "summary.json" for method in ranked]
    paths = [path for path in (*folds, *rankings) if path is not None and path.is_file()]
    return {str(path): read_json(path) for path in paths}


def _learned(results: Path, name: str, outcomes: Mapping[str, OutcomeOfPeople]) -> OutcomeOfPeople:
    """Return the outcome of a method.

    Raises
    ------
    InputFileError
        It learned an outcome that the study does not have.
    """
    outcome = outcome_of(results, name)
    if outcome not in outcomes:
        raise InputFileError(
            f"{results}/training/{name}: it learned {outcome!r}, and the outcomes of the study are"
            f" {', '.join(outcomes)}",
            cause="cohort.outcomes changed after training",
            next_step="run `snakemake --cores 2 training --configfile CONFIG`, then again",
        )
    return outcomes[outcome]


def _compare(
    methods: Sequence[MethodSummary],
    known_outcomes: Mapping[str, OutcomeOfPeople],
    people: pd.DataFrame,
    configured: str | None,
    ranked: Sequence[str],
) -> tuple[list[MethodSummary], list[OutcomeSummary]]:
    """Return methods, each with its difference from the reference of its outcome, and outcomes."""
    compared: dict[str, MethodSummary] = {}
    outcomes = []
    for name, outcome in known_outcomes.items():
        learners = [item for item in methods if item.outcome == name]
        comparison: Comparison | None = None
        if learners:
            check_same_people(learners)
            reference = reference_method(learners, configured, ranked)
            learners, comparison = compare(learners, reference)
            compared |= {item.method: item for item in learners}
        everybody = people["participant_id"]
        outcomes.append(
            OutcomeSummary(
                name=name,
                label=outcome.task.label,
                kind=outcome.task.kind,
                n=len(outcome.participants),
                unknown=len(people) - len(outcome.participants),
                fewest=outcome.fewest(everybody),
                groups=groups_of(outcome, people),
                metrics=[words_of(metric) for metric in outcome.task.metrics],
                comparison=comparison,
                unjudged=[
                    {"method": item.method, "reason": item.unjudged}
                    for item in learners
                    if item.unjudged
                ],
            )
        )
    return [compared[item.method] for item in methods], outcomes


def _reads(methods: Sequence[MethodSummary], name: str) -> list[str]:
    return next((item.reads for item in methods if item.method == name), [])


def _ranked_tables(
    ranking: Path, reads: Sequence[str], options: ReportSection, truth: dict[str, Any] | None
) -> dict[str, LeadingRows]:
    """Return the first rows of each table of a ranking, by modality; those that are there."""
    tables: dict[str, LeadingRows | None] = {
        genetics.MODALITY: ranked_genes(ranking, options.top_genes, truth),
        imaging.MODALITY: ranked_regions(ranking, options.top_regions, truth),
    }
    for name in reads:
        if name not in (*CHAPTERS, COVARIATES):
            tables[name] = ranked_instances(ranking, name, options.top_regions)
    return {name: table for name, table in tables.items() if table is not None}


def _other_instances(tables: Mapping[str, LeadingRows]) -> dict[str, LeadingRows]:
    return {name: table for name, table in tables.items() if name not in CHAPTERS}


def _tests(modality: str, table: LeadingRows | None) -> RankedUnits:
    unit = "gene" if modality == genetics.MODALITY else modality_of(modality).instance
    return RankedUnits(unit, table.n if table else 0)
