"""What was read as genotypes: sets, their builds, and whether sex was checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gendmr.errors import plural
from gendmr.files.atomic import read_json


def genotype_sets(results: Path) -> dict[str, Any] | None:
    """Summarise ``genotypes/summary.json`` for the page; None where there is none.

    Returns
    -------
    dict or None
        ``build``; ``sets`` (name, people, variants, declared build, found build, shares of
        reference SNPs at the position of each build); ``sex`` (a sentence); ``pairs`` (kin by
        relation).
    """
    path = results / "genotypes" / "summary.json"
    if not path.is_file():
        return None
    summary = read_json(path)
    sets = []
    for item in summary.get("inputs", []):
        build = item.get("build") or {}
        sets.append(
            {
                "name": item["name"],
                "people": item["people"],
                "variants": item["variants"],
                "declared": build.get("declared"),
                "found": build.get("found"),
                "checked": build.get("variants", 0),
                "shares": list((build.get("shares") or {}).items()),
            }
        )
    return {
        "build": summary["build"],
        "sets": sets,
        "sex": _sex(summary),
        "pairs": summary.get("pairs", {}),
    }


def _sex(summary: dict[str, Any]) -> str:
    unchecked = [note for note in summary["notes"] if note.startswith("sex not checked:")]
    if unchecked:
        return str(unchecked[0][0].upper() + unchecked[0][1:])
    n_wrong = sum(item["removed"] for item in summary["removed"] if item["step"] == "sex")
    return "Sex was checked on chromosome X: " + (
        f"{plural(n_wrong, 'person', 'people')} left for it" if n_wrong else "nobody left for it"
    )
