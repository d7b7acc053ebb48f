"""What to worry about, what was not done, and what could have been found at all."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

from gendmr.files.atomic import read_json
from gendmr.report.performance import difference

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


def warnings(summary: dict[str, Any], snp_auc_limit: float) -> list[str]:
    """Return what a reader must know before believing a number, worst first."""
    found: list[str] = []
    methods = summary["methods"]
    truth = summary["truth"]
    for method in methods:
        auc = method["metrics"].get("auc", {})
        mean = auc.get("mean")
        if mean is None:
            found.append(
                f"{method['method']}: no AUC could be computed; a fold has cases or controls only."
            )
            continue
        if method["modalities"] == ["snp"] and mean > snp_auc_limit:
            found.append(
                f"{method['method']} sees genotypes only and reaches an AUC of {mean:.2f}, above"
                f" {snp_auc_limit:.2f}. Real genotypes of a common disease seldom do: look for a"
                " leak (SNPs chosen on everybody, relatives in different folds, cases and controls"
                " genotyped apart)."
            )
        if truth and truth["null"] and abs(mean - 0.5) > 0.05:
            found.append(
                f"{method['method']}: nothing was planted in this null simulation, and the AUC is"
                f" {mean:.2f}, outside 0.45 to 0.55: a leak, or very few people."
            )
        if method["modalities"] == ["covariates"] and mean > 0.65:
            found.append(
                f"Covariates alone ({method['method']}) predict the diagnosis with an AUC of"
                f" {mean:.2f}: cases and controls differ in age, sex, site or ancestry, and other"
                " methods may be reading that."
            )
    found += _main_against_baselines(methods, summary["main"])
    registration = summary["registration"]
    if registration and registration["n"] and registration["n_outliers"] / registration["n"] > 0.1:
        found.append(
            f"{registration['n_outliers']} of {registration['n']} registrations are flagged as"
            " outliers: look at their pictures before using the regions."
        )
    everybody = summary["people"]["groups"][-1]
    if everybody["n"] and min(group["n"] for group in summary["people"]["groups"][:2]) < 30:
        found.append(
            "There are fewer than 30 people in one of the groups: every number here is rough."
        )
    return found


def not_done(summary: dict[str, Any], results: Path) -> list[dict[str, str]]:
    """Return what was not done or done differently: notes of all stages, and of the report."""
    notes: list[dict[str, str]] = []
    genes = summary["genes"]
    if genes and not genes["p_values"]:
        notes.append(
            {
                "stage": "ranking",
                "note": "P-values were not computed: no null (fits with shuffled diagnoses) was"
                " run. A high rank alone is no evidence; look at the rank interval and the"
                " stability, and at what could have been found at all.",
            }
        )
    if summary["registration"] is None:
        notes.append({"stage": "imaging", "note": "No images were analysed: there are no regions."})
    for stage in STAGES:
        path = results / stage / "summary.json"
        if path.is_file():
            stored = read_json(path)
            notes += [{"stage": stage, "note": _text(item)} for item in stored.get("notes", [])]
    by_text: dict[tuple[str, str], list[str]] = {}
    for method in summary["methods"]:
        for item in method["notes"]:
            folds = (
                "" if item["folds"] == item["of"] else f" ({item['folds']} of {item['of']} folds)"
            )
            by_text.setdefault(("training", item["note"]), []).append(method["method"] + folds)
        path = results / "ranking" / method["method"] / "summary.json"
        for item in read_json(path).get("notes", []) if path.is_file() else []:
            by_text.setdefault(("ranking", _text(item)), []).append(method["method"])
    notes += [
        {"stage": stage, "note": f"{', '.join(names)}: {text}"}
        for (stage, text), names in by_text.items()
    ]
    synced = results / "tracking" / "synced.json"
    if synced.is_file():
        notes += [{"stage": "tracking", "note": _text(n)} for n in read_json(synced)["notes"]]
    unique: list[dict[str, str]] = []
    for note in notes:
        if note not in unique:
            unique.append(note)
    return unique


def _main_against_baselines(methods: list[dict[str, Any]], main: str | None) -> list[str]:
    chosen = next((method for method in methods if method["method"] == main), None)
    others = [
        method
        for method in methods
        if method["method"] != main and method["metrics"].get("auc", {}).get("mean") is not None
    ]
    if chosen is None or not others or chosen["metrics"].get("auc", {}).get("mean") is None:
        return []
    best = max(others, key=lambda method: method["metrics"]["auc"]["mean"])
    if chosen["kind"] == best["kind"]:
        return []  # two baselines: neither claims anything
    delta = difference(chosen, best)
    if delta["mean"] is None or (delta["low"] is not None and delta["low"] > 0):
        return []
    return [
        f"{main} (AUC {chosen['metrics']['auc']['mean']:.2f}) does not predict better than"
        f" {best['method']} (AUC {best['metrics']['auc']['mean']:.2f}) beyond chance in these"
        " folds: its ranking may still be of use, its prediction is no argument for it."
    ]


def _text(item: Any) -> str:
    if isinstance(item, dict):
        return "; ".join(f"{key}: {value}" for key, value in sorted(item.items()))
    return str(item)
