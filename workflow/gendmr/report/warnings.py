"""What to worry about before believing a number, worst first."""

from __future__ import annotations

from pathlib import Path

from gendmr.config.methods import parse_interval
from gendmr.config.report import ReportSection
from gendmr.files.atomic import read_json
from gendmr.files.tables import Kind, read_table
from gendmr.report.comparison import LOWER, difference
from gendmr.report.schema import MethodSummary, Registration, Row, StudySummary

SNPS: dict[str, Kind] = {"chromosome": "text", "position": "integer", "folds": "integer"}
APOE = {
    "GRCh37": "19:44000000-46500000",
    "GRCh38": "19:43500000-46000000",
    "NCBI36": "19:48700000-51200000",
}


def warnings(summary: StudySummary, options: ReportSection, results: Path) -> list[str]:
    """Return sentences; likely leaks first, milder notes last.

    Parameters
    ----------
    summary : StudySummary
        What has been collected; its warnings are not read.
    options : ReportSection
        Limits.
    results : Path
        ``results/<study>``: which SNPs a method read is looked up in its ranking.
    """
    methods = summary.methods
    leaks, milder = _snps_predict_too_well(methods, options, results)
    return [
        *leaks,
        *_changed_files(summary.given),
        *_signal_without_cause(methods, summary.truth),
        *_without_auc(methods),
        *_covariates(methods, summary.main, options.covariates_auc_limit),
        *_main_against_baselines(methods, summary.main),
        *_registrations(summary.registration),
        *_few_people(summary.people["groups"]),
        *milder,
    ]


def _changed_files(given: Row | None) -> list[str]:
    """Return that results are of other files than there are now."""
    return [
        f"{change}: results are of the file before. Touch it and give the same command again."
        for change in (given or {}).get("now", [])
    ]


def apoe_region(configured: str | None, results: Path) -> str | None:
    """Return the APOE region in the build of the study, or None where the build is not known."""
    if configured is not None:
        return configured
    path = results / "annotation" / "summary.json"
    return APOE.get(str(read_json(path).get("build", ""))) if path.is_file() else None


def reads_region(method: MethodSummary, region: str | None, results: Path) -> bool | None:
    """Return whether a method reads SNPs of a stretch of the genome; None where nothing tells.

    It does not where its option `exclude` covers the stretch, or where none of the SNPs with a
    score in a fold (`ranking/<method>/snps.tsv`) lies there.
    """
    if region is None:
        return None
    chromosome, first, last = parse_interval(region)
    for text in method.exclude:
        name, start, end = parse_interval(text)
        if name == chromosome and start <= first and last <= end:
            return False
    path = results / "ranking" / method.method / "snps.tsv"
    if not path.is_file():
        return None
    table = read_table(path, SNPS, extra=True)
    inside = (table["chromosome"] == chromosome) & table["position"].between(first, last)
    return bool((inside & (table["folds"] > 0)).any())


def _snps_predict_too_well(
    methods: list[MethodSummary], options: ReportSection, results: Path
) -> tuple[list[str], list[str]]:
    limit = options.snp_auc_limit
    region = apoe_region(options.apoe_region, results)
    leaks, milder = [], []
    for method in methods:
        pooled = method.auc.pooled
        if method.reads != ["snp"] or pooled is None or pooled <= limit:
            continue
        reached = f"reaches a pooled AUC of {pooled:.2f}, above {limit:.2f}"
        name = method.method
        seen = reads_region(method, region, results)
        if seen:
            milder.append(
                f"{name} reads SNPs only, those of the APOE region ({region}) among them, and"
                f" {reached}. APOE may be the cause: add the same method with `exclude: [{region}]`"
                " to tell it from a leak."
            )
            continue
        without = (
            f"none of the APOE region ({region})"
            if seen is False
            else "whether of the APOE region too is not known"
        )
        leaks.append(
            f"Likely leak: {name} reads SNPs only, {without}, and {reached}. Real genotypes of a"
            " common disease seldom do: look for SNPs chosen on everybody, relatives in different"
            " folds, cases and controls genotyped apart."
        )
    return leaks, milder


