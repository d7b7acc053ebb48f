"""What was not done, or done differently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.config.modalities import SECTIONS
from gendmr.config.study import DATA_STAGES
from gendmr.files.atomic import read_json
from gendmr.modalities import modality_of, names
from gendmr.report.method_schema import MethodSummary
from gendmr.report.schema import StudySummary
from gendmr.report.significance import any_permuted

STAGES = (*DATA_STAGES, "cohort", "training", "ranking")


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
                "note": f"No p-values of {summary.main}: no null (fits with permuted outcomes) was"
                " run. A high rank alone is no evidence; look at the rank interval and the"
                " stability, and at what could have been found at all.",
            }
        )
    present = [item["name"] for item in summary.people["modalities"]]
    notes += [
        {"stage": "cohort", "note": f"No {modality_of(name).label} were analysed."}
        for name in names()
        if name not in present and SECTIONS[name].customary
    ]
    notes += [
        {
            "stage": "cohort",
            "note": f"{outcome.label}: {outcome.unknown} of {summary.people['n']}"
            " people lack it, and are in no fold of its methods.",
        }
        for outcome in summary.outcomes
        if outcome.unknown
    ]
    notes += [
        {"stage": "training", "note": f"{outcome.label}: no method learns it."}
        for outcome in summary.outcomes
        if outcome.comparison is None
    ]
    notes += [
        {
            "stage": "training",
            "note": f"No {outcome.primary.label} of {outcome.label}: {item['reason']}",
            "where": item["method"],
        }
        for outcome in summary.outcomes
        for item in outcome.unjudged
    ]
    registration = summary.registration
    if registration is not None and registration.dice_median is None:
        notes.append(
            {
                "stage": "imaging",
                "note": "Images were not registered here: measurements of regions were given. How"
                " they were made, and how well, this report cannot say.",
            }
        )
    # Strata limit permutations only: where no method has a null their notes concern nobody.
    with_null = any_permuted(results / "ranking", summary.ranked)
    permuted = [("cohort", "strata.json")] if with_null else []
    files = [(stage, "summary.json") for stage in STAGES]
    for stage, name in (*files, ("cohort", "splits.json"), *permuted):
        path = results / stage / name
        if path.is_file():
            stage_summary = read_json(path)
            notes += [
                {"stage": stage, "note": _text(item)} for item in stage_summary.get("notes", [])
            ]
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


def _notes_of_methods(methods: Sequence[MethodSummary], results: Path) -> list[dict[str, str]]:
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
    training = [
        {
            "stage": "training",
            "note": text,
            "where": "; ".join(
                f"{_method_names(names, methods)}: {folds}" for folds, names in by_folds.items()
            ),
        }
        for text, by_folds in trained.items()
    ]
    return training + [
        {"stage": "ranking", "note": text, "where": ", ".join(names)}
        for text, names in ranked.items()
    ]


def _method_names(names: list[str], methods: Sequence[MethodSummary]) -> str:
    return "all methods" if 1 < len(names) == len(methods) else ", ".join(names)


def _text(item: Any) -> str:
    if isinstance(item, dict):
        return "; ".join(f"{key}: {value}" for key, value in sorted(item.items()))
    return str(item)
