"""The page: one HTML file that needs no other file and no network; every value is escaped."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gendmr.config.methods import parse_interval
from gendmr.report.texts import STYLE, TEMPLATE

PICTURE_WIDTH = 760  # pixels; registration pictures are made for a closer look than this page needs


def render(results: Path, summary: dict[str, Any], registrations: int) -> str:
    """Return the page.

    Parameters
    ----------
    results : Path
        ``results/<study>``; figures that are not there are left out.
    summary : dict
        What `gendmr.report.summary.summarise` returns.
    registrations : int
        Number of registration pictures: flagged ones first, then lowest overlap first.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        number=number,
        interval=interval,
        signed=signed,
        plural=plural,
        years=years,
        odds=odds,
        percent=percent,
        known=known,
        stretch=stretch,
    )
    main = summary["main"] or ""
    figures = {
        "flow": results / "cohort/figures/flow.png",
        "comparison": results / "report/figures/comparison.png",
        "roc": results / "report/figures/roc.png",
        "calibration": results / "report/figures/calibration.png",
        "qq": results / "ranking" / main / "figures/qq.png",
        "enrichment": results / "ranking" / main / "figures/enrichment.png",
        "genome": results / "ranking" / main / "figures/genome.png",
        "stability": results / "ranking" / main / "figures/stability.png",
        "brain": results / "ranking" / main / "figures/brain.png",
        "quality": results / "imaging/figures/quality.png",
    }
    uris = {name: data_uri(path) for name, path in figures.items()}
    if summary["regions"] is None:
        uris["brain"] = None
    if not (summary["genes"] and summary["genes"]["p_values"]):
        uris["qq"] = None
    pictures = []
    registered = summary["registration"]
    if registered:
        flagged = {row["participant_id"] for row in registered["outliers"]}
        for who in registered["pictured"][:registrations]:
            uri = picture(results / "imaging", who)
            if uri:
                pictures.append({"who": who, "uri": uri, "flagged": who in flagged})
    by_name = {item["method"]: item for item in summary["methods"]}
    return environment.from_string(TEMPLATE).render(
        s=summary,
        style=STYLE,
        figures=uris,
        pictures=pictures,
        ordered=[by_name[name] for name in summary["comparison"]["order"]],
        patterns=patterns(summary["methods"]),
        leaders=[
            {
                "method": item["method"],
                "uri": data_uri(results / "report/figures" / f"leaders-{item['method']}.png"),
                "shown": item["method"] == main or len(summary["leaders"]) == 1,
            }
            for item in summary["leaders"]
        ],
        notes=alike(summary["not_done"]),
    )


def patterns(methods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what may be known of a person, most first, with the largest counts of a method."""
    found: dict[str, dict[str, Any]] = {}
    for method in methods:
        for row in method["by_modality"]:
            held = found.setdefault(row["modalities"], row)
            if row["n"] > held["n"]:
                found[row["modalities"]] = row
    return sorted(found.values(), key=lambda row: (-row["modalities"].count("+"), -row["n"]))


def alike(notes: Sequence[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Group notes of a stage that differ in their numbers only, in the order of the first ones."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for note in notes:
        words = re.sub(r"\d+(\.\d+)?", "#", note["note"])
        groups.setdefault((note["stage"], words), []).append(note)
    return list(groups.values())


def data_uri(path: Path) -> str | None:
    """Return a PNG as a data URI, or None where there is no file."""
    if not path.is_file():
        return None
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def picture(imaging: Path, participant: str) -> str | None:
    """Return a participant's registration picture, made smaller, as a data URI."""
    from PIL import Image

    for name in (participant, f"sub-{participant}", participant.removeprefix("sub-")):
        path = imaging / name / "registration.png"
        if path.is_file():
            with Image.open(path) as opened:
                small = opened.convert("RGB")
            small.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=80)
            return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return None


def number(value: float | None, digits: int = 2) -> str:
    """Return a number for people; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def signed(value: float | None, digits: int = 2) -> str:
    """Return a number with its sign."""
    if value is None:
        return "–"
    text = number(value, digits)
    return text if text.startswith("−") or not float(text) else f"+{text}"


def interval(values: dict[str, Any], low: str = "low", high: str = "high", digits: int = 2) -> str:
    """Return `low to high`, or nothing where there is no interval."""
    if values.get(low) is None or values.get(high) is None:
        return ""
    return f"{number(values[low], digits)} to {number(values[high], digits)}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return `1 person`, `2 people`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def years(group: dict[str, Any]) -> str:
    """Return age as mean ± SD (range)."""
    if group["age_mean"] is None:
        return "–"
    spread = "" if group["age_sd"] is None else f" ± {group['age_sd']:.1f}"
    return f"{group['age_mean']:.1f}{spread} ({group['age_min']:.0f}–{group['age_max']:.0f})"


def odds(value: float) -> str:
    """Return an odds ratio; beyond 10 its size is no longer of use."""
    return "> 10" if value > 10 else f"{value:.2f}"


def percent(share: float | None) -> str:
    """Return a share in percent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def known(pattern: str) -> str:
    """Return what is known of a person, in words: `snp+region` is genotypes and images."""
    words = {"snp": "genotypes", "region": "images", "none": "neither genotypes nor images"}
    parts = pattern.split("+")
    named = " and ".join(words.get(part, part) for part in parts)
    return f"{named} only" if len(parts) == 1 and pattern != "none" else named


def stretch(interval: str) -> str:
    """Return a stretch of the genome in megabases: `19:44000000-46500000` is chr19 44–46.5 Mb."""
    chromosome, first, last = parse_interval(interval)
    return f"chr{chromosome} {first / 1e6:g}–{last / 1e6:g} Mb"