def _signal_without_cause(methods: list[MethodSummary], truth: Row | None) -> list[str]:
    if not (truth and truth["null"]):
        return []
    return [
        f"{method.method}: nothing was planted in this null simulation, and the AUC is"
        f" {mean:.2f}, outside 0.45 to 0.55: a leak, or very few people."
        for method in methods
        if (mean := method.auc.mean) is not None and abs(mean - 0.5) > 0.05
    ]


def _without_auc(methods: list[MethodSummary]) -> list[str]:
    return [
        f"{method.method}: no AUC could be computed; a fold has cases or controls only."
        for method in methods
        if method.auc.mean is None
    ]


def _covariates(methods: list[MethodSummary], main: str | None, limit: float) -> list[str]:
    chosen = next((method for method in methods if method.method == main), None)
    found = []
    for method in methods:
        mean = method.auc.mean
        if method.reads != ["covariates"] or mean is None:
            continue
        if chosen is not None and chosen is not method:
            found += _demographics_match(method, chosen)
        if mean > limit:
            found.append(
                f"Covariates alone ({method.method}) predict the diagnosis with an AUC of"
                f" {mean:.2f}: cases and controls differ in age, sex, site or ancestry, and other"
                " methods may be reading that."
            )
    return found


def _demographics_match(covariates: MethodSummary, main: MethodSummary) -> list[str]:
    mean, reached = covariates.auc.mean, main.auc.mean
    if mean is None or reached is None:
        return []
    low = main.auc.low
    delta = difference(covariates, main)
    if mean < (reached if low is None else low):
        return []
    numbers = (
        f"{covariates.method} reads covariates only and has an AUC of"
        f" {_with_interval(covariates)}, {main.method} {_with_interval(main)}"
    )
    paired = (
        ""
        if delta.low is None
        else f"; paired by fold {delta.mean:+.3f} ({delta.low:+.3f} to {delta.high:+.3f})"
    )
    if delta.verdict == LOWER:
        return [
            f"Demographics alone come near the model: {numbers}{paired}. The difference holds in"
            f" these folds, but the interval of {main.method} reaches down to them."
        ]
    return [
        f"Demographics alone match the model: {numbers}{paired}. What {main.method} predicts may"
        " be age, sex, site or ancestry."
    ]


def _with_interval(method: MethodSummary) -> str:
    auc = method.auc
    if auc.low is None or auc.high is None:
        return f"{auc.mean:.2f}"
    return f"{auc.mean:.2f} ({auc.low:.2f} to {auc.high:.2f})"


def _main_against_baselines(methods: list[MethodSummary], main: str | None) -> list[str]:
    """Compare with the best method of another kind: ablations of the main one claim nothing."""
    chosen = next((method for method in methods if method.method == main), None)
    if chosen is None or chosen.auc.mean is None:
        return []
    others = [
        method
        for method in methods
        if method.kind != chosen.kind
        and method.reads != ["covariates"]
        and method.auc.mean is not None
    ]
    if not others:
        return []
    best = max(others, key=lambda method: method.auc.mean or 0.0)
    delta = difference(best, chosen)
    if delta.mean is None or delta.verdict == LOWER:
        return []
    return [
        f"{main} (AUC {chosen.auc.mean:.2f}) does not predict better than"
        f" {best.method} (AUC {best.auc.mean:.2f}) beyond chance in these"
        " folds: its ranking may still be of use, its prediction is no argument for it."
    ]


def _registrations(registration: Registration | None) -> list[str]:
    if not registration:
        return []
    found = []
    n, out = registration.n, registration.n_left_out
    if out > 0.1 * (n + out):
        found.append(
            f"{out} of {n + out} people have an image or measurements that are not used: when so"
            " many scans fail, the cause is rarely the single scan. The reasons are in"
            " imaging/quality.tsv."
        )
    if registration.n_outliers <= 0.1 * n:
        return found
    if registration.dice_median is None:
        return [
            *found,
            f"{registration.n_outliers} of {n} people are flagged as outliers by"
            " their region measurements: look at imaging/quality.tsv before using the regions.",
        ]
    return [
        *found,
        f"{registration.n_outliers} of {n} registrations are flagged as"
        " outliers: look at their pictures before using the regions.",
    ]


def _few_people(groups: list[Row]) -> list[str]:
    if not groups[-1]["n"] or min(group["n"] for group in groups[:2]) >= 30:
        return []
    return ["There are fewer than 30 people in one of the groups: every number here is rough."]
