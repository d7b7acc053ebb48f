"""The APOE region: which methods read it, and what genotypes alone may reach without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gendmr.config.report import ReportSection
from gendmr.files.atomic import read_json
from gendmr.files.intervals import parse_interval
from gendmr.files.tables import Kind, read_table
from gendmr.report.method_schema import MethodSummary
from gendmr.report.sections.genetics import MODALITY

SNPS: dict[str, Kind] = {"chromosome": "text", "position": "integer", "folds": "integer"}
APOE = {
    "GRCh37": "19:44000000-46500000",
    "GRCh38": "19:43500000-46000000",
    "NCBI36": "19:48700000-51200000",
}
# The limit is of an area under the ROC curve: other metrics have none of their own.
LIMITED_METRIC = "auc"


def excluded_intervals(options: Mapping[str, Any]) -> list[str]:
    """Return the genomic intervals that a method does not see, of the options in its run.json."""
    of_snps = (options.get("modalities") or {}).get(MODALITY) or {}
    of_method = options.get("method") or {}
    return list(dict.fromkeys([*of_snps.get("exclude", ()), *of_method.get("exclude", ())]))


def apoe_region(configured: str | None, results: Path) -> str | None:
    """Return the APOE region in the build of the study, or None where the build is not known."""
    if configured is not None:
        return configured
    path = results / "annotation" / "summary.json"
    return APOE.get(str(read_json(path).get("build", ""))) if path.is_file() else None


def reads_region(method: MethodSummary, region: str | None, results: Path) -> bool | None:
    """Return whether a method reads SNPs of a genomic interval; None where nothing tells.

    It does not where its option `exclude` covers the interval, or where none of the SNPs with a
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


def snps_predict_too_well(
    methods: Sequence[MethodSummary], options: ReportSection, results: Path
) -> tuple[list[str], list[str]]:
    """Return likely leaks, and milder notes that name APOE, of methods that read SNPs only."""
    limit = options.snp_auc_limit
    region = apoe_region(options.apoe_region, results)
    leaks, milder = [], []
    for method in methods:
        pooled = method.estimate.pooled
        if method.reads != [MODALITY] or method.primary.name != LIMITED_METRIC:
            continue
        if pooled is None or pooled <= limit:
            continue
        reached = f"reaches a pooled {method.primary.label} of {pooled:.2f}, above {limit:.2f}"
        name = method.method
        reads_apoe = reads_region(method, region, results)
        if reads_apoe:
            milder.append(
                f"{name} reads SNPs only, those of the APOE region ({region}) among them, and"
                f" {reached}. APOE may be the cause: add the same method with `exclude: [{region}]`"
                " to tell it from a leak."
            )
            continue
        without = (
            f"none of the APOE region ({region})"
            if reads_apoe is False
            else "whether of the APOE region too is not known"
        )
        leaks.append(
            f"Likely leak: {name} reads SNPs only, {without}, and {reached}. Real genotypes of a"
            " common disease seldom do: look for SNPs chosen on everybody, relatives in different"
            " folds, cases and controls genotyped apart."
        )
    return leaks, milder
