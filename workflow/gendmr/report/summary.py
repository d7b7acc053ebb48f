"""All numbers of the page, in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gendmr import __version__
from gendmr.config.report import ReportSection
from gendmr.errors import InputFileError
from gendmr.files.tables import Kind, read_table
from gendmr.report.ancestry import count_groups, read_groups
from gendmr.report.comparison import (
    PREFERRED_KIND,
    check_same_people,
    compare,
    reference_method,
)
from gendmr.report.dominance import dominance_of
from gendmr.report.exclusion import exclusions, without_exclusion
from gendmr.report.findings import ranked_genes, ranked_regions, read_truth
from gendmr.report.genotyped import genotype_sets
from gendmr.report.limits import not_done, smallest_effects
from gendmr.report.people import analysed, left
from gendmr.report.performance import finite, merged, method_summary
from gendmr.report.provenance import given_files, made_with
from gendmr.report.schema import MethodSummary, Registration, StudySummary
from gendmr.report.significance import significance, who_finds_what
from gendmr.report.warnings import apoe_region, warnings

QUALITY: dict[str, Kind] = {"participant_id": "text", "dice": "number", "outlier": "flag"}


BLOCKS = 10  # LD blocks of several genes that are listed


def summarise(
    results: Path,
    options: ReportSection,
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
    """
    if methods is None:
        methods = sorted(path.parent.name for path in results.glob("training/*/metrics.tsv"))
    if ranked is None:
        ranked = sorted(path.parent.name for path in results.glob("ranking/*/genes.tsv"))
    if not methods:
        raise InputFileError(
            f"{results}/training: no method has a metrics.tsv",
            cause="training has not finished, or the path is not results/<study>",
            next_step="snakemake --cores 2 training",
        )
    truth = read_truth(options.truth)
    study = results.resolve().name
    people = analysed(results / "cohort")
    groups = read_groups(results / "cohort")
    summaries = [method_summary(results, name, groups) for name in methods]
    check_same_people(summaries)
    summaries, comparison = compare(summaries, reference_method(summaries, options.reference))
    main = main_ranking(summaries, ranked)
    genes = {
        name: ranked_genes(results / "ranking" / name, options.top_genes, truth) for name in ranked
    }
    regions = {
        name: ranked_regions(results / "ranking" / name, options.top_regions, truth)
        for name in ranked
    }
    main_genes = genes.get(main) if main else None
    main_regions = regions.get(main) if main else None
    versions = merged(item.versions for item in summaries)
    summary = StudySummary(
        study=study,
        title=options.title or f"Study {study}",
        gendmr=__version__,
        main=main,
        truth=None if truth is None else {"null": bool(truth.get("null", False))},
        people=people,
        left=left(results / "cohort"),
        genotypes=genotype_sets(results),
        ancestry=count_groups(results / "cohort"),
        methods=summaries,
        comparison=comparison,
        dominance=dominance_of(results, summaries),
        genes=main_genes,
        regions=main_regions,
        other_rankings=[
            {"method": name, "genes": genes[name], "regions": regions[name]}
            for name in ranked
            if name != main and (genes[name] or regions[name])
        ],
        significance=significance(results / "ranking" / main, BLOCKS) if main else None,
        who_finds=who_finds_what(results / "ranking", truth, options.top_genes),
        exclusions=exclusions(results, summaries, ranked, options.top_genes),
        registration=registration(results / "imaging" / "quality.tsv")
        if any(group["both"] + group["region_only"] for group in people["groups"])
        else None,
        detectable=smallest_effects(
            people["groups"][:2],
            main_genes.n if main_genes else 0,
            main_regions.n if main_regions else 0,
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


def main_ranking(methods: Sequence[MethodSummary], ranked: Sequence[str]) -> str | None:
    """Return the method whose ranking is shown first: the first network, else the first ranked."""
    networks = [item.method for item in methods if item.kind == PREFERRED_KIND]
    return next((name for name in networks if name in ranked), next(iter(ranked), None))


def registration(path: Path) -> Registration | None:
    """Summarise ``imaging/quality.tsv``: overlap with the template, who is flagged or left out.

    Where measurements were given nobody has an overlap.
    """
    if not path.is_file():
        return None
    table = read_table(path, QUALITY, extra=True, key="participant_id")
    if "status" not in table:
        table["status"] = "measured"
    out = table[table["status"] != "measured"]
    # Flagged scans keep their overlap and their picture, whether a rule leaves them out or not.
    table = table[(table["status"] == "measured") | table["outlier"]]
    dice = table["dice"].dropna()
    flagged = table[table["outlier"]].sort_values("dice", kind="stable")
    reasons = (
        flagged["reason"] if "reason" in flagged else flagged["participant_id"].map(lambda _: "")
    )
    return Registration(
        n=len(table),
        dice_min=finite(dice.min()) if len(dice) else None,
        dice_median=finite(dice.median()) if len(dice) else None,
        dice_max=finite(dice.max()) if len(dice) else None,
        n_outliers=len(flagged),
        outliers=[
            {"participant_id": str(who), "dice": finite(value), "reason": str(reason)}
            for who, value, reason in zip(
                flagged["participant_id"], flagged["dice"], reasons, strict=True
            )
        ][:20],
        n_left_out=len(out),
        left_out=[
            {"participant_id": str(who), "status": str(status), "reason": str(reason)}
            for who, status, reason in zip(
                out["participant_id"], out["status"], out["reason"], strict=True
            )
        ][:20],
        pictured=[
            str(who)
            for who in table.sort_values(
                ["outlier", "dice"], ascending=[False, True], kind="stable"
            )["participant_id"][:60]
        ],
    )
