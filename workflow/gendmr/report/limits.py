"""What was not done, or done differently, and what could have been found at all."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

from gendmr.files.atomic import read_json
from gendmr.report.schema import MethodSummary, StudySummary

STAGES = ("simulate", "genotypes", "annotation", "imaging", "cohort", "training", "ranking")
POWER, LEVEL = 0.8, 0.05
FREQUENCIES = (0.05, 0.1, 0.3, 0.5)


def smallest_effects(groups: list[dict[str, Any]], n_genes: int, n_regions: int) -> dict[str, Any]:
    r"""Return the smallest effects that a test of one SNP or one region finds with power 0.8.

    The expected statistic of a SNP with odds ratio OR and minor allele frequency f among n people,
    a share :math:`\phi` of them cases, is :math:`z = \log(OR)\sqrt{2f(1-f)\,n\,\phi(1-\phi)}`. It
    must reach :math:`z_{1-\alpha/2} + z_{0.8}`, where :math:`\alpha` is 0.05 for one gene or region
    named beforehand and 0.05 / m for any of m. For a region, the difference between the means of
    cases and controls in standard deviations is :math:`z\sqrt{1/n_1 + 1/n_0}`.

    Parameters
    ----------
    groups : list of dict
        Cases and controls, as `gendmr.report.people.analysed` counts them.
    n_genes, n_regions : int
        How many were ranked.
    """
    with_snp = [group["both"] + group["snp_only"] for group in groups]
    with_region = [group["both"] + group["region_only"] for group in groups]
    return {
        "power": POWER,
        "level": LEVEL,
        "snp": _smallest_odds_ratios(with_snp, n_genes) if all(with_snp) else None,
        "region": _smallest_differences(with_region, n_regions) if all(with_region) else None,
    }


def _smallest_odds_ratios(people: list[int], n_genes: int) -> dict[str, Any]:
    cases, controls = people
    information = cases * controls / (cases + controls)
    rows = [
        {
            "what": what,
            "odds_ratios": [
                round(math.exp(needed / math.sqrt(2 * f * (1 - f) * information)), 4)
                for f in FREQUENCIES
            ],
        }
        for what, needed in _needed("gene", n_genes)
    ]
    return {
        "cases": cases,
        "controls": controls,
        "frequencies": list(FREQUENCIES),
        "rows": rows,
    }


def _smallest_differences(people: list[int], n_regions: int) -> dict[str, Any]:
    cases, controls = people
    rows = [
        {"what": what, "sd": round(needed * math.sqrt(1 / cases + 1 / controls), 4)}
        for what, needed in _needed("region", n_regions)
    ]
    return {"cases": cases, "controls": controls, "rows": rows}


def _needed(what: str, tests: int) -> list[tuple[str, float]]:
    """Return the z that must be expected, for one test and for any of several."""
    normal = NormalDist()
    return [
        (label, normal.inv_cdf(1 - LEVEL / count / 2) + normal.inv_cdf(POWER))
        for label, count in (
            (f"one {what} named beforehand", 1),
            (f"any of {tests} {what}s", tests),
        )
        if count > 0
    ]


def not_done(
    summary: StudySummary, results: Path, *, ranking: str | None = None
) -> list[dict[str, str]]:
    """Return what was not done or done differently: notes of all stages, and of the report.

    `ranking` is what the report itself has to say of the ranking.
    """
    notes = [{"stage": "ranking", "note": ranking}] if ranking else []
    if summary.genes and not summary.genes.p_values:
        notes.append(
            {
                "stage": "ranking",
                "note": "P-values were not computed: no null (fits with shuffled diagnoses) was"
                " run. A high rank alone is no evidence; look at the rank interval and the"
                " stability, and at what could have been found at all.",
            }
        )
    registration = summary.registration
    if registration is None:
        notes.append({"stage": "imaging", "note": "No images were analysed: there are no regions."})
    elif registration.dice_median is None:
        notes.append(
            {
                "stage": "imaging",
                "note": "Images were not registered here: measurements of regions were given. How"
                " they were made, and how well, this report cannot say.",
            }
        )
    # Strata limit the permutations only: without a null their notes concern nobody.
    significance = summary.significance
    with_null = significance is not None and significance["null"].get("permutations")
    permuted = [("cohort", "strata.json")] if with_null else []
    for stage, name in (*((stage, "summary.json") for stage in STAGES), *permuted):
        path = results / stage / name
        if path.is_file():
            stored = read_json(path)
            notes += [{"stage": stage, "note": _text(item)} for item in stored.get("notes", [])]
    notes += _notes_of_methods(summary.methods, results)
    synced = results / "tracking" / "synced.json"
    if synced.is_file():
        notes += [{"stage": "tracking", "note": _text(n)} for n in read_json(synced)["notes"]]
    notes += [
        {
            "stage": "cohort",
            "note": f"{item['path']} is not what an earlier run read (SHA-256"
            f" {item['before'][:12]}… then, {item['after'][:12]}… in the next run): what follows"
            " from it was made again.",
        }
        for item in (summary.given or {}).get("earlier", [])
    ]
    unique: list[dict[str, str]] = []
    for note in notes:
        if note not in unique:
            unique.append(note)
    return unique


def _notes_of_methods(methods: list[MethodSummary], results: Path) -> list[dict[str, str]]:
    """Return each note of training and ranking once, with the methods and folds that left it."""
    trained: dict[str, dict[str, list[str]]] = {}
    ranked: dict[str, list[str]] = {}
    for method in methods:
        for item in method.notes:
            folds = f"{item['folds']} of {item['of']} folds"
            trained.setdefault(item["note"], {}).setdefault(folds, []).append(method.method)
        path = results / "ranking" / method.method / "summary.json"
        for item in read_json(path).get("notes", []) if path.is_file() else []:
            ranked.setdefault(_text(item), []).append(method.method)
    found = [
        {
            "stage": "training",
            "note": text,
            "where": "; ".join(
                f"{_named(names, methods)}: {folds}" for folds, names in by_folds.items()
            ),
        }
        for text, by_folds in trained.items()
    ]
    return found + [
        {"stage": "ranking", "note": text, "where": ", ".join(names)}
        for text, names in ranked.items()
    ]


def _named(names: list[str], methods: list[MethodSummary]) -> str:
    return "all methods" if 1 < len(names) == len(methods) else ", ".join(names)


def _text(item: Any) -> str:
    if isinstance(item, dict):
        return "; ".join(f"{key}: {value}" for key, value in sorted(item.items()))
    return str(item)
